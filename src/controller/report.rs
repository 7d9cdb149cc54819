//! What came of a reconcile: to the status, the log, the events of the cluster, and people.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::SourceDefinition;
use crate::api::{
    API_VERSION, ConditionStatus, ConditionType, Conditions, DeliverySpec, DeliveryStatus, GitSourceStatus,
};
use crate::cluster::{Actor, Resource, Scope};
use crate::name::{Kind, ObjectName, ObjectRef};
use crate::notify::{
    self, Changes, ClusterObject, CommitId, Listed, Notifications, Public, Reason, Retry, Step, forge,
};
use crate::plan::Action;
use crate::reconcile::{Context, Delivered, Failure, Trigger};
use crate::store::{Definition, InvalidDefinition, Status, Store};
use crate::verify::{CommitFacts, Verification, VerifiedRevision};

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
    /// Its user asked to leave it.
    Suspended,
}

/// Tells what came of reconciles.
pub(super) struct Reporter {
    context: Arc<Context>,
    notifications: Notifications,
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

    pub(super) fn into_lines(self) -> Vec<Line> {
        self.lines
    }

    /// Reports what came of a source; its new status comes back.
    pub(super) async fn source(
        &mut self,
        source: &SourceDefinition,
        trigger: Trigger,
        took: Duration,
        next: Duration,
        result: &Result<Arc<VerifiedRevision>, Failure>,
    ) -> GitSourceStatus {
        let name = ObjectName {
            kind: Kind::GitSource,
            key: source.key.clone(),
        };
        let mut status = source.status.clone();
        status.observed_generation = source.generation;
        status.last_handled_reconcile_at.clone_from(&source.requested_at);
        let now = Timestamp::now();
        let set = |conditions: &mut Conditions, type_, status, reason: &str, message: &str| {
            conditions.set(type_, status, reason, message, source.generation, now);
        };
        match result {
            Ok(revision) => {
                let signed = signed_by(revision.verification());
                let message = format!("revision {} {signed}", revision.name());
                set(
                    &mut status.conditions,
                    ConditionType::Ready,
                    ConditionStatus::True,
                    "Succeeded",
                    &message,
                );
                let (verified, reason) = match revision.verification() {
                    Verification::Signed(_) => (ConditionStatus::True, "Verified"),
                    Verification::Waived => (ConditionStatus::Unknown, "Waived"),
                };
                set(
                    &mut status.conditions,
                    ConditionType::SourceVerified,
                    verified,
                    reason,
                    &signed,
                );
                status.revision = Some(revision.name().to_owned());
                status.signer = revision.verification().signer_status();
                let is_new = source.status.revision != status.revision;
                tracing::info!(
                    object = %name, trigger = trigger.as_str(), revision = revision.name(),
                    signer = %revision.verification(), duration_ms = milliseconds(took), new = is_new,
                    outcome = "ready", "source reconciled"
                );
            }
            Err(failure) => {
                set(
                    &mut status.conditions,
                    ConditionType::Ready,
                    ConditionStatus::False,
                    &failure.reason,
                    &failure.message,
                );
                if failure.step == Step::Verify {
                    set(
                        &mut status.conditions,
                        ConditionType::SourceVerified,
                        ConditionStatus::False,
                        &failure.reason,
                        &failure.message,
                    );
                }
                log_failure(&name, trigger, took, failure, None);
            }
        }
        let message = ready_message(&status.conditions);
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
                    duration: took,
                }),
            ),
            Err(failure) => (
                failure
                    .commit
                    .as_ref()
                    .and_then(|commit| commit_facts(commit, url)),
                (failure.step == Step::Verify).then(|| notify::Signature::Refused {
                    reason: Public::masked(&failure.reason),
                }),
                notify::Outcome::Failed(told(failure, status.revision.as_deref(), next)),
            ),
        };
        self.tell(&name, &source.labels, commit, signature, outcome).await;
        self.line(
            &name,
            result.is_ok(),
            status.revision.clone(),
            result.as_ref().ok().map(AsRef::as_ref),
            message,
        );
        status
    }

    /// Reports what came of a Delivery; its new status comes back.
    pub(super) async fn delivery(
        &mut self,
        delivery: &Definition<DeliverySpec, DeliveryStatus>,
        trigger: Trigger,
        took: Duration,
        next: Duration,
        revision: Option<&VerifiedRevision>,
        delivered: &Delivered,
        url: Option<String>,
    ) -> DeliveryStatus {
        let name = ObjectName {
            kind: Kind::Delivery,
            key: delivery.key.clone(),
        };
        let mut status = delivery.status.clone();
        status.observed_generation = delivery.generation;
        status
            .last_handled_reconcile_at
            .clone_from(&delivery.requested_at);
        if let Some(inventory) = &delivered.inventory {
            status.inventory.clone_from(inventory);
        }
        if let Some(revision) = revision {
            status.last_attempted_revision = Some(revision.name().to_owned());
        }
        status.audit_head = Some(self.context.audit.head());
        let now = Timestamp::now();
        let counts = Counts::of(delivered);
        match &delivered.result {
            Ok(()) => {
                let applied = revision.map(|revision| revision.name().to_owned());
                let signed = revision.map_or_else(String::new, |revision| signed_by(revision.verification()));
                let message = format!(
                    "applied revision {} {signed}",
                    applied.as_deref().unwrap_or_default()
                );
                status.conditions.set(
                    ConditionType::Ready,
                    ConditionStatus::True,
                    "Applied",
                    &message,
                    delivery.generation,
                    now,
                );
                if delivery.spec.wait {
                    let healthy = "everything that was applied is healthy";
                    status.conditions.set(
                        ConditionType::Healthy,
                        ConditionStatus::True,
                        "Healthy",
                        healthy,
                        delivery.generation,
                        now,
                    );
                }
                status.signer = revision.and_then(|revision| revision.verification().signer_status());
                status.last_applied_revision = applied;
                tracing::info!(
                    object = %name, trigger = trigger.as_str(), commit = revision.map(VerifiedRevision::name),
                    signer = revision.map(|revision| revision.verification().to_string()),
                    created = counts.created, configured = counts.configured, deleted = counts.deleted,
                    unchanged = counts.unchanged, duration_ms = milliseconds(took), outcome = "ready",
                    "delivery reconciled"
                );
            }
            Err(failure) => {
                let ready = &mut status.conditions;
                ready.set(
                    ConditionType::Ready,
                    ConditionStatus::False,
                    &failure.reason,
                    &failure.message,
                    delivery.generation,
                    now,
                );
                if failure.step == Step::Health {
                    ready.set(
                        ConditionType::Healthy,
                        ConditionStatus::False,
                        &failure.reason,
                        &failure.message,
                        delivery.generation,
                        now,
                    );
                }
                log_failure(&name, trigger, took, failure, Some((revision, &counts)));
            }
        }
        let message = match &delivered.result {
            Ok(()) => format!("{counts}"),
            Err(failure) => failure.message.clone(),
        };
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
                duration: took,
            }),
            Err(failure) => {
                notify::Outcome::Failed(told(failure, status.last_applied_revision.as_deref(), next))
            }
        };
        let failure = delivered.result.as_ref().err();
        // Waiting for something else is not worth waking anybody: that something has its own message.
        let waits = failure.is_some_and(|failure| {
            matches!(failure.reason.as_str(), "DependencyNotReady" | "SourceNotReady")
        });
        if !waits {
            let commit = revision.and_then(|revision| commit_facts(revision.commit(), url.as_deref()));
            let signature = revision.map(|revision| signature(revision.verification()));
            self.tell(&name, &delivery.labels, commit, signature, outcome)
                .await;
        }
        self.line(
            &name,
            delivered.result.is_ok(),
            status.last_applied_revision.clone(),
            revision,
            message,
        );
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
        let mut conditions = Conditions::default();
        let now = Timestamp::now();
        conditions.set(
            ConditionType::Ready,
            ConditionStatus::False,
            "InvalidSpec",
            reason,
            *generation,
            now,
        );
        conditions.set(
            ConditionType::Stalled,
            ConditionStatus::True,
            "InvalidSpec",
            reason,
            *generation,
            now,
        );
        match object.kind {
            Kind::GitSource => {
                let status = GitSourceStatus {
                    conditions,
                    observed_generation: *generation,
                    ..Default::default()
                };
                self.publish(object, Status::GitSource(&status)).await;
            }
            // The inventory must survive: an unreadable spec is no reason to forget what is in the cluster.
            Kind::Delivery | Kind::Notifier => {}
        }
        self.lines.push(Line {
            object: object.to_string(),
            outcome: Outcome::NotReady,
            revision: None,
            signer: None,
            message: invalid.to_string(),
        });
    }

    async fn publish(&self, name: &ObjectName, status: Status<'_>) {
        if let Err(error) = self.context.store.publish(&name.key, status).await {
            tracing::error!(object = %name, error = %crate::chain(&error), "its status could not be written");
        }
    }

    fn line(
        &mut self,
        name: &ObjectName,
        ready: bool,
        revision: Option<String>,
        verified: Option<&VerifiedRevision>,
        message: String,
    ) {
        self.lines.push(Line {
            object: name.to_string(),
            outcome: if ready { Outcome::Ready } else { Outcome::NotReady },
            revision,
            signer: verified.map(|revision| revision.verification().to_string()),
            message,
        });
    }

    /// Hands an event to the outbox, which knows whether it is news.
    async fn tell(
        &self,
        name: &ObjectName,
        labels: &std::collections::BTreeMap<String, String>,
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
    trigger: Trigger,
    took: Duration,
    failure: &Failure,
    delivery: Option<(Option<&VerifiedRevision>, &Counts)>,
) {
    let revision = delivery.and_then(|(revision, _)| revision);
    let counts = delivery.map(|(_, counts)| counts);
    tracing::error!(
        object = %name, trigger = trigger.as_str(), step = failure.step.as_str(), reason = failure.reason,
        commit = revision.map(VerifiedRevision::name), signer = revision.map(|revision| revision.verification().to_string()),
        created = counts.map(|counts| counts.created), configured = counts.map(|counts| counts.configured),
        deleted = counts.map(|counts| counts.deleted), duration_ms = milliseconds(took), outcome = "failed",
        "{}", failure.message
    );
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn signed_by(verification: &Verification) -> String {
    match verification {
        Verification::Signed(signer) => format!("signed by {} ({})", signer.identity, signer.fingerprint),
        Verification::Waived => "not verified: spec.verify.mode is None".to_owned(),
    }
}

fn ready_message(conditions: &Conditions) -> String {
    conditions
        .get(ConditionType::Ready)
        .map(|ready| ready.message.clone())
        .unwrap_or_default()
}

fn signature(verification: &Verification) -> notify::Signature {
    match verification {
        Verification::Signed(signer) => notify::Signature::Signed {
            key: match signer.kind {
                git_signature::SignerKind::Ssh => notify::KeyKind::Ssh,
                git_signature::SignerKind::OpenPgp => notify::KeyKind::OpenPgp,
            },
            identity: Public::masked(&signer.identity),
            fingerprint: Public::masked(&signer.fingerprint),
        },
        Verification::Waived => notify::Signature::Waived,
    }
}

fn commit_facts(commit: &CommitFacts, url: Option<&str>) -> Option<notify::CommitFacts> {
    let id = CommitId::parse(&commit.id).ok()?;
    let reference = commit
        .revision
        .rsplit_once('@')
        .map(|(reference, _)| Public::masked(reference));
    let link = url.and_then(|url| forge::commit_link(url, &id));
    let subject = commit.subject.as_ref().map(Public::masked);
    let author = commit.author.as_ref().map(Public::masked);
    Some(notify::CommitFacts {
        id,
        reference,
        subject,
        author,
        link,
    })
}

fn told(failure: &Failure, running: Option<&str>, next: Duration) -> notify::Failure {
    let object = |failure: &crate::plan::ObjectFailure| notify::ObjectFailure {
        object: cluster_object(&failure.object),
        reason: Reason::word(&failure.reason),
        message: Public::masked(&failure.message),
    };
    let running = running
        .and_then(|name| name.rsplit_once(':'))
        .and_then(|(_, id)| CommitId::parse(id).ok());
    notify::Failure {
        step: failure.step,
        reason: Reason::word(&failure.reason),
        message: Public::masked(&failure.message),
        objects: failure.objects.iter().map(object).collect::<Listed<_>>(),
        advice: failure.advice.as_ref().map(Public::masked),
        running,
        retry: Retry::After(next),
    }
}

fn changes(delivered: &Delivered) -> Changes {
    let change = |change: &crate::apply::Change| {
        let action = match change.action {
            Action::Create => notify::Action::Created,
            Action::Configure => notify::Action::Configured,
            Action::Delete => notify::Action::Deleted,
            Action::None => return None,
        };
        Some(notify::Change {
            action,
            object: cluster_object(&change.object),
        })
    };
    delivered.changes.iter().filter_map(change).collect()
}

fn cluster_object(object: &ObjectRef) -> ClusterObject {
    ClusterObject {
        kind: Public::masked(&object.kind),
        namespace: object.namespace.as_ref().map(Public::masked),
        name: Public::masked(&object.name),
    }
}

/// The start of a text, in whole characters, of at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
