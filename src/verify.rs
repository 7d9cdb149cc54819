//! Step 2: who signed it. Only what comes out of here is ever read.

use std::fmt;

use git_signature::{Commit, ObjectId, Refusal, Signer, SignerKind, TrustStore};
use jiff::Timestamp;

use crate::api::{SignerStatus, VerificationMode};
use crate::files::Tree;
use crate::source::{FetchError, ObjectError, Objects, Oid, Revision};

/// The largest commit or tag object that is read, in bytes. Git sets no limit; a message of a megabyte is none.
pub const MAX_OBJECT_BYTES: u64 = 1024 * 1024;

/// Which signatures are asked for, and whose.
pub enum Policy {
    /// The commit's.
    Head(TrustStore),
    /// The annotated tag's.
    Tag(TrustStore),
    /// Both.
    TagAndHead(TrustStore),
    /// None: the user opted out, visibly.
    Waived,
}

/// Why a policy cannot be made. Nothing is verified against half of one.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// History mode.
    #[error("failed to set up verification: mode History is not supported yet; use Head, Tag or TagAndHead")]
    HistoryUnsupported,
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
    /// The mirror cannot be opened.
    #[error("failed to open the mirror")]
    Mirror(#[source] FetchError),
    /// The object cannot be read.
    #[error("{0}")]
    Unreadable(#[from] ObjectError),
}

impl Policy {
    /// The policy that a spec asks for, with the material that its trust reference led to.
    pub fn new(mode: VerificationMode, material: Option<&TrustMaterial>) -> Result<Self, PolicyError> {
        let trusted = || {
            let material = material.ok_or(PolicyError::NoTrustReference(mode))?;
            Ok::<_, PolicyError>(TrustStore::parse(
                material
                    .iter()
                    .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
            )?)
        };
        match mode {
            VerificationMode::History => Err(PolicyError::HistoryUnsupported),
            VerificationMode::Head => Ok(Self::Head(trusted()?)),
            VerificationMode::Tag => Ok(Self::Tag(trusted()?)),
            VerificationMode::TagAndHead => Ok(Self::TagAndHead(trusted()?)),
            VerificationMode::None if material.is_some() => Err(PolicyError::UselessTrustReference),
            VerificationMode::None => Ok(Self::Waived),
        }
    }
}

/// Trusted keys as they were found: contents by file name.
pub type TrustMaterial = std::collections::BTreeMap<String, Vec<u8>>;

/// Holds a fetched revision against a policy.
pub fn verify(revision: &Revision, policy: &Policy, now: Timestamp) -> Result<VerifiedRevision, VerifyError> {
    let objects = revision.objects().map_err(VerifyError::Mirror)?;
    let (id, raw) = read(&objects, revision.commit())?;
    let head = |trust: &TrustStore| {
        trust
            .verify_commit(&raw, id, now)
            .map_err(|refusal| VerifyError::Commit {
                commit: id.to_string(),
                refusal,
            })
    };
    let verification = match policy {
        Policy::Head(trust) => Verification::Signed(head(trust)?),
        Policy::Tag(trust) => Verification::Signed(verify_tag(revision, &objects, trust, id, now)?),
        Policy::TagAndHead(trust) => {
            head(trust)?;
            Verification::Signed(verify_tag(revision, &objects, trust, id, now)?)
        }
        Policy::Waived => Verification::Waived,
    };
    // What was verified and what is read come from the same parse of the same bytes.
    let commit = Commit::parse(&raw, id).map_err(|error| VerifyError::Commit {
        commit: id.to_string(),
        refusal: Refusal::from(error),
    })?;
    Ok(VerifiedRevision {
        revision: revision.clone(),
        commit: facts_of(revision, &commit),
        tree: Tree::git(revision.mirror().clone(), commit.tree),
        verification,
    })
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
            Self::Waived => None,
        }
    }
}

fn signer_kind(kind: SignerKind) -> &'static str {
    match kind {
        SignerKind::Ssh => "ssh",
        SignerKind::OpenPgp => "openpgp",
    }
}

/// `ssh:alice@example.org SHA256:…`, or `waived`.
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
            Self::Mirror(_) | Self::Unreadable(_) => "GitOperationFailed",
        }
    }
}
