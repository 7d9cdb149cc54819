//! Step 2: who signed it. Only what comes out of here is ever read.

mod allowed;
mod approval;
mod forge;
mod freshness;
mod glob;
mod history;
mod merge;
mod policy;
mod rules;
mod tree;
mod trust;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use git_signature::{Commit, ObjectId, Refusal, Signer, SignerKind, TrustStore};
use jiff::{SignedDuration, Timestamp};

use crate::api::SignerStatus;
use crate::files::Tree;
use crate::source::{FetchError, ObjectError, Objects, Oid, Revision};

pub use allowed::{Allowed, Role};
pub use approval::Unapproved;
pub use forge::ForgeRefusal;
pub use freshness::is_stale;
pub use history::{Commits, HistoryError, MAX_HISTORY, all, since};
pub use merge::{Contents, MAX_MERGED_FILE, MAX_MERGED_FILES, MAX_MERGED_FOLDERS, MergeError, merge};
pub use policy::{Anchor, Materials, Policy, PolicyError, TrustMaterial, store};
pub use rules::{InvalidRule, MAX_RULE_PATHS, MAX_THRESHOLD, RulePath, Rules};
pub use trust::{Trust, Voucher};

/// The largest commit or tag object that is read, in bytes. Git sets no limit; a message of a megabyte is none.
pub const MAX_OBJECT_BYTES: u64 = 1024 * 1024;

/// How long a verdict stands before it is asked for anew, though nothing has changed. When the signer's key expires is
/// known to the second; of all else that ends by itself (keys of those who approved or were merged, algorithms) it is
/// noticed within this time.
pub const MAX_UNASKED: SignedDuration = SignedDuration::from_hours(1);

/// A revision whose signatures satisfied its policy, or for which they were waived.
///
/// [`verify`] alone makes one:
/// ```
/// use fluxops::{source::Revision, verify::{Policy, VerifiedRevision, verify}};
/// use std::sync::Arc;
/// fn trusted(revision: &Revision, policy: &Arc<Policy>) -> Option<VerifiedRevision> {
///     verify(revision, policy, jiff::Timestamp::now()).ok()
/// }
/// ```
/// Putting one together does not compile:
/// ```compile_fail,E0451
/// use fluxops::{files::Tree, source::Revision, verify::{CommitFacts, Verification, VerifiedRevision}};
/// fn forged(revision: Revision, commit: CommitFacts, tree: Tree) -> VerifiedRevision {
///     VerifiedRevision { revision, commit, tree, verification: Verification::Waived }
/// }
/// ```
pub struct VerifiedRevision {
    revision: Revision,
    commit: CommitFacts,
    tree: Tree,
    verification: Verification,
    policy: Arc<Policy>,
    verified_at: Timestamp,
    valid_until: Option<Timestamp>,
}

/// How a revision came to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Somebody who is trusted signed it.
    Signed(Signer),
    /// The forge, with this key, merged commits that are trusted, and changed nothing.
    Merged(Signer),
    /// It was trusted before: signed with a key that was trusted then, or named by the user.
    Earlier(Option<SignerStatus>),
    /// The user asked for no verification.
    Waived,
}

/// What people want to know of a commit. Only its id is certain before its signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitFacts {
    /// The full id.
    pub id: String,
    /// The revision as Flux writes it.
    pub revision: String,
    /// The first line of its message.
    pub subject: Option<String>,
    /// Who wrote it, by the commit's own account.
    pub author: Option<String>,
    /// When it was made, by its committer's account.
    pub committed: Option<Timestamp>,
}

