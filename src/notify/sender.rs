//! Delivery: each Notifier's messages in their order, tried until they are there or too old.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::backoff::{LONGEST_WAIT, backoff, random};
use super::destination::{Destination, InvalidDestination};
use super::event::Event;
use super::http::Http;
use super::matrix::Account;
use super::message::Message;
use super::outbox::{Outbox, OutboxError, StoredMessage, Waiting};
use super::selection::{Interest, interest};
use super::slack;
use crate::api::NotifierSpec;
use crate::api::SecretData;
use crate::name::{Key, ObjectName};

/// How many Notifiers are sent to at the same time.
const MAX_CONCURRENT_LANES: usize = 4;
/// After so many tries that the server answered with its own failure, a message lets those behind it pass: it may
/// be the message, and a hundred others should not wait a day for it.
const OVERTAKEN_AFTER: u32 = 5;
/// How long nothing is looked at when nothing is due.
const IDLE: Duration = Duration::from_hours(1);

/// The Notifiers, and the messages on their way to them. Clones share both.
#[derive(Clone)]
pub struct Notifications(Arc<Shared>);

struct Shared {
    outbox: Mutex<Outbox>,
    notifiers: Mutex<BTreeMap<Key, Registered>>,
    /// Held while messages are sent, so that no message is sent by two at once.
    holds: tokio::sync::Mutex<BTreeMap<Key, Hold>>,
    http: Http,
    wake: Notify,
    counts: Mutex<Counts>,
}

/// A Notifier that may be told.
#[derive(Clone)]
struct Registered {
    spec: NotifierSpec,
    /// Absent while its Secret is missing or no good: its messages wait.
    destination: Option<Arc<Destination>>,
}

/// Until when nothing is sent to a Notifier.
#[derive(Debug, Clone, Copy)]
enum Hold {
    /// Because we back off.
    Backoff(Timestamp),
    /// Because its server asked for it.
    Imposed(Timestamp),
}

impl Hold {
    fn until(self) -> Timestamp {
        match self {
            Self::Backoff(until) | Self::Imposed(until) => until,
        }
    }
}

/// Which messages are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Urgency {
    /// Those whose time has come.
    Due,
    /// All, as long as no server asked for a pause: there may be no later.
    All,
}

/// What became of messages since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Delivered.
    pub delivered: u64,
    /// Tries that failed and are repeated.
    pub retried: u64,
    /// Given up: refused for good, too old, or too many.
    pub dropped: u64,
    /// Still waiting.
    pub waiting: usize,
}

impl Notifications {
    /// Opens the outbox in a state directory. Until [`run`](Self::run) or [`flush`](Self::flush) nothing is sent.
    pub fn open(state_dir: &Path) -> Result<Self, OutboxError> {
        Ok(Self(Arc::new(Shared {
            outbox: Mutex::new(Outbox::open(state_dir)?),
            notifiers: Mutex::default(),
            holds: tokio::sync::Mutex::default(),
            http: Http::default(),
            wake: Notify::new(),
            counts: Mutex::default(),
        })))
    }

