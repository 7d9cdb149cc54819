//! What came of a reconcile, as a status. Pure.

use jiff::Timestamp;

use super::{DeliveryDefinition, SourceDefinition};
use crate::api::{ConditionStatus, ConditionType, Conditions, DeliveryStatus, GitSourceStatus};
use crate::notify::Step;
use crate::reconcile::{Delivered, Failure};
use crate::verify::{Verification, VerifiedRevision};

/// The status of a source. While a new revision is refused, the last verified one stays in it.
pub(super) fn source_status<R: AsRef<VerifiedRevision>>(
    source: &SourceDefinition,
    result: &Result<R, Failure>,
    now: Timestamp,
) -> GitSourceStatus {
    let mut status = source.status.clone();
    status.observed_generation = source.generation;
    status.last_handled_reconcile_at.clone_from(&source.requested_at);
    // The spec was read, or there would be no result.
    status.conditions.remove(ConditionType::Stalled);
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
                Verification::Waived => (ConditionStatus::Unknown, "Waived"),
            };
            set(ConditionType::SourceVerified, verified, reason, &signed);
            status.revision = Some(revision.name().to_owned());
            status.signer = revision.verification().signer_status();
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
    if let Some(revision) = revision {
        status.last_attempted_revision = Some(revision.name().to_owned());
    }
    let mut set = |type_, holds, reason: &str, message: &str| {
        status
            .conditions
            .set(type_, holds, reason, message, delivery.generation, now);
    };
    match (&delivered.result, revision) {
        (Ok(()), Some(revision)) => {
            let message = format!("applied revision {}", revision.name());
            set(ConditionType::Ready, ConditionStatus::True, "Applied", &message);
            if delivery.spec.wait {
                let healthy = "everything that was applied is healthy";
                set(ConditionType::Healthy, ConditionStatus::True, "Healthy", healthy);
            }
            status.signer = revision.verification().signer_status();
            status.last_applied_revision = Some(revision.name().to_owned());
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

/// The conditions of an object whose spec cannot be read: nothing will come of it until its user mends it.
pub(super) fn invalid_conditions(reason: &str, generation: Option<i64>, now: Timestamp) -> Conditions {
    let mut conditions = Conditions::default();
    conditions.set(
        ConditionType::Ready,
        ConditionStatus::False,
        "InvalidSpec",
        reason,
        generation,
        now,
    );
    conditions.set(
        ConditionType::Stalled,
        ConditionStatus::True,
        "InvalidSpec",
        reason,
        generation,
        now,
    );
    conditions
}

fn signed_by(verification: &Verification) -> String {
    match verification {
        Verification::Signed(signer) => format!("signed by {} ({})", signer.identity, signer.fingerprint),
        Verification::Waived => "not verified: spec.verify.mode is None".to_owned(),
    }
}
