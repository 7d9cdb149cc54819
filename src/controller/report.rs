//! What came of a reconcile: to the status, the log, the events of the cluster, and people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::drift::DriftNews;
use super::event::EventType;
use super::message::{changes, commit_facts, signature, told};
use super::status::{delivery_status, invalid_conditions, receiver_status, source_status, unreadable_spec};
use super::{DeliveryDefinition, ReceiverDefinition, SourceDefinition};
use crate::api::{ConditionType, DeliveryStatus, GitSourceStatus, ReceiverStatus};
use crate::name::{Kind, ObjectName};
use crate::notify::{self, Changes, Notifications, Public, Retry, Step};
use crate::operations::Ended;
use crate::plan::Action;
use crate::reconcile::{Context, Delivered, Failure, SUPERSEDED, Trigger};
use crate::store::{InvalidDefinition, Status};
use crate::verify::VerifiedRevision;

/// One object of a single run, for its table of results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Which object.
    pub object: String,
    /// Whether it is as it should be.
    pub outcome: Outcome,
    /// The revision it has.
    pub revision: Option<String>,
    /// Who signed that.
    pub signer: Option<String>,
    /// What was done, or why not.
    pub message: String,
}

/// Whether an object is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// It is.
    Ready,
    /// It is not.
    NotReady,
}

impl Outcome {
    fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() {
            Self::Ready
        } else {
            Self::NotReady
        }
    }
}

/// One reconcile, seen from outside.
pub(super) struct Run {
    /// What asked for it.
    pub(super) trigger: Trigger,
    /// How long it took.
    pub(super) took: Duration,
    /// How long until the next.
    pub(super) next: Duration,
    /// What it found changed by others; of sources nothing.
    pub(super) drift: DriftNews,
}

/// Tells what came of reconciles.
pub(super) struct Reporter {
    pub(super) context: Arc<Context>,
    notifications: Notifications,
    /// What was reported, in a single run; a process that runs on would gather them for ever.
    lines: Vec<Line>,
}

impl Reporter {
    pub(super) fn new(context: Arc<Context>, notifications: Notifications) -> Self {
        Self {
            context,
            notifications,
            lines: Vec::new(),
        }
    }

    /// What was reported since the last call.
    pub(super) fn take_lines(&mut self) -> Vec<Line> {
        std::mem::take(&mut self.lines)
    }

    /// Reports what came of a source; its new status comes back.
    pub(super) async fn source(
        &mut self,
        source: &SourceDefinition,
        run: &Run,
        result: &Result<Arc<VerifiedRevision>, Failure>,
    ) -> GitSourceStatus {
        let name = ObjectName {
            kind: Kind::GitSource,
            key: source.key.clone(),
        };
        let status = source_status(source, result, Timestamp::now());
        self.measure(&name, run, result);
        if let Ok(revision) = result
            && let Some(committed) = revision.commit().committed
        {
            self.context.metrics.verified(&name, committed);
        }
        match result {
            Ok(revision) => tracing::info!(
                object = %name, trigger = run.trigger.as_str(), revision = revision.name(),
                signer = %revision.verification(), duration_ms = milliseconds(run.took),
                new = source.status.revision != status.revision, outcome = "ready", "source reconciled"
            ),
            Err(failure) => log_failure(&name, run, failure, None),
        }
        self.transition(
            &name,
            source.uid.as_deref(),
            &source.status.conditions,
            &status.conditions,
        )
        .await;
        if status != source.status {
            self.publish(&name, Status::GitSource(&status)).await;
        }
        let url = Some(source.spec.url.as_str());
        let (commit, signature, outcome) = match result {
            Ok(revision) => (
                commit_facts(revision.commit(), url),
                Some(signature(revision.verification())),
                match status.conditions.get(ConditionType::Stale) {
                    Some(stale) => notify::Outcome::Failed(told(
                        &Failure::stale(&stale.message),
                        status.revision.as_deref(),
                        run.next,
                    )),
                    None => notify::Outcome::Succeeded(notify::Success {
                        changes: Changes::default(),
                        duration: run.took,
                    }),
                },
            ),
            Err(failure) => (
                failure
                    .commit
                    .as_ref()
                    .and_then(|commit| commit_facts(commit, url)),
                (failure.step == Step::Verify).then_some(notify::Signature::Refused),
                notify::Outcome::Failed(told(failure, status.revision.as_deref(), run.next)),
            ),
        };
        self.tell(&name, &source.labels, commit, signature, outcome).await;
        let message = status
            .conditions
            .get(ConditionType::Ready)
            .map(|ready| ready.message.clone());
        let verified = result.as_ref().ok().map(AsRef::as_ref);
        self.line(
            &name,
            status.revision.clone(),
            verified,
            Outcome::of(result),
            message.unwrap_or_default(),
        );
        status
    }

