//! Why something was not done to an object.

use super::recreate::{DELETION_TIMEOUT, MAX_LOOKS};
use crate::api::Remedy;
use crate::cluster::{ClusterError, Sensitivity};
use crate::name::ObjectRef;
use crate::plan::ObjectFailure;

/// Why something was not done to an object.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// The API server did not do it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It was deleted and is not there anew.
    #[error("it was deleted, and could not be made anew")]
    NotMadeAnew(#[source] ClusterError),
    /// It was deleted and does not go.
    #[error(
        "it was deleted so that it can be made anew, and is still there after {} s{}",
        DELETION_TIMEOUT.as_secs(),
        finalizers.first().map(|first| format!(", held by {first}")).unwrap_or_default()
    )]
    NotGone {
        /// Who has to agree before it goes.
        finalizers: Vec<String>,
    },
    /// It is never twice the same, or no longer what it was when it was planned.
    #[error("it was to be deleted and made anew, and changed meanwhile, {MAX_LOOKS} times at the most")]
    Moved,
}

impl ApplyError {
    /// What becomes of it, in words that fit the object.
    pub(super) fn into_failure(self, object: ObjectRef, sensitivity: Sensitivity) -> ObjectFailure {
        let (reason, message, remedy) = match &self {
            Self::Cluster(error) => (error.reason(), error.describe(sensitivity), error.remedy()),
            Self::NotMadeAnew(error) => (
                error.reason(),
                format!("{self}: {}", error.describe(sensitivity)),
                error.remedy(),
            ),
            Self::NotGone { .. } => ("NotGone", self.to_string(), Remedy::Retry),
            Self::Moved => ("Conflict", self.to_string(), Remedy::Retry),
        };
        ObjectFailure {
            object,
            reason: reason.to_owned(),
            message,
            remedy,
        }
    }

    /// Whether the object was deleted all the same.
    pub(super) fn is_after_deletion(&self) -> bool {
        matches!(self, Self::NotMadeAnew(_) | Self::NotGone { .. })
    }

    /// Whether the request may have been carried out though its answer was lost.
    pub(super) fn is_uncertain(&self) -> bool {
        match self {
            Self::Cluster(error) | Self::NotMadeAnew(error) => error.is_transient(),
            Self::NotGone { .. } | Self::Moved => false,
        }
    }
}
