//! The transformers: what a kustomization does to the objects it has accumulated.

mod annotations;
mod images;
mod labels;
mod name;
mod name_reference;
mod namespace;
mod replicas;

pub(crate) use name_reference::follow_renames;

use manifest_yaml::Value;

use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::{FieldProblem, FieldSpec, Set, Shape};
use crate::kustomization::Kustomization;
use crate::resource::Resource;
use crate::resources::Resources;

/// Runs the transformers of a kustomization in kustomize's order (`configureBuiltinTransformers` of its
/// `kusttarget_configplugin.go`).
pub(crate) fn transform(
    kustomization: &Kustomization,
    configuration: &Configuration,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    namespace::set_namespace(kustomization, configuration, resources)?;
    name::add_prefix(kustomization, resources);
    name::add_suffix(kustomization, resources);
    labels::add_labels(kustomization, configuration, resources)?;
    annotations::add_annotations(kustomization, configuration, resources)?;
    replicas::set_replicas(kustomization, configuration, resources)?;
    images::set_images(kustomization, configuration, resources)
}

/// Runs `set` on the fields of an object that some specs lead to.
fn visit_fields(
    resource: &mut Resource,
    specs: &[FieldSpec],
    shape: Shape,
    set: &mut Set<'_>,
) -> Result<(), FieldProblem> {
    let id = resource.id();
    specs
        .iter()
        .filter(|spec| spec.kinds.selects(&id))
        .try_for_each(|spec| spec.visit(resource.value_mut(), shape, set))
}

/// Puts entries into a map; into a `null` that nobody asked to replace goes nothing.
fn insert_all(field: &mut Value, path: &str, entries: &[(String, String)]) -> Result<(), FieldProblem> {
    match field {
        Value::Null => Ok(()),
        Value::Mapping(map) => {
            for (key, value) in entries {
                map.insert(key.as_str(), value.as_str().into());
            }
            Ok(())
        }
        other => Err(FieldProblem::type_error(path, "a map", other)),
    }
}

/// Replaces a scalar.
fn replace_scalar(field: &mut Value, path: &str, scalar: Value) -> Result<(), FieldProblem> {
    match field {
        Value::Mapping(_) | Value::Sequence(_) => Err(FieldProblem::type_error(path, "a scalar", field)),
        _ => {
            *field = scalar;
            Ok(())
        }
    }
}

/// The error of a transformation, with the object it could not work on.
fn failed(
    kustomization: &Kustomization,
    field: &str,
    resource: &Resource,
    problem: FieldProblem,
) -> BuildError {
    BuildError::Transformation {
        file: kustomization.file.clone(),
        transformation: field.to_owned(),
        object: resource.id().to_string(),
        path: problem.path,
        problem: problem.problem,
    }
}
