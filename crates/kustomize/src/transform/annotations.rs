//! `commonAnnotations`

use super::{Entries, Place, insert_all, visit_fields};
use crate::BuildError;
use crate::field_spec::Shape;
use crate::resources::Resources;

/// Adds annotations to objects and pod templates (kustomize's `AnnotationsTransformer`).
pub(super) fn add_annotations(
    Entries { entries, specs }: &Entries<'_>,
    place: &Place,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    for resource in resources.iter_mut() {
        visit_fields(resource, specs, Shape::Map, &mut |map, path| {
            insert_all(map, path, entries)
        })
        .map_err(|problem| place.failed(resource, problem))?;
    }
    Ok(())
}
