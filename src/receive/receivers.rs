//! The Receivers that are served, and what becomes of a call.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use jiff::Timestamp;
use ring::digest::{Context, SHA256};
use tokio::sync::Notify;

use super::authenticity::{Authenticity, InvalidToken, token};
use super::{Pushed, Rate, Remembered, TokenBucket};
use crate::api::{ReceiverSpec, ReceiverType, SecretData};
use crate::name::{Key, hex};

/// How many calls of one Receiver are taken, of those that are authentic: nobody else can use it up.
pub const RECEIVER_RATE: Rate = Rate {
    burst: 60,
    every: Duration::from_secs(1),
};
/// How many calls to paths that exist are read, whoever they come from.
pub const OVERALL_RATE: Rate = Rate {
    burst: 300,
    every: Duration::from_millis(50),
};

/// How many bytes of the digest are in a path: too many to be tried out, and few enough to be read.
const PATH_BYTES: usize = 16;

/// What is served.
pub struct Receivers {
    state: Mutex<State>,
    called: Notify,
    serving: Serving,
}

/// Whether there is a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Serving {
    Yes,
    No,
}

struct State {
    routes: HashMap<String, Route>,
    /// What was pushed by those that called, until somebody asks.
    calls: BTreeMap<Key, Pushed>,
    overall: TokenBucket,
}

struct Route {
    receiver: Key,
    type_: ReceiverType,
    events: Vec<String>,
    activity: Activity,
    authenticity: Arc<Authenticity>,
    rate: TokenBucket,
    remembered: Remembered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    Active,
    Suspended,
}

/// A call to a path that exists, whose body is worth reading.
pub struct Admitted {
    path: String,
    receiver: Key,
    authenticity: Arc<Authenticity>,
}

impl Admitted {
    /// The Receiver that is called.
    pub fn receiver(&self) -> &Key {
        &self.receiver
    }
}

/// What came of a call that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Its sources will be fetched.
    Accepted,
    /// Its event is none of those that count.
    Ignored,
    /// The forge only tried whether somebody answers.
    Ping,
}

impl Answer {
    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Ping => "ping",
        }
    }
}

/// Why a call was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing is at its path, or it is no POST.
    UnknownPath,
    /// The Receiver is suspended.
    Suspended,
    /// It does not prove where it comes from.
    Unauthentic,
    /// There are too many.
    RateLimited,
    /// It was taken already.
    Replayed,
    /// Its body is too large.
    TooLarge,
    /// Its body does not come in time, or not whole.
    Incomplete,
}

impl Refusal {
    /// As a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownPath => "unknown_path",
            Self::Suspended => "suspended",
            Self::Unauthentic => "unauthentic",
            Self::RateLimited => "rate_limited",
            Self::Replayed => "replayed",
            Self::TooLarge => "too_large",
            Self::Incomplete => "incomplete",
        }
    }
}

/// Why a Receiver receives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReceiver {
    /// There is no server.
    #[error("failed to receive anything: fluxops runs without --webhook-addr")]
    NotServed,
    /// It would have nothing fetched.
    #[error("failed to receive anything: spec.sources is empty")]
    NoSources,
    /// There is nothing to compare them with.
    #[error("failed to use spec.events: calls of generic-hmac name no event")]
    Events,
    /// Its token cannot be used.
    #[error("failed to use the Secret")]
    Token(#[from] InvalidToken),
}

impl InvalidReceiver {
    /// One word for a condition's reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotServed => "NotServed",
            Self::NoSources | Self::Events => "InvalidSpec",
            Self::Token(_) => "InvalidToken",
        }
    }
}

/// The path of a Receiver: who does not know the token cannot tell it, nor the token from it.
pub fn webhook_path(receiver: &Key, token: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(format!("fluxops.dev/receiver\0{receiver}\0").as_bytes());
    context.update(token);
    let digest = context.finish();
    format!(
        "/hook/{}",
        hex(digest.as_ref().get(..PATH_BYTES).unwrap_or_default())
    )
}

impl Receivers {
    /// For a process with a server.
    pub fn served(now: Instant) -> Self {
        Self::new(Serving::Yes, now)
    }

    /// For a process without one.
    pub fn not_served(now: Instant) -> Self {
        Self::new(Serving::No, now)
    }

    fn new(serving: Serving, now: Instant) -> Self {
        Self {
            state: Mutex::new(State {
                routes: HashMap::new(),
                calls: BTreeMap::new(),
                overall: TokenBucket::full(OVERALL_RATE, now),
            }),
            called: Notify::new(),
            serving,
        }
    }

