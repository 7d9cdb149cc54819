//! Step 2: who signed it. Only what comes out of here is ever read.

mod allowed;
mod history;

use std::fmt;

use git_signature::{Commit, ObjectId, Refusal, Signer, SignerKind, TrustStore};
use jiff::Timestamp;

use crate::api::{SignerStatus, VerificationMode, Verify};
use crate::files::Tree;
use crate::source::{FetchError, ObjectError, Objects, Oid, Revision};
use crate::store::LastTrusted;

pub use allowed::{Allowed, Role};
pub use history::{Commits, HistoryError, MAX_HISTORY, all, since};

/// The largest commit or tag object that is read, in bytes. Git sets no limit; a message of a megabyte is none.
pub const MAX_OBJECT_BYTES: u64 = 1024 * 1024;

/// Which signatures are asked for, and whose.
pub enum Policy {
    /// Those of every commit since one that is trusted.
    History {
        /// Whose.
        trust: Trust,
        /// Since which.
        anchor: Anchor,
        /// A head that somebody accepted: it has to verify, but not to descend from the anchor.
        accepted: Option<ObjectId>,
    },
    /// The commit's.
    Head(Trust),
    /// The annotated tag's.
    Tag(Trust),
    /// Both.
    TagAndHead(Trust),
    /// None: the user opted out, visibly.
    Waived,
}

/// Whose signatures count, and who may be named in what they sign.
pub struct Trust {
    keys: TrustStore,
    allowed: Allowed,
}

impl Trust {
    /// Who signed a commit.
    fn verify_commit(&self, raw: &[u8], id: ObjectId, now: Timestamp) -> Result<Signer, VerifyError> {
        let refused = |refusal| VerifyError::Commit {
            commit: id.to_string(),
            refusal,
        };
        let commit = Commit::parse(raw, id).map_err(|error| refused(error.into()))?;
        let signer = self.keys.verify_parsed_commit(&commit, now).map_err(refused)?;
        self.check_people(&commit)?;
        Ok(signer)
    }

    fn check_people(&self, commit: &Commit<'_>) -> Result<(), VerifyError> {
        match self.allowed.stranger(commit) {
            None => Ok(()),
            Some((role, email)) => Err(VerifyError::NotAllowed {
                commit: commit.id.to_string(),
                role,
                email: email.escape_debug().to_string(),
            }),
        }
    }
}

/// Where the history begins that has to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Anchor {
    /// Nothing is known yet: the head that is there has to verify, and what it descends from is taken as it is.
    FirstSight,
    /// At a commit that is taken as trusted, because the user named it.
    Named(ObjectId),
    /// At a commit that was verified before, or named, and whose signer it was then.
    Reached(ObjectId, Option<SignerStatus>),
}

/// Why a policy cannot be made. Nothing is verified against half of one.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// `startFrom` without a history.
    #[error("failed to set up verification: startFrom is for mode History")]
    UselessStart,
    /// Names without signatures.
    #[error("failed to set up verification: mode None verifies nothing, so spec.verify.allowed must go")]
    UselessAllowed,
    /// `startFrom` is no commit id.
    #[error("failed to set up verification: startFrom has to be a commit's full id of 40 hexadecimal digits")]
    NoCommitId,
    /// Keys are needed and none are named.
    #[error("failed to set up verification: mode {0:?} needs spec.verify.trustRef")]
    NoTrustReference(VerificationMode),
    /// Keys are named and nobody would look at them.
    #[error("failed to set up verification: mode None verifies nothing, so spec.verify.trustRef must go")]
    UselessTrustReference,
    /// The keys cannot be read.
    #[error("failed to read the trusted keys: {0}")]
    Trust(#[from] git_signature::TrustError),
}

/// A revision whose signatures satisfied its policy, or for which they were waived.
///
/// [`verify`] alone makes one:
/// ```
/// use fluxops::{source::Revision, verify::{Policy, VerifiedRevision, verify}};
/// fn trusted(revision: &Revision, policy: &Policy) -> Option<VerifiedRevision> {
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
}

/// How a revision came to be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// Somebody who is trusted signed it.
    Signed(Signer),
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

impl Policy {
    /// The policy that a spec asks for, with the material that its trust reference led to, and with what is known of
    /// the source's history.
    pub fn new(
        spec: &Verify,
        material: Option<&TrustMaterial>,
        reached: Option<&LastTrusted>,
        accepted: Option<ObjectId>,
    ) -> Result<Self, PolicyError> {
        let mode = spec.mode;
        if spec.start_from.is_some() && mode != VerificationMode::History {
            return Err(PolicyError::UselessStart);
        }
        let trusted = || {
            let material = material.ok_or(PolicyError::NoTrustReference(mode))?;
            let entries = material
                .iter()
                .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
            Ok::<_, PolicyError>(Trust {
                keys: TrustStore::parse(entries)?,
                allowed: Allowed::new(spec.allowed.as_ref()),
            })
        };
        match mode {
            VerificationMode::History => Ok(Self::History {
                trust: trusted()?,
                anchor: Anchor::of(spec, reached)?,
                accepted,
            }),
            VerificationMode::Head => Ok(Self::Head(trusted()?)),
            VerificationMode::Tag => Ok(Self::Tag(trusted()?)),
            VerificationMode::TagAndHead => Ok(Self::TagAndHead(trusted()?)),
            VerificationMode::None if material.is_some() => Err(PolicyError::UselessTrustReference),
            VerificationMode::None if spec.allowed.is_some() => Err(PolicyError::UselessAllowed),
            VerificationMode::None => Ok(Self::Waived),
        }
    }
}

