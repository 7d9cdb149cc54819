//! What specs refer to is looked at, since it may change without them.
//!
//! Looked at, and not watched: to watch Secrets is to be allowed to read all of them. Their metadata is asked for, of
//! each that was read and of no other, with the right to get it by name that fluxops has anyway.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Controller;
use crate::name::{Kind, ObjectName};
use crate::reconcile::{Context, Trigger};
use crate::store::Store;

/// How often it is looked at. It bounds how long a revoked key counts.
pub const REFERENCE_POLL: Duration = Duration::from_secs(10);

/// Sends the names of those whose references changed. With `--config` there is nothing to look at: files are read once.
pub(super) fn notice(
    context: &Arc<Context>,
    stop: CancellationToken,
) -> mpsc::Receiver<BTreeSet<ObjectName>> {
    let (sender, changed) = mpsc::channel(1);
    let context = Arc::clone(context);
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let Store::InCluster(store) = &context.store else {
            return;
        };
        loop {
            tokio::time::sleep(REFERENCE_POLL).await;
            let changed = store.changed_references().await;
            if !changed.is_empty() && sender.send(changed).await.is_err() {
                return;
            }
        }
    }));
    changed
}

impl Controller {
    /// Takes in that something changed that these refer to.
    pub(super) async fn take_referenced(&mut self, names: BTreeSet<ObjectName>) {
        for name in names {
            tracing::info!(object = %name, "something that it refers to has changed");
            match name.kind {
                Kind::Notifier => self.set_notifier(&name.key).await,
                Kind::Receiver => self.set_receiver(&name.key).await,
                Kind::GitSource | Kind::Delivery => {
                    self.failures.remove(&name);
                    self.schedule.ask(name, Trigger::Change, Instant::now());
                }
            }
        }
    }
}
