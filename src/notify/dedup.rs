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

#[cfg(test)]
mod tests {
    use super::super::event::{Listed, ObjectFailure};
    use super::super::samples::{ID, NEXT_ID, applied, at, failed, object_failure, refused, succeeded};
    use super::*;

    /// Tells a Notifier a list of events; what of them it heard.
    fn heard(interest: Interest, events: &[Event]) -> Vec<&'static str> {
        let mut track = Track::default();
        events
            .iter()
            .map(|event| {
                let (news, next) = track.judge(event, interest);
                track = next;
                match news {
                    None => "-",
                    Some(News::Failure) => "failure",
                    Some(News::Recovery(_)) => "recovery",
                    Some(News::NewRevision) => "new",
                }
            })
            .collect()
    }

    fn fetch(reason: &str, message: &str) -> Event {
        failed(ID, Step::Fetch, reason, message, Listed::default())
    }

    #[test]
    fn the_same_failure_is_told_once_whatever_its_words() {
        let events = [
            fetch("Timeout", "no answer after 30.1s (request 17)"),
            fetch("Timeout", "no answer after 29.8s (request 18)"),
        ];
        assert_eq!(heard(Interest::Everything, &events), ["failure", "-"]);
    }

    #[test]
    fn another_face_of_a_failure_is_told_once_each() {
        let (timeout, refused) = (fetch("Timeout", ""), fetch("ConnectionRefused", ""));
        let events = [timeout.clone(), refused.clone(), timeout, refused];
        assert_eq!(
            heard(Interest::Everything, &events),
            ["failure", "failure", "-", "-"]
        );
    }

    #[test]
    fn what_fails_counts_and_its_order_does_not() {
        let failing = |objects: [ObjectFailure; 2]| {
            failed(ID, Step::Apply, "ApplyFailed", "", objects.into_iter().collect())
        };
        let [a, b, c] = [("a", "Invalid"), ("b", "Invalid"), ("b", "Forbidden")]
            .map(|(name, reason)| object_failure(name, reason, "some words"));
        let events = [
            failing([a.clone(), b.clone()]),
            failing([b, a.clone()]),
            failing([a, c]),
        ];
        assert_eq!(heard(Interest::Everything, &events), ["failure", "-", "failure"]);
    }

    #[test]
    fn a_recovery_is_told_even_without_a_new_revision() {
        let events = [applied(), refused(), applied(), applied(), refused(), applied()];
        let expected = ["new", "failure", "recovery", "-", "failure", "recovery"];
        assert_eq!(heard(Interest::Everything, &events), expected);
        let expected = ["-", "failure", "recovery", "-", "failure", "recovery"];
        assert_eq!(heard(Interest::Trouble, &events), expected);
        assert_eq!(heard(Interest::Nothing, &events), ["-"; 6]);
    }

    #[test]
    fn a_recovery_says_what_it_ends() {
        let mut late = refused();
        late.time = at(60);
        let (_, track) = Track::default().judge(&fetch("Timeout", ""), Interest::Trouble);
        let (_, track) = track.judge(&late, Interest::Trouble);
        let (news, _) = track.judge(&applied(), Interest::Trouble);
        let past = PastFailure {
            since: at(0),
            step: Step::Plan,
            reason: Reason::word("DryRunFailed"),
        };
        assert_eq!(news, Some(News::Recovery(past)));
    }

    #[test]
    fn a_success_is_told_once_per_revision() {
        let (one, two) = (applied(), succeeded(NEXT_ID, &[]));
        let events = [one.clone(), one.clone(), two.clone(), two, one];
        assert_eq!(
            heard(Interest::Everything, &events),
            ["new", "-", "new", "-", "new"]
        );
    }

    #[test]
    fn what_was_well_all_along_is_no_news_to_a_new_notifier() {
        let events = [succeeded(ID, &[]), succeeded(ID, &[]), succeeded(NEXT_ID, &[])];
        assert_eq!(heard(Interest::Everything, &events), ["-", "-", "new"]);
    }

    #[test]
    fn only_so_many_failures_are_remembered() {
        let names: Vec<String> = (0..=MAX_REMEMBERED_FAILURES)
            .map(|number| format!("Face{number}"))
            .collect();
        let mut events: Vec<Event> = names.iter().map(|name| fetch(name, "")).collect();
        events.push(fetch("Face1", ""));
        events.push(fetch("Face0", ""));
        let heard = heard(Interest::Everything, &events);
        assert_eq!(heard[names.len()..], ["-", "failure"]);
    }
}
