//! What a spec asks for, with the keys that its references led to.

use std::collections::BTreeMap;

use git_signature::{ObjectId, TrustError, TrustStore};

use super::{Allowed, InvalidRule, Rules, Trust};
use crate::api::{SignerStatus, VerificationMode, Verify};
use crate::store::LastTrusted;

/// Trusted keys as they were found: contents by file name.
pub type TrustMaterial = BTreeMap<String, Vec<u8>>;

/// All that a source trusts.
#[derive(Debug, Clone, Default)]
pub struct Materials {
    /// Of `spec.verify.trustRef`.
    pub people: Option<TrustMaterial>,
    /// Of `spec.verify.forge.trustRef`.
    pub forge: Option<TrustMaterial>,
}

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
        /// What this commit has at the paths of the rules needs nobody to sign it again: it was found to satisfy the
        /// same rules, or the user named it.
        settled: Option<ObjectId>,
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
    /// Rules without signatures.
    #[error("failed to set up verification: mode None verifies nothing, so spec.verify.rules must go")]
    UselessRules,
    /// A rule that cannot be kept.
    #[error("failed to set up verification: {0}")]
    Rule(#[from] InvalidRule),
    /// Keys are needed and none are named.
    #[error("failed to set up verification: mode {0:?} needs spec.verify.trustRef")]
    NoTrustReference(VerificationMode),
    /// The forge merges commits, and mode Tag looks at none.
    #[error("failed to set up verification: spec.verify.forge is for the modes History, Head and TagAndHead")]
    UselessForge,
    /// Keys are named and nobody would look at them.
    #[error("failed to set up verification: mode None verifies nothing, so spec.verify.trustRef must go")]
    UselessTrustReference,
    /// The keys cannot be read.
    #[error("failed to read the trusted keys: {0}")]
    Trust(#[from] TrustError),
    /// The forge's keys cannot be read.
    #[error("failed to read the forge's keys: {0}")]
    Forge(#[source] TrustError),
}

impl Policy {
    /// The policy that a spec asks for, with the material that its trust references led to, and with what is known of
    /// the source's history.
    pub fn new(
        spec: &Verify,
        material: &Materials,
        reached: Option<&LastTrusted>,
        accepted: Option<ObjectId>,
    ) -> Result<Self, PolicyError> {
        let mode = spec.mode;
        if spec.start_from.is_some() && mode != VerificationMode::History {
            return Err(PolicyError::UselessStart);
        }
        if material.forge.is_some() && matches!(mode, VerificationMode::Tag | VerificationMode::None) {
            return Err(PolicyError::UselessForge);
        }
        let rules = Rules::parse(&spec.rules)?;
        let trusted = || {
            let people = material
                .people
                .as_ref()
                .ok_or(PolicyError::NoTrustReference(mode))?;
            let forge = material.forge.as_ref().map(store).transpose();
            Ok::<_, PolicyError>(Trust::new(
                store(people)?,
                forge.map_err(PolicyError::Forge)?,
                Allowed::new(spec.allowed.as_ref()),
                rules.clone(),
            ))
        };
        match mode {
            VerificationMode::History => {
                let anchor = Anchor::of(spec, reached)?;
                let is_same = reached.is_some_and(|reached| reached.rules == rules.digest());
                let settled = match &anchor {
                    Anchor::Named(commit) => Some(*commit),
                    Anchor::Reached(commit, _) => is_same.then_some(*commit),
                    Anchor::FirstSight => None,
                };
                Ok(Self::History {
                    trust: trusted()?,
                    anchor,
                    accepted,
                    settled,
                })
            }
            VerificationMode::Head => Ok(Self::Head(trusted()?)),
            VerificationMode::Tag => Ok(Self::Tag(trusted()?)),
            VerificationMode::TagAndHead => Ok(Self::TagAndHead(trusted()?)),
            VerificationMode::None if material.people.is_some() => Err(PolicyError::UselessTrustReference),
            VerificationMode::None if spec.allowed.is_some() => Err(PolicyError::UselessAllowed),
            VerificationMode::None if !rules.is_empty() => Err(PolicyError::UselessRules),
            VerificationMode::None => Ok(Self::Waived),
        }
    }
}

impl Policy {
    /// Whether what it finds trusted is what another policy found trusted before, given that it found this commit so.
    pub fn asks_no_more_than(&self, former: &Self, commit: ObjectId) -> bool {
        let is_alike = |one: &Trust, other: &Trust| one.is_like(other);
        match (self, former) {
            (Self::History { trust, anchor, .. }, Self::History { trust: former, .. }) => {
                matches!(anchor, Anchor::Reached(reached, _) if *reached == commit) && is_alike(trust, former)
            }
            (Self::Head(trust), Self::Head(former))
            | (Self::Tag(trust), Self::Tag(former))
            | (Self::TagAndHead(trust), Self::TagAndHead(former)) => is_alike(trust, former),
            (Self::Waived, Self::Waived) => true,
            _ => false,
        }
    }

    /// Whose signatures count; nobody's where verification is waived.
    pub fn trust(&self) -> Option<&Trust> {
        match self {
            Self::History { trust, .. } | Self::Head(trust) | Self::Tag(trust) | Self::TagAndHead(trust) => {
                Some(trust)
            }
            Self::Waived => None,
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

/// The keys in files of a trust folder.
pub fn store(material: &TrustMaterial) -> Result<TrustStore, TrustError> {
    TrustStore::parse(
        material
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    )
}
