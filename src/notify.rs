//! Telling people: in Slack and in Matrix, once per event, kept until it is delivered.
//!
//! ```text
//! Event ─interest→ for each Notifier ─judge→ News ─outbox (fsync)→ Message ─render→ payload ─send→ Answer
//! ```
//! Everything up to the outbox is pure and quick; sending has its own loop, so that a chat that is away holds
//! up nothing. What is in the outbox holds no credentials: they are joined to it when it is sent.

mod advice;
mod answer;
mod backoff;
mod dedup;
mod destination;
mod event;
pub mod forge;
mod http;
mod matrix;
mod message;
mod outbox;
mod rich;
#[cfg(test)]
mod samples;
mod selection;
mod sender;
mod slack;
mod text;

pub use dedup::MAX_REMEMBERED_FAILURES;
pub use destination::{Destination, InvalidDestination, Room, SecretUrl, Token};
pub use event::{
    Action, Change, Changes, ClusterObject, CommitFacts, CommitId, Event, Failure, Fingerprint,
    InvalidCommitId, KeyKind, Listed, MAX_LISTED, ObjectFailure, Outcome, Retry, STALE, Signature, Step,
    Success,
};
pub use outbox::{MAX_AGE, MAX_MESSAGES, OutboxError};
pub use selection::{Interest, interest};
pub use sender::{Counts, Notifications};
pub use text::{MAX_PUBLIC_CHARS, Public, Reason};
