//! The API server's no, and what of it may be shown.

use std::fmt;

use http::StatusCode;
use serde::Deserialize;

use super::Wording;

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
    /// Whether the server named other causes that are not among them.
    is_partial: bool,
    message: String,
}

/// One field that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// The path to it.
    pub field: String,
    /// Why, in one word.
    pub reason: String,
    /// What the server's words about it are known to mean.
    pub wording: Wording,
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
    message: String,
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
        let is_partial = causes.iter().any(|cause| !is_path(&cause.field));
        let causes = causes.into_iter();
        Self {
            status,
            reason: if reason.is_empty() { named(status) } else { reason },
            causes: causes
                .filter(|cause| is_path(&cause.field))
                .map(|cause| Cause {
                    field: cause.field,
                    reason: one_word(cause.reason),
                    wording: Wording::of(&cause.message),
                })
                .collect(),
            is_partial,
            message: reply.message.chars().take(MAX_MESSAGE).collect(),
        }
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Whether a field has another type than in the schema of its kind, or is not in it.
    pub(super) fn is_of_another_type(&self) -> bool {
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

    /// Whether it is for these causes, all of them, and for no other that the server named or kept to itself.
    pub fn is_only(&self, is_known: impl Fn(&Cause) -> bool) -> bool {
        !self.is_partial && !self.causes.is_empty() && self.causes.iter().all(is_known)
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
        ..CauseReply::default()
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
    use super::super::ClusterError;
    use super::*;
    use crate::api::Remedy;

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
    fn a_cause_that_cannot_be_named_is_never_a_known_one() {
        let refusal = Refusal::read(StatusCode::UNPROCESSABLE_ENTITY, REPLY);
        assert!(!refusal.is_only(|_| true), "one of its fields is no path");
        let bare = br#"{"kind":"Status","message":"spec.selector: field is immutable","reason":"Invalid"}"#;
        assert!(!Refusal::read(StatusCode::UNPROCESSABLE_ENTITY, bare).is_only(|_| true));
        let named = br#"{"kind":"Status","reason":"Invalid","details":{"causes":[
            {"reason":"FieldValueForbidden","field":"data","message":"Forbidden: field is immutable"}]}}"#;
        let named = Refusal::read(StatusCode::UNPROCESSABLE_ENTITY, named);
        assert!(named.is_only(|cause| cause.wording == Wording::Immutable));
        assert!(!named.is_only(|cause| cause.reason.is_empty()));
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
