//! What is due is begun, beside the loop.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::status::begin;
use super::work::{Finished, Work, announce, delete, guarded};
use super::{CONCURRENCY, Controller, DeliveryDefinition};
use crate::api::ConditionType;
use crate::name::{Kind, ObjectName};
use crate::reconcile::{Context, Delivered, Trigger, reconcile_source};
use crate::store::{Deletion, Status};
use crate::verify::VerifiedRevision;

/// Whether a run is news that its status should show before it ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beginning {
    /// For a spec or a revision that was not tried yet.
    New,
    /// For what was tried before.
    Again,
}

impl Controller {
    pub(super) fn start_due(&mut self) {
        while self.has_turn() {
            let Some((name, trigger)) = self.schedule.take_due(Instant::now()) else {
                return;
            };
            match name.kind {
                Kind::GitSource => self.start_source(name, trigger),
                Kind::Delivery => self.start_delivery(name, trigger),
                Kind::Notifier | Kind::Receiver => self.schedule.finished(&name),
            }
        }
    }

    /// Whether another reconcile may begin. Those that only wait take nobody's turn.
    pub(super) fn has_turn(&self) -> bool {
        self.running.len() < CONCURRENCY + self.context.waits.count()
    }

    fn start_source(&mut self, name: ObjectName, trigger: Trigger) {
        let source = self.definitions.sources.get_mut(&name.key);
        let Some(source) = source.filter(|source| !source.spec.suspend) else {
            return self.schedule.finished(&name);
        };
        let is_new = source.status.observed_generation != source.generation
            || source.status.conditions.get(ConditionType::Ready).is_none();
        let beginning = if is_new {
            let conditions = &mut source.status.conditions;
            begin(
                conditions,
                "fetching and verifying",
                source.generation,
                Timestamp::now(),
            );
            Beginning::New
        } else {
            Beginning::Again
        };
        let ran = source.clone();
        let held = self.revisions.get(&name.key).cloned();
        let context = Arc::clone(&self.context);
        let started = Instant::now();
        self.spawn(name.clone(), async move {
            if beginning == Beginning::New {
                announce(&context, &name, Status::GitSource(&ran.status)).await;
            }
            let sourced = reconcile_source(&context, &ran, held, trigger).await;
            Finished {
                name,
                trigger,
                started,
                work: Work::Source { ran, sourced },
            }
        });
    }

    fn start_delivery(&mut self, name: ObjectName, trigger: Trigger) {
        let Some(delivery) = self.definitions.deliveries.get(&name.key) else {
            return self.schedule.finished(&name);
        };
        match delivery.deletion {
            Deletion::Asked => return self.start_deletion(name, trigger),
            Deletion::Released => return self.schedule.finished(&name),
            Deletion::Unguarded | Deletion::Guarded if delivery.spec.suspend => {
                return self.schedule.finished(&name);
            }
            Deletion::Unguarded | Deletion::Guarded => {}
        }
        let ready = self.ready_to_apply(delivery);
        let known = self.known(delivery, trigger);
        let bad = self.bad.get(&name.key).cloned();
        let mut ran = delivery.clone();
        let context = Arc::clone(&self.context);
        let started = Instant::now();
        self.spawn(name.clone(), async move {
            let work = match (ready, known) {
                // Whatever it depends on: nothing is going to be applied.
                (_, Some(known)) if known.holds().await => Work::Unchanged {
                    ran,
                    revision: known.revision,
                },
                (Ok(revision), _) => {
                    begin_delivery(&context, &name, &mut ran, &revision).await;
                    let delivered = guarded(&context, &ran, &revision, trigger, bad).await;
                    Work::Delivery {
                        ran,
                        revision: Some(revision),
                        delivered: Box::new(delivered),
                    }
                }
                (Err(failure), _) => Work::Delivery {
                    ran,
                    revision: None,
                    delivered: Box::new(Delivered::refused(failure)),
                },
            };
            Finished {
                name,
                trigger,
                started,
                work,
            }
        });
    }

    fn start_deletion(&mut self, name: ObjectName, trigger: Trigger) {
        let Some(ran) = self.definitions.deliveries.get(&name.key).cloned() else {
            return self.schedule.finished(&name);
        };
        let context = Arc::clone(&self.context);
        let started = Instant::now();
        self.spawn(name.clone(), async move {
            let result = delete(&context, &ran).await;
            Finished {
                name,
                trigger,
                started,
                work: Work::Deletion { ran, result },
            }
        });
    }

    fn spawn(&mut self, name: ObjectName, work: impl Future<Output = Finished> + Send + 'static) {
        let task = self.running.spawn(work);
        self.tasks.insert(task.id(), (name, task));
    }
}

/// Shows in the status of a Delivery that work on it begins, if it is for a spec or a revision that was not tried yet.
async fn begin_delivery(
    context: &Context,
    name: &ObjectName,
    delivery: &mut DeliveryDefinition,
    revision: &VerifiedRevision,
) {
    let status = &mut delivery.status;
    if status.observed_generation != delivery.generation
        || status.last_attempted_revision.as_deref() != Some(revision.name())
    {
        let what = format!("applying revision {}", revision.name());
        begin(
            &mut status.conditions,
            &what,
            delivery.generation,
            Timestamp::now(),
        );
        announce(context, name, Status::Delivery(status)).await;
    }
}
