//! Which revisions a Delivery had, and how it stands back from one.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SignerStatus;

/// The most revisions that a status remembers.
pub const MAX_HISTORY: usize = 10;
/// The status of a revision that was applied, and healthy where that is waited for.
pub const SUCCEEDED: &str = "Succeeded";

/// What becomes of a revision that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackPolicy {
    /// Whether the last revision that succeeded is applied again when a new one cannot be applied or is not healthy in time
    /// (`wait`). The bad one is not tried again until there is another, or somebody asks for it.
    #[serde(default)]
    pub on_failure: bool,
}

/// That an older revision is applied, on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RollbackStatus {
    /// The revision that failed and is not tried again.
    pub from: String,
    /// The revision that is applied in its place.
    pub to: String,
    /// Why, in a sentence.
    pub message: String,
}

/// A revision that was tried, and what came of it last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// The revision, as `main@sha1:<id>`.
    pub revision: String,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerStatus>,
    /// When it was first tried, RFC 3339.
    pub first_reconciled: String,
    /// When it last came to what it came to, RFC 3339.
    pub last_reconciled: String,
    /// `Succeeded`, or why not, in one word.
    pub last_reconciled_status: String,
}

impl HistoryEntry {
    /// The full id of its commit.
    pub fn commit(&self) -> Option<&str> {
        self.revision.rsplit_once("sha1:").map(|(_, id)| id)
    }

    /// Whether it was applied, and healthy where that is waited for.
    pub fn succeeded(&self) -> bool {
        self.last_reconciled_status == SUCCEEDED
    }
}

/// Notes what came of a revision, as the newest entry; nothing if that is known of the newest already.
pub fn remember(
    history: &mut Vec<HistoryEntry>,
    revision: &str,
    signer: Option<SignerStatus>,
    status: &str,
    now: Timestamp,
) {
    let is_known =
        |entry: &HistoryEntry| entry.revision == revision && entry.last_reconciled_status == status;
    if history.first().is_some_and(is_known) {
        return;
    }
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let former = history.iter().position(|entry| entry.revision == revision);
    let first_reconciled = former.map_or_else(|| now.clone(), |place| history.remove(place).first_reconciled);
    let entry = HistoryEntry {
        revision: revision.to_owned(),
        signer,
        first_reconciled,
        last_reconciled: now,
        last_reconciled_status: status.to_owned(),
    };
    history.insert(0, entry);
    if history.len() > MAX_HISTORY {
        // What one can go back to is not pushed out by what failed.
        let kept = history.iter().position(HistoryEntry::succeeded);
        let last = history.len() - 1;
        history.remove(if kept == Some(last) { last - 1 } else { last });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(tries: &[(&str, &str)]) -> Vec<(String, String, String, String)> {
        let mut history = Vec::new();
        for (second, (revision, status)) in (0..).zip(tries) {
            let now = Timestamp::from_second(second).unwrap();
            remember(&mut history, revision, None, status, now);
        }
        let second = |time: &str| time[17..19].to_owned();
        history
            .iter()
            .map(|entry| {
                let (first, last) = (second(&entry.first_reconciled), second(&entry.last_reconciled));
                (
                    entry.revision.clone(),
                    entry.last_reconciled_status.clone(),
                    first,
                    last,
                )
            })
            .collect()
    }

    #[test]
    fn the_newest_is_first_and_what_is_known_is_not_said_again() {
        let entry = |revision: &str, status: &str, first: &str, last: &str| {
            (
                revision.to_owned(),
                status.to_owned(),
                first.to_owned(),
                last.to_owned(),
            )
        };
        let tries = [
            ("a", SUCCEEDED),
            ("a", SUCCEEDED),
            ("b", "NotReady"),
            ("b", "NotReady"),
            ("a", SUCCEEDED),
            ("b", SUCCEEDED),
        ];
        let expected = [
            entry("b", SUCCEEDED, "02", "05"),
            entry("a", SUCCEEDED, "00", "04"),
        ];
        assert_eq!(after(&tries), expected);
    }

    #[test]
    fn it_is_bounded_and_keeps_what_one_can_go_back_to() {
        let names: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let all_good: Vec<_> = names.iter().map(|name| (name.as_str(), SUCCEEDED)).collect();
        let history = after(&all_good);
        assert_eq!((history.len(), history[0].0.as_str()), (MAX_HISTORY, "29"));
        let mut one_good: Vec<_> = names.iter().map(|name| (name.as_str(), "NotReady")).collect();
        one_good[0].1 = SUCCEEDED;
        let history = after(&one_good);
        assert_eq!(history.len(), MAX_HISTORY);
        assert_eq!(history.last().unwrap().0, "0");
    }
}