/// Why a revision is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The commit's signature does not do.
    #[error("failed to verify commit {commit}: {refusal}")]
    Commit {
        /// The full id.
        commit: String,
        /// Why.
        refusal: Refusal,
    },
    /// It names somebody whom the spec does not allow.
    #[error(
        "failed to verify commit {commit}: spec.verify.allowed does not have its {role}, {email}",
        role = role.as_str()
    )]
    NotAllowed {
        /// The full id.
        commit: String,
        /// What they are named as.
        role: Role,
        /// Their address, safe to show.
        email: String,
    },
    /// The forge signed it, and the forge's signature does not do.
    #[error("failed to verify commit {commit}: {refusal}")]
    Forge {
        /// The full id.
        commit: String,
        /// Why.
        refusal: ForgeRefusal,
    },
    /// What stands at a path is not signed by those who have to.
    #[error("failed to verify commit {commit}: {refusal}")]
    Unapproved {
        /// The full id.
        commit: String,
        /// What is missing.
        refusal: Box<Unapproved>,
    },
    /// Rules cannot be kept where nothing is verified.
    #[error(
        "failed to verify: the source verifies nothing (mode None), and so nobody is known to have signed"
    )]
    NobodyTrusted,
    /// The tag's signature does not do.
    #[error("failed to verify tag {tag}: {refusal}")]
    Tag {
        /// The tag's reference.
        tag: String,
        /// Why.
        refusal: Refusal,
    },
    /// A tag is asked for and there is none.
    #[error("failed to verify {0}: it is no annotated tag; set spec.ref.tag to one made with `git tag -s`")]
    NoTag(String),
    /// The tag does not lead to the commit that was fetched.
    #[error("failed to verify tag {0}: it names another commit than the one that was fetched")]
    OtherCommit(String),
    /// There is no way to it from the last trusted commit.
    #[error(transparent)]
    History(HistoryError),
    /// The mirror cannot be opened.
    #[error("failed to open the mirror")]
    Mirror(#[source] FetchError),
    /// The object cannot be read.
    #[error("{0}")]
    Unreadable(#[from] ObjectError),
}

impl From<HistoryError> for VerifyError {
    fn from(error: HistoryError) -> Self {
        match error {
            HistoryError::Object(error) => Self::Unreadable(error),
            error => Self::History(error),
        }
    }
}

/// Holds a fetched revision against a policy.
pub fn verify(
    revision: &Revision,
    policy: &Arc<Policy>,
    now: Timestamp,
) -> Result<VerifiedRevision, VerifyError> {
    let objects = revision.objects().map_err(VerifyError::Mirror)?;
    let (id, raw) = read(&objects, revision.commit())?;
    let (verification, valid_until) = judge(revision, &objects, policy, id, &raw, now)?;
    // What was verified and what is read come from the same parse of the same bytes.
    let commit = parse(&raw, id)?;
    Ok(VerifiedRevision {
        revision: revision.clone(),
        commit: facts_of(revision, &commit),
        tree: Tree::git(revision.mirror().clone(), commit.tree),
        verification,
        policy: Arc::clone(policy),
        verified_at: now,
        valid_until,
    })
}

/// How a commit comes to be trusted, and until when that may be said without asking anew.
fn judge(
    revision: &Revision,
    objects: &Objects,
    policy: &Policy,
    id: ObjectId,
    raw: &[u8],
    now: Timestamp,
) -> Result<(Verification, Option<Timestamp>), VerifyError> {
    let (trust, settled) = match policy {
        Policy::History {
            trust,
            settled,
            accepted,
            ..
        } => (trust, settled.filter(|_| *accepted != Some(id))),
        Policy::Head(trust) | Policy::Tag(trust) | Policy::TagAndHead(trust) => (trust, None),
        Policy::Waived => return Ok((Verification::Waived, None)),
    };
    let mut also = None;
    let verification = match policy {
        Policy::History { accepted, .. } if *accepted == Some(id) => {
            verify_history(objects, trust, &Anchor::FirstSight, id, now)?
        }
        Policy::History { anchor, .. } => verify_history(objects, trust, anchor, id, now)?,
        Policy::Head(_) => vouched(objects, trust, id, now)?.into(),
        Policy::Tag(_) => {
            let signer = verify_tag(revision, objects, trust.people(), id, now)?;
            trust.check_people(&parse(raw, id)?)?;
            Verification::Signed(signer)
        }
        Policy::TagAndHead(_) => {
            also = vouched(objects, trust, id, now)?.signer().valid_until;
            Verification::Signed(verify_tag(revision, objects, trust.people(), id, now)?)
        }
        Policy::Waived => Verification::Waived,
    };
    trust.check_rules(trust.rules(), objects, revision.approvals(), settled, id, now)?;
    let of_signer = match &verification {
        Verification::Signed(signer) | Verification::Merged(signer) => signer.valid_until,
        Verification::Earlier(_) | Verification::Waived => None,
    };
    Ok((verification, [of_signer, also].into_iter().flatten().min()))
}

fn parse(raw: &[u8], id: ObjectId) -> Result<Commit<'_>, VerifyError> {
    Commit::parse(raw, id).map_err(|error| VerifyError::Commit {
        commit: id.to_string(),
        refusal: Refusal::from(error),
    })
}

