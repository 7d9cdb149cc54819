//! What is done beside the loop, and handed back to it.

use std::sync::Arc;

use tokio::time::Instant;

use super::DeliveryDefinition;
use crate::api::DeletionPolicy;
use crate::name::ObjectName;
use crate::notify::Step;
use crate::reconcile::{Context, Delivered, Failure, Trigger, prune_all, reconcile_delivery};
use crate::store::{Deletion, Finalizer, Store};
use crate::verify::VerifiedRevision;

/// What a reconcile hands back.
pub(super) struct Finished {
    pub(super) name: ObjectName,
    pub(super) trigger: Trigger,
    pub(super) started: Instant,
    pub(super) work: Work,
}

/// What came of it, by what was done.
pub(super) enum Work {
    /// A source was fetched and verified.
    Source(Result<Arc<VerifiedRevision>, Failure>),
    /// A Delivery was applied.
    Delivery {
        /// The revision that was there to be applied.
        revision: Option<Arc<VerifiedRevision>>,
        /// What became of it.
        delivered: Delivered,
    },
    /// What its deletion policy says was done for a Delivery that is being deleted.
    Deleted(Result<(), Failure>),
}

/// Puts the finalizer on before anything is applied: what is applied must not be left behind.
pub(super) async fn guarded(
    context: &Context,
    delivery: &DeliveryDefinition,
    revision: &Arc<VerifiedRevision>,
    trigger: Trigger,
) -> Delivered {
    if let (Store::InCluster(store), Deletion::Unguarded) = (&context.store, delivery.deletion)
        && let Err(error) = store.set_finalizer(&delivery.key, Finalizer::On).await
    {
        return not_delivered(error.into());
    }
    reconcile_delivery(context, delivery, revision, trigger).await
}

/// Does what the deletion policy says, and lets the object go.
pub(super) async fn delete(context: &Context, delivery: &DeliveryDefinition) -> Result<(), Failure> {
    let prune = match delivery.spec.deletion_policy.unwrap_or_default() {
        DeletionPolicy::MirrorPrune => delivery.spec.prune,
        DeletionPolicy::Delete => true,
        DeletionPolicy::Orphan => false,
    };
    // As in Flux: whoever suspended it wants its objects left alone.
    if prune && !delivery.spec.suspend {
        prune_all(context, delivery).await?;
    }
    if let Store::InCluster(store) = &context.store {
        store.set_finalizer(&delivery.key, Finalizer::Off).await?;
    }
    Ok(())
}

pub(super) fn not_delivered(failure: Failure) -> Delivered {
    Delivered {
        result: Err(failure),
        changes: Vec::new(),
        inventory: None,
    }
}

pub(super) fn failure(reason: &str, message: &str) -> Failure {
    Failure {
        step: Step::Configure,
        reason: reason.to_owned(),
        message: message.to_owned(),
        objects: Vec::new(),
        advice: None,
        commit: None,
    }
}
