//! What can go wrong with the API server, in words that hold no secret.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;

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
                refusal.status.is_server_error() || refusal.status == StatusCode::TOO_MANY_REQUESTS
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
                        refusal.status,
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

/// Whether an object has scalars that nobody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// It has none: the server's words about it may be shown.
    Clear,
    /// It has some, and the server may quote them.
    Sensitive,
}

/// The API server's no (`metav1.Status`).
///
/// Its message is kept apart: it quotes the values that it refuses. `Debug` and `Display` leave it out.
pub struct Refusal {
    status: StatusCode,
    reason: String,
    causes: Vec<Cause>,
    message: String,
}

/// One field that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The path to it.
    pub field: String,
    /// Why, in one word.
    pub reason: String,
}

/// How the API server begins its answer to an apply with a field that its schema has with another type, or not at all.
/// It answers with 500, as if that were its own fault (`managedfields/internal/structuredmerge.go` of
/// k8s.io/apimachinery).
const OF_ANOTHER_TYPE: &str = "failed to create typed patch object";

/// Our word for it.
const OF_ANOTHER_TYPE_REASON: &str = "InvalidType";

/// The longest message of a server that is passed on, in characters.
const MAX_MESSAGE: usize = 2_000;

#[derive(Deserialize, Default)]
#[serde(default)]
struct StatusReply {
    message: String,
    reason: String,
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Details {
    causes: Vec<CauseReply>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct CauseReply {
    field: String,
    reason: String,
}

impl Refusal {
    /// Reads a reply; one that is no `Status` is named by its code.
    pub(super) fn read(status: StatusCode, body: &[u8]) -> Self {
        let reply: StatusReply = serde_json::from_slice(body).unwrap_or_default();
        let mut causes = reply.details.unwrap_or_default().causes;
        let mut reason = one_word(reply.reason);
        if reply.message.starts_with(OF_ANOTHER_TYPE) {
            OF_ANOTHER_TYPE_REASON.clone_into(&mut reason);
            causes.extend(untyped_field(&reply.message));
        }
        let causes = causes.into_iter();
        Self {
            status,
            reason: if reason.is_empty() { named(status) } else { reason },
            causes: causes
                .filter(|cause| is_path(&cause.field))
                .map(|cause| Cause {
                    field: cause.field,
                    reason: one_word(cause.reason),
                })
                .collect(),
            message: reply.message.chars().take(MAX_MESSAGE).collect(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether a field has another type than in the schema of its kind, or is not in it.
    fn is_of_another_type(&self) -> bool {
        self.reason == OF_ANOTHER_TYPE_REASON
    }

    /// The reason in one word.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The fields that are refused.
    pub fn causes(&self) -> &[Cause] {
        &self.causes
    }

    /// The refusal in words: the server's own only where it has nothing secret to quote.
    pub fn describe(&self, sensitivity: Sensitivity) -> String {
        match sensitivity {
            Sensitivity::Clear if !self.message.is_empty() => self.message.clone(),
            Sensitivity::Clear | Sensitivity::Sensitive => self.to_string(),
        }
    }
}

/// The field of an answer like `… (shop/map; /v1, Kind=ConfigMap): .data.a: expected string, got …`.
fn untyped_field(message: &str) -> Option<CauseReply> {
    let (_, problem) = message.split_once("): ")?;
    let (field, _) = problem.split_once(": ")?;
    Some(CauseReply {
        field: field.trim_start_matches('.').to_owned(),
        reason: String::new(),
    })
}

/// The name of an HTTP status as a reason, which has no spaces.
fn named(status: StatusCode) -> String {
    let name = status.canonical_reason().unwrap_or("Refused");
    name.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// A reason is one word; what is not could be anything.
fn one_word(reason: String) -> String {
    if reason.len() <= 64 && reason.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        reason
    } else {
        String::new()
    }
}

/// A field path has no spaces or quotes; what has could hold a value.
fn is_path(field: &str) -> bool {
    !field.is_empty()
        && field.len() <= 256
        && field
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".[]-_/()*".contains(&byte))
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "the API server refused: {} ({})",
            self.reason(),
            self.status.as_u16()
        )?;
        for (index, cause) in self.causes.iter().enumerate() {
            write!(
                formatter,
                "{} {}",
                if index == 0 { ":" } else { "," },
                cause.field
            )?;
            if !cause.reason.is_empty() {
                write!(formatter, " {}", cause.reason)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &[u8] =
        br#"{"kind":"Status","message":"Secret \"a\" is invalid: data[k]: Invalid value: \"hunter2\"",
        "reason":"Invalid","details":{"causes":[{"reason":"FieldValueInvalid","field":"data[k]"},
        {"reason":"FieldValueInvalid","field":"is \"hunter2\""}]}}"#;

    #[test]
    fn a_sensitive_object_shows_reason_and_path_alone() {
        let refusal = Refusal::read(StatusCode::UNPROCESSABLE_ENTITY, REPLY);
        let shown = refusal.describe(Sensitivity::Sensitive);
        assert_eq!(
            shown,
            "the API server refused: Invalid (422): data[k] FieldValueInvalid"
        );
        for text in [shown, format!("{refusal:?}"), refusal.to_string()] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_clear_object_shows_the_servers_words() {
        let refusal = Refusal::read(StatusCode::UNPROCESSABLE_ENTITY, REPLY);
        assert!(refusal.describe(Sensitivity::Clear).contains("hunter2"));
    }

    #[test]
    fn a_field_of_another_type_is_the_objects_fault() {
        let reply = br#"{"kind":"Status","status":"Failure","code":500,"message":"failed to create typed patch object
            (shop/map; /v1, Kind=ConfigMap): .data.a: expected string, got &value.valueUnstructured{Value:\"hunter2\"}"}"#;
        let reply: Vec<u8> = reply.iter().copied().filter(|byte| *byte != b'\n').collect();
        let refusal = Refusal::read(StatusCode::INTERNAL_SERVER_ERROR, &reply);
        let shown = refusal.describe(Sensitivity::Sensitive);
        assert_eq!(shown, "the API server refused: InvalidType (500): data.a");
        let error = ClusterError::Refused(refusal);
        assert!(!error.is_transient());
        assert_eq!(error.remedy(), Remedy::Change);
        let away = Refusal::read(StatusCode::INTERNAL_SERVER_ERROR, b"{}");
        assert!(ClusterError::Refused(away).is_transient());
    }

    #[test]
    fn a_reply_that_is_no_status_is_named_by_its_code() {
        let refusal = Refusal::read(StatusCode::BAD_GATEWAY, b"<html>hunter2</html>");
        assert_eq!(
            refusal.describe(Sensitivity::Clear),
            "the API server refused: BadGateway (502)"
        );
    }
}