    /// Serves a Receiver as it is now, in place of how it was; its path comes back. What was remembered of its calls stays
    /// while its token does.
    pub fn set(
        &self,
        receiver: &Key,
        spec: &ReceiverSpec,
        secret: &SecretData,
        now: Instant,
    ) -> Result<String, InvalidReceiver> {
        let token = match self.usable(spec, secret) {
            Ok(token) => token,
            Err(error) => {
                self.remove(receiver);
                return Err(error);
            }
        };
        let path = webhook_path(receiver, token);
        let authenticity = Authenticity::new(spec.type_, token).inspect_err(|_| self.remove(receiver))?;
        let mut state = self.state();
        let former = state.take(receiver).filter(|(former, _)| *former == path);
        let (rate, remembered) = match former {
            Some((_, route)) => (route.rate, route.remembered),
            None => (TokenBucket::full(RECEIVER_RATE, now), Remembered::default()),
        };
        let route = Route {
            receiver: receiver.clone(),
            type_: spec.type_,
            events: spec.events.clone(),
            activity: if spec.suspend {
                Activity::Suspended
            } else {
                Activity::Active
            },
            authenticity: Arc::new(authenticity),
            rate,
            remembered,
        };
        state.routes.insert(path.clone(), route);
        Ok(path)
    }

    fn usable<'a>(&self, spec: &ReceiverSpec, secret: &'a SecretData) -> Result<&'a [u8], InvalidReceiver> {
        if self.serving == Serving::No {
            return Err(InvalidReceiver::NotServed);
        }
        if spec.sources.is_empty() {
            return Err(InvalidReceiver::NoSources);
        }
        if !spec.events.is_empty() && !spec.type_.names_events() {
            return Err(InvalidReceiver::Events);
        }
        Ok(token(secret)?)
    }

    /// Serves a Receiver no longer.
    pub fn remove(&self, receiver: &Key) {
        let mut state = self.state();
        state.take(receiver);
        state.calls.remove(receiver);
    }

    /// Whether the body of a call to this path is worth reading.
    pub fn admit(&self, path: &str, now: Instant) -> Result<Admitted, Refusal> {
        let mut state = self.state();
        let state = &mut *state;
        let route = state.routes.get(path).ok_or(Refusal::UnknownPath)?;
        if route.activity == Activity::Suspended {
            return Err(Refusal::Suspended);
        }
        if !state.overall.take(now) {
            return Err(Refusal::RateLimited);
        }
        Ok(Admitted {
            path: path.to_owned(),
            receiver: route.receiver.clone(),
            authenticity: Arc::clone(&route.authenticity),
        })
    }

    /// Takes a call with its body, if it is authentic and new.
    pub fn take(
        &self,
        admitted: &Admitted,
        headers: &HeaderMap,
        body: &[u8],
        now: Instant,
        time: Timestamp,
    ) -> Result<Answer, Refusal> {
        // Before the lock: it takes the longer, the larger the body is.
        let authentic = admitted
            .authenticity
            .check(headers, body, time)
            .map_err(|_| Refusal::Unauthentic)?;
        let mut state = self.state();
        let route = state.routes.get_mut(&admitted.path);
        let route = route
            .filter(|route| Arc::ptr_eq(&route.authenticity, &admitted.authenticity))
            .ok_or(Refusal::UnknownPath)?;
        if !route.rate.take(now) {
            return Err(Refusal::RateLimited);
        }
        if !route
            .remembered
            .note(route.type_.id(headers), &authentic, body, now)
        {
            return Err(Refusal::Replayed);
        }
        let event = route.type_.event(headers).unwrap_or_default();
        if route.type_.is_ping(event) {
            return Ok(Answer::Ping);
        }
        if !route.events.is_empty()
            && !route
                .events
                .iter()
                .any(|wanted| wanted.eq_ignore_ascii_case(event))
        {
            return Ok(Answer::Ignored);
        }
        let pushed = Pushed::read(route.type_, event, body);
        match state.calls.get_mut(&admitted.receiver) {
            Some(waiting) => waiting.join(pushed),
            None => drop(state.calls.insert(admitted.receiver.clone(), pushed)),
        }
        self.called.notify_one();
        Ok(Answer::Accepted)
    }

    /// The Receivers that were called since the last time, and what was pushed; waits until there are some.
    pub async fn called(&self) -> BTreeMap<Key, Pushed> {
        loop {
            let calls = std::mem::take(&mut self.state().calls);
            if !calls.is_empty() {
                return calls;
            }
            self.called.notified().await;
        }
    }

    /// A thread that panicked left no route half made.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes the route of a Receiver out, with its path.
    fn take(&mut self, receiver: &Key) -> Option<(String, Route)> {
        let path = self.routes.iter().find(|(_, route)| route.receiver == *receiver);
        let path = path.map(|(path, _)| path.clone())?;
        self.routes.remove_entry(&path)
    }
}

#[cfg(test)]
mod tests;
