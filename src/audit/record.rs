//! What a record says.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::name::ObjectName;
use crate::notify::Step;
use crate::plan::Action;

/// One line of the log, without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The number of the record format.
    pub schema: u32,
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// When, written as RFC 3339 in UTC.
    pub time: Timestamp,
    /// The hash of the record before; 64 zeros for the first.
    pub previous: String,
    /// What happened.
    pub event: Event,
}

/// Whose work it was, and on which commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subject {
    /// The object that was reconciled.
    pub object: ObjectName,
    /// What asked for it.
    pub trigger: Trigger,
    /// The full commit id, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Who signed it: `ssh:alice@example.org SHA256:…`, or `waived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// What asked for a reconcile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trigger {
    /// The process started, or the object is new.
    Start,
    /// Its interval.
    Interval,
    /// Its last try failed.
    Retry,
    /// Its source has a new revision.
    Revision,
    /// Its spec changed, or something it refers to, or something it depends on became ready.
    Change,
    /// Somebody asked.
    Request,
    /// A forge called its webhook.
    Webhook,
    /// A watch saw that something it applied is no longer as it was.
    Drift,
    /// It is being deleted.
    Deletion,
}

/// One object and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRecord {
    /// `Kind/namespace/name`, or `Kind/name`.
    pub object: String,
    /// What is done to it, or that it failed.
    pub action: RecordedAction,
    /// Why it failed, where it did; the reason word and the field, never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What is done to an object that does not stay as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecordedAction {
    /// It is made.
    Create,
    /// It is changed.
    Configure,
    /// It is deleted and made anew, since it differs in a field that cannot be changed.
    Recreate,
    /// It is deleted.
    Delete,
    /// It could not be done.
    Failed,
}

/// How an intent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// All of it was done.
    Applied,
    /// Something failed.
    Failed,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Event {
    /// A process took over the log.
    Started {
        /// Its version.
        version: String,
    },
    /// Something is about to be written to the cluster.
    Intent {
        /// Whose work.
        subject: Subject,
        /// What is about to be done; unchanged objects are left out.
        actions: Vec<ActionRecord>,
    },
    /// An intent was carried out, or failed.
    Outcome {
        /// The sequence number of the intent.
        intent: u64,
        /// Whose work.
        subject: Subject,
        /// Whether all of it was done.
        result: Ending,
        /// What was really done.
        actions: Vec<ActionRecord>,
    },
    /// An intent whose process died before it could say how it ended.
    Interrupted {
        /// The sequence number of the intent.
        intent: u64,
    },
    /// Work that was refused before anything was written.
    Refused {
        /// Whose work.
        subject: Subject,
        /// At which step.
        step: Step,
        /// Why, in one word.
        reason: String,
        /// Why, in a sentence without secrets.
        message: String,
    },
    /// A source is verified with other trust material than before from here on.
    TrustChanged {
        /// The source.
        subject: Subject,
        /// The digest of the material: `sha256:` and 64 hexadecimal digits.
        digest: String,
    },
    /// The history of a source begins with another commit from here on, which is the subject's.
    TrustAnchored {
        /// The source, and the commit.
        subject: Subject,
        /// Why it begins there.
        by: AnchoredBy,
        /// The commit's full id that was trusted last before.
        previous: Option<String>,
    },
    /// An older revision is applied in place of a newer one from here on; the subject has its commit.
    RolledBack {
        /// The Delivery, and the older commit.
        subject: Subject,
        /// What was applied, or tried, before.
        from: String,
        /// Why, in one word.
        reason: String,
    },
    /// The line before was cut off when its process died.
    Torn {
        /// How many bytes it has.
        bytes: u64,
        /// Their SHA-256.
        digest: String,
    },
}

/// Why a history begins with a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AnchoredBy {
    /// It was the first that was seen.
    FirstSight,
    /// `spec.verify.startFrom`.
    StartFrom,
    /// Somebody accepted it although it does not descend from the one before.
    AcceptRewind,
}

impl RecordedAction {
    /// The action as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Configure => "configure",
            Self::Recreate => "recreate",
            Self::Delete => "delete",
            Self::Failed => "failed",
        }
    }
}

impl AnchoredBy {
    /// The reason as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstSight => "firstSight",
            Self::StartFrom => "startFrom",
            Self::AcceptRewind => "acceptRewind",
        }
    }
}

impl Trigger {
    /// The trigger as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Interval => "interval",
            Self::Retry => "retry",
            Self::Revision => "revision",
            Self::Change => "change",
            Self::Request => "request",
            Self::Webhook => "webhook",
            Self::Drift => "drift",
            Self::Deletion => "deletion",
        }
    }
}

impl RecordedAction {
    /// How a planned or finished action is recorded; what stays as it is, is not.
    pub fn of(action: Action) -> Option<Self> {
        match action {
            Action::Create => Some(Self::Create),
            Action::Configure => Some(Self::Configure),
            Action::Recreate => Some(Self::Recreate),
            Action::Delete => Some(Self::Delete),
            Action::None => None,
        }
    }
}

impl Ending {
    /// The ending that the fates of the objects amount to.
    pub(super) fn of(actions: &[ActionRecord]) -> Self {
        let failed = actions
            .iter()
            .any(|action| action.action == RecordedAction::Failed);
        if failed { Self::Failed } else { Self::Applied }
    }

    /// The ending as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Failed => "failed",
        }
    }
}