/// Holds every commit since the anchor against the trusted keys, the oldest first: what is reported is where it began.
fn verify_history(
    contents: &impl Contents,
    trust: &Trust,
    anchor: &Anchor,
    head: ObjectId,
    now: Timestamp,
) -> Result<Verification, VerifyError> {
    let (start, known) = match anchor {
        Anchor::FirstSight => return vouched(contents, trust, head, now).map(Verification::from),
        Anchor::Named(start) => (*start, &None),
        Anchor::Reached(start, known) => (*start, known),
    };
    if start != head {
        let mut last = None;
        // The parents of a merge are in this list, in front of it, or trusted with the commit that it begins with.
        for commit in since(contents, start, head)? {
            last = Some(trust.vouch_for(contents, commit, now)?);
        }
        return last
            .map(Verification::from)
            .ok_or_else(|| VerifyError::History(HistoryError::Incomplete { missing: head }));
    }
    match again(contents, trust, head, now) {
        Ok(voucher) => Ok(voucher.into()),
        // It counts for new commits only that a key is not in the material, or has become the forge's; and what was
        // named needs no signature.
        Err(VerifyError::Commit { refusal, .. })
            if matches!(refusal, Refusal::UnknownKey { .. }) || known.is_none() =>
        {
            Ok(Verification::Earlier(known.clone()))
        }
        Err(VerifyError::Forge { .. }) => Ok(Verification::Earlier(known.clone())),
        Err(error) => Err(error),
    }
}

/// Holds one commit against the trusted keys; and where the forge made it, what it merged, until somebody signed.
pub fn vouched(
    contents: &impl Contents,
    trust: &Trust,
    head: ObjectId,
    now: Timestamp,
) -> Result<Voucher, VerifyError> {
    let voucher = trust.vouch_for(contents, head, now)?;
    let mut seen = HashSet::from([head]);
    let mut merged = voucher.merged().to_vec();
    while let Some(id) = merged.pop() {
        if seen.insert(id) {
            merged.extend(trust.vouch_for(contents, id, now)?.merged());
        }
        if seen.len() > MAX_HISTORY {
            return Err(HistoryError::TooLong { limit: MAX_HISTORY }.into());
        }
    }
    Ok(voucher)
}

/// Holds a commit that was trusted against the keys once more. Where the forge made it, it is withdrawn as well if the
/// key of what it merged was revoked; how these came to be trusted is not asked again.
fn again(
    contents: &impl Contents,
    trust: &Trust,
    head: ObjectId,
    now: Timestamp,
) -> Result<Voucher, VerifyError> {
    let voucher = trust.vouch_for(contents, head, now)?;
    for parent in voucher.merged() {
        let revoked = trust.vouch_for(contents, *parent, now).err().filter(|error| {
            matches!(error, VerifyError::Commit { refusal, .. } if matches!(refusal, Refusal::Revoked { .. }))
        });
        if let Some(error) = revoked {
            return Err(error);
        }
    }
    Ok(voucher)
}

impl Commits for Objects {
    fn commit(&self, id: ObjectId) -> Result<Option<Vec<u8>>, ObjectError> {
        let Ok(id) = Oid::from_str(&id.to_string()) else {
            return Ok(None);
        };
        if !self.has(id) {
            return Ok(None);
        }
        self.raw_object(id, MAX_OBJECT_BYTES)
            .map(|object| Some(object.data))
    }
}

