//! What came of a reconcile: reported, and the next one put on the schedule.

use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::Instant;

use super::drift::DriftNews;
use super::order::{depends_on, source_of};
use super::report::Run;
use super::unchanged::Taken;
use super::work::{Farewell, Finished, Work};
use super::{Controller, DeliveryDefinition, SourceDefinition, schedule};
use crate::api::{ConditionType, Remedy};
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::{Delivered, Failure, Held, Sourced, Trigger};
use crate::store::Deletion;
use crate::verify::VerifiedRevision;

/// How soon something that failed is tried again at first; doubled each time, up to its interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// How long it takes at most until a deletion, or work that ended abnormally, is tried again.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// How a run ended, as far as the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It succeeded.
    Succeeded,
    /// It failed, and trying again may help.
    FailedForNow,
    /// It failed, and the same would come of it again.
    FailedUntilChanged,
}

impl Ending {
    fn of<T>(result: &Result<T, Failure>) -> Self {
        match result {
            Ok(_) => Self::Succeeded,
            Err(failure) => match failure.remedy {
                Remedy::Retry => Self::FailedForNow,
                Remedy::Change => Self::FailedUntilChanged,
            },
        }
    }
}

impl Controller {
    pub(super) async fn finish(&mut self, finished: Result<(task::Id, Finished), task::JoinError>) {
        let Finished {
            name,
            trigger,
            started,
            work,
        } = match finished {
            Ok((id, finished)) => {
                self.tasks.remove(&id);
                finished
            }
            Err(error) => {
                let ended = self.tasks.remove(&error.id());
                if let Some((name, _)) = ended.filter(|_| error.is_panic()) {
                    tracing::error!(object = %name, "a reconcile ended abnormally: this is a defect of fluxops; it is tried again");
                    self.schedule.finished(&name);
                    self.again(&name, Ending::FailedForNow, LONGEST_RETRY);
                }
                return;
            }
        };
        let took = started.elapsed();
        self.schedule.finished(&name);
        match work {
            Work::Source { ran, sourced } => {
                self.finish_source(&name, trigger, took, ran, sourced).await;
            }
            Work::Delivery {
                ran,
                revision,
                delivered,
            } => {
                self.finish_delivery(&name, trigger, took, ran, revision, *delivered)
                    .await;
            }
            Work::Unchanged { ran, revision } => self.finish_unchanged(&name, &ran, &revision),
            Work::Deletion { ran, result } => self.finish_deletion(&name, &ran, result).await,
        }
    }

    async fn finish_source(
        &mut self,
        name: &ObjectName,
        trigger: Trigger,
        took: Duration,
        mut ran: SourceDefinition,
        sourced: Sourced,
    ) {
        // What came of an object that is gone, or of one that another replaced, is of no use to anybody.
        let Some(current) = self.definitions.sources.get(&name.key) else {
            return;
        };
        if current.uid != ran.uid {
            return;
        }
        ran.status.clone_from(&current.status);
        let Sourced {
            result,
            held,
            last_trusted,
        } = sourced;
        ran.status.last_trusted = last_trusted;
        if held == Held::Withdrawn {
            self.revisions.remove(&name.key);
        }
        let interval = ran.spec.interval.duration();
        let ending = Ending::of(&result);
        let is_new = match &result {
            Ok(revision) => self
                .revisions
                .get(&name.key)
                .is_none_or(|former| !former.is_same(revision)),
            // Deliveries that wait for it have something new to say.
            Err(_) => !self.revisions.contains_key(&name.key),
        };
        let next = self.next_try(name, ending, interval, interval);
        let run = Run {
            trigger,
            took,
            next,
            drift: DriftNews::Unknown,
        };
        let status = self.reporter.source(&ran, &run, &result).await;
        if let Some(current) = self.definitions.sources.get_mut(&name.key) {
            current.status = status;
        }
        if let Ok(revision) = result {
            self.revisions.insert(name.key.clone(), revision);
        }
        if is_new {
            self.wake_deliveries(&name.key);
        }
        self.again(name, ending, next);
    }

