//! The loop: what is due is reconciled, and what came of it is told.
//!
//! One loop serves both homes. It owns all state; reconciles run beside it and hand back what they found.

mod message;
mod report;
mod schedule;
mod status;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{self, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::api::{
    ConditionType, DeletionPolicy, DeliverySpec, DeliveryStatus, GitSourceSpec, GitSourceStatus,
};
use crate::name::{Key, Kind, ObjectName};
use crate::notify::{Notifications, Step};
use crate::reconcile::{
    Context, Delivered, Failure, Trigger, prune_all, reconcile_delivery, reconcile_source,
};
use crate::store::{Definition, Definitions, Deletion, Finalizer, InvalidDefinition, Parsed, Store};
use crate::verify::VerifiedRevision;

pub use report::{Line, Outcome};
use report::{Reporter, Run};
use schedule::Schedule;
pub use watch::{Change, list, watch};

/// How many reconciles run at a time.
pub const CONCURRENCY: usize = 4;
/// How long running reconciles get to finish when the process is asked to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// How long `--once` tries to get its messages out.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(15);
/// How soon something that failed is tried again at first; doubled each time, up to its interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// How long it takes at most until a deletion, or work that ended abnormally, is tried again.
const LONGEST_RETRY: Duration = Duration::from_mins(1);
/// How long nothing is looked at when nothing is due.
const IDLE: Duration = Duration::from_hours(1);

/// Everything that reconciles, and what they found.
pub struct Controller {
    context: Arc<Context>,
    notifications: Notifications,
    reporter: Reporter,
    definitions: Definitions,
    revisions: BTreeMap<Key, Arc<VerifiedRevision>>,
    failures: BTreeMap<ObjectName, u32>,
    schedule: Schedule,
    running: JoinSet<Finished>,
    /// Which task works on which object, so that one that panics is known by name.
    tasks: HashMap<task::Id, ObjectName>,
}

/// What a reconcile hands back.
struct Finished {
    name: ObjectName,
    trigger: Trigger,
    started: Instant,
    work: Work,
}

enum Work {
    Source(Result<Arc<VerifiedRevision>, Failure>),
    Delivery {
        revision: Option<Arc<VerifiedRevision>>,
        delivered: Delivered,
    },
    Deleted(Result<(), Failure>),
}

impl Controller {
    /// A controller of these objects.
    pub fn new(context: Arc<Context>, notifications: Notifications, definitions: Definitions) -> Self {
        let reporter = Reporter::new(Arc::clone(&context), notifications.clone());
        Self {
            context,
            notifications,
            reporter,
            definitions,
            revisions: BTreeMap::new(),
            failures: BTreeMap::new(),
            schedule: Schedule::default(),
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
        self.begin().await;
        let messenger = tokio::spawn({
            let (notifications, stop) = (self.notifications.clone(), stop.clone());
            async move { notifications.run(stop).await }
        });
        loop {
            self.start_due();
            // Only a single run prints them.
            drop(self.reporter.take_lines());
            let next = self.schedule.next_due().unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(finished) = self.running.join_next_with_id() => self.finish(finished).await,
                Some(change) = changes.recv() => self.take(change).await,
                () = tokio::time::sleep_until(next), if self.running.len() < CONCURRENCY => {}
            }
        }
        self.drain().await;
        // A messenger that does not stop is left behind: what it holds is in the outbox.
        let _ = tokio::time::timeout(Duration::from_secs(1), messenger).await;
    }

    /// Reconciles every object once, sources first, Deliveries after those they depend on.
    pub async fn once(mut self) -> Vec<Line> {
        self.begin().await;
        let cycle = self.dependency_cycle();
        while let Some(batch) = self.next_batch() {
            self.schedule.begin_batch(batch);
            loop {
                self.start_due();
                let Some(finished) = self.running.join_next_with_id().await else {
                    break;
                };
                self.finish(finished).await;
            }
        }
        for name in cycle {
            let failure = failure(
                "DependencyCycle",
                "failed to order: it depends on itself through spec.dependsOn",
            );
            self.report_delivery_failure(&name.key, failure).await;
        }
        match self.notifications.flush(FLUSH_TIMEOUT).await {
            Ok(0) => {}
            Ok(waiting) => tracing::warn!(
                waiting,
                "messages stay in the outbox; the next run tries them again"
            ),
            Err(error) => tracing::error!(error = %crate::chain(&error), "messages could not be delivered"),
        }
        self.reporter.take_lines()
    }

