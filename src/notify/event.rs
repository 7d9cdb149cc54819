//! What there is to tell: the plain facts of one outcome.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::forge::Link;
use super::text::{Public, Reason};
use crate::name::{Key, Kind, ObjectName, hex};

/// The reason where nothing failed, but nothing new came for longer than it may.
pub const STALE: &str = "Stale";
/// The most entries of a [`Listed`] that are kept.
pub const MAX_LISTED: usize = 50;

/// What became of one of our objects, once.
///
/// Every text in it is [`Public`] or a checked word, so it can be stored and sent as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Event {
    /// Which `GitSource` or `Delivery`.
    pub object: ObjectName,
    /// The cluster, by the name that its operator gave it.
    pub cluster: Public,
    /// When it happened.
    pub time: Timestamp,
    /// The commit that was tried; absent while none is known.
    pub commit: Option<CommitFacts>,
    /// What its signature said; absent while nobody has looked.
    pub signature: Option<Signature>,
    /// How it ended.
    pub outcome: Outcome,
    /// The hash of the last record of the audit log: published where fluxops can not take it back.
    pub audit_head: Option<Public>,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Outcome {
    /// A step failed.
    Failed(Failure),
    /// Every step went well.
    Succeeded(Success),
}

/// A step failed, and everything after it was left undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// Which one.
    pub step: Step,
    /// Why, in one word: the same as in the Ready condition.
    pub reason: Reason,
    /// Why, in a sentence.
    pub message: Public,
    /// The objects it failed on.
    pub objects: Listed<ObjectFailure>,
    /// What to do next, where the step knows better than the advice that goes with step and reason.
    pub advice: Option<Public>,
    /// What the cluster runs in the meantime.
    pub running: Option<CommitId>,
    /// When it is tried again.
    pub retry: Retry,
}

/// Every step went well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Success {
    /// What was changed, in the order of the plan.
    pub changes: Changes,
    /// From the start of the reconcile to its end.
    pub duration: Duration,
}

/// The steps of the pipeline, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Step {
    /// Reading the spec and what it refers to.
    Configure,
    /// Bringing the commit here.
    Fetch,
    /// Checking who signed it.
    Verify,
    /// Reading its files and opening the sealed ones.
    Open,
    /// Making objects of the files.
    Render,
    /// Comparing them with the cluster, dry-run included.
    Plan,
    /// Writing the intent into the audit log.
    Record,
    /// Changing the cluster.
    Apply,
    /// Waiting until what was applied is healthy.
    Health,
}

impl Step {
    /// The step as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Configure => "Configure",
            Self::Fetch => "Fetch",
            Self::Verify => "Verify",
            Self::Open => "Open",
            Self::Render => "Render",
            Self::Plan => "Plan",
            Self::Record => "Record",
            Self::Apply => "Apply",
            Self::Health => "Health",
        }
    }
}

/// When something that failed is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Retry {
    /// By itself, after this long.
    After(Duration),
    /// Not before something changes: the commit, the spec, or what it refers to.
    OnChange,
}

/// A commit, as far as a reader wants to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CommitFacts {
    /// Which one.
    pub id: CommitId,
    /// The branch or tag that led to it.
    pub reference: Option<Public>,
    /// The first line of its message.
    pub subject: Option<Public>,
    /// Who wrote it, as the commit says; only the signature proves anything.
    pub author: Option<Public>,
    /// Its page, where the forge is known: [`super::forge::commit_link`].
    pub link: Option<Link>,
}

/// The full id of a commit: SHA-1 or SHA-256 in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    /// The characters of the short form, as forges show it.
    pub const SHORT: usize = 7;

    /// Reads a full id.
    pub fn parse(text: &str) -> Result<Self, InvalidCommitId> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if matches!(text.len(), 40 | 64) && text.bytes().all(is_hex) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidCommitId)
        }
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first [`SHORT`](Self::SHORT) characters.
    pub fn short(&self) -> &str {
        self.0.get(..Self::SHORT).unwrap_or(&self.0)
    }
}

impl TryFrom<String> for CommitId {
    type Error = InvalidCommitId;

    fn try_from(text: String) -> Result<Self, InvalidCommitId> {
        Self::parse(&text)
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.0
    }
}

/// Not the full id of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the full id of a commit: 40 or 64 lower-case hexadecimal digits")]
pub struct InvalidCommitId;

/// What a commit's signature said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Signature {
    /// It is good, and by somebody who is trusted.
    Signed {
        /// With what kind of key.
        key: KeyKind,
        /// Who, by the trust material.
        identity: Public,
        /// Which key.
        fingerprint: Public,
    },
    /// The source takes this very commit as trusted (`verify.startFrom`).
    Named,
    /// The source asks for none (`verify.mode: None`).
    Waived,
    /// There is none that is trusted; the failure says why.
    Refused,
}

