//! What can go wrong with the API server, in words that hold no secret.

use std::time::Duration;

use http::StatusCode;

use super::{Refusal, Sensitivity};
use crate::api::Remedy;

/// Why the API server did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No usable kubeconfig.
    #[error("failed to find a cluster: {0}; give --kubeconfig, set KUBECONFIG, or run in a cluster")]
    Kubeconfig(String),
    /// No client could be made of it.
    #[error("failed to set up the connection to the API server: {0}")]
    Client(String),
    /// No answer.
    #[error("failed to reach the API server: {0}")]
    Unreachable(String),
    /// The answer did not come in time.
    #[error("failed to get an answer from the API server within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The connection ended in the middle of an answer.
    #[error("failed to read the API server's answer: the connection was cut")]
    Cut,
    /// The answer is too large.
    #[error("failed to read the API server's answer: it is over {} MiB", super::MAX_REPLY_BYTES / 1024 / 1024)]
    ReplyTooLarge,
    /// The answer is not what was asked for.
    #[error("failed to understand the API server's answer ({0})")]
    Unintelligible(StatusCode),
    /// The name cannot be put into a request.
    #[error("failed to address the object: its name cannot stand in a request")]
    Unaddressable,
    /// The answer is no.
    #[error("{0}")]
    Refused(Refusal),
}

impl ClusterError {
    pub(super) fn kubeconfig(error: kube::config::KubeconfigError) -> Self {
        Self::Kubeconfig(error.to_string())
    }

    pub(super) fn infer(error: kube::config::InferConfigError) -> Self {
        Self::Kubeconfig(error.to_string())
    }

    pub(super) fn client(error: kube::Error) -> Self {
        Self::Client(error.to_string())
    }

    /// Nothing of a reply is in here: the connection failed before there was one.
    pub(super) fn transport(error: kube::Error) -> Self {
        let mut text = match &error {
            kube::Error::HyperError(_) | kube::Error::Service(_) => String::new(),
            _ => "the request failed".to_owned(),
        };
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = cause.to_string();
            source = cause.source();
        }
        Self::Unreachable(text)
    }

    /// Whether the server is away or overloaded, rather than the request wrong.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Timeout(_) | Self::Cut | Self::Unintelligible(_) => true,
            Self::Refused(refusal) if refusal.is_of_another_type() => false,
            Self::Refused(refusal) => {
                refusal.status().is_server_error() || refusal.status() == StatusCode::TOO_MANY_REQUESTS
            }
            Self::Kubeconfig(_) | Self::Client(_) | Self::ReplyTooLarge | Self::Unaddressable => false,
        }
    }

    /// What it takes until the server does it. What it finds invalid by its schemas and rules stays so.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Unaddressable => Remedy::Change,
            Self::Refused(refusal)
                if refusal.is_of_another_type()
                    || matches!(
                        refusal.status(),
                        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY
                    ) =>
            {
                Remedy::Change
            }
            _ => Remedy::Retry,
        }
    }

    /// One word for a condition's reason.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => refusal.reason(),
            Self::Timeout(_) => "Timeout",
            Self::Unreachable(_) | Self::Cut => "ClusterUnreachable",
            Self::Unintelligible(_) | Self::ReplyTooLarge => "InvalidReply",
            Self::Kubeconfig(_) | Self::Client(_) => "InvalidKubeconfig",
            Self::Unaddressable => "InvalidName",
        }
    }

    /// The error in words that fit the object it is about.
    pub fn describe(&self, sensitivity: Sensitivity) -> String {
        match self {
            Self::Refused(refusal) => refusal.describe(sensitivity),
            other => other.to_string(),
        }
    }
}
