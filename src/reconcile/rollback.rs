//! Back to a revision that was good: by itself when a new one fails (`spec.rollback`), or because somebody asked for it.
//!
//! An older revision is one like any other: it is verified again by today's keys, and goes through the same steps. Nothing
//! of a status is believed but which commit to look at.

use std::sync::Arc;

use git_signature::ObjectId;
use jiff::Timestamp;

use super::{Context, Delivered, Failure, Inputs, SUPERSEDED, Trigger, reconcile_delivery, subject};
use crate::api::{DeliverySpec, DeliveryStatus, Remedy, RollbackStatus};
use crate::audit::Event;
use crate::notify::Step;
use crate::store::Definition;
use crate::verify::VerifiedRevision;

type Delivery = Definition<DeliverySpec, DeliveryStatus>;

/// An older revision that is applied in place of the newest.
pub struct Back {
    /// Which.
    pub to: Arc<VerifiedRevision>,
    /// Whether it is applied whole.
    pub is_applied: bool,
    /// Why, where it was not by hand: it is in the status as long as it stays.
    pub status: Option<RollbackStatus>,
    /// What was made of the revision that failed.
    pub bad: Option<Arc<Inputs>>,
}

/// Applies a revision, or what stands in for it.
pub async fn deliver(
    context: &Context,
    delivery: &Delivery,
    newest: &Arc<VerifiedRevision>,
    trigger: Trigger,
    bad: Option<Arc<Inputs>>,
) -> Delivered {
    if let Some(hold) = &delivery.hold {
        return match older(newest, &hold.revision).await {
            Ok(older) => held(context, delivery, older, trigger).await,
            Err(failure) => Delivered::refused(failure),
        };
    }
    if let Some(standing) = standing(delivery, newest, trigger, bad.as_deref()).await {
        return match older(newest, &standing.to).await {
            Ok(older) => stay(context, delivery, older, trigger, standing, bad).await,
            Err(failure) => Delivered::refused(failure),
        };
    }
    let mut delivered = reconcile_delivery(context, delivery, newest, trigger).await;
    let Some(failure) = failed_for_good(delivery, &delivered) else {
        return delivered;
    };
    let history = delivery.status.history.iter();
    let good = history
        .filter(|entry| entry.succeeded() && entry.revision != newest.name())
        .map(|entry| entry.revision.clone());
    let Some(good) = good.clone().next() else {
        return delivered;
    };
    match older(newest, &good).await {
        Ok(older) => roll_back(context, delivery, newest, &older, trigger, delivered, failure).await,
        Err(why) => {
            let message = format!(
                "{}; it was not rolled back to {good}: {}",
                failure.message, why.message
            );
            delivered.result = Err(Failure { message, ..failure });
            delivered
        }
    }
}

/// What a Delivery was rolled back to, if that is to stay: for the same spec, and as long as nothing of what failed is
/// other than it was. A person who asks for a reconcile wants it tried.
async fn standing(
    delivery: &Delivery,
    newest: &Arc<VerifiedRevision>,
    trigger: Trigger,
    bad: Option<&Inputs>,
) -> Option<RollbackStatus> {
    let Definition {
        spec,
        status,
        generation,
        ..
    } = delivery;
    let standing = status.rollback.as_ref()?;
    let is_wanted = spec.rollback.is_some_and(|rollback| rollback.on_failure)
        && trigger != Trigger::Request
        && status.observed_generation == *generation;
    if !is_wanted {
        return None;
    }
    let is_same = standing.from == newest.name();
    let is_alike = match bad {
        Some(bad) if !is_same && bad.are_of(spec) => {
            let (bad, newest) = (bad.clone(), Arc::clone(newest));
            let held = tokio::task::spawn_blocking(move || bad.hold_in(&newest));
            held.await.unwrap_or(false)
        }
        _ => false,
    };
    (is_same || is_alike).then(|| RollbackStatus {
        from: newest.name().to_owned(),
        ..standing.clone()
    })
}

/// Why a run failed, if another try would fail as well and something of it may be in the cluster.
fn failed_for_good(delivery: &Delivery, delivered: &Delivered) -> Option<Failure> {
    let is_wanted = delivery.spec.rollback.is_some_and(|rollback| rollback.on_failure);
    let failure = delivered.result.as_ref().err()?;
    let is_for_good = match failure.step {
        Step::Health => failure.reason != SUPERSEDED,
        Step::Apply => failure.remedy == Remedy::Change,
        _ => false,
    };
    (is_wanted && is_for_good && delivered.inventory.is_some()).then(|| failure.clone())
}