    /// Reports what came of a Delivery; its new status comes back.
    pub(super) async fn delivery(
        &mut self,
        delivery: &DeliveryDefinition,
        run: &Run,
        revision: Option<&VerifiedRevision>,
        delivered: &Delivered,
        url: Option<String>,
    ) -> DeliveryStatus {
        let name = ObjectName {
            kind: Kind::Delivery,
            key: delivery.key.clone(),
        };
        let now = Timestamp::now();
        let mut status = delivery_status(delivery, revision, delivered, self.context.audit.head(), now);
        run.drift.show(&mut status.conditions, delivery.generation, now);
        let counts = Counts::of(delivered);
        self.measure(&name, run, &delivered.result);
        for (action, count) in [
            ("create", counts.created),
            ("configure", counts.configured),
            ("recreate", counts.recreated),
            ("delete", counts.deleted),
        ] {
            self.context.metrics.changed(action, count);
        }
        match &delivered.result {
            Ok(()) => tracing::info!(
                object = %name, trigger = run.trigger.as_str(), commit = revision.map(VerifiedRevision::name),
                signer = revision.map(|revision| revision.verification().to_string()),
                created = counts.created, configured = counts.configured,
                recreated = counts.recreated, deleted = counts.deleted,
                unchanged = counts.unchanged, duration_ms = milliseconds(run.took), outcome = "ready",
                "delivery reconciled"
            ),
            Err(failure) => log_failure(&name, run, failure, Some((revision, &counts))),
        }
        self.transition(
            &name,
            delivery.uid.as_deref(),
            &delivery.status.conditions,
            &status.conditions,
        )
        .await;
        self.drift(&name, delivery, &run.drift).await;
        if status != delivery.status {
            self.publish(&name, Status::Delivery(&status)).await;
        }
        let outcome = match (&delivered.result, &run.drift) {
            (Ok(()), DriftNews::Standing(failure)) | (Err(failure), _) => {
                notify::Outcome::Failed(told(failure, status.last_applied_revision.as_deref(), run.next))
            }
            (Ok(()), _) => notify::Outcome::Succeeded(notify::Success {
                changes: changes(delivered),
                duration: run.took,
            }),
        };
        // Waiting for something else is not worth waking anybody: that something has its own message.
        let waits = |failure: &Failure| {
            ["DependencyNotReady", "SourceNotReady", SUPERSEDED].contains(&failure.reason.as_str())
        };
        if !delivered.result.as_ref().is_err_and(waits) {
            let commit = revision.and_then(|revision| commit_facts(revision.commit(), url.as_deref()));
            let signature = revision.map(|revision| signature(revision.verification()));
            self.tell(&name, &delivery.labels, commit, signature, outcome)
                .await;
        }
        let message = match (&delivered.result, &run.drift) {
            (Ok(()), DriftNews::Standing(failure)) | (Err(failure), _) => failure.message.clone(),
            (Ok(()), _) => counts.to_string(),
        };
        let applied = status.last_applied_revision.clone();
        self.line(&name, applied, revision, Outcome::of(&delivered.result), message);
        status
    }

    /// Reports whether a Receiver is served; its new status comes back.
    pub(super) async fn receiver(
        &self,
        receiver: &ReceiverDefinition,
        result: &Result<String, Failure>,
    ) -> ReceiverStatus {
        let name = ObjectName {
            kind: Kind::Receiver,
            key: receiver.key.clone(),
        };
        let status = receiver_status(receiver, result, Timestamp::now());
        let (before, after) = (&receiver.status.conditions, &status.conditions);
        self.context.metrics.settled(&name, Ended::of(result));
        match result {
            Ok(path) => tracing::info!(object = %name, path, "a webhook is served"),
            Err(failure) => tracing::error!(
                object = %name, reason = failure.reason, "a webhook is not served: {}", failure.message
            ),
        }
        self.transition(&name, receiver.uid.as_deref(), before, after)
            .await;
        if status != receiver.status {
            self.publish(&name, Status::Receiver(&status)).await;
        }
        status
    }

    /// Publishes the status of a Delivery that moved to a revision which changes nothing of it.
    pub(super) async fn moved(&self, name: &ObjectName, status: &DeliveryStatus) {
        self.publish(name, Status::Delivery(status)).await;
    }

