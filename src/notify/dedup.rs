//! Once per event: what is news to a Notifier, given what it was told before.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::{CommitId, Event, Fingerprint, Outcome, Step};
use super::selection::Interest;
use super::text::Reason;

/// The most different failures that are remembered until the next success. A flapping failure is told once for
/// each of its faces; beyond this many, the oldest is forgotten and may be told again.
pub const MAX_REMEMBERED_FAILURES: usize = 16;

/// What one Notifier was told of one object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Track {
    /// How many messages there were; it tells apart two that say the same.
    pub(super) told: u64,
    /// The commit of the last success, told or not.
    succeeded: Option<CommitId>,
    /// Whether there was a success at all; that of an object without a commit counts as one.
    seen: bool,
    /// The trouble that it was told of and that is not over.
    trouble: Option<Trouble>,
}

/// What was told since the last success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trouble {
    last: PastFailure,
    told: Vec<Fingerprint>,
}

/// A failure that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PastFailure {
    /// When it was first seen.
    pub(super) since: Timestamp,
    /// The step that failed last.
    pub(super) step: Step,
    /// Why.
    pub(super) reason: Reason,
}

/// Why an event is worth a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum News {
    /// Something fails that did not, or in another way.
    Failure,
    /// What failed is well again.
    Recovery(PastFailure),
    /// A new revision is in.
    NewRevision,
}

impl Track {
    /// What is new about an event, and what is to be remembered once that is safely on its way.
    ///
    /// The first success that is seen of an object is news only if it changed something: whoever adds a Notifier
    /// to a hundred healthy Deliveries does not want a hundred messages.
    pub(super) fn judge(&self, event: &Event, interest: Interest) -> (Option<News>, Self) {
        let mut next = self.clone();
        let news = match (interest, &event.outcome) {
            (Interest::Nothing, _) => None,
            (_, Outcome::Failed(failure)) => {
                let fingerprint = event.fingerprint();
                let trouble = next.trouble.get_or_insert_with(|| Trouble {
                    last: PastFailure {
                        since: event.time,
                        step: failure.step,
                        reason: failure.reason.clone(),
                    },
                    told: Vec::new(),
                });
                trouble.last.step = failure.step;
                trouble.last.reason = failure.reason.clone();
                if trouble.told.contains(&fingerprint) {
                    // The last step and reason serve the recovery only: not worth a write of their own.
                    return (None, self.clone());
                }
                if trouble.told.len() >= MAX_REMEMBERED_FAILURES {
                    trouble.told.remove(0);
                }
                trouble.told.push(fingerprint);
                Some(News::Failure)
            }
            (_, Outcome::Succeeded(success)) => {
                let commit = event.commit.as_ref().map(|commit| commit.id.clone());
                let is_new = if self.seen {
                    self.succeeded != commit
                } else {
                    !success.changes.is_empty()
                };
                next.seen = true;
                next.succeeded = commit;
                match next.trouble.take() {
                    Some(trouble) => Some(News::Recovery(trouble.last)),
                    None if is_new && interest == Interest::Everything => Some(News::NewRevision),
                    None => None,
                }
            }
        };
        next.told += u64::from(news.is_some());
        (news, next)
    }
}
