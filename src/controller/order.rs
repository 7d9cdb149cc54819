//! Who waits for whom.

use std::collections::BTreeMap;

use super::work::failure;
use super::{Controller, DeliveryDefinition};
use crate::api::ConditionType;
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::Failure;

impl Controller {
    /// Whether everything that a Delivery waits for is there.
    pub(super) fn ready_to_apply(&self, delivery: &DeliveryDefinition, source: &Key) -> Result<(), Failure> {
        let Some(revision) = self.revisions.get(source) else {
            let Some(definition) = self.definitions.sources.get(source) else {
                let message = format!("failed to find its source: there is no gitsource {source}");
                return Err(failure("SourceNotFound", &message));
            };
            let why = definition.status.conditions.get(ConditionType::Ready);
            let why = why.map_or("it was not fetched yet".to_owned(), |ready| ready.message.clone());
            return Err(failure(
                "SourceNotReady",
                &format!("its source gitsource/{source} has no verified revision: {why}"),
            ));
        };
        for dependency in &delivery.spec.depends_on {
            let namespace = dependency.namespace.as_deref().unwrap_or(&delivery.key.namespace);
            let other = Key::new(namespace, &dependency.name)
                .ok()
                .and_then(|key| self.definitions.deliveries.get(&key));
            let applied = other.and_then(|other| other.status.last_applied_revision.as_deref());
            let same_source = other.is_some_and(|other| source_of(other) == *source);
            let ready = other.is_some_and(|other| {
                other.status.conditions.holds(ConditionType::Ready)
                    && other.status.observed_generation == other.generation
                    && (!same_source || applied == Some(revision.name()))
            });
            if !ready {
                let message = format!(
                    "it waits for delivery/{namespace}/{}, which is not ready",
                    dependency.name
                );
                return Err(failure("DependencyNotReady", &message));
            }
        }
        Ok(())
    }

    /// Deliveries that can never be reached because they wait for each other.
    pub(super) fn dependency_cycle(&self) -> Vec<ObjectName> {
        let mut left: BTreeMap<&Key, _> = self.definitions.deliveries.iter().collect();
        loop {
            let free: Vec<&Key> = left
                .iter()
                .filter(|(_, delivery)| !left.keys().any(|other| depends_on(delivery, other)))
                .map(|(key, _)| *key)
                .collect();
            if free.is_empty() {
                break;
            }
            for key in free {
                left.remove(key);
            }
        }
        left.into_keys()
            .map(|key| ObjectName {
                kind: Kind::Delivery,
                key: key.clone(),
            })
            .collect()
    }
}

pub(super) fn source_of(delivery: &DeliveryDefinition) -> Key {
    Key {
        namespace: delivery.key.namespace.clone(),
        name: delivery.spec.source_ref.name.clone(),
    }
}

pub(super) fn depends_on(delivery: &DeliveryDefinition, other: &Key) -> bool {
    delivery.spec.depends_on.iter().any(|dependency| {
        dependency.name == other.name
            && dependency.namespace.as_deref().unwrap_or(&delivery.key.namespace) == other.namespace
    })
}
