//! What came of a reconcile: to the status, the log, the events of the cluster, and people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::message::{changes, commit_facts, signature, told};
use super::status::{delivery_status, invalid_conditions, source_status};
use super::{DeliveryDefinition, SourceDefinition};
use crate::api::{API_VERSION, ConditionStatus, ConditionType, Conditions, DeliveryStatus, GitSourceStatus};
use crate::cluster::{Actor, Resource, Scope};
use crate::name::{Kind, ObjectName, ObjectRef};
use crate::notify::{self, Changes, Notifications, Public, Step};
use crate::plan::Action;
use crate::reconcile::{Context, Delivered, Failure, Trigger};
use crate::store::{InvalidDefinition, Status, Store};
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
}

/// Tells what came of reconciles.
pub(super) struct Reporter {
    context: Arc<Context>,
    notifications: Notifications,
    /// What was reported, in a single run; a process that runs on would gather them for ever.
    lines: Vec<Line>,
}

/// The longest note of a Kubernetes Event, in bytes (`events.k8s.io/v1`).
const MAX_NOTE_BYTES: usize = 1024;

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
            &source.status.conditions,
            &status.conditions,
            source.uid.as_deref(),
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
                notify::Outcome::Succeeded(notify::Success {
                    changes: Changes::default(),
                    duration: run.took,
                }),
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
        let status = delivery_status(
            delivery,
            revision,
            delivered,
            self.context.audit.head(),
            Timestamp::now(),
        );
        let counts = Counts::of(delivered);
        match &delivered.result {
            Ok(()) => tracing::info!(
                object = %name, trigger = run.trigger.as_str(), commit = revision.map(VerifiedRevision::name),
                signer = revision.map(|revision| revision.verification().to_string()),
                created = counts.created, configured = counts.configured, deleted = counts.deleted,
                unchanged = counts.unchanged, duration_ms = milliseconds(run.took), outcome = "ready",
                "delivery reconciled"
            ),
            Err(failure) => log_failure(&name, run, failure, Some((revision, &counts))),
        }
        self.transition(
            &name,
            &delivery.status.conditions,
            &status.conditions,
            delivery.uid.as_deref(),
        )
        .await;
        if status != delivery.status {
            self.publish(&name, Status::Delivery(&status)).await;
        }
        let outcome = match &delivered.result {
            Ok(()) => notify::Outcome::Succeeded(notify::Success {
                changes: changes(delivered),
                duration: run.took,
            }),
            Err(failure) => {
                notify::Outcome::Failed(told(failure, status.last_applied_revision.as_deref(), run.next))
            }
        };
        // Waiting for something else is not worth waking anybody: that something has its own message.
        let waits =
            |failure: &Failure| matches!(failure.reason.as_str(), "DependencyNotReady" | "SourceNotReady");
        if !delivered.result.as_ref().is_err_and(waits) {
            let commit = revision.and_then(|revision| commit_facts(revision.commit(), url.as_deref()));
            let signature = revision.map(|revision| signature(revision.verification()));
            self.tell(&name, &delivery.labels, commit, signature, outcome)
                .await;
        }
        let message = match &delivered.result {
            Ok(()) => counts.to_string(),
            Err(failure) => failure.message.clone(),
        };
        let applied = status.last_applied_revision.clone();
        self.line(&name, applied, revision, Outcome::of(&delivered.result), message);
        status
    }

    /// Reports an object whose spec cannot be read.
    pub(super) async fn invalid(&mut self, invalid: &InvalidDefinition) {
        tracing::error!(error = %invalid, "an object cannot be read");
        let InvalidDefinition::Spec {
            object,
            generation,
            reason,
        } = invalid
        else {
            return;
        };
        match object.kind {
            Kind::GitSource => {
                let conditions = invalid_conditions(reason, *generation, Timestamp::now());
                let status = GitSourceStatus {
                    conditions,
                    observed_generation: *generation,
                    ..GitSourceStatus::default()
                };
                self.publish(object, Status::GitSource(&status)).await;
            }
            // The inventory must survive: an unreadable spec is no reason to forget what is in the cluster.
            Kind::Delivery | Kind::Notifier => {}
        }
        self.line(object, None, None, Outcome::NotReady, invalid.to_string());
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

    /// Writes a Kubernetes Event when Ready turned, or turned bad for another reason.
    async fn transition(
        &self,
        name: &ObjectName,
        before: &Conditions,
        after: &Conditions,
        uid: Option<&str>,
    ) {
        let (Store::InCluster(_), Some(uid), Some(ready)) =
            (&self.context.store, uid, after.get(ConditionType::Ready))
        else {
            return;
        };
        let former = before.get(ConditionType::Ready);
        if former.is_some_and(|former| {
            former.status == ready.status && former.reason == ready.reason && former.message == ready.message
        }) {
            return;
        }
        let now = Timestamp::now();
        let is_good = ready.status == ConditionStatus::True;
        let object = ObjectRef {
            group: "events.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "Event".to_owned(),
            namespace: Some(name.key.namespace.clone()),
            name: format!("{}.{:x}", name.key.name, now.as_nanosecond()),
        };
        let event = serde_json::json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": object.name, "namespace": object.namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "reportingController": "fluxops.dev/controller",
            "reportingInstance": "fluxops",
            "action": "Reconcile",
            "reason": ready.reason,
            "type": if is_good { "Normal" } else { "Warning" },
            "note": cut(&ready.message, MAX_NOTE_BYTES),
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": name.kind.as_str(),
                "namespace": name.key.namespace,
                "name": name.key.name,
                "uid": uid,
            },
        });
        let resource = Resource {
            plural: "events".to_owned(),
            scope: Scope::Namespaced,
        };
        let written = match self.context.cluster.session(Actor::Itself) {
            Ok(session) => session.create(&object, &resource, &event).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(object = %name, %error, "its event could not be written");
        }
    }
}

/// What was done, counted.
struct Counts {
    created: usize,
    configured: usize,
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
        let (created, configured, deleted) = (
            count(Action::Create),
            count(Action::Configure),
            count(Action::Delete),
        );
        let there = delivered.inventory.as_ref().map_or(0, Vec::len);
        Self {
            created,
            configured,
            deleted,
            unchanged: there.saturating_sub(created + configured),
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            created,
            configured,
            deleted,
            unchanged,
        } = self;
        write!(
            formatter,
            "{created} created, {configured} configured, {deleted} deleted, {unchanged} unchanged"
        )
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
        deleted = counts.map(|counts| counts.deleted), duration_ms = milliseconds(run.took), outcome = "failed",
        "{}", failure.message
    );
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The start of a text, in whole characters, of at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
