//! Why a reconcile did not succeed, whichever step failed.

use git_signature::Refusal;

use crate::api::Remedy;
use crate::audit::AuditError;
use crate::cluster::{ClusterError, Sensitivity};
use crate::files::{FilesError, KeyError};
use crate::name;
use crate::notify::{STALE, Step};
use crate::observe::InvalidIgnore;
use crate::plan::{ObjectFailure, PlanError};
use crate::render::RenderError;
use crate::source::{FetchError, InvalidCredentials};
use crate::store::{LastTrustedError, StoreError};
use crate::verify::{CommitFacts, PolicyError, VerifiedRevision, VerifyError};

/// The reason of a run that something newer cut short.
pub const SUPERSEDED: &str = "Superseded";

/// Why a reconcile did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// At which step.
    pub step: Step,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence that holds no secret.
    pub message: String,
    /// The objects it failed on.
    pub objects: Vec<ObjectFailure>,
    /// What to do next, where the step knows.
    pub advice: Option<String>,
    /// What it takes until it succeeds.
    pub remedy: Remedy,
    /// The commit that was refused; those of a Delivery are known without.
    pub commit: Option<Box<CommitFacts>>,
}

impl Failure {
    /// A failure in words of our own.
    pub(crate) fn said(step: Step, reason: &str, message: String, remedy: Remedy) -> Self {
        Self {
            step,
            reason: reason.to_owned(),
            message,
            objects: Vec::new(),
            advice: None,
            remedy,
            commit: None,
        }
    }

    /// A failure in the words of an error, none of which is secret.
    pub(super) fn new(step: Step, reason: &str, error: &dyn std::error::Error, remedy: Remedy) -> Self {
        Self::said(step, reason, crate::chain(error), remedy)
    }

    /// The deadline passed.
    pub(super) fn late(step: Step) -> Self {
        let message = "failed to finish in time; raise spec.timeout if that is how long it takes".to_owned();
        Self::said(step, "Timeout", message, Remedy::Retry)
    }

    /// Something newer came while it was waited for what was applied.
    pub(super) fn superseded(revision: &VerifiedRevision) -> Self {
        let message = format!(
            "nobody waits any more for {} to become healthy: there is something newer",
            revision.name()
        );
        Self::said(Step::Health, SUPERSEDED, message, Remedy::Retry)
    }

    /// Nothing failed, but nothing new came for longer than it may; for those who are told of failures.
    pub(crate) fn stale(message: &str) -> Self {
        let advice = "Nothing was refused, and what is applied stays. Push something and see whether it arrives: if not, \
            somebody holds it back between the repository and fluxops";
        Self {
            advice: Some(advice.to_owned()),
            ..Self::said(Step::Fetch, STALE, message.to_owned(), Remedy::Retry)
        }
    }

    /// The work ended abnormally, which is a defect of fluxops.
    pub(super) fn internal(step: Step, error: &tokio::task::JoinError) -> Self {
        Self::new(step, "Internal", error, Remedy::Retry)
    }

    /// The API server did not do what was asked of it for all objects together.
    pub(super) fn cluster(step: Step, error: &ClusterError) -> Self {
        let message = error.describe(Sensitivity::Sensitive);
        Self::said(step, error.reason(), message, error.remedy())
    }

    /// Some objects failed. One that needs a change keeps the whole from succeeding until it is made.
    pub(super) fn objects(step: Step, objects: Vec<ObjectFailure>) -> Self {
        let reason = objects
            .first()
            .map_or("Failed", |failure| failure.reason.as_str())
            .to_owned();
        let listed: Vec<String> = objects.iter().map(ToString::to_string).collect();
        let needs_change = objects.iter().any(|failure| failure.remedy == Remedy::Change);
        let remedy = if needs_change {
            Remedy::Change
        } else {
            Remedy::Retry
        };
        Self {
            objects,
            ..Self::said(step, &reason, listed.join("; "), remedy)
        }
    }
}

impl From<InvalidIgnore> for Failure {
    fn from(error: InvalidIgnore) -> Self {
        Self::new(Step::Configure, "InvalidIgnore", &error, Remedy::Change)
    }
}

impl From<name::InvalidName> for Failure {
    fn from(error: name::InvalidName) -> Self {
        Self::new(Step::Configure, "InvalidName", &error, Remedy::Change)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(Step::Configure, error.reason(), &error, error.remedy())
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        Self::new(Step::Configure, "InvalidTrust", &error, Remedy::Change)
    }
}

impl From<InvalidCredentials> for Failure {
    fn from(error: InvalidCredentials) -> Self {
        Self::new(Step::Configure, "InvalidCredentials", &error, Remedy::Change)
    }
}

impl From<FetchError> for Failure {
    fn from(error: FetchError) -> Self {
        let remedy = if error.is_passing() {
            Remedy::Retry
        } else {
            Remedy::Change
        };
        Self {
            advice: Some(error.advice().to_owned()),
            ..Self::new(Step::Fetch, error.reason(), &error, remedy)
        }
    }
}

impl From<VerifyError> for Failure {
    fn from(error: VerifyError) -> Self {
        let remedy = match &error {
            VerifyError::Commit { refusal, .. } | VerifyError::Tag { refusal, .. } => match refusal {
                Refusal::NotYetValid { .. } | Refusal::FromTheFuture { .. } => Remedy::Retry,
                _ => Remedy::Change,
            },
            // A tag that approves it may come without a commit.
            VerifyError::Mirror(_) | VerifyError::Unreadable(_) | VerifyError::Unapproved { .. } => {
                Remedy::Retry
            }
            _ => Remedy::Change,
        };
        Self::new(Step::Verify, error.reason(), &error, remedy)
    }
}

impl From<LastTrustedError> for Failure {
    fn from(error: LastTrustedError) -> Self {
        let (reason, remedy) = match &error {
            LastTrustedError::Io { .. } => ("StateDirectory", Remedy::Retry),
            LastTrustedError::Invalid { .. } => ("InvalidTrustRecord", Remedy::Change),
        };
        Self::new(Step::Verify, reason, &error, remedy)
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        Self::new(Step::Open, "InvalidKey", &error, Remedy::Change)
    }
}

impl From<RenderError> for Failure {
    fn from(error: RenderError) -> Self {
        let step = if error.reason() == "DecryptionFailed" {
            Step::Open
        } else {
            Step::Render
        };
        let remedy = match &error {
            RenderError::Files(FilesError::ObjectDatabase { .. }) => Remedy::Retry,
            _ => Remedy::Change,
        };
        Self::new(step, error.reason(), &error, remedy)
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        match error {
            PlanError::Refused(failures) => Self::objects(Step::Plan, failures),
            PlanError::WouldPruneEverything(_) => {
                Self::new(Step::Plan, error.reason(), &error, Remedy::Change)
            }
        }
    }
}

impl From<AuditError> for Failure {
    fn from(error: AuditError) -> Self {
        Self::new(Step::Record, "AuditFailed", &error, Remedy::Retry)
    }
}
