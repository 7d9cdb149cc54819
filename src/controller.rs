//! The loop: what is due is reconciled, and what came of it is told.
//!
//! One loop serves both homes. It owns all state; reconciles run beside it and hand back what they found.

mod drift;
mod event;
mod fights;
mod finish;
mod lookout;
mod message;
mod notice;
mod once;
mod order;
mod receive;
mod report;
mod schedule;
mod start;
mod status;
mod take;
mod unchanged;
mod watch;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{
    DeliverySpec, DeliveryStatus, GitSourceSpec, GitSourceStatus, ReceiverSpec, ReceiverStatus,
};
use crate::name::{Key, Kind, ObjectName, ObjectRef};
use crate::notify::Notifications;
use crate::operations::{HEARTBEAT, Health};
use crate::reconcile::{Context, Inputs, Trigger};
use crate::store::{Definition, Definitions, InvalidDefinition, Store};
use crate::verify::VerifiedRevision;

pub use drift::DEBOUNCE;
use fights::Fights;
pub use fights::{FIGHT_REPAIRS, FIGHT_WINDOW, FIRST_TRUCE};
pub use lookout::MAX_WATCHES;
use lookout::look_out;
pub use notice::REFERENCE_POLL;
use notice::notice;
pub use once::FLUSH_TIMEOUT;
use order::source_of;
use report::Reporter;
pub use report::{Line, Outcome};
use schedule::Schedule;
use unchanged::Taken;
pub use watch::{Change, Reach, list, watch};
use work::Finished;

/// How many reconciles run at a time.
pub const CONCURRENCY: usize = 4;
/// How long running reconciles get to finish when the process is asked to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// Everything that reconciles, and what they found.
pub struct Controller {
    context: Arc<Context>,
    notifications: Notifications,
    health: Arc<Health>,
    reporter: Reporter,
    definitions: Definitions,
    revisions: BTreeMap<Key, Arc<VerifiedRevision>>,
    failures: BTreeMap<ObjectName, u32>,
    schedule: Schedule,
    /// What the Deliveries were made of whose last run succeeded.
    taken: BTreeMap<Key, Taken>,
    /// What was made of the revisions that Deliveries were rolled back from.
    bad: BTreeMap<Key, Arc<Inputs>>,
    /// The Deliveries whose status says more than is published.
    unpublished: BTreeSet<Key>,
    /// What was seen to drift and is not asked for yet.
    drifted: BTreeMap<Key, BTreeSet<ObjectRef>>,
    fights: Fights,
    running: JoinSet<Finished>,
    /// Which task works on which object, so that one that panics is known by name.
    tasks: HashMap<task::Id, (ObjectName, task::AbortHandle)>,
}

impl Controller {
    /// A controller of these objects.
    pub fn new(
        context: Arc<Context>,
        notifications: Notifications,
        health: Arc<Health>,
        definitions: Definitions,
    ) -> Self {
        let reporter = Reporter::new(Arc::clone(&context), notifications.clone());
        Self {
            context,
            notifications,
            health,
            reporter,
            definitions,
            revisions: BTreeMap::new(),
            failures: BTreeMap::new(),
            schedule: Schedule::default(),
            taken: BTreeMap::new(),
            bad: BTreeMap::new(),
            unpublished: BTreeSet::new(),
            drifted: BTreeMap::new(),
            fights: Fights::default(),
            running: JoinSet::new(),
            tasks: HashMap::new(),
        }
    }