    /// Waits until all kinds were listed once: a Delivery seen before its source is no Delivery without one.
    async fn first_listing(&mut self, changes: &mut mpsc::Receiver<Change>) {
        let mut unlisted: BTreeSet<Kind> = match &self.context.store {
            Store::InCluster(_) => [Kind::GitSource, Kind::Delivery, Kind::Notifier].into(),
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

    fn start_due(&mut self) {
        while self.running.len() < CONCURRENCY {
            let Some((name, trigger)) = self.schedule.take_due(Instant::now()) else {
                return;
            };
            self.start(name, trigger);
        }
    }

    fn start(&mut self, name: ObjectName, trigger: Trigger) {
        let context = Arc::clone(&self.context);
        let started = Instant::now();
        match name.kind {
            Kind::GitSource => {
                let Some(source) = self
                    .definitions
                    .sources
                    .get(&name.key)
                    .filter(|source| !source.spec.suspend)
                else {
                    return self.schedule.finished(&name);
                };
                let source = source.clone();
                self.spawn(name.clone(), async move {
                    let work = Work::Source(reconcile_source(&context, &source, trigger).await);
                    Finished {
                        name,
                        trigger,
                        started,
                        work,
                    }
                });
            }
            Kind::Delivery => {
                let Some(delivery) = self.definitions.deliveries.get(&name.key) else {
                    return self.schedule.finished(&name);
                };
                let delivery = delivery.clone();
                if delivery.deletion == Deletion::Asked {
                    self.spawn(name.clone(), async move {
                        let work = Work::Deleted(delete(&context, &delivery).await);
                        Finished {
                            name,
                            trigger,
                            started,
                            work,
                        }
                    });
                    return;
                }
                if delivery.spec.suspend {
                    return self.schedule.finished(&name);
                }
                let source = source_of(&delivery);
                let revision = self.revisions.get(&source).cloned();
                let ready = self.ready_to_apply(&delivery, &source);
                self.spawn(name.clone(), async move {
                    let delivered = match (&revision, ready) {
                        (Some(revision), Ok(())) => guarded(&context, &delivery, revision, trigger).await,
                        (_, Err(failure)) => not_delivered(failure),
                        (None, Ok(())) => not_delivered(failure(
                            "SourceNotReady",
                            "its source has no verified revision yet",
                        )),
                    };
                    Finished {
                        name,
                        trigger,
                        started,
                        work: Work::Delivery { revision, delivered },
                    }
                });
            }
            Kind::Notifier => self.schedule.finished(&name),
        }
    }

    fn spawn(&mut self, name: ObjectName, work: impl Future<Output = Finished> + Send + 'static) {
        let task = self.running.spawn(work);
        self.tasks.insert(task.id(), name);
    }

    /// Whether everything that a Delivery waits for is there.
    fn ready_to_apply(&self, delivery: &DeliveryDefinition, source: &Key) -> Result<(), Failure> {
        let Some(revision) = self.revisions.get(source) else {
            let Some(definition) = self.definitions.sources.get(source) else {
                let message = format!("failed to find its source: there is no gitsource {source}");
                return Err(failure("SourceNotFound", &message));
            };
            let why = definition.status.conditions.get(ConditionType::Ready);
            let why = why.map_or("it was not fetched yet".to_owned(), |ready| ready.message.clone());
            return Err(failure(
                "SourceNotReady",
                &format!("its source gitsource/{source} has no verified revision: {why}"),
            ));
        };
        for dependency in &delivery.spec.depends_on {
            let namespace = dependency.namespace.as_deref().unwrap_or(&delivery.key.namespace);
            let other = Key::new(namespace, &dependency.name)
                .ok()
                .and_then(|key| self.definitions.deliveries.get(&key));
            let applied = other.and_then(|other| other.status.last_applied_revision.as_deref());
            let same_source = other.is_some_and(|other| source_of(other) == *source);
            let ready = other.is_some_and(|other| {
                other.status.conditions.holds(ConditionType::Ready)
                    && other.status.observed_generation == other.generation
                    && (!same_source || applied == Some(revision.name()))
            });
            if !ready {
                let message = format!(
                    "it waits for delivery/{namespace}/{}, which is not ready",
                    dependency.name
                );
                return Err(failure("DependencyNotReady", &message));
            }
        }
        Ok(())
    }

    async fn finish(&mut self, finished: Result<(task::Id, Finished), task::JoinError>) {
        let Finished {
            name,
            trigger,
            started,
            work,
        } = match finished {
            Ok((id, finished)) => {
                self.tasks.remove(&id);
                finished
            }
            Err(error) => {
                if let Some(name) = self.tasks.remove(&error.id()) {
                    tracing::error!(object = %name, "a reconcile ended abnormally: this is a defect of fluxops; it is tried again");
                    self.schedule.finished(&name);
                    self.again(&name, false, LONGEST_RETRY);
                }
                return;
            }
        };
        let took = started.elapsed();
        match work {
            Work::Source(result) => self.finish_source(&name, trigger, took, result).await,
            Work::Delivery { revision, delivered } => {
                self.finish_delivery(&name, trigger, took, revision, delivered)
                    .await;
            }
            Work::Deleted(result) => self.finish_deletion(&name, result).await,
        }
    }

    async fn finish_source(
        &mut self,
        name: &ObjectName,
        trigger: Trigger,
        took: Duration,
        result: Result<Arc<VerifiedRevision>, Failure>,
    ) {
        self.schedule.finished(name);
        let Some(mut source) = self.definitions.sources.get(&name.key).cloned() else {
            return;
        };
        let interval = source.spec.interval.duration();
        let succeeded = result.is_ok();
        let is_new = match &result {
            Ok(revision) => self
                .revisions
                .get(&name.key)
                .is_none_or(|former| former.name() != revision.name()),
            // Deliveries that wait for it have something new to say.
            Err(_) => !self.revisions.contains_key(&name.key),
        };
        let next = self.next_try(name, succeeded, interval, interval);
        source.status = self
            .reporter
            .source(&source, &Run { trigger, took, next }, &result)
            .await;
        if let Ok(revision) = result {
            self.revisions.insert(name.key.clone(), revision);
        }
        if is_new {
            self.wake_deliveries(&name.key);
        }
        self.definitions.sources.insert(name.key.clone(), source);
        self.again(name, succeeded, next);
    }

    async fn finish_delivery(
        &mut self,
        name: &ObjectName,
        trigger: Trigger,
        took: Duration,
        revision: Option<Arc<VerifiedRevision>>,
        delivered: Delivered,
    ) {
        self.schedule.finished(name);
        let Some(mut delivery) = self.definitions.deliveries.get(&name.key).cloned() else {
            return;
        };
        let interval = delivery.spec.interval.duration();
        let retry = delivery
            .spec
            .retry_interval
            .map_or(interval, crate::api::Interval::duration);
        let succeeded = delivered.result.is_ok();
        let was = delivery.status.clone();
        let source = self.definitions.sources.get(&source_of(&delivery));
        let url = source.map(|source| source.spec.url.clone());
        let next = self.next_try(name, succeeded, interval, retry);
        delivery.status = self
            .reporter
            .delivery(
                &delivery,
                &Run { trigger, took, next },
                revision.as_deref(),
                &delivered,
                url,
            )
            .await;
        let news = was.last_applied_revision != delivery.status.last_applied_revision
            || was.conditions.holds(ConditionType::Ready)
                != delivery.status.conditions.holds(ConditionType::Ready);
        self.definitions.deliveries.insert(name.key.clone(), delivery);
        if succeeded && news {
            self.wake_dependents(&name.key);
        }
        self.again(name, succeeded, next);
    }

    async fn finish_deletion(&mut self, name: &ObjectName, result: Result<(), Failure>) {
        self.schedule.finished(name);
        match result {
            Ok(()) => {
                if let Err(error) = self.notifications.forget(name).await {
                    tracing::warn!(error = %crate::chain(&error), object = %name, "its messages could not be forgotten");
                }
                self.definitions.remove(name);
            }
            Err(failure) => {
                self.report_delivery_failure(&name.key, failure).await;
                self.again(name, false, LONGEST_RETRY);
            }
        }
    }

    async fn report_delivery_failure(&mut self, key: &Key, failure: Failure) {
        if let Some(mut delivery) = self.definitions.deliveries.get(key).cloned() {
            let delivered = not_delivered(failure);
            delivery.status = self
                .reporter
                .delivery(
                    &delivery,
                    &Run {
                        trigger: Trigger::Start,
                        took: Duration::ZERO,
                        next: LONGEST_RETRY,
                    },
                    None,
                    &delivered,
                    None,
                )
                .await;
            self.definitions.deliveries.insert(key.clone(), delivery);
        }
    }

    /// How long until an object is looked at again.
    fn next_try(
        &mut self,
        name: &ObjectName,
        succeeded: bool,
        interval: Duration,
        longest_retry: Duration,
    ) -> Duration {
        if succeeded {
            self.failures.remove(name);
            return schedule::jittered(interval, schedule::random());
        }
        let failures = self.failures.entry(name.clone()).or_default();
        let wait = schedule::backoff(*failures, FIRST_RETRY, longest_retry);
        *failures = failures.saturating_add(1);
        wait
    }

    /// Puts the next look at an object on the schedule.
    fn again(&mut self, name: &ObjectName, succeeded: bool, wait: Duration) {
        let trigger = if succeeded {
            Trigger::Interval
        } else {
            Trigger::Retry
        };
        self.schedule.ask(name.clone(), trigger, Instant::now() + wait);
    }

    fn wake_deliveries(&mut self, source: &Key) {
        let followers = self
            .definitions
            .deliveries
            .values()
            .filter(|delivery| source_of(delivery) == *source);
        let names: Vec<_> = followers.map(|delivery| delivery.key.clone()).collect();
        for key in names {
            self.schedule.ask(
                ObjectName {
                    kind: Kind::Delivery,
                    key,
                },
                Trigger::Revision,
                Instant::now(),
            );
        }
    }

    fn wake_dependents(&mut self, key: &Key) {
        let dependents: Vec<Key> = self
            .definitions
            .deliveries
            .values()
            .filter(|delivery| depends_on(delivery, key))
            .map(|delivery| delivery.key.clone())
            .collect();
        for key in dependents {
            self.schedule.ask(
                ObjectName {
                    kind: Kind::Delivery,
                    key,
                },
                Trigger::Change,
                Instant::now(),
            );
        }
    }

    /// Takes in what a watch saw.
    async fn take(&mut self, change: Change) {
        match change {
            Change::Set(parsed) => self.take_definition(*parsed).await,
            Change::Invalid(invalid) => {
                self.reporter.invalid(&invalid).await;
                self.definitions.insert_invalid(invalid);
            }
            Change::Gone(name) => self.take_leave(&name).await,
            Change::Listed(kind, there) => {
                let gone: Vec<ObjectName> = self
                    .definitions
                    .names(kind)
                    .filter(|name| !there.contains(&name.key))
                    .collect();
                for name in gone {
                    self.take_leave(&name).await;
                }
            }
        }
    }

    /// Forgets an object that is gone.
    async fn take_leave(&mut self, name: &ObjectName) {
        self.definitions.remove(name);
        self.schedule.forget(name);
        self.failures.remove(name);
        match name.kind {
            Kind::GitSource => drop(self.revisions.remove(&name.key)),
            Kind::Notifier => {
                if let Err(error) = self.notifications.remove_notifier(&name.key).await {
                    tracing::warn!(error = %crate::chain(&error), "the messages of a notifier could not be dropped");
                }
            }
            Kind::Delivery => {}
        }
    }

    async fn take_definition(&mut self, parsed: Parsed) {
        let name = parsed.name();
        let changed = match &parsed {
            Parsed::GitSource(new) => {
                let old = self.definitions.sources.get(&new.key);
                old.is_none_or(|old| old.spec != new.spec || old.requested_at != new.requested_at)
            }
            Parsed::Delivery(new) => {
                let old = self.definitions.deliveries.get(&new.key);
                old.is_none_or(|old| {
                    old.spec != new.spec
                        || old.requested_at != new.requested_at
                        || (new.deletion == Deletion::Asked && old.deletion != Deletion::Asked)
                })
            }
            Parsed::Notifier(new) => self
                .definitions
                .notifiers
                .get(&new.key)
                .is_none_or(|old| old.spec != new.spec),
        };
        self.definitions.insert(self.with_known_status(parsed));
        if !changed {
            return;
        }
        match name.kind {
            Kind::Notifier => self.set_notifier(&name.key).await,
            Kind::GitSource | Kind::Delivery => {
                self.failures.remove(&name);
                self.schedule.ask(name, Trigger::Change, Instant::now());
            }
        }
    }

    /// What this process has published is newer than what a watch brings back of it.
    fn with_known_status(&self, mut parsed: Parsed) -> Parsed {
        match &mut parsed {
            Parsed::GitSource(new) => {
                if let Some(old) = self.definitions.sources.get(&new.key) {
                    new.status = old.status.clone();
                }
            }
            Parsed::Delivery(new) => {
                if let Some(old) = self.definitions.deliveries.get(&new.key) {
                    new.status = old.status.clone();
                }
            }
            Parsed::Notifier(_) => {}
        }
        parsed
    }

    async fn set_notifier(&self, key: &Key) {
        let Some(definition) = self.definitions.notifiers.get(key) else {
            return;
        };
        let spec = definition.spec.clone();
        let secret = match spec
            .secret_ref
            .as_ref()
            .map(|reference| Key::new(&key.namespace, &reference.name))
        {
            Some(Ok(secret)) => match self.context.store.secret(&secret).await {
                Ok(data) => Some(data),
                Err(error) => {
                    tracing::error!(notifier = %key, error = %crate::chain(&error), "the notifier waits for its Secret");
                    None
                }
            },
            Some(Err(error)) => {
                tracing::error!(notifier = %key, %error, "the notifier names no Secret");
                None
            }
            None => None,
        };
        if let Err(error) = self
            .notifications
            .set_notifier(key.clone(), spec, secret.as_ref())
            .await
        {
            tracing::error!(notifier = %key, error = %crate::chain(&error), "the notifier cannot be used");
        }
    }

    /// Lets what runs come to its end, within a bound. What is cut off after that is in the audit log as an open
    /// intent, and the next start converges.
    async fn drain(&mut self) {
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

    /// The next objects of a single run: all sources, then Deliveries level by level.
    fn next_batch(&self) -> Option<BTreeSet<ObjectName>> {
        let done = self.schedule.done();
        let name = |kind, key: &Key| ObjectName {
            kind,
            key: key.clone(),
        };
        let sources: BTreeSet<_> = self
            .definitions
            .sources
            .keys()
            .map(|key| name(Kind::GitSource, key))
            .filter(|name| !done.contains(name))
            .collect();
        if !sources.is_empty() {
            return Some(sources);
        }
        let free = |delivery: &&DeliveryDefinition| {
            !self.definitions.deliveries.values().any(|other| {
                depends_on(delivery, &other.key) && !done.contains(&name(Kind::Delivery, &other.key))
            })
        };
        let deliveries: BTreeSet<_> = self
            .definitions
            .deliveries
            .values()
            .filter(free)
            .map(|delivery| name(Kind::Delivery, &delivery.key))
            .filter(|name| !done.contains(name))
            .collect();
        (!deliveries.is_empty()).then_some(deliveries)
    }

    /// Deliveries that can never be reached because they wait for each other.
    fn dependency_cycle(&self) -> Vec<ObjectName> {
        let mut left: BTreeMap<&Key, _> = self.definitions.deliveries.iter().collect();
        loop {
            let free: Vec<&Key> = left
                .iter()
                .filter(|(_, delivery)| !left.keys().any(|other| depends_on(delivery, other)))
                .map(|(key, _)| *key)
                .collect();
            if free.is_empty() {
                break;
            }
            for key in free {
                left.remove(key);
            }
        }
        left.into_keys()
            .map(|key| ObjectName {
                kind: Kind::Delivery,
                key: key.clone(),
            })
            .collect()
    }
}

/// Puts the finalizer on before anything is applied: what is applied must not be left behind.
async fn guarded(
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
async fn delete(context: &Context, delivery: &DeliveryDefinition) -> Result<(), Failure> {
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

fn source_of(delivery: &DeliveryDefinition) -> Key {
    Key {
        namespace: delivery.key.namespace.clone(),
        name: delivery.spec.source_ref.name.clone(),
    }
}

fn depends_on(delivery: &DeliveryDefinition, other: &Key) -> bool {
    delivery.spec.depends_on.iter().any(|dependency| {
        dependency.name == other.name
            && dependency.namespace.as_deref().unwrap_or(&delivery.key.namespace) == other.namespace
    })
}

fn not_delivered(failure: Failure) -> Delivered {
    Delivered {
        result: Err(failure),
        changes: Vec::new(),
        inventory: None,
    }
}

fn failure(reason: &str, message: &str) -> Failure {
    Failure {
        step: Step::Configure,
        reason: reason.to_owned(),
        message: message.to_owned(),
        objects: Vec::new(),
        advice: None,
        commit: None,
    }
}

/// A source as its user wrote it.
type SourceDefinition = Definition<GitSourceSpec, GitSourceStatus>;
/// A Delivery as its user wrote it.
type DeliveryDefinition = Definition<DeliverySpec, DeliveryStatus>;