    async fn finish_delivery(
        &mut self,
        name: &ObjectName,
        trigger: Trigger,
        took: Duration,
        mut ran: DeliveryDefinition,
        revision: Option<Arc<VerifiedRevision>>,
        mut delivered: Delivered,
    ) {
        let Some(current) = self.definitions.deliveries.get(&name.key) else {
            return;
        };
        if current.uid != ran.uid {
            return;
        }
        ran.status.clone_from(&current.status);
        // What is held by hand is what was to be applied.
        let revision = match &delivered.back {
            Some(back) if back.status.is_none() => Some(Arc::clone(&back.to)),
            _ => revision,
        };
        let interval = ran.spec.interval.duration();
        let retry = ran
            .spec
            .retry_interval
            .map_or(interval, crate::api::Interval::duration);
        let ending = Ending::of(&delivered.result);
        let source = self.definitions.sources.get(&source_of(&ran));
        let url = source.map(|source| source.spec.url.clone());
        let next = self.next_try(name, ending, interval, retry);
        match delivered.inputs.take() {
            Some(inputs) => {
                let (inputs, due) = (Arc::new(inputs), Instant::now() + next);
                self.taken.insert(name.key.clone(), Taken { inputs, due });
            }
            None => self.forget_inputs(&name.key),
        }
        match delivered.back.as_mut().and_then(|back| back.bad.take()) {
            Some(bad) => drop(self.bad.insert(name.key.clone(), bad)),
            None => drop(self.bad.remove(&name.key)),
        }
        self.unpublished.remove(&name.key);
        let drift = self.drift_news(&ran, &delivered);
        let run = Run {
            trigger,
            took,
            next,
            drift,
        };
        let status = self
            .reporter
            .delivery(&ran, &run, revision.as_deref(), &delivered, url)
            .await;
        let was = &ran.status;
        let news = was.last_applied_revision != status.last_applied_revision
            || was.conditions.holds(ConditionType::Ready) != status.conditions.holds(ConditionType::Ready);
        if let Some(current) = self.definitions.deliveries.get_mut(&name.key) {
            current.status = status;
        }
        if ending == Ending::Succeeded && news {
            self.wake_dependents(&name.key);
        }
        self.again(name, ending, next);
        self.wake_drifted(&name.key);
    }

    async fn finish_deletion(
        &mut self,
        name: &ObjectName,
        ran: &DeliveryDefinition,
        result: Result<Farewell, Failure>,
    ) {
        match result {
            Ok(farewell) => {
                if let Farewell::LeftBehind(failure) = farewell {
                    self.reporter.left_behind(name, ran, &failure).await;
                }
                if let Err(error) = self.notifications.forget(name).await {
                    tracing::warn!(error = %crate::chain(&error), object = %name, "its messages could not be forgotten");
                }
                // It is known until the watch says that it is gone: what was seen of it before may still come in.
                let current = self.definitions.deliveries.get_mut(&name.key);
                if let Some(current) = current.filter(|current| current.uid == ran.uid) {
                    current.deletion = Deletion::Released;
                }
            }
            Err(failure) => {
                self.report_delivery_failure(&name.key, Trigger::Deletion, failure)
                    .await;
                self.again(name, Ending::FailedForNow, LONGEST_RETRY);
            }
        }
    }

    /// Reports a Delivery that came to nothing without being run.
    pub(super) async fn report_delivery_failure(&mut self, key: &Key, trigger: Trigger, failure: Failure) {
        let Some(delivery) = self.definitions.deliveries.get(key).cloned() else {
            return;
        };
        let run = Run {
            trigger,
            took: Duration::ZERO,
            next: LONGEST_RETRY,
            drift: DriftNews::Unknown,
        };
        let delivered = Delivered::refused(failure);
        let status = self
            .reporter
            .delivery(&delivery, &run, None, &delivered, None)
            .await;
        if let Some(current) = self.definitions.deliveries.get_mut(key) {
            current.status = status;
        }
    }

    /// How long until an object is looked at again.
    pub(super) fn next_try(
        &mut self,
        name: &ObjectName,
        ending: Ending,
        interval: Duration,
        longest_retry: Duration,
    ) -> Duration {
        match ending {
            Ending::Succeeded => {
                self.failures.remove(name);
                schedule::jittered(interval, schedule::random())
            }
            Ending::FailedForNow => {
                let failures = self.failures.entry(name.clone()).or_default();
                let wait = schedule::backoff(*failures, FIRST_RETRY, longest_retry);
                *failures = failures.saturating_add(1);
                wait
            }
            // The change that it takes is noticed. This is for what can change unseen, such as the rules of the server.
            Ending::FailedUntilChanged => schedule::jittered(longest_retry, schedule::random()),
        }
    }

    /// Puts the next look at an object on the schedule.
    pub(super) fn again(&mut self, name: &ObjectName, ending: Ending, wait: Duration) {
        let trigger = match ending {
            Ending::Succeeded => Trigger::Interval,
            Ending::FailedForNow | Ending::FailedUntilChanged => Trigger::Retry,
        };
        self.schedule.ask(name.clone(), trigger, Instant::now() + wait);
    }

    pub(super) fn wake_deliveries(&mut self, source: &Key) {
        let followers = self
            .definitions
            .deliveries
            .values()
            .filter(|delivery| source_of(delivery) == *source);
        let names: Vec<_> = followers.map(|delivery| delivery.key.clone()).collect();
        for key in names {
            self.context.waits.end(&key);
            self.schedule.ask(
                ObjectName {
                    kind: Kind::Delivery,
                    key,
                },
                Trigger::Revision,
                Instant::now(),
            );
        }
    }

    pub(super) fn wake_dependents(&mut self, key: &Key) {
        let dependents: Vec<Key> = self
            .definitions
            .deliveries
            .values()
            .filter(|delivery| depends_on(delivery, key))
            .map(|delivery| delivery.key.clone())
            .collect();
        for key in dependents {
            self.schedule.ask(
                ObjectName {
                    kind: Kind::Delivery,
                    key,
                },
                // Those that waited are not Ready, so they run. Others have nothing to do but to move on.
                Trigger::Revision,
                Instant::now(),
            );
        }
    }
}
