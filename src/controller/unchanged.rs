//! Deliveries that a new revision does not change: they move to it without a run. Nothing is rendered, and the cluster
//! is not asked for any of their objects.
//!
//! In a repository of a hundred apps nearly every commit changes one. The status of the others follows once the loop has
//! nothing better to do.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::order::source_of;
use super::status::moved_status;
use super::{Controller, DeliveryDefinition};
use crate::api::ConditionType;
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::{Inputs, Trigger};
use crate::verify::VerifiedRevision;

/// What the last run of a Delivery took in, and when the next one is due whatever is committed until then.
pub(super) struct Taken {
    pub(super) inputs: Arc<Inputs>,
    pub(super) due: Instant,
}

/// What a Delivery was made of, and a revision that may change nothing of it.
pub(super) struct Known {
    inputs: Arc<Inputs>,
    pub(super) revision: Arc<VerifiedRevision>,
}

impl Controller {
    /// What a Delivery was made of, if a revision that changes none of it needs no run: nothing but a new revision asks
    /// for one, and the last one succeeded.
    pub(super) fn known(&self, delivery: &DeliveryDefinition, trigger: Trigger) -> Option<Known> {
        if trigger != Trigger::Revision || !delivery.status.conditions.holds(ConditionType::Ready) {
            return None;
        }
        let taken = self.taken.get(&delivery.key)?;
        let revision = self.revisions.get(&source_of(delivery))?;
        taken.inputs.are_of(&delivery.spec).then(|| Known {
            inputs: Arc::clone(&taken.inputs),
            revision: Arc::clone(revision),
        })
    }

    /// Takes in that nothing which a Delivery reads is other than it was.
    pub(super) fn finish_unchanged(
        &mut self,
        name: &ObjectName,
        ran: &DeliveryDefinition,
        revision: &VerifiedRevision,
    ) {
        let head = self.context.audit.head();
        let Some(current) = self.definitions.deliveries.get_mut(&name.key) else {
            return;
        };
        if current.uid != ran.uid {
            return;
        }
        tracing::debug!(object = %name, commit = revision.name(), "nothing that it reads has changed");
        self.context.metrics.moved();
        let is_news = current.status.last_applied_revision.as_deref() != Some(revision.name());
        if is_news {
            current.status = moved_status(current, revision, head, Timestamp::now());
            self.unpublished.insert(name.key.clone());
        }
        let due = self
            .taken
            .get(&name.key)
            .map_or_else(Instant::now, |taken| taken.due);
        self.schedule.ask(name.clone(), Trigger::Interval, due);
        if is_news {
            self.wake_dependents(&name.key);
        }
    }

    /// Publishes the status of one Delivery that moved to a revision without a run.
    pub(super) async fn publish_moved(&mut self) {
        let Some(key) = self.unpublished.pop_first() else {
            return;
        };
        if let Some(delivery) = self.definitions.deliveries.get(&key) {
            let name = ObjectName {
                kind: Kind::Delivery,
                key,
            };
            self.reporter.moved(&name, &delivery.status).await;
        }
    }

    /// Whether the loop has nothing better to do than to publish such statuses.
    pub(super) fn has_moved_and_time(&self) -> bool {
        let is_due = |due: Instant| due <= Instant::now();
        !self.unpublished.is_empty() && !self.schedule.next_due().is_some_and(is_due)
    }

    /// Forgets what is known of a Delivery that is gone, or whose last run failed.
    pub(super) fn forget_inputs(&mut self, key: &Key) {
        self.taken.remove(key);
        self.bad.remove(key);
        self.unpublished.remove(key);
    }
}

impl Known {
    /// Whether the revision changes nothing of what the Delivery reads.
    pub(super) async fn holds(&self) -> bool {
        let (inputs, revision) = (Arc::clone(&self.inputs), Arc::clone(&self.revision));
        let held = tokio::task::spawn_blocking(move || inputs.hold_in(&revision));
        held.await.unwrap_or(false)
    }
}
