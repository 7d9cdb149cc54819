//! `namespace`

use manifest_yaml::Value;

use super::{failed, replace_scalar, visit_fields};
use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::{FieldProblem, FieldSpec, Missing, Shape};
use crate::kustomization::Kustomization;
use crate::resource::{KindSelector, Resource};
use crate::resources::Resources;

/// Kinds whose subjects called `default` are the service account of the namespace.
const ROLE_BINDINGS: [&str; 2] = ["RoleBinding", "ClusterRoleBinding"];

/// Sets the namespace of every object that can have one, the name of Namespaces themselves, and the fields that say
/// where something is (kustomize's `NamespaceTransformer` and filters/namespace/namespace.go).
pub(super) fn set_namespace(
    kustomization: &Kustomization,
    configuration: &Configuration,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    let namespace = kustomization.namespace.as_str();
    if namespace.is_empty() {
        return Ok(());
    }
    for index in 0..resources.len() {
        let Some(resource) = resources.get_mut(index) else {
            continue;
        };
        resource.remember_id();
        set(resource, namespace, &configuration.namespace)
            .map_err(|problem| failed(kustomization, "namespace", resource, problem))?;
        let id = resource.id();
        if resources.count(&id) != 1 {
            return Err(BuildError::Collision {
                file: kustomization.file.clone(),
                field: "namespace",
                object: id.to_string(),
            });
        }
    }
    Ok(())
}

fn set(resource: &mut Resource, namespace: &str, specs: &[FieldSpec]) -> Result<(), FieldProblem> {
    if !resource.is_cluster_scoped() {
        let own = [FieldSpec::new(
            KindSelector::default(),
            "metadata/namespace",
            Missing::Create,
        )];
        visit_fields(resource, &own, Shape::Scalar, &mut |field, path| {
            replace_scalar(field, path, namespace.into())
        })?;
    }
    if ROLE_BINDINGS.contains(&resource.kind()) {
        set_default_subjects(resource, namespace)?;
    }
    // A Namespace of another API is not the namespace that the objects are in.
    let is_core = resource.api_version() == "v1";
    let applies = |spec: &&FieldSpec| is_core || spec.path != "metadata/name";
    let specs: Vec<FieldSpec> = specs.iter().filter(applies).cloned().collect();
    visit_fields(resource, &specs, Shape::Scalar, &mut |field, path| {
        replace_scalar(field, path, namespace.into())
    })
}

fn set_default_subjects(resource: &mut Resource, namespace: &str) -> Result<(), FieldProblem> {
    let subjects = match resource.value_mut().get_mut("subjects") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Sequence(subjects)) => subjects,
        Some(other) => return Err(FieldProblem::type_error("subjects", "a list", other)),
    };
    for (index, subject) in subjects.iter_mut().enumerate() {
        let Value::Mapping(subject) = subject else {
            return Err(FieldProblem::type_error(
                &format!("subjects.{index}"),
                "a map",
                subject,
            ));
        };
        match subject.get("name") {
            Some(Value::String(name)) if name == "default" => {
                let field = subject.get_or_insert_with("namespace", || Value::Null);
                replace_scalar(field, &format!("subjects.{index}.namespace"), namespace.into())?;
            }
            None | Some(Value::Null | Value::String(_)) => {}
            Some(other) => {
                return Err(FieldProblem::type_error(
                    &format!("subjects.{index}.name"),
                    "a string",
                    other,
                ));
            }
        }
    }
    Ok(())
}