    /// Reconciles until it is told to stop.
    pub async fn run(mut self, mut changes: mpsc::Receiver<Change>, stop: CancellationToken) {
        if stop
            .run_until_cancelled(self.first_listing(&mut changes))
            .await
            .is_none()
        {
            return;
        }
        self.health.listed();
        self.begin().await;
        self.set_receivers().await;
        let messenger = tokio::spawn({
            let (notifications, stop) = (self.notifications.clone(), stop.clone());
            async move { notifications.run(stop).await }
        });
        let mut referenced = notice(&self.context, stop.clone());
        let mut unwatched = look_out(&self.context, stop.clone());
        let context = Arc::clone(&self.context);
        loop {
            self.start_due();
            // Only a single run prints them.
            drop(self.reporter.take_lines());
            let now = Instant::now();
            self.health.beat(now.into_std());
            let heartbeat = now + HEARTBEAT;
            let next = self
                .schedule
                .next_due()
                .map_or(heartbeat, |due| due.min(heartbeat));
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(finished) = self.running.join_next_with_id() => self.finish(finished).await,
                Some(change) = changes.recv() => self.take(change).await,
                Some(names) = referenced.recv() => self.take_referenced(names).await,
                calls = context.receivers.called() => self.take_calls(calls),
                drifted = context.left.drifted() => self.take_drifted(drifted),
                Some(unwatched) = unwatched.recv() => self.take_unwatched(unwatched).await,
                () = std::future::ready(()), if self.has_moved_and_time() => self.publish_moved().await,
                () = context.waits.another() => {}
                () = tokio::time::sleep_until(next), if self.has_turn() => {}
                () = tokio::time::sleep_until(heartbeat) => {}
            }
        }
        self.drain().await;
        // A messenger that does not stop is left behind: what it holds is in the outbox.
        let _ = tokio::time::timeout(Duration::from_secs(1), messenger).await;
    }

    /// Waits until all kinds were listed once: a Delivery seen before its source is no Delivery without one.
    async fn first_listing(&mut self, changes: &mut mpsc::Receiver<Change>) {
        let mut unlisted: BTreeSet<Kind> = match &self.context.store {
            Store::InCluster(_) => [Kind::GitSource, Kind::Delivery, Kind::Notifier, Kind::Receiver].into(),
            Store::Folder(_) => BTreeSet::new(),
        };
        while !unlisted.is_empty() {
            match changes.recv().await {
                Some(Change::Set(parsed)) => self.definitions.insert(*parsed),
                Some(Change::Invalid(invalid)) => self.definitions.insert_invalid(invalid),
                Some(Change::Gone(name)) => self.definitions.remove(&name),
                Some(Change::Listed(kind, _)) => drop(unlisted.remove(&kind)),
                None => return,
            }
        }
    }

    async fn begin(&mut self) {
        let notifiers: Vec<Key> = self.definitions.notifiers.keys().cloned().collect();
        for key in notifiers {
            self.set_notifier(&key).await;
        }
        let sources = self.definitions.sources.keys().map(|key| (Kind::GitSource, key));
        let deliveries = self
            .definitions
            .deliveries
            .keys()
            .map(|key| (Kind::Delivery, key));
        let names: Vec<ObjectName> = sources
            .chain(deliveries)
            .map(|(kind, key)| ObjectName {
                kind,
                key: key.clone(),
            })
            .collect();
        for name in names {
            // Deliveries are woken by their sources: before that there is nothing to apply.
            if name.kind == Kind::GitSource {
                self.schedule.ask(name, Trigger::Start, Instant::now());
            }
        }
        let invalid: Vec<InvalidDefinition> = self.definitions.invalid.values().cloned().collect();
        for invalid in invalid {
            self.reporter.invalid(&invalid).await;
        }
        self.wake_orphans();
    }

    /// Deliveries whose source does not exist say so at once.
    fn wake_orphans(&mut self) {
        let orphans: Vec<Key> = self
            .definitions
            .deliveries
            .values()
            .filter(|delivery| !self.definitions.sources.contains_key(&source_of(delivery)))
            .map(|delivery| delivery.key.clone())
            .collect();
        for key in orphans {
            self.schedule.ask(
                ObjectName {
                    kind: Kind::Delivery,
                    key,
                },
                Trigger::Start,
                Instant::now(),
            );
        }
    }

    /// Lets what is being applied come to its end, within a bound. What is cut off after that is in the audit log as
    /// an open intent, and the next start converges. Fetching is cut off at once: a remote that hangs is no reason
    /// to stay, and the next start asks it again.
    async fn drain(&mut self) {
        while !self.unpublished.is_empty() {
            self.publish_moved().await;
        }
        let fetching = self
            .tasks
            .values()
            .filter(|(name, _)| name.kind == Kind::GitSource);
        fetching.for_each(|(_, task)| task.abort());
        self.context.waits.end_all();
        let deadline = Instant::now() + DRAIN_TIMEOUT;
        while !self.running.is_empty() {
            match tokio::time::timeout_at(deadline, self.running.join_next_with_id()).await {
                Ok(Some(finished)) => self.finish(finished).await,
                Ok(None) => break,
                Err(_) => {
                    tracing::warn!(
                        abandoned = self.running.len(),
                        "reconciles did not finish in time"
                    );
                    self.running.abort_all();
                    break;
                }
            }
        }
    }
}

/// A source as its user wrote it.
type SourceDefinition = Definition<GitSourceSpec, GitSourceStatus>;
/// A Delivery as its user wrote it.
type DeliveryDefinition = Definition<DeliverySpec, DeliveryStatus>;
/// A Receiver as its user wrote it.
type ReceiverDefinition = Definition<ReceiverSpec, ReceiverStatus>;
