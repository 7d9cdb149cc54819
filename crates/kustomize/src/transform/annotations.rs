//! `commonAnnotations`

use super::{failed, insert_all, visit_fields};
use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::Shape;
use crate::kustomization::Kustomization;
use crate::resources::Resources;

/// Adds `commonAnnotations` to objects and pod templates (kustomize's `AnnotationsTransformer`).
pub(super) fn add_annotations(
    kustomization: &Kustomization,
    configuration: &Configuration,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    let annotations = &kustomization.common_annotations;
    if annotations.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        visit_fields(
            resource,
            &configuration.annotations,
            Shape::Map,
            &mut |map, path| insert_all(map, path, annotations),
        )
        .map_err(|problem| failed(kustomization, "commonAnnotations", resource, problem))?;
    }
    Ok(())
}