async fn roll_back(
    context: &Context,
    delivery: &Delivery,
    newest: &VerifiedRevision,
    older: &Arc<VerifiedRevision>,
    trigger: Trigger,
    failed: Delivered,
    failure: Failure,
) -> Delivered {
    let event = Event::RolledBack {
        subject: subject(&delivery.key, older, trigger),
        from: newest.commit().id.clone(),
        reason: failure.reason.clone(),
    };
    if let Err(error) = context.audit.note(event, Timestamp::now()) {
        return Delivered {
            result: Err(error.into()),
            ..failed
        };
    }
    let message = format!(
        "{} was rolled back to {}: {}",
        newest.name(),
        older.name(),
        failure.message
    );
    tracing::warn!(object = %delivery.key, from = newest.name(), to = older.name(), reason = failure.reason, "rolled back");
    let mut delivery = delivery.clone();
    if let Some(inventory) = failed.inventory {
        delivery.status.inventory = inventory;
    }
    let mut again = reconcile_delivery(context, &delivery, older, trigger).await;
    let mut changes = failed.changes;
    changes.append(&mut again.changes);
    again.changes = changes;
    let is_applied = again.result.is_ok();
    again.result = Err(match again.result {
        Ok(()) => rolled_back(failure.step, message.clone()),
        Err(second) => Failure {
            message: format!("{message}; and that failed: {}", second.message),
            reason: "RollbackFailed".to_owned(),
            remedy: Remedy::Retry,
            ..second
        },
    });
    again.inputs = None;
    again.back = Some(Back {
        to: Arc::clone(older),
        is_applied,
        status: Some(RollbackStatus {
            from: newest.name().to_owned(),
            to: older.name().to_owned(),
            message,
        }),
        bad: failed.tried.map(Arc::new),
    });
    again
}

/// Applies again what was rolled back to: somebody may have changed it.
async fn stay(
    context: &Context,
    delivery: &Delivery,
    older: Arc<VerifiedRevision>,
    trigger: Trigger,
    standing: RollbackStatus,
    bad: Option<Arc<Inputs>>,
) -> Delivered {
    let mut delivered = reconcile_delivery(context, delivery, &older, trigger).await;
    let is_applied = delivered.result.is_ok();
    if is_applied {
        delivered.result = Err(rolled_back(Step::Health, standing.message.clone()));
    }
    delivered.inputs = None;
    delivered.back = Some(Back {
        to: older,
        is_applied,
        status: Some(standing),
        bad,
    });
    delivered
}

/// Applies what somebody asked for.
async fn held(
    context: &Context,
    delivery: &Delivery,
    older: Arc<VerifiedRevision>,
    trigger: Trigger,
) -> Delivered {
    let applied = delivery
        .status
        .last_applied_revision
        .as_deref()
        .unwrap_or_default();
    if applied != older.name() {
        let event = Event::RolledBack {
            subject: subject(&delivery.key, &older, trigger),
            from: applied
                .rsplit_once("sha1:")
                .map_or(applied, |(_, id)| id)
                .to_owned(),
            reason: "ByHand".to_owned(),
        };
        if let Err(error) = context.audit.note(event, Timestamp::now()) {
            return Delivered::refused(error.into());
        }
    }
    let mut delivered = reconcile_delivery(context, delivery, &older, trigger).await;
    let is_applied = delivered.result.is_ok();
    // What a newer revision changes is not to be asked: it waits.
    delivered.inputs = None;
    delivered.back = Some(Back {
        to: older,
        is_applied,
        status: None,
        bad: None,
    });
    delivered
}

fn rolled_back(step: Step, message: String) -> Failure {
    Failure {
        advice: Some(
            "What was there before is applied again, and the bad revision is not tried again: mend it with another commit, or \
             try it anew with `fluxops reconcile`"
                .to_owned(),
        ),
        ..Failure::said(step, "RolledBack", message, Remedy::Change)
    }
}

/// An older revision of the source, verified anew.
async fn older(newest: &Arc<VerifiedRevision>, revision: &str) -> Result<Arc<VerifiedRevision>, Failure> {
    let id = revision.rsplit_once("sha1:").map_or(revision, |(_, id)| id);
    let id: ObjectId = id.parse().map_err(|_| {
        let message = format!("failed to go back to {revision:?}: it is no revision");
        Failure::said(Step::Configure, "InvalidRevision", message, Remedy::Change)
    })?;
    let newest = Arc::clone(newest);
    let verified = tokio::task::spawn_blocking(move || newest.earlier(id, Timestamp::now()));
    let verified = verified
        .await
        .map_err(|error| Failure::internal(Step::Verify, &error))?;
    Ok(Arc::new(verified?))
}
