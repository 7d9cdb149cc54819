//! `replicas`

use manifest_yaml::Value;

use super::{failed, replace_scalar};
use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::Shape;
use crate::kustomization::Kustomization;
use crate::resource::Id;
use crate::resources::Resources;

/// Sets the replicas of the workloads that are, or were, called as an entry says (kustomize's
/// `ReplicaCountTransformer`).
pub(super) fn set_replicas(
    kustomization: &Kustomization,
    configuration: &Configuration,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    for entry in &kustomization.replicas {
        let mut found = false;
        for resource in resources.iter_mut() {
            for spec in &configuration.replicas {
                let id = resource.id();
                let is_meant = |id: &Id| id.name == entry.name && spec.kinds.selects(id);
                if !is_meant(&id) && !resource.previous.iter().any(is_meant) {
                    continue;
                }
                found = true;
                let mut set = |field: &mut Value, path: &str| replace_scalar(field, path, entry.count.into());
                spec.visit(resource.value_mut(), Shape::Scalar, &mut set)
                    .map_err(|problem| failed(kustomization, &entry.field, resource, problem))?;
            }
        }
        if !found {
            return Err(BuildError::FieldValue {
                file: kustomization.file.clone(),
                field: format!("{}.name", entry.field),
                problem: format!("is {:?}, which no object with replicas is called", entry.name),
            });
        }
    }
    Ok(())
}
