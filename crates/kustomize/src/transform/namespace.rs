//! `namespace`

use std::borrow::Cow;

use manifest_yaml::Value;

use super::{Place, Specs, replace_scalar, visit_fields};
use crate::BuildError;
use crate::field_spec::{FieldProblem, FieldSpec, Missing, Shape};
use crate::resource::{KindSelector, Resource};
use crate::resources::Resources;

/// Kinds with subjects that are service accounts.
const ROLE_BINDINGS: [&str; 2] = ["RoleBinding", "ClusterRoleBinding"];

/// Fields that are taken care of by themselves, whatever the field specs say of them.
const OWN_NAMESPACE: &str = "metadata/namespace";
const OWN_NAME: &str = "metadata/name";
const SUBJECTS: &str = "subjects/namespace";

/// The namespace that objects are put in.
pub(crate) struct Namespace<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) specs: Specs<'a>,
    pub(crate) overwrite: Overwrite,
    pub(crate) subjects: Subjects,
}

/// What to do where an object says its namespace.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Overwrite {
    /// Replace it.
    Always,
    /// Leave it (`unsetOnly`).
    IfEmpty,
}

/// Which subjects of role bindings are moved along (`setRoleBindingSubjects`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subjects {
    /// Those called `default`: the service account that every namespace has.
    Default,
    /// Every service account.
    AllServiceAccounts,
    /// None.
    None,
}

/// Sets the namespace of every object that can have one, the name of Namespaces themselves, and the fields that say
/// where something is (kustomize's `NamespaceTransformer` and filters/namespace/namespace.go).
pub(super) fn set_namespace(
    namespace: &Namespace<'_>,
    place: &Place,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    if namespace.name.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        resource.remember_id();
        namespace
            .set(resource)
            .map_err(|problem| place.failed(resource, problem))?;
    }
    match resources.shared_id() {
        None => Ok(()),
        Some(id) => Err(BuildError::Collision {
            file: place.file.clone(),
            field: place.field.clone(),
            object: id.to_string(),
        }),
    }
}

impl Namespace<'_> {
    fn set(&self, resource: &mut Resource) -> Result<(), FieldProblem> {
        if !resource.is_cluster_scoped() {
            let own = [FieldSpec::new(
                KindSelector::default(),
                OWN_NAMESPACE,
                Missing::Create,
            )];
            visit_fields(resource, &own, Shape::Scalar, &mut |field, path| {
                self.write(field, path)
            })?;
        }
        let is_role_binding = ROLE_BINDINGS.contains(&resource.kind());
        if is_role_binding {
            self.set_subjects(resource)?;
        }
        // A Namespace of another API is not the namespace that the objects are in.
        let is_core = resource.api_version() == "v1";
        let applies = |spec: &&FieldSpec| match spec.path.as_str() {
            OWN_NAMESPACE => false,
            OWN_NAME => is_core,
            SUBJECTS if is_role_binding => !ROLE_BINDINGS.contains(&spec.kinds.kind.as_str()),
            _ => true,
        };
        let specs: Vec<FieldSpec> = self.specs.iter().filter(applies).cloned().collect();
        visit_fields(resource, &specs, Shape::Scalar, &mut |field, path| {
            self.write(field, path)
        })
    }

    fn write(&self, field: &mut Value, path: &str) -> Result<(), FieldProblem> {
        let is_empty = match field {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if self.overwrite == Overwrite::IfEmpty && !is_empty {
            return Ok(());
        }
        replace_scalar(field, path, self.name.as_ref().into())
    }

    fn set_subjects(&self, resource: &mut Resource) -> Result<(), FieldProblem> {
        let (key, wanted) = match self.subjects {
            Subjects::None => return Ok(()),
            Subjects::Default => ("name", "default"),
            Subjects::AllServiceAccounts => ("kind", "ServiceAccount"),
        };
        let subjects = match resource.value_mut().get_mut("subjects") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Sequence(subjects)) => subjects,
            Some(other) => return Err(FieldProblem::type_error("subjects", "a list", other)),
        };
        for (index, subject) in subjects.iter_mut().enumerate() {
            let path = format!("subjects.{index}");
            let Value::Mapping(subject) = subject else {
                return Err(FieldProblem::type_error(&path, "a map", subject));
            };
            match subject.get(key) {
                Some(Value::String(text)) if text == wanted => {
                    let field = subject.get_or_insert_with("namespace", || Value::Null);
                    self.write(field, &format!("{path}.namespace"))?;
                }
                None | Some(Value::Null | Value::String(_)) => {}
                Some(other) => {
                    return Err(FieldProblem::type_error(
                        &format!("{path}.{key}"),
                        "a string",
                        other,
                    ));
                }
            }
        }
        Ok(())
    }
}
