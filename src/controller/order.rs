//! Who waits for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Controller, DeliveryDefinition};
use crate::api::{ConditionType, Dependency, Remedy};
use crate::name::{Key, Kind, ObjectName};
use crate::notify::Step;
use crate::reconcile::Failure;
use crate::verify::VerifiedRevision;

impl Controller {
    /// The revision that a Delivery is to be applied from, once everything that it waits for is there.
    pub(super) fn ready_to_apply(
        &self,
        delivery: &DeliveryDefinition,
    ) -> Result<Arc<VerifiedRevision>, Failure> {
        if let Some(cycle) = cycle(&self.definitions.deliveries, &delivery.key) {
            return Err(cyclic(&cycle));
        }
        let source = source_of(delivery);
        let Some(revision) = self.revisions.get(&source) else {
            return Err(self.without_revision(&source));
        };
        for dependency in &delivery.spec.depends_on {
            let key = key_of(delivery, dependency);
            let other = self.definitions.deliveries.get(&key);
            let applied = other.and_then(|other| other.status.last_applied_revision.as_deref());
            let same_source = other.is_some_and(|other| source_of(other) == source);
            let ready = other.is_some_and(|other| {
                other.status.conditions.holds(ConditionType::Ready)
                    && other.status.observed_generation == other.generation
                    && (!same_source || applied == Some(revision.name()))
            });
            if !ready {
                let message = format!("it waits for delivery/{key}, which is not ready");
                return Err(waits("DependencyNotReady", message));
            }
        }
        Ok(Arc::clone(revision))
    }

    fn without_revision(&self, source: &Key) -> Failure {
        let Some(definition) = self.definitions.sources.get(source) else {
            let message = format!("failed to find its source: there is no gitsource {source}");
            return waits("SourceNotFound", message);
        };
        let why = definition.status.conditions.get(ConditionType::Ready);
        let why = why.map_or("it was not fetched yet", |ready| ready.message.as_str());
        let message = format!("its source gitsource/{source} has no verified revision: {why}");
        waits("SourceNotReady", message)
    }

    /// Deliveries that are left when each was taken after those it depends on: they wait for each other, or for some
    /// that do.
    pub(super) fn unreachable_deliveries(&self) -> Vec<ObjectName> {
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

/// The way from a Delivery through those it depends on back to itself, if there is one; it begins and ends with it.
fn cycle(deliveries: &BTreeMap<Key, DeliveryDefinition>, start: &Key) -> Option<Vec<Key>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start.clone()]];
    while let Some(way) = ways.pop() {
        let Some(delivery) = way.last().and_then(|last| deliveries.get(last)) else {
            continue;
        };
        for dependency in &delivery.spec.depends_on {
            let key = key_of(delivery, dependency);
            let mut longer = way.clone();
            longer.push(key.clone());
            if key == *start {
                return Some(longer);
            }
            if seen.insert(key) {
                ways.push(longer);
            }
        }
    }
    None
}

fn cyclic(cycle: &[Key]) -> Failure {
    let names: Vec<String> = cycle.iter().map(|key| format!("delivery/{key}")).collect();
    let message = format!(
        "failed to order: through spec.dependsOn it waits for itself: {}",
        names.join(" → ")
    );
    Failure::said(Step::Configure, "DependencyCycle", message, Remedy::Change)
}

/// Something else has to be there first.
fn waits(reason: &str, message: String) -> Failure {
    Failure::said(Step::Configure, reason, message, Remedy::Retry)
}

pub(super) fn source_of(delivery: &DeliveryDefinition) -> Key {
    Key {
        namespace: delivery.key.namespace.clone(),
        name: delivery.spec.source_ref.name.clone(),
    }
}

pub(super) fn depends_on(delivery: &DeliveryDefinition, other: &Key) -> bool {
    let dependencies = &delivery.spec.depends_on;
    dependencies
        .iter()
        .any(|dependency| key_of(delivery, dependency) == *other)
}

/// Which Delivery is meant; a name that no object can have leads to none.
fn key_of(delivery: &DeliveryDefinition, dependency: &Dependency) -> Key {
    let namespace = dependency.namespace.as_ref();
    Key {
        namespace: namespace.unwrap_or(&delivery.key.namespace).clone(),
        name: dependency.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::{Definitions, Parsed};

    /// Deliveries by name, each with the names of those that it depends on.
    fn deliveries(edges: &[(&str, &[&str])]) -> BTreeMap<Key, DeliveryDefinition> {
        let mut definitions = Definitions::default();
        for (name, others) in edges {
            let depends_on: Vec<_> = others.iter().map(|other| json!({"name": other})).collect();
            let object = json!({
                "metadata": {"name": name, "namespace": "apps"},
                "spec": {"sourceRef": {"name": "apps"}, "interval": "1m", "prune": true, "dependsOn": depends_on},
            });
            definitions.insert(Parsed::read(Kind::Delivery, object).unwrap());
        }
        definitions.deliveries
    }

    fn found(edges: &[(&str, &[&str])], start: &str) -> Option<Vec<String>> {
        let way = cycle(&deliveries(edges), &Key::new("apps", start).unwrap())?;
        Some(way.into_iter().map(|key| key.name).collect())
    }

    #[test]
    fn a_cycle_is_found_from_each_of_its_members_and_from_nobody_else() {
        let edges: &[(&str, &[&str])] = &[
            ("a", &["c", "b"]),
            ("b", &["a"]),
            ("c", &[]),
            ("behind", &["a"]),
            ("itself", &["itself"]),
            ("lost", &["nobody"]),
        ];
        assert_eq!(found(edges, "a").unwrap(), ["a", "b", "a"]);
        assert_eq!(found(edges, "b").unwrap(), ["b", "a", "b"]);
        assert_eq!(found(edges, "itself").unwrap(), ["itself", "itself"]);
        for other in ["c", "behind", "lost"] {
            assert_eq!(found(edges, other), None, "{other}");
        }
    }
}