    /// Reports an object whose spec cannot be read. Nothing of its status but the conditions is touched: what is in the
    /// inventory is in the cluster still.
    pub(super) async fn invalid(&mut self, invalid: &InvalidDefinition) {
        tracing::error!(error = %invalid, "an object cannot be read");
        let InvalidDefinition::Spec(unreadable) = invalid else {
            return;
        };
        let object = &unreadable.object;
        let failure = unreadable_spec(unreadable);
        // A Notifier has no status, and nobody is told of one.
        if object.kind != Kind::Notifier {
            let conditions = invalid_conditions(unreadable, &failure, Timestamp::now());
            let uid = unreadable.uid.as_deref();
            self.transition(object, uid, &unreadable.conditions, &conditions)
                .await;
            if conditions != unreadable.conditions
                && let Err(error) = self.context.store.publish_conditions(object, &conditions).await
            {
                tracing::error!(%object, error = %crate::chain(&error), "its conditions could not be written");
            }
            let told = notify::Failure {
                retry: Retry::OnChange,
                ..told(&failure, None, Duration::ZERO)
            };
            let outcome = notify::Outcome::Failed(told);
            // Nobody is told of a Receiver either: what it would have had fetched is fetched at the interval.
            if object.kind != Kind::Receiver {
                self.tell(object, &unreadable.labels, None, None, outcome).await;
            }
        }
        self.line(object, None, None, Outcome::NotReady, failure.message);
    }

    /// Reports a Delivery that was let go while what it applied stays.
    pub(super) async fn left_behind(
        &self,
        name: &ObjectName,
        delivery: &DeliveryDefinition,
        failure: &Failure,
    ) {
        tracing::warn!(object = %name, reason = failure.reason, "{}", failure.message);
        let uid = delivery.uid.as_deref();
        let (reason, note) = (&failure.reason, &failure.message);
        self.event(name, uid, EventType::Warning, reason, note).await;
    }

    fn measure<T, E>(&self, name: &ObjectName, run: &Run, result: &Result<T, E>) {
        self.context
            .metrics
            .reconciled(name, run.trigger.as_str(), Ended::of(result), run.took);
    }

    async fn publish(&self, name: &ObjectName, status: Status<'_>) {
        if let Err(error) = self.context.store.publish(&name.key, status).await {
            tracing::error!(object = %name, error = %crate::chain(&error), "its status could not be written");
        }
    }

    fn line(
        &mut self,
        name: &ObjectName,
        revision: Option<String>,
        verified: Option<&VerifiedRevision>,
        outcome: Outcome,
        message: String,
    ) {
        self.lines.push(Line {
            object: name.to_string(),
            outcome,
            revision,
            signer: verified.map(|revision| revision.verification().to_string()),
            message,
        });
    }

    /// Hands an event to the outbox, which knows whether it is news.
    async fn tell(
        &self,
        name: &ObjectName,
        labels: &BTreeMap<String, String>,
        commit: Option<notify::CommitFacts>,
        signature: Option<notify::Signature>,
        outcome: notify::Outcome,
    ) {
        let event = notify::Event {
            object: name.clone(),
            cluster: Public::masked(self.context.cluster.name()),
            time: Timestamp::now(),
            commit,
            signature,
            outcome,
            audit_head: Some(Public::masked(self.context.audit.head())),
        };
        if let Err(error) = self.notifications.tell(event, labels).await {
            tracing::error!(object = %name, error = %crate::chain(&error), "nobody could be told");
        }
    }
}

/// What was done, counted.
struct Counts {
    created: usize,
    configured: usize,
    recreated: usize,
    deleted: usize,
    unchanged: usize,
}

impl Counts {
    fn of(delivered: &Delivered) -> Self {
        let count = |action| {
            delivered
                .changes
                .iter()
                .filter(|change| change.action == action)
                .count()
        };
        let (created, configured, recreated, deleted) = (
            count(Action::Create),
            count(Action::Configure),
            count(Action::Recreate),
            count(Action::Delete),
        );
        let there = delivered.inventory.as_ref().map_or(0, Vec::len);
        Self {
            created,
            configured,
            recreated,
            deleted,
            unchanged: there.saturating_sub(created + configured + recreated),
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            created,
            configured,
            recreated,
            deleted,
            unchanged,
        } = self;
        write!(formatter, "{created} created, {configured} configured, ")?;
        if *recreated > 0 {
            write!(formatter, "{recreated} recreated, ")?;
        }
        write!(formatter, "{deleted} deleted, {unchanged} unchanged")
    }
}

fn log_failure(
    name: &ObjectName,
    run: &Run,
    failure: &Failure,
    delivery: Option<(Option<&VerifiedRevision>, &Counts)>,
) {
    let revision = delivery.and_then(|(revision, _)| revision);
    let counts = delivery.map(|(_, counts)| counts);
    let refused = failure.commit.as_ref().map(|commit| commit.revision.as_str());
    tracing::error!(
        object = %name, trigger = run.trigger.as_str(), step = failure.step.as_str(), reason = failure.reason,
        commit = revision.map(VerifiedRevision::name).or(refused),
        signer = revision.map(|revision| revision.verification().to_string()),
        created = counts.map(|counts| counts.created), configured = counts.map(|counts| counts.configured),
        recreated = counts.map(|counts| counts.recreated), deleted = counts.map(|counts| counts.deleted), duration_ms = milliseconds(run.took), outcome = "failed",
        "{}", failure.message
    );
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