impl Contents for Objects {
    fn content(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, ObjectError> {
        self.raw_object(oid(id)?, limit).map(|object| object.data)
    }

    fn merge_base(&self, ours: ObjectId, theirs: ObjectId) -> Result<Option<ObjectId>, ObjectError> {
        let found = Self::merge_base(self, oid(ours)?, oid(theirs)?);
        Ok(found.and_then(|id| id.to_string().parse().ok()))
    }
}

fn oid(id: ObjectId) -> Result<Oid, ObjectError> {
    Oid::from_bytes(id.as_bytes()).map_err(|_| ObjectError::Unreadable(Oid::ZERO_SHA1))
}

fn verify_tag(
    revision: &Revision,
    objects: &Objects,
    trust: &TrustStore,
    commit: ObjectId,
    now: Timestamp,
) -> Result<Signer, VerifyError> {
    let reference = revision
        .reference()
        .map_or_else(|| revision.commit().to_string(), ToString::to_string);
    let tag = revision
        .tag()
        .ok_or_else(|| VerifyError::NoTag(reference.clone()))?;
    let (id, raw) = read(objects, tag)?;
    let (signer, target) =
        trust
            .verify_tag(&raw, id, &reference, now)
            .map_err(|refusal| VerifyError::Tag {
                tag: reference.clone(),
                refusal,
            })?;
    if target == commit {
        Ok(signer)
    } else {
        Err(VerifyError::OtherCommit(reference))
    }
}

/// What a fetched commit says of itself, for the message that it is refused.
pub fn facts(revision: &Revision) -> CommitFacts {
    let unknown = || CommitFacts {
        id: revision.commit().to_string(),
        revision: revision.to_string(),
        subject: None,
        author: None,
        committed: None,
    };
    let Ok(objects) = revision.objects() else {
        return unknown();
    };
    let Ok((id, raw)) = read(&objects, revision.commit()) else {
        return unknown();
    };
    Commit::parse(&raw, id).map_or_else(|_| unknown(), |commit| facts_of(revision, &commit))
}

fn facts_of(revision: &Revision, commit: &Commit<'_>) -> CommitFacts {
    CommitFacts {
        id: commit.id.to_string(),
        revision: revision.to_string(),
        subject: Some(commit.subject.clone()),
        author: Some(commit.author.name.clone().into_owned()),
        committed: Some(commit.committer.time),
    }
}

/// The exact bytes of a commit or tag, with the id that they are found under.
fn read(objects: &Objects, id: Oid) -> Result<(ObjectId, Vec<u8>), VerifyError> {
    let raw = objects.raw_object(id, MAX_OBJECT_BYTES)?.data;
    let id = id.to_string().parse().map_err(|_| ObjectError::Unreadable(id))?;
    Ok((id, raw))
}

impl VerifiedRevision {
    /// Holds it against a policy once more: keys are revoked, and expire.
    pub fn verify_again(&self, policy: &Arc<Policy>, now: Timestamp) -> Result<Self, VerifyError> {
        verify(&self.revision, policy, now)
    }

    /// Whether it satisfies a policy by what was found before: the same is trusted, and no end of it has come.
    pub fn still_satisfies(&self, policy: &Policy, now: Timestamp) -> bool {
        let age = now.duration_since(self.verified_at);
        let is_recent = !age.is_negative() && age < MAX_UNASKED;
        let is_valid = self.valid_until.is_none_or(|until| now <= until);
        let commit = self.commit.id.parse();
        is_recent && is_valid && commit.is_ok_and(|commit| policy.asks_no_more_than(&self.policy, commit))
    }

    /// Whether both are of the same revision, with the same tags that approve something.
    pub fn is_same(&self, other: &Self) -> bool {
        self.is_of(&other.revision)
    }

    /// Whether this is the revision that was verified.
    pub fn is_of(&self, revision: &Revision) -> bool {
        self.revision == *revision
    }

    /// The digest of the rules that it was found to satisfy.
    pub fn rules_digest(&self) -> Option<String> {
        self.policy.trust().and_then(|trust| trust.rules().digest())
    }

    /// Whether what stands at the paths of these rules is signed by those who have to.
    pub fn check_rules(&self, rules: &Rules, now: Timestamp) -> Result<(), VerifyError> {
        let trust = self.policy.trust().ok_or(VerifyError::NobodyTrusted)?;
        let objects = self.revision.objects().map_err(VerifyError::Mirror)?;
        let (id, _) = read(&objects, self.revision.commit())?;
        trust.check_rules(rules, &objects, self.revision.approvals(), None, id, now)
    }

