//! `vars`: values of objects that stand for `$(NAME)` in the fields of others.

mod expand;

use manifest_yaml::Value;

use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_path::{self, Part};
use crate::field_spec::{FieldProblem, Shape};
use crate::kustomization::Fields;
use crate::resource::{Id, KindSelector, Resource};
use crate::resources::Resources;
use crate::scalar::is_text;
use expand::expand;

/// The field that is meant where none is named.
const DEFAULT_PATH: &str = "metadata.name";

/// The namespace of namespaced objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// An entry of `vars`.
#[derive(Debug, Clone)]
pub(crate) struct Var {
    name: String,
    kind: KindSelector,
    /// What the object is called.
    object: String,
    /// Empty if any will do.
    namespace: String,
    path: String,
    parts: Vec<Part>,
    /// The file and field of the entry.
    file: String,
    field: String,
}

/// Takes the entries of `vars`.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Vec<Var>, BuildError> {
    let mut vars = Vec::new();
    for mut entry in fields.maps("vars")? {
        let name = entry.string("name")?.unwrap_or_default();
        let Some(mut object) = entry.map("objref")? else {
            return Err(entry.value_error("objref", "is missing"));
        };
        let mut part = |field| object.string(field).map(Option::unwrap_or_default);
        let mut kind = KindSelector {
            group: part("group")?,
            version: part("version")?,
            kind: part("kind")?,
        };
        let api_version = part("apiVersion")?;
        match api_version.split_once('/') {
            Some((group, version)) => {
                group.clone_into(&mut kind.group);
                version.clone_into(&mut kind.version);
            }
            None if !api_version.is_empty() => kind.version = api_version,
            None => {}
        }
        let object_name = part("name")?;
        let namespace = part("namespace")?;
        object.finish()?;
        let path = match entry.map("fieldref")? {
            None => String::new(),
            Some(mut field) => {
                let path = field.string("fieldPath")?.unwrap_or_default();
                field.finish()?;
                path
            }
        };
        let path = match path.as_str() {
            "" => DEFAULT_PATH.to_owned(),
            _ => path,
        };
        let parts = field_path::parse_with_subscripts(&path)
            .map_err(|problem| entry.value_error("fieldref.fieldPath", problem))?;
        let (file, field) = entry.place();
        entry.finish()?;
        vars.push(Var {
            name,
            kind,
            object: object_name,
            namespace,
            path,
            parts,
            file,
            field,
        });
    }
    Ok(vars)
}

impl Var {
    fn error(&self, problem: String) -> BuildError {
        BuildError::FieldValue {
            file: self.file.clone(),
            field: self.field.clone(),
            problem,
        }
    }

    /// Whether an id is the one that the entry names (`MergeVars` of kustomize's resaccumulator.go).
    fn means(&self, id: &Id) -> bool {
        let namespace = match self.namespace.as_str() {
            "" => None,
            given => Some(given),
        };
        let same_kind =
            id.group == self.kind.group && id.version == self.kind.version && id.kind == self.kind.kind;
        same_kind
            && id.name == self.object
            && namespace.is_none_or(|namespace| id.namespace.as_deref() == Some(namespace))
    }

    fn means_object(&self, resource: &Resource) -> bool {
        self.means(&resource.id()) || resource.previous.iter().any(|id| self.means(id))
    }
}

/// The vars of a kustomization and its bases, each name once.
#[derive(Default)]
pub(crate) struct Vars(Vec<Var>);

impl Vars {
    /// Adds the vars of a kustomization, and marks the objects that they name.
    pub(crate) fn declare(&mut self, vars: &[Var], resources: &mut Resources) -> Result<(), BuildError> {
        for var in vars {
            let mut meant = resources.iter_mut().filter(|resource| var.means_object(resource));
            if let Some(object) = meant.next() {
                if let Some(other) = meant.next() {
                    return Err(var.error(format!("could mean several objects, {} among them", other.id())));
                }
                object.variables.push(var.name.clone());
            }
            self.add(var.clone())?;
        }
        Ok(())
    }

    /// Adds those of a base.
    pub(crate) fn merge(&mut self, other: Self) -> Result<(), BuildError> {
        other.0.into_iter().try_for_each(|var| self.add(var))
    }

    fn add(&mut self, var: Var) -> Result<(), BuildError> {
        if let Some(other) = self.0.iter().find(|other| other.name == var.name) {
            return Err(var.error(format!(
                "has the name {}, as {} of {} has",
                var.name, other.field, other.file
            )));
        }
        self.0.push(var);
        Ok(())
    }

    /// Writes the values into every field in which vars may stand (`ResolveVars`).
    pub(crate) fn resolve(
        &self,
        configuration: &Configuration,
        resources: &mut Resources,
    ) -> Result<(), BuildError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut values = Vec::new();
        for var in &self.0 {
            values.push((var.name.as_str(), var.value(resources)?));
        }
        for resource in resources.iter_mut() {
            for spec in &configuration.var_references {
                if !spec.kinds.selects(&resource.id()) {
                    continue;
                }
                spec.visit(resource.value_mut(), Shape::Never, &mut |field, path| {
                    substitute(field, path, &values)
                })
                .map_err(|problem| BuildError::Reference {
                    object: resource.id().to_string(),
                    path: problem.path,
                    problem: problem.problem,
                })?;
            }
            resource
                .check_identity()
                .map_err(|(path, problem)| BuildError::Reference {
                    object: resource.id().to_string(),
                    path: path.to_owned(),
                    problem: problem.to_owned(),
                })?;
        }
        Ok(())
    }
}

impl Var {
    /// The value of the field that the var names; a map or a list is none.
    fn value(&self, resources: &Resources) -> Result<Value, BuildError> {
        let object = resources
            .iter()
            .find(|resource| resource.variables.contains(&self.name))
            .ok_or_else(|| {
                let namespace = match self.namespace.as_str() {
                    "" => DEFAULT_NAMESPACE,
                    given => given,
                };
                self.error(format!(
                    "names {} {} in {namespace}, and there is no such object",
                    self.kind.kind, self.object
                ))
            })?;
        let found = field_path::lookup(object.value(), &self.parts)
            .map_err(|problem| self.error(format!("has the fieldPath {}, which {problem}", self.path)))?;
        match found {
            None | Some(Value::Null) => {
                Err(self.error(format!("finds nothing at {} of {}", self.path, object.id())))
            }
            Some(Value::Sequence(_) | Value::Mapping(_)) => {
                Err(self.error(format!("finds no scalar at {} of {}", self.path, object.id())))
            }
            Some(value) => Ok(value.share()),
        }
    }
}

/// Expands the texts of a field: itself, or the values of a map, or the items of a list (kustomize's
/// filters/refvar/refvar.go).
fn substitute(field: &mut Value, path: &str, values: &[(&str, Value)]) -> Result<(), FieldProblem> {
    match field {
        Value::Mapping(map) => map
            .iter_mut()
            .try_for_each(|(key, value)| substitute_scalar(value, &format!("{path}.{key}"), values)),
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let path = format!("{path}.{index}");
                if !is_text(item) {
                    return Err(FieldProblem::type_error(&path, "a string", item));
                }
                substitute_scalar(item, &path, values)?;
            }
            Ok(())
        }
        scalar => substitute_scalar(scalar, path, values),
    }
}

fn substitute_scalar(field: &mut Value, path: &str, values: &[(&str, Value)]) -> Result<(), FieldProblem> {
    if let Some(expanded) = expand(field, values).map_err(|problem| FieldProblem::new(path, problem))? {
        *field = expanded;
    }
    Ok(())
}
