//! What came of a reconcile: reported, and the next one put on the schedule.

use std::sync::Arc;
use std::time::Duration;

use tokio::task;
use tokio::time::Instant;

use super::order::{depends_on, source_of};
use super::report::Run;
use super::work::{Finished, Work, not_delivered};
use super::{Controller, schedule};
use crate::api::ConditionType;
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::{Delivered, Failure, Trigger};
use crate::verify::VerifiedRevision;

/// How soon something that failed is tried again at first; doubled each time, up to its interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// How long it takes at most until a deletion, or work that ended abnormally, is tried again.
const LONGEST_RETRY: Duration = Duration::from_mins(1);

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
                    self.again(&name, false, LONGEST_RETRY);
                }
                return;
            }
        };
        let took = started.elapsed();
        match work {
            Work::Source(result) => self.finish_source(&name, trigger, took, result).await,
            Work::Delivery { revision, delivered } => {
                self.finish_delivery(&name, trigger, took, revision, delivered)
                    .await;
            }
            Work::Deleted(result) => self.finish_deletion(&name, result).await,
        }
    }

    pub(super) async fn finish_source(
        &mut self,
        name: &ObjectName,
        trigger: Trigger,
        took: Duration,
        result: Result<Arc<VerifiedRevision>, Failure>,
    ) {
        self.schedule.finished(name);
        let Some(mut source) = self.definitions.sources.get(&name.key).cloned() else {
            return;
        };
        let interval = source.spec.interval.duration();
        let succeeded = result.is_ok();
        let is_new = match &result {
            Ok(revision) => self
                .revisions
                .get(&name.key)
                .is_none_or(|former| former.name() != revision.name()),
            // Deliveries that wait for it have something new to say.
            Err(_) => !self.revisions.contains_key(&name.key),
        };
        let next = self.next_try(name, succeeded, interval, interval);
        source.status = self
            .reporter
            .source(&source, &Run { trigger, took, next }, &result)
            .await;
        if let Ok(revision) = result {
            self.revisions.insert(name.key.clone(), revision);
        }
        if is_new {
            self.wake_deliveries(&name.key);
        }
        self.definitions.sources.insert(name.key.clone(), source);
        self.again(name, succeeded, next);
    }

    pub(super) async fn finish_delivery(
        &mut self,
        name: &ObjectName,
        trigger: Trigger,
        took: Duration,
        revision: Option<Arc<VerifiedRevision>>,
        delivered: Delivered,
    ) {
        self.schedule.finished(name);
        let Some(mut delivery) = self.definitions.deliveries.get(&name.key).cloned() else {
            return;
        };
        let interval = delivery.spec.interval.duration();
        let retry = delivery
            .spec
            .retry_interval
            .map_or(interval, crate::api::Interval::duration);
        let succeeded = delivered.result.is_ok();
        let was = delivery.status.clone();
        let source = self.definitions.sources.get(&source_of(&delivery));
        let url = source.map(|source| source.spec.url.clone());
        let next = self.next_try(name, succeeded, interval, retry);
        delivery.status = self
            .reporter
            .delivery(
                &delivery,
                &Run { trigger, took, next },
                revision.as_deref(),
                &delivered,
                url,
            )
            .await;
        let news = was.last_applied_revision != delivery.status.last_applied_revision
            || was.conditions.holds(ConditionType::Ready)
                != delivery.status.conditions.holds(ConditionType::Ready);
        self.definitions.deliveries.insert(name.key.clone(), delivery);
        if succeeded && news {
            self.wake_dependents(&name.key);
        }
        self.again(name, succeeded, next);
    }

    pub(super) async fn finish_deletion(&mut self, name: &ObjectName, result: Result<(), Failure>) {
        self.schedule.finished(name);
        match result {
            Ok(()) => {
                if let Err(error) = self.notifications.forget(name).await {
                    tracing::warn!(error = %crate::chain(&error), object = %name, "its messages could not be forgotten");
                }
                self.definitions.remove(name);
            }
            Err(failure) => {
                self.report_delivery_failure(&name.key, failure).await;
                self.again(name, false, LONGEST_RETRY);
            }
        }
    }

    pub(super) async fn report_delivery_failure(&mut self, key: &Key, failure: Failure) {
        if let Some(mut delivery) = self.definitions.deliveries.get(key).cloned() {
            let delivered = not_delivered(failure);
            delivery.status = self
                .reporter
                .delivery(
                    &delivery,
                    &Run {
                        trigger: Trigger::Start,
                        took: Duration::ZERO,
                        next: LONGEST_RETRY,
                    },
                    None,
                    &delivered,
                    None,
                )
                .await;
            self.definitions.deliveries.insert(key.clone(), delivery);
        }
    }

    /// How long until an object is looked at again.
    pub(super) fn next_try(
        &mut self,
        name: &ObjectName,
        succeeded: bool,
        interval: Duration,
        longest_retry: Duration,
    ) -> Duration {
        if succeeded {
            self.failures.remove(name);
            return schedule::jittered(interval, schedule::random());
        }
        let failures = self.failures.entry(name.clone()).or_default();
        let wait = schedule::backoff(*failures, FIRST_RETRY, longest_retry);
        *failures = failures.saturating_add(1);
        wait
    }

    /// Puts the next look at an object on the schedule.
    pub(super) fn again(&mut self, name: &ObjectName, succeeded: bool, wait: Duration) {
        let trigger = if succeeded {
            Trigger::Interval
        } else {
            Trigger::Retry
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
                Trigger::Change,
                Instant::now(),
            );
        }
    }
}
