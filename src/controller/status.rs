//! What came of a reconcile, as a status. Pure.

use jiff::Timestamp;

use super::{DeliveryDefinition, ReceiverDefinition, SourceDefinition};
use crate::api::{
    ConditionStatus, ConditionType, Conditions, DeliveryStatus, GitSourceStatus, ReceiverStatus, Remedy,
    SUCCEEDED, Verify, remember,
};
use crate::notify::Step;
use crate::reconcile::{Delivered, Drift, Failure};
use crate::store::{Deletion, Hold, Unreadable};
use crate::verify::{CommitFacts, Verification, VerifiedRevision, is_stale};

/// The reason of the condition Stale.
const MAX_AGE_EXCEEDED: &str = "MaxAgeExceeded";

/// The status of a source. While a new revision is refused, the last verified one stays in it.
pub(super) fn source_status<R: AsRef<VerifiedRevision>>(
    source: &SourceDefinition,
    result: &Result<R, Failure>,
    now: Timestamp,
) -> GitSourceStatus {
    let mut status = source.status.clone();
    status.observed_generation = source.generation;
    status.last_handled_reconcile_at.clone_from(&source.requested_at);
    settle(
        &mut status.conditions,
        result.as_ref().err(),
        source.generation,
        now,
    );
    let mut set = |type_, holds, reason: &str, message: &str| {
        status
            .conditions
            .set(type_, holds, reason, message, source.generation, now);
    };
    match result {
        Ok(revision) => {
            let revision = revision.as_ref();
            let signed = signed_by(revision.verification());
            let message = format!("verified revision {}", revision.name());
            set(ConditionType::Ready, ConditionStatus::True, "Succeeded", &message);
            let (verified, reason) = match revision.verification() {
                Verification::Signed(_) => (ConditionStatus::True, "Verified"),
                Verification::Merged(_) => (ConditionStatus::True, "VerifiedMerge"),
                Verification::Earlier(_) => (ConditionStatus::True, "TrustedEarlier"),
                Verification::Waived => (ConditionStatus::Unknown, "Waived"),
            };
            set(ConditionType::SourceVerified, verified, reason, &signed);
            status.revision = Some(revision.name().to_owned());
            status.signer = revision.verification().signer_status();
            match stale(&source.spec.verify, revision.commit(), now) {
                Some(message) => {
                    let type_ = ConditionType::Stale;
                    let holds = ConditionStatus::True;
                    status
                        .conditions
                        .set(type_, holds, MAX_AGE_EXCEEDED, &message, source.generation, now);
                }
                None => status.conditions.remove(ConditionType::Stale),
            }
        }
        Err(failure) => {
            set(
                ConditionType::Ready,
                ConditionStatus::False,
                &failure.reason,
                &failure.message,
            );
            if failure.step == Step::Verify {
                set(
                    ConditionType::SourceVerified,
                    ConditionStatus::False,
                    &failure.reason,
                    &failure.message,
                );
            }
        }
    }
    status
}

/// What is said of a source whose newest commit is older than it may be. It is the same at each reconcile.
fn stale(verify: &Verify, commit: &CommitFacts, now: Timestamp) -> Option<String> {
    let (max_age, committed) = (verify.max_age?, commit.committed?);
    is_stale(committed, max_age.0, now).then(|| {
        let committed = committed.strftime("%Y-%m-%dT%H:%M:%SZ");
        format!("the newest commit was made at {committed}, longer ago than verify.maxAge ({max_age})")
    })
}

