//! What a record says.

use serde::{Deserialize, Serialize};

use crate::name::ObjectName;

/// One line of the log, without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The number of the record format.
    pub schema: u32,
    /// Its place in the chain, from 1.
    pub sequence: u64,
    /// When, RFC 3339 in UTC.
    pub time: String,
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
    /// What asked for it: `interval`, `revision`, `spec`, `request`, `start`.
    pub trigger: String,
    /// The full commit id, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Who signed it: `ssh:alice@example.org SHA256:…`, or `waived`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// One object and what is done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActionRecord {
    /// `Kind/namespace/name`, or `Kind/name`.
    pub object: String,
    /// `create`, `configure`, `none`, `delete`.
    pub action: String,
    /// Why it failed, where it did; the reason word and the field, never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
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
        /// `applied` or `failed`.
        result: String,
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
        step: String,
        /// Why, in one word.
        reason: String,
        /// Why, in a sentence without secrets.
        message: String,
    },
    /// The trust material of a source is another one than before.
    TrustChanged {
        /// The source.
        subject: Subject,
        /// The digest of the material.
        digest: String,
    },
    /// The line before was cut off when its process died.
    Torn {
        /// How many bytes it has.
        bytes: u64,
        /// Their SHA-256.
        digest: String,
    },
}
