//! Whose word counts for a single commit.

use git_signature::{Commit, ObjectId, Refusal, Signer, TrustStore};
use jiff::Timestamp;

use super::approval::Judge;
use super::forge::{self, ForgeError};
use super::{Allowed, Contents, HistoryError, Rules, VerifyError};
use crate::source::Approvals;

/// Whose signatures count, and who may be named in what they sign.
pub struct Trust {
    people: TrustStore,
    forge: Option<TrustStore>,
    allowed: Allowed,
    rules: Rules,
}

/// Who stands for a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voucher {
    /// Somebody who is trusted signed it.
    Person(Signer),
    /// The forge made it of two commits, and it is the merge of these. They have to be trusted too.
    Forge {
        /// The forge's key.
        signer: Signer,
        /// What it merged.
        parents: [ObjectId; 2],
    },
}

impl Voucher {
    /// Whose signature it is.
    pub fn signer(&self) -> &Signer {
        match self {
            Self::Person(signer) | Self::Forge { signer, .. } => signer,
        }
    }

    /// What the forge merged; nothing of what a person signed.
    pub fn merged(&self) -> &[ObjectId] {
        match self {
            Self::Person(_) => &[],
            Self::Forge { parents, .. } => parents,
        }
    }
}

impl Trust {
    /// Trust in people, and in what a forge merges of theirs.
    pub fn new(people: TrustStore, forge: Option<TrustStore>, allowed: Allowed, rules: Rules) -> Self {
        Self {
            people,
            forge,
            allowed,
            rules,
        }
    }

    /// The keys of people, which alone sign tags.
    pub fn people(&self) -> &TrustStore {
        &self.people
    }

    /// Whether both trust the same in the same way.
    pub fn is_like(&self, other: &Self) -> bool {
        let digest = |store: &Option<TrustStore>| store.as_ref().map(TrustStore::digest);
        self.people.digest() == other.people.digest()
            && digest(&self.forge) == digest(&other.forge)
            && self.allowed == other.allowed
            && self.rules == other.rules
    }

    /// Who has to have signed what.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Whether what a commit has at the paths of rules is signed by those who have to. What stood there in `settled`
    /// is taken as it was.
    pub fn check_rules(
        &self,
        rules: &Rules,
        contents: &impl Contents,
        approvals: &Approvals,
        settled: Option<ObjectId>,
        head: ObjectId,
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let judge = Judge {
            contents,
            trust: self,
            approvals,
            settled,
            now,
        };
        judge.check(rules, head)
    }

    /// Who stands for a commit, given its exact bytes. A key that is the forge's and a person's is taken for the forge's.
    pub fn vouch(
        &self,
        contents: &impl Contents,
        raw: &[u8],
        id: ObjectId,
        now: Timestamp,
    ) -> Result<Voucher, VerifyError> {
        let refused = |refusal| VerifyError::Commit {
            commit: id.to_string(),
            refusal,
        };
        let commit = Commit::parse(raw, id).map_err(|error| refused(error.into()))?;
        let by_forge = self
            .forge
            .as_ref()
            .map(|forge| forge.verify_parsed_commit(&commit, now));
        let voucher = match by_forge {
            None | Some(Err(Refusal::UnknownKey { .. })) => {
                let signer = self.people.verify_parsed_commit(&commit, now);
                Voucher::Person(signer.map_err(refused)?)
            }
            Some(Err(refusal)) => return Err(refused(refusal)),
            Some(Ok(signer)) => match forge::check(contents, &commit) {
                Ok(parents) => Voucher::Forge { signer, parents },
                Err(ForgeError::History(error)) => return Err(error.into()),
                Err(ForgeError::Refused(refusal)) => {
                    return Err(VerifyError::Forge {
                        commit: id.to_string(),
                        refusal,
                    });
                }
            },
        };
        self.check_people(&commit)?;
        Ok(voucher)
    }

    /// Whether a commit names somebody who is not allowed.
    pub(super) fn check_people(&self, commit: &Commit<'_>) -> Result<(), VerifyError> {
        match self.allowed.stranger(commit) {
            None => Ok(()),
            Some((role, email)) => Err(VerifyError::NotAllowed {
                commit: commit.id.to_string(),
                role,
                email: email.escape_debug().to_string(),
            }),
        }
    }

    /// Who stands for the commit of this id.
    pub(super) fn vouch_for(
        &self,
        contents: &impl Contents,
        id: ObjectId,
        now: Timestamp,
    ) -> Result<Voucher, VerifyError> {
        let missing = || VerifyError::History(HistoryError::Incomplete { missing: id });
        let raw = contents.commit(id)?.ok_or_else(missing)?;
        self.vouch(contents, &raw, id, now)
    }
}