/// The status of a Delivery. What was applied before stays in it until something else is.
pub(super) fn delivery_status(
    delivery: &DeliveryDefinition,
    revision: Option<&VerifiedRevision>,
    delivered: &Delivered,
    audit_head: String,
    now: Timestamp,
) -> DeliveryStatus {
    let mut status = delivery.status.clone();
    status.observed_generation = delivery.generation;
    status
        .last_handled_reconcile_at
        .clone_from(&delivery.requested_at);
    status.audit_head = Some(audit_head);
    if let Some(inventory) = &delivered.inventory {
        status.inventory.clone_from(inventory);
    }
    // What is tried is the newest; what stands in for it may be an older one.
    if let Some(revision) = revision {
        status.last_attempted_revision = Some(revision.name().to_owned());
        if let Err(failure) = &delivered.result {
            let signer = revision.verification().signer_status();
            remember(&mut status.history, revision.name(), signer, &failure.reason, now);
        }
    }
    let back = delivered.back.as_ref();
    status.rollback = back.and_then(|back| back.status.clone());
    if let Some(back) = back.filter(|back| back.is_applied) {
        settled_on(&mut status, &back.to, now);
    }
    let revision = back.map_or(revision, |back| Some(&*back.to));
    let failure = delivered.result.as_ref().err();
    settle(&mut status.conditions, failure, delivery.generation, now);
    let mut set = |type_, holds, reason: &str, message: &str| {
        status
            .conditions
            .set(type_, holds, reason, message, delivery.generation, now);
    };
    match (&delivered.result, revision) {
        (Ok(()), Some(revision)) => {
            let (reason, message) = match &delivery.hold {
                Some(hold) => ("HeldBack", held_back(hold, &delivery.key.name)),
                None => ("Applied", format!("applied revision {}", revision.name())),
            };
            set(ConditionType::Ready, ConditionStatus::True, reason, &message);
            if delivery.spec.wait {
                let healthy = "everything that was applied is healthy";
                set(ConditionType::Healthy, ConditionStatus::True, "Healthy", healthy);
            }
            settled_on(&mut status, revision, now);
        }
        // Without a revision nothing is applied.
        (Ok(()), None) => {}
        (Err(failure), _) => {
            set(
                ConditionType::Ready,
                ConditionStatus::False,
                &failure.reason,
                &failure.message,
            );
            if failure.step == Step::Health {
                set(
                    ConditionType::Healthy,
                    ConditionStatus::False,
                    &failure.reason,
                    &failure.message,
                );
            }
        }
    }
    status
}

/// Notes which revision is applied whole.
fn settled_on(status: &mut DeliveryStatus, revision: &VerifiedRevision, now: Timestamp) {
    status.signer = revision.verification().signer_status();
    status.last_applied_revision = Some(revision.name().to_owned());
    let signer = status.signer.clone();
    remember(&mut status.history, revision.name(), signer, SUCCEEDED, now);
}

fn held_back(hold: &Hold, name: &str) -> String {
    let Hold { revision, by, at } = hold;
    let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
    format!(
        "holds {revision} since {}, by {}; newer revisions wait until `fluxops resume delivery/{name}`",
        of(at),
        of(by)
    )
}

/// The status of a Receiver, with its path if it is served.
pub(super) fn receiver_status(
    receiver: &ReceiverDefinition,
    result: &Result<String, Failure>,
    now: Timestamp,
) -> ReceiverStatus {
    let mut status = receiver.status.clone();
    let generation = receiver.generation;
    status.observed_generation = generation;
    status.webhook_path = result.as_ref().ok().cloned();
    let conditions = &mut status.conditions;
    settle(conditions, result.as_ref().err(), generation, now);
    let mut set = |holds, reason: &str, message: &str| {
        conditions.set(ConditionType::Ready, holds, reason, message, generation, now);
    };
    match result {
        Ok(path) if receiver.spec.suspend => {
            let message = format!("suspended: calls of {path} are refused");
            set(ConditionStatus::True, "Suspended", &message);
        }
        Ok(path) => set(ConditionStatus::True, "Served", &format!("receives at {path}")),
        Err(failure) => set(ConditionStatus::False, &failure.reason, &failure.message),
    }
    status
}

/// The status of a Delivery of which a revision changes nothing: it is as if it had been applied once more.
pub(super) fn moved_status(
    delivery: &DeliveryDefinition,
    revision: &VerifiedRevision,
    audit_head: String,
    now: Timestamp,
) -> DeliveryStatus {
    let nothing_done = Delivered {
        result: Ok(()),
        changes: Vec::new(),
        inventory: None,
        inputs: None,
        tried: None,
        back: None,
        drift: Drift::None,
    };
    let status = delivery_status(delivery, Some(revision), &nothing_done, audit_head, now);
    // Revisions that change nothing would push out those that one can go back to.
    DeliveryStatus {
        history: delivery.status.history.clone(),
        ..status
    }
}

/// Notes that a run begins for a spec or a revision that is new. What is Ready stays so: it speaks of what is there.
pub(super) fn begin(conditions: &mut Conditions, what: &str, generation: Option<i64>, now: Timestamp) {
    let mut set = |type_, holds| conditions.set(type_, holds, "Progressing", what, generation, now);
    set(ConditionType::Reconciling, ConditionStatus::True);
    if conditions.get(ConditionType::Ready).is_none() {
        conditions.set(
            ConditionType::Ready,
            ConditionStatus::Unknown,
            "Progressing",
            what,
            generation,
            now,
        );
    }
    conditions.remove(ConditionType::Stalled);
}