    /// An older revision of the same source, which the policy of this one takes by itself: the commit is signed by a key that
    /// is trusted now, and in mode History it is one that this one descends from. Tags are not looked for.
    pub fn earlier(&self, commit: ObjectId, now: Timestamp) -> Result<Self, VerifyError> {
        let objects = self.revision.objects().map_err(VerifyError::Mirror)?;
        let id = oid(commit)?;
        if !objects.has(id) {
            return Err(VerifyError::History(HistoryError::Incomplete { missing: commit }));
        }
        let revision = self.revision.earlier(id);
        let (_, raw) = read(&objects, id)?;
        let (head, _) = read(&objects, self.revision.commit())?;
        let (verification, valid_until) = match &*self.policy {
            Policy::Tag(_) | Policy::TagAndHead(_) => return Err(VerifyError::NoTag(revision.to_string())),
            Policy::Waived => (Verification::Waived, None),
            Policy::History { trust, .. } | Policy::Head(trust) => {
                if matches!(*self.policy, Policy::History { .. }) {
                    since(&objects, commit, head)?;
                }
                let voucher = vouched(&objects, trust, commit, now)?;
                trust.check_rules(trust.rules(), &objects, revision.approvals(), None, commit, now)?;
                let valid_until = voucher.signer().valid_until;
                (voucher.into(), valid_until)
            }
        };
        let parsed = parse(&raw, commit)?;
        Ok(Self {
            commit: facts_of(&revision, &parsed),
            tree: Tree::git(revision.mirror().clone(), parsed.tree),
            revision,
            verification,
            policy: Arc::clone(&self.policy),
            verified_at: now,
            valid_until,
        })
    }

    /// `main@sha1:<id>`, as Flux writes it.
    pub fn name(&self) -> &str {
        &self.commit.revision
    }

    /// The commit.
    pub fn commit(&self) -> &CommitFacts {
        &self.commit
    }

    /// Its files.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How it came to be trusted.
    pub fn verification(&self) -> &Verification {
        &self.verification
    }
}

impl From<Voucher> for Verification {
    fn from(voucher: Voucher) -> Self {
        match voucher {
            Voucher::Person(signer) => Self::Signed(signer),
            Voucher::Forge { signer, .. } => Self::Merged(signer),
        }
    }
}

impl Verification {
    /// Who signed, for a status.
    pub fn signer_status(&self) -> Option<SignerStatus> {
        match self {
            Self::Signed(signer) | Self::Merged(signer) => Some(SignerStatus {
                kind: signer_kind(signer.kind).to_owned(),
                identity: signer.identity.clone(),
                fingerprint: signer.fingerprint.clone(),
            }),
            Self::Earlier(signer) => signer.clone(),
            Self::Waived => None,
        }
    }
}

/// The kind of a key, as statuses have it.
pub(crate) fn signer_kind(kind: SignerKind) -> &'static str {
    match kind {
        SignerKind::Ssh => "ssh",
        SignerKind::OpenPgp => "openpgp",
    }
}

/// `ssh:alice@example.org SHA256:…`; behind `forge` where the forge merged it; `startFrom` for the commit that the spec
/// names; or `waived`.
impl fmt::Display for Verification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Merged(_) = self {
            formatter.write_str("forge ")?;
        }
        match (self, self.signer_status()) {
            (Self::Waived, _) => formatter.write_str("waived"),
            (_, None) => formatter.write_str("startFrom"),
            (_, Some(signer)) => write!(
                formatter,
                "{}:{} {}",
                signer.kind, signer.identity, signer.fingerprint
            ),
        }
    }
}

impl VerifyError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Commit { refusal, .. } | Self::Tag { refusal, .. } => refusal.reason(),
            Self::Forge { refusal, .. } => refusal.reason(),
            Self::Unapproved { .. } => "ApprovalMissing",
            Self::NobodyTrusted => "NobodyTrusted",
            Self::NoTag(_) => "NoTag",
            Self::OtherCommit(_) => "TagNameMismatch",
            Self::NotAllowed {
                role: Role::Committer,
                ..
            } => "CommitterNotAllowed",
            Self::NotAllowed {
                role: Role::Author, ..
            } => "AuthorNotAllowed",
            Self::History(error) => error.reason(),
            Self::Mirror(_) | Self::Unreadable(_) => "GitOperationFailed",
        }
    }
}