    /// Adds a Notifier, or replaces it after it or its Secret has changed; what waits for it is tried at once.
    ///
    /// Where it can go nowhere, the error says why, for its status and the log. It is told all the same: its
    /// messages wait until it is mended.
    pub async fn set_notifier(
        &self,
        notifier: Key,
        spec: NotifierSpec,
        secret: Option<&SecretData>,
    ) -> Result<(), InvalidDestination> {
        let (destination, outcome) = match Destination::parse(&spec, secret) {
            Ok(destination) => (Some(Arc::new(destination)), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.0.holds.lock().await.remove(&notifier);
        locked(&self.0.outbox).hurry(&notifier, Timestamp::now());
        locked(&self.0.notifiers).insert(notifier, Registered { spec, destination });
        self.0.wake.notify_one();
        outcome
    }

    /// Forgets a Notifier that is gone. Its messages are dropped.
    pub async fn remove_notifier(&self, notifier: &Key) -> Result<(), OutboxError> {
        locked(&self.0.notifiers).remove(notifier);
        let notifier = notifier.clone();
        self.with_outbox(move |outbox| outbox.forget_notifier(&notifier))
            .await
    }

    /// Forgets what was told of an object that is gone.
    pub async fn forget(&self, object: &ObjectName) -> Result<(), OutboxError> {
        let object = object.clone();
        self.with_outbox(move |outbox| outbox.forget_object(&object))
            .await
    }

    /// Tells those Notifiers of an event to whom it is news; how many there are. To be called after every
    /// reconcile, whatever its outcome and however often it repeats: what is news is decided here.
    ///
    /// When it returns, the messages are on disk. `labels` are those of the object the event speaks of.
    pub async fn tell(&self, event: Event, labels: &BTreeMap<String, String>) -> Result<usize, OutboxError> {
        let interested: Vec<(Key, Interest)> = locked(&self.0.notifiers)
            .iter()
            .map(|(key, registered)| {
                let interest = interest(&registered.spec, &key.namespace, &event.object, labels);
                (key.clone(), interest)
            })
            .filter(|(_, interest)| *interest != Interest::Nothing)
            .collect();
        if interested.is_empty() {
            return Ok(0);
        }
        let told = self
            .with_outbox(move |outbox| {
                let now = Timestamp::now();
                let mut told = 0;
                for (notifier, interest) in &interested {
                    told += usize::from(outbox.tell(notifier, &event, *interest, now)?);
                }
                Ok(told)
            })
            .await?;
        if told > 0 {
            self.0.wake.notify_one();
        }
        Ok(told)
    }

    /// Delivers messages until it is told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let delivered = stop.run_until_cancelled(self.deliver_due(Timestamp::now())).await;
            let wait = match delivered {
                None => return,
                Some(Ok(wait)) => wait,
                Some(Err(error)) => {
                    report(&error);
                    LONGEST_WAIT
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Tries what is due at a time; how long until there is something due again.
    pub async fn deliver_due(&self, now: Timestamp) -> Result<Duration, OutboxError> {
        self.deliver(now, Urgency::Due).await
    }

    /// Tries every waiting message once, and goes on with those that are put off until nothing waits or the time is
    /// over; how many still wait. They stay in the outbox.
    pub async fn flush(&self, within: Duration) -> Result<usize, OutboxError> {
        let deadline = tokio::time::Instant::now() + within;
        let attempt = async {
            let mut wait = self.deliver(Timestamp::now(), Urgency::All).await?;
            while self.counts().waiting > 0 && tokio::time::Instant::now() + wait < deadline {
                tokio::time::sleep(wait).await;
                wait = self.deliver_due(Timestamp::now()).await?;
            }
            Ok(())
        };
        tokio::time::timeout_at(deadline, attempt)
            .await
            .unwrap_or(Ok(()))?;
        Ok(self.counts().waiting)
    }

    /// What became of messages so far.
    pub fn counts(&self) -> Counts {
        let outbox = locked(&self.0.outbox);
        Counts {
            waiting: outbox.len(),
            dropped: outbox.dropped(),
            ..*locked(&self.0.counts)
        }
    }

    async fn deliver(&self, now: Timestamp, urgency: Urgency) -> Result<Duration, OutboxError> {
        let mut holds = self.0.holds.lock().await;
        let lanes = self
            .with_outbox(move |outbox| {
                outbox.expire(now)?;
                Ok(outbox.lanes())
            })
            .await?;
        let usable = self.usable(lanes);
        let keys: Vec<Key> = usable.iter().map(|(key, ..)| key.clone()).collect();
        // Made before they are streamed: a closure inside the stream would keep the future from being `Send`.
        let mut deliveries = Vec::new();
        for (key, lane, destination) in usable {
            let is_held = match (holds.get(&key), urgency) {
                (Some(hold), Urgency::Due) => hold.until() > now,
                (Some(Hold::Imposed(until)), Urgency::All) => *until > now,
                _ => false,
            };
            if !is_held {
                deliveries.push(async move {
                    let outcome = self.deliver_lane(&lane, &destination, now, urgency).await;
                    (key, outcome)
                });
            }
        }
        let outcomes: Vec<(Key, Result<Option<Hold>, OutboxError>)> = futures::stream::iter(deliveries)
            .buffer_unordered(MAX_CONCURRENT_LANES)
            .collect()
            .await;
        for (key, outcome) in outcomes {
            match outcome? {
                Some(hold) => holds.insert(key, hold),
                None => holds.remove(&key),
            };
        }
        let left = locked(&self.0.outbox).lanes();
        let next = keys.iter().filter_map(|key| {
            let due = left.get(key)?.iter().map(|waiting| waiting.due).min()?;
            Some(holds.get(key).map_or(due, |hold| due.max(hold.until())))
        });
        Ok(next.min().map_or(IDLE, |next| between(now, next).min(IDLE)))
    }

    /// The queues that lead somewhere.
    fn usable(&self, lanes: BTreeMap<Key, Vec<Waiting>>) -> Vec<(Key, Vec<Waiting>, Arc<Destination>)> {
        let notifiers = locked(&self.0.notifiers);
        let with_destination = lanes.into_iter().filter_map(|(key, lane)| {
            let registered = notifiers
                .get(&key)
                .filter(|registered| !registered.spec.suspend)?;
            Some((key, lane, registered.destination.clone()?))
        });
        with_destination.collect()
    }

    /// Sends the messages of one Notifier in their order; a hold if one of them did not get through.
    async fn deliver_lane(
        &self,
        lane: &[Waiting],
        destination: &Destination,
        now: Timestamp,
        urgency: Urgency,
    ) -> Result<Option<Hold>, OutboxError> {
        for waiting in lane {
            let is_overtaken = waiting.attempts >= OVERTAKEN_AFTER;
            if urgency == Urgency::Due && waiting.due > now {
                if is_overtaken {
                    continue;
                }
                return Ok(Some(Hold::Backoff(waiting.due)));
            }
            let wanted = waiting.clone();
            let Some(message) = self.with_outbox(move |outbox| outbox.load(&wanted)).await? else {
                continue;
            };
            let answer = self.send(&message, destination).await;
            if let Some(hold) = self.settle(waiting, message, answer, now).await? {
                return Ok(Some(hold));
            }
        }
        Ok(None)
    }

    /// Sends one message.
    async fn send(&self, stored: &StoredMessage, destination: &Destination) -> Answer {
        let message = Message::new(&stored.event, &stored.news);
        let http = &self.0.http;
        match destination {
            Destination::SlackWebhook { address } => slack::post_webhook(http, address, &message).await,
            Destination::SlackBot {
                address,
                token,
                channel,
            } => slack::post_message(http, address, token, channel, &message).await,
            Destination::Matrix {
                homeserver,
                token,
                room,
            } => {
                let account = Account {
                    http,
                    homeserver,
                    token,
                    room,
                };
                account.post(&message, &stored.id).await
            }
        }
    }

    /// Does what an answer asks for; a hold if the messages behind have to wait too.
    async fn settle(
        &self,
        waiting: &Waiting,
        message: StoredMessage,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Option<Hold>, OutboxError> {
        let sequence = waiting.sequence;
        let failed = waiting.attempts.saturating_add(1);
        let (wait, is_imposed, may_be_overtaken, why) = match answer {
            Answer::Accepted => {
                tracing::debug!(notifier = %waiting.notifier, message = waiting.id.as_str(), "delivered a message");
                locked(&self.0.counts).delivered += 1;
                self.with_outbox(move |outbox| outbox.remove(sequence)).await?;
                return Ok(None);
            }
            Answer::Rejected { why } => {
                tracing::error!(
                    notifier = %waiting.notifier, object = %message.event.object, message = waiting.id.as_str(), why,
                    "dropped a message that will never be taken"
                );
                self.with_outbox(move |outbox| outbox.drop_undelivered(sequence))
                    .await?;
                return Ok(None);
            }
            Answer::Later {
                wait: Some(wait),
                why,
            } => (wait.max(backoff(failed, random())), true, false, why),
            Answer::Later { wait: None, why } => (backoff(failed, random()), false, true, why),
            Answer::Unreachable { why } => (backoff(failed, random()), false, false, why),
            Answer::Misconfigured { why } => (LONGEST_WAIT, false, false, why),
        };
        tracing::warn!(
            notifier = %waiting.notifier, object = %message.event.object, message = waiting.id.as_str(),
            attempt = failed, retry_in_seconds = wait.as_secs(), why, "failed to deliver a message"
        );
        locked(&self.0.counts).retried += 1;
        let due = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        self.with_outbox(move |outbox| outbox.postpone(&message, sequence, due))
            .await?;
        Ok(if is_imposed {
            Some(Hold::Imposed(due))
        } else if may_be_overtaken && failed >= OVERTAKEN_AFTER {
            None
        } else {
            Some(Hold::Backoff(due))
        })
    }

    /// Works on the outbox where blocking is allowed: its files are fsynced.
    async fn with_outbox<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Outbox) -> Result<T, OutboxError> + Send + 'static,
    ) -> Result<T, OutboxError> {
        let shared = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || work(&mut locked(&shared.outbox)));
        task.await.unwrap_or(Err(OutboxError::Stopping))
    }
}

/// The lock of what stays whole even if a thread panics while it holds it.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

fn report(error: &OutboxError) {
    let source = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(%error, source, "failed to work on the outbox");
}