/// The kinds of signing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum KeyKind {
    /// An SSH key.
    Ssh,
    /// An OpenPGP certificate.
    OpenPgp,
}

impl KeyKind {
    /// The kind as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ssh => "SSH",
            Self::OpenPgp => "OpenPGP",
        }
    }
}

/// An object in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterObject {
    /// Its kind.
    pub kind: Public,
    /// Its namespace, if its kind has one.
    pub namespace: Option<Public>,
    /// Its name.
    pub name: Public,
}

/// `Deployment apps/web`, `Namespace apps`.
impl fmt::Display for ClusterObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{} {namespace}/{}", self.kind, self.name),
            None => write!(formatter, "{} {}", self.kind, self.name),
        }
    }
}

/// An object on which a step failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectFailure {
    /// Which one.
    pub object: ClusterObject,
    /// Why, in one word: the API server's `reason`, or ours.
    pub reason: Reason,
    /// Why, in a sentence: field paths always, an API server's own words only where nothing is sensitive.
    pub message: Public,
}

/// What was done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It is new.
    Created,
    /// It was there, and was changed.
    Configured,
    /// It was there, could not be changed, and was deleted and made anew.
    Recreated,
    /// It left Git, and was deleted.
    Deleted,
}

/// An object that was changed, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// What was done to it.
    pub action: Action,
    /// Which one.
    pub object: ClusterObject,
}

/// What was changed: all of it counted, the first of it by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Changes {
    created: usize,
    configured: usize,
    #[serde(default)]
    recreated: usize,
    deleted: usize,
    listed: Listed<Change>,
}

impl Changes {
    /// The number of objects that are new.
    pub fn created(&self) -> usize {
        self.created
    }

    /// The number of objects that were changed.
    pub fn configured(&self) -> usize {
        self.configured
    }

    /// The number of objects that were deleted and made anew.
    pub fn recreated(&self) -> usize {
        self.recreated
    }

    /// The number of objects that were deleted.
    pub fn deleted(&self) -> usize {
        self.deleted
    }

    /// The objects, the first of them by name.
    pub fn listed(&self) -> &Listed<Change> {
        &self.listed
    }

    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }
}

impl FromIterator<Change> for Changes {
    fn from_iter<I: IntoIterator<Item = Change>>(changes: I) -> Self {
        let (mut created, mut configured, mut recreated, mut deleted) = (0, 0, 0, 0);
        let listed = changes
            .into_iter()
            .inspect(|change| match change.action {
                Action::Created => created += 1,
                Action::Configured => configured += 1,
                Action::Recreated => recreated += 1,
                Action::Deleted => deleted += 1,
            })
            .collect();
        Self {
            created,
            configured,
            recreated,
            deleted,
            listed,
        }
    }
}

/// The first [`MAX_LISTED`] of some entries, and how many there are beyond them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listed<T> {
    first: Vec<T>,
    more: usize,
}

impl<T> Listed<T> {
    /// Those that are kept.
    pub fn first(&self) -> &[T] {
        &self.first
    }

    /// How many there were beyond them.
    pub fn more(&self) -> usize {
        self.more
    }

    /// Whether there is none at all.
    pub fn is_empty(&self) -> bool {
        self.first.is_empty() && self.more == 0
    }
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self {
            first: Vec::new(),
            more: 0,
        }
    }
}

impl<T> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(entries: I) -> Self {
        let mut entries = entries.into_iter();
        let first = entries.by_ref().take(MAX_LISTED).collect();
        Self {
            first,
            more: entries.count(),
        }
    }
}

/// What an event says, whenever and however often it says it: the same for two reconciles that failed in the
/// same way, whatever their durations, times and request ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Its hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Event {
    /// The fingerprint: of the object, the commit, and for a failure the step, the reason, and each object with
    /// its reason. Free text has no part in it.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut parts = vec![self.object.to_string()];
        parts.extend(self.commit.as_ref().map(|commit| commit.id.as_str().to_owned()));
        if let Outcome::Failed(failure) = &self.outcome {
            parts.push(failure.step.as_str().to_owned());
            parts.push(failure.reason.as_str().to_owned());
            let mut objects: Vec<String> = (failure.objects.first().iter())
                .map(|failed| format!("{} {}", failed.object, failed.reason))
                .collect();
            objects.sort_unstable();
            parts.extend(objects);
        }
        Fingerprint(digest(parts.iter().map(String::as_str)))
    }

    /// The namespace and name of what it speaks of.
    pub fn key(&self) -> &Key {
        &self.object.key
    }

    /// The kind of what it speaks of.
    pub fn kind(&self) -> Kind {
        self.object.kind
    }
}

/// SHA-256 in hex over parts, each with its length before it, so that no two lists of parts look alike.
pub(super) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in parts {
        context.update(part.len().to_string().as_bytes());
        context.update(b":");
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())
}
