//! What is done beside the loop, and handed back to it.

use std::sync::Arc;

use tokio::time::Instant;

use super::{DeliveryDefinition, SourceDefinition};
use crate::api::DeletionPolicy;
use crate::name::{Key, ObjectName};
use crate::reconcile::{
    Context, Delivered, Failure, Inputs, Sourced, Trigger, account, deliver, leave_behind, prune_all,
};
use crate::store::{Deletion, Finalizer, Status, Store};
use crate::verify::VerifiedRevision;

/// What a reconcile hands back.
pub(super) struct Finished {
    pub(super) name: ObjectName,
    pub(super) trigger: Trigger,
    pub(super) started: Instant,
    pub(super) work: Work,
}

/// What came of it, by what was done, with the object as it was when that began.
pub(super) enum Work {
    /// A source was fetched and verified.
    Source {
        /// The source.
        ran: SourceDefinition,
        /// What came of it.
        sourced: Sourced,
    },
    /// A Delivery was applied.
    Delivery {
        /// The Delivery.
        ran: DeliveryDefinition,
        /// The revision that was there to be applied.
        revision: Option<Arc<VerifiedRevision>>,
        /// What became of it.
        delivered: Box<Delivered>,
    },
    /// Nothing that a Delivery reads is other in a revision than it was.
    Unchanged {
        /// The Delivery.
        ran: DeliveryDefinition,
        /// The revision.
        revision: Arc<VerifiedRevision>,
    },
    /// A Delivery is being deleted, and what its deletion policy says was done.
    Deletion {
        /// The Delivery.
        ran: DeliveryDefinition,
        /// What became of its objects.
        result: Result<Farewell, Failure>,
    },
}

/// What became of the objects of a Delivery that was let go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Farewell {
    /// What its deletion policy says.
    AsAsked,
    /// Nothing: the service account that would have deleted them is gone. Why, and which they are.
    LeftBehind(Failure),
}

/// Shows that work begins. It is done all the same if it cannot be shown.
pub(super) async fn announce(context: &Context, name: &ObjectName, status: Status<'_>) {
    if let Err(error) = context.store.publish(&name.key, status).await {
        tracing::warn!(object = %name, error = %crate::chain(&error), "that work on it begins could not be written into its status");
    }
}

/// Puts the finalizer on before anything is applied: what is applied must not be left behind.
pub(super) async fn guarded(
    context: &Context,
    delivery: &DeliveryDefinition,
    revision: &Arc<VerifiedRevision>,
    trigger: Trigger,
    bad: Option<Arc<Inputs>>,
) -> Delivered {
    if let (Store::InCluster(store), Deletion::Unguarded) = (&context.store, delivery.deletion)
        && let Err(error) = store
            .set_finalizer(&delivery.key, delivery.uid.as_deref(), Finalizer::On)
            .await
    {
        return Delivered::refused(error.into());
    }
    deliver(context, delivery, revision, trigger, bad).await
}

/// Does what the deletion policy says, and lets the object go.
pub(super) async fn delete(context: &Context, delivery: &DeliveryDefinition) -> Result<Farewell, Failure> {
    let prune = match delivery.spec.deletion_policy.unwrap_or_default() {
        DeletionPolicy::MirrorPrune => delivery.spec.prune,
        DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
        DeletionPolicy::Orphan => false,
    };
    let mut farewell = Farewell::AsAsked;
    // As in Flux: whoever suspended it wants its objects left alone.
    if prune
        && !delivery.spec.suspend
        && let Err(failure) = prune_all(context, delivery).await
    {
        // As in Flux: an account that is gone deletes nothing any more, and its namespace could never end.
        match gone_account(context, delivery).await {
            Some(account) => farewell = Farewell::LeftBehind(leave_behind(context, delivery, &account)?),
            None => return Err(stuck(failure)),
        }
    }
    if let Store::InCluster(store) = &context.store {
        store
            .set_finalizer(&delivery.key, delivery.uid.as_deref(), Finalizer::Off)
            .await?;
    }
    Ok(farewell)
}

/// The service account that a Delivery is applied as, if it is known to be gone.
async fn gone_account(context: &Context, delivery: &DeliveryDefinition) -> Option<Key> {
    let (Store::InCluster(store), Ok(Some(account))) =
        (&context.store, account(context, &delivery.key, &delivery.spec))
    else {
        return None;
    };
    match store.has_service_account(&account).await {
        Ok(false) => Some(account),
        Ok(true) => None,
        Err(error) => {
            tracing::warn!(error = %crate::chain(&error), "whether a service account is gone could not be found out");
            None
        }
    }
}

/// A failure to delete what a Delivery applied, with the way out.
fn stuck(mut failure: Failure) -> Failure {
    failure.message.push_str(
        "; it stays until its objects are deleted: give its service account that right, or set spec.deletionPolicy to Orphan to leave them",
    );
    failure
}