impl Anchor {
    /// Where a source's history begins. A `startFrom` counts until a commit is trusted because of it, and again when it
    /// is another one: so users begin anew.
    fn of(spec: &Verify, reached: Option<&LastTrusted>) -> Result<Self, PolicyError> {
        let parse = |id: &str| id.parse::<ObjectId>().map_err(|_| PolicyError::NoCommitId);
        match (reached, &spec.start_from) {
            (Some(reached), start) if *start == reached.start_from => {
                Ok(Self::Reached(parse(&reached.commit)?, reached.signer.clone()))
            }
            (_, Some(start)) => Ok(Self::Named(parse(start)?)),
            (Some(reached), None) => Ok(Self::Reached(parse(&reached.commit)?, reached.signer.clone())),
            (None, None) => Ok(Self::FirstSight),
        }
    }
}

/// Trusted keys as they were found: contents by file name.
pub type TrustMaterial = std::collections::BTreeMap<String, Vec<u8>>;

/// Holds a fetched revision against a policy.
pub fn verify(revision: &Revision, policy: &Policy, now: Timestamp) -> Result<VerifiedRevision, VerifyError> {
    let objects = revision.objects().map_err(VerifyError::Mirror)?;
    let (id, raw) = read(&objects, revision.commit())?;
    let head = |trust: &Trust| trust.verify_commit(&raw, id, now);
    let verification = match policy {
        Policy::History { trust, accepted, .. } if *accepted == Some(id) => {
            verify_history(&objects, trust, &Anchor::FirstSight, id, now)?
        }
        Policy::History { trust, anchor, .. } => verify_history(&objects, trust, anchor, id, now)?,
        Policy::Head(trust) => Verification::Signed(head(trust)?),
        Policy::Tag(trust) => {
            let signer = verify_tag(revision, &objects, &trust.keys, id, now)?;
            trust.check_people(&parse(&raw, id)?)?;
            Verification::Signed(signer)
        }
        Policy::TagAndHead(trust) => {
            head(trust)?;
            Verification::Signed(verify_tag(revision, &objects, &trust.keys, id, now)?)
        }
        Policy::Waived => Verification::Waived,
    };
    // What was verified and what is read come from the same parse of the same bytes.
    let commit = parse(&raw, id)?;
    Ok(VerifiedRevision {
        revision: revision.clone(),
        commit: facts_of(revision, &commit),
        tree: Tree::git(revision.mirror().clone(), commit.tree),
        verification,
    })
}

fn parse(raw: &[u8], id: ObjectId) -> Result<Commit<'_>, VerifyError> {
    Commit::parse(raw, id).map_err(|error| VerifyError::Commit {
        commit: id.to_string(),
        refusal: Refusal::from(error),
    })
}

/// Holds every commit since the anchor against the trusted keys, the oldest first: what is reported is where it began.
fn verify_history(
    objects: &Objects,
    trust: &Trust,
    anchor: &Anchor,
    head: ObjectId,
    now: Timestamp,
) -> Result<Verification, VerifyError> {
    let signer = |id: ObjectId| -> Result<Signer, VerifyError> {
        let missing = || VerifyError::History(HistoryError::Incomplete { missing: id });
        let raw = objects.commit(id)?.ok_or_else(missing)?;
        trust.verify_commit(&raw, id, now)
    };
    let (start, known) = match anchor {
        Anchor::FirstSight => return signer(head).map(Verification::Signed),
        Anchor::Named(start) => (*start, &None),
        Anchor::Reached(start, known) => (*start, known),
    };
    if start != head {
        let mut last = None;
        for commit in since(objects, start, head)? {
            last = Some(signer(commit)?);
        }
        return last
            .map(Verification::Signed)
            .ok_or_else(|| VerifyError::History(HistoryError::Incomplete { missing: head }));
    }
    match signer(head) {
        Ok(signer) => Ok(Verification::Signed(signer)),
        // It counts for new commits only that a key is not in the material, and what was named needs no signature.
        Err(VerifyError::Commit { refusal, .. })
            if matches!(refusal, Refusal::UnknownKey { .. }) || known.is_none() =>
        {
            Ok(Verification::Earlier(known.clone()))
        }
        Err(error) => Err(error),
    }
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
    pub fn verify_again(&self, policy: &Policy, now: Timestamp) -> Result<Self, VerifyError> {
        verify(&self.revision, policy, now)
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

impl Verification {
    /// Who signed, for a status.
    pub fn signer_status(&self) -> Option<SignerStatus> {
        match self {
            Self::Signed(signer) => Some(SignerStatus {
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

/// `ssh:alice@example.org SHA256:…`; `startFrom` for the commit that the spec names; or `waived`.
impl fmt::Display for Verification {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(signer) => {
                write!(
                    formatter,
                    "{}:{} {}",
                    signer_kind(signer.kind),
                    signer.identity,
                    signer.fingerprint
                )
            }
            Self::Earlier(Some(signer)) => write!(
                formatter,
                "{}:{} {}",
                signer.kind, signer.identity, signer.fingerprint
            ),
            Self::Earlier(None) => formatter.write_str("startFrom"),
            Self::Waived => formatter.write_str("waived"),
        }
    }
}

impl VerifyError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Commit { refusal, .. } | Self::Tag { refusal, .. } => refusal.reason(),
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
