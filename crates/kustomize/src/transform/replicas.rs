//! `replicas`

use std::borrow::Cow;

use manifest_yaml::Value;

use super::{Place, Specs, replace_scalar};
use crate::BuildError;
use crate::field_spec::Shape;
use crate::kustomization::Replicas;
use crate::resource::Id;
use crate::resources::Resources;

/// How many replicas the workloads of one name have.
pub(crate) struct ReplicaCount<'a> {
    pub(crate) replicas: Cow<'a, Replicas>,
    pub(crate) specs: Specs<'a>,
}

/// Sets the replicas of the workloads that are, or were, called as an entry says (kustomize's
/// `ReplicaCountTransformer`).
pub(super) fn set_replicas(
    ReplicaCount { replicas, specs }: &ReplicaCount<'_>,
    place: &Place,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    let mut found = false;
    for resource in resources.iter_mut() {
        for spec in specs.iter() {
            let id = resource.id();
            let is_meant = |id: &Id| id.name == replicas.name && spec.kinds.selects(id);
            if !is_meant(&id) && !resource.previous.iter().any(is_meant) {
                continue;
            }
            found = true;
            let mut set = |field: &mut Value, path: &str| replace_scalar(field, path, replicas.count.into());
            spec.visit(resource.value_mut(), Shape::Scalar, &mut set)
                .map_err(|problem| place.failed(resource, problem))?;
        }
    }
    if found {
        return Ok(());
    }
    Err(place.value_error(
        "name",
        format!("is {:?}, which no object with replicas is called", replicas.name),
    ))
}