/// Notes that a run came to its end: nothing goes on any more, and it is stalled if trying again would not help.
fn settle(conditions: &mut Conditions, failure: Option<&Failure>, generation: Option<i64>, now: Timestamp) {
    conditions.remove(ConditionType::Reconciling);
    match failure.filter(|failure| failure.remedy == Remedy::Change) {
        Some(Failure { reason, message, .. }) => conditions.set(
            ConditionType::Stalled,
            ConditionStatus::True,
            reason,
            message,
            generation,
            now,
        ),
        None => conditions.remove(ConditionType::Stalled),
    }
}

/// Why nothing comes of an object whose spec cannot be read.
pub(super) fn unreadable_spec(unreadable: &Unreadable) -> Failure {
    let mut message = unreadable.reason.clone();
    if unreadable.deletion == Deletion::Asked {
        message.push_str(
            "; it is being deleted, and its spec says what becomes of its objects: correct it, or take the finalizer off to leave them",
        );
    }
    Failure::said(Step::Configure, "InvalidSpec", message, Remedy::Change)
}

/// The conditions of an object whose spec cannot be read: nothing will come of it until its user mends it.
pub(super) fn invalid_conditions(unreadable: &Unreadable, failure: &Failure, now: Timestamp) -> Conditions {
    let mut conditions = unreadable.conditions.clone();
    let generation = unreadable.generation;
    settle(&mut conditions, Some(failure), generation, now);
    conditions.set(
        ConditionType::Ready,
        ConditionStatus::False,
        &failure.reason,
        &failure.message,
        generation,
        now,
    );
    conditions
}

fn signed_by(verification: &Verification) -> String {
    match verification {
        Verification::Signed(signer) => format!("signed by {} ({})", signer.identity, signer.fingerprint),
        Verification::Merged(signer) => format!(
            "merged by the forge, {} ({}), of commits that are trusted, with nothing changed",
            signer.identity, signer.fingerprint
        ),
        Verification::Earlier(Some(signer)) => format!(
            "signed by {} ({}), who was trusted then",
            signer.identity, signer.fingerprint
        ),
        Verification::Earlier(None) => "taken as trusted: spec.verify.startFrom names it".to_owned(),
        Verification::Waived => "not verified: spec.verify.mode is None".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{Key, Kind, ObjectName};

    /// Which of the conditions of kstatus an object has.
    fn shown(conditions: &Conditions) -> Vec<(ConditionType, ConditionStatus)> {
        conditions
            .iter()
            .map(|condition| (condition.type_, condition.status))
            .collect()
    }

    #[test]
    fn work_shows_while_it_goes_on_and_is_stalled_only_where_trying_again_is_no_help() {
        use ConditionStatus::{True, Unknown};
        use ConditionType::{Ready, Reconciling, Stalled};
        let now = Timestamp::UNIX_EPOCH;
        let mut conditions = Conditions::default();
        begin(&mut conditions, "fetching", Some(1), now);
        assert_eq!(shown(&conditions), [(Ready, Unknown), (Reconciling, True)]);
        let failed = |remedy| Failure::said(Step::Fetch, "Failed", "why".to_owned(), remedy);
        settle(&mut conditions, Some(&failed(Remedy::Retry)), Some(1), now);
        assert_eq!(shown(&conditions), [(Ready, Unknown)]);
        settle(&mut conditions, Some(&failed(Remedy::Change)), Some(1), now);
        assert_eq!(shown(&conditions), [(Ready, Unknown), (Stalled, True)]);
        begin(&mut conditions, "fetching", Some(2), now);
        assert_eq!(shown(&conditions), [(Ready, Unknown), (Reconciling, True)]);
        settle(&mut conditions, None, Some(2), now);
        assert_eq!(shown(&conditions), [(Ready, Unknown)]);
    }

    #[test]
    fn an_unreadable_spec_is_said_once_and_leaves_no_newer_time() {
        let mut unreadable = Unreadable {
            object: ObjectName {
                kind: Kind::Delivery,
                key: Key::new("apps", "web").unwrap(),
            },
            uid: None,
            generation: Some(2),
            labels: std::collections::BTreeMap::new(),
            deletion: Deletion::Guarded,
            conditions: Conditions::default(),
            reason: "interval: 1ms is under 1s".to_owned(),
        };
        let failure = unreadable_spec(&unreadable);
        let said = invalid_conditions(&unreadable, &failure, Timestamp::UNIX_EPOCH);
        unreadable.conditions = said.clone();
        let later = Timestamp::from_second(60).unwrap();
        assert_eq!(invalid_conditions(&unreadable, &failure, later), said);

        unreadable.deletion = Deletion::Asked;
        let said = unreadable_spec(&unreadable).message;
        assert!(said.contains("finalizer"), "{said}");
    }
}
