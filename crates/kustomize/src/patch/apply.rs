//! Patches put to use.

use super::strategic::{Aim, StrategicPatch};
use super::{Content, Form, Patch, refuse};
use crate::BuildError;
use crate::resource::{Id, Resource};
use crate::resources::Resources;
use crate::selector::Selector;
use crate::transform::Place;

/// Applies patches to the objects they are for (kustomize's `PatchTransformer` and its two predecessors). That no object is
/// selected is no error; that none is named is one.
pub(crate) fn apply(patch: &Patch, place: &Place, resources: &mut Resources) -> Result<(), BuildError> {
    match (&patch.content, &patch.target) {
        (Content::Json(operations), target) => {
            let selected = target
                .as_ref()
                .map(|target| select(target, resources))
                .unwrap_or_default();
            each(resources, &selected, place, |resource| {
                if patch.form == Form::Any {
                    resource.remember_id();
                }
                if resource.remembers() {
                    resource.ensure_annotations();
                }
                operations
                    .apply(resource.value_mut())
                    .map_err(|problem| place.failed(resource, problem))
            })
        }
        (Content::Strategic(patches), Some(target)) => {
            let selected = select(target, resources);
            patches.iter().try_for_each(|one| {
                each(resources, &selected, place, |resource| {
                    one.apply(resource, Aim::Selected, &patch.schemas, place)
                })
            })
        }
        (Content::Strategic(patches), None) => {
            // kustomize's older transformer treats what a patch names as if it were selected.
            let aim = match patch.form {
                Form::Strategic => Aim::Selected,
                Form::Any | Form::Json => Aim::Own,
            };
            patches.iter().try_for_each(|one| {
                let named = named(one, place, resources)?;
                each(resources, &[named], place, |resource| {
                    one.apply(resource, aim, &patch.schemas, place)
                })
            })
        }
    }
}

/// The objects that a selector selects, by what they are called or were called at first (`Select` of kustomize's
/// reswrangler.go).
fn select(selector: &Selector, resources: &Resources) -> Vec<usize> {
    let is_selected = |resource: &Resource| {
        let (id, original) = (resource.id(), resource.original_id());
        let either = |holds: &dyn Fn(&Id) -> bool| holds(&original) || holds(&id);
        either(&|id| selector.selects_namespace(id.namespace.as_deref().unwrap_or(Id::NO_NAMESPACE)))
            && either(&|id| selector.selects_name(&id.name))
            && selector.selects_kind(&id)
            && selector.selects_metadata(resource)
    };
    resources
        .iter()
        .enumerate()
        .filter(|(_, resource)| is_selected(resource))
        .map(|(index, _)| index)
        .collect()
}

/// The one object that is or was called what a patch names.
fn named(patch: &StrategicPatch, place: &Place, resources: &Resources) -> Result<usize, BuildError> {
    let mut matches = resources
        .iter()
        .enumerate()
        .filter(|(_, resource)| resource.was_called(&patch.id))
        .map(|(index, _)| index);
    match (matches.next(), matches.next()) {
        (Some(index), None) => Ok(index),
        (None, _) => Err(refuse(
            &place.file,
            &place.field,
            format!("there is no object {} to patch", patch.id),
        )),
        (Some(_), Some(_)) => Err(refuse(
            &place.file,
            &place.field,
            format!("several objects are or were called {}", patch.id),
        )),
    }
}

/// Patches objects, drops those that are deleted, and checks the others.
fn each(
    resources: &mut Resources,
    selected: &[usize],
    place: &Place,
    mut patch: impl FnMut(&mut Resource) -> Result<(), BuildError>,
) -> Result<(), BuildError> {
    let mut renamed = Vec::new();
    for index in selected {
        let Some(resource) = resources.get_mut(*index) else {
            continue;
        };
        let before = resource.id();
        patch(resource)?;
        if resource.is_deleted() {
            continue;
        }
        resource
            .check_patched()
            .map_err(|(path, problem)| BuildError::Transformation {
                file: place.file.clone(),
                transformation: place.field.clone(),
                object: before.to_string(),
                path,
                problem: problem.to_owned(),
            })?;
        let after = resource.id();
        if after != before {
            renamed.push(after);
        }
    }
    resources.drop_deleted();
    match renamed.iter().find(|id| resources.count(id) > 1) {
        None => Ok(()),
        Some(id) => Err(BuildError::Collision {
            file: place.file.clone(),
            field: place.field.clone(),
            object: id.to_string(),
        }),
    }
}
