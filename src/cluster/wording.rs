//! What the API server's words about a field are known to mean.
//!
//! It has no code for a field that cannot be changed on an object that is there: only its sentences say so. They quote
//! values, so they are looked at as they are read, and only what they mean is kept.

/// What such a sentence means. The texts are those of Kubernetes 1.36, pinned on a control plane by the tests of
/// `tests/recreating.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wording {
    /// The field may be set when the object is made and not later (`ValidateImmutableField` of k8s.io/apimachinery).
    Immutable,
    /// The same, since the object says `immutable: true` (`ConfigMap` and `Secret`).
    MadeImmutable,
    /// The field may not change once it has a value (Services).
    SetOnce,
    /// The `roleRef` of a binding may not change.
    RoleRef,
    /// The value of a `PriorityClass` may not change.
    Priority,
    /// One of the fields of a `StatefulSet` changed that may not.
    StatefulSet,
    /// One of the fields of a Pod changed that may not.
    Pod,
    /// One of the fields of a `PersistentVolumeClaim` changed that may not.
    Claim,
    /// The source of a `PersistentVolume` changed.
    VolumeSource,
    /// Anything else.
    Other,
}

/// How a sentence is recognised. What it quotes stands before its last words, or after its first.
enum Pattern {
    /// It is this.
    Whole(&'static str),
    /// It begins so.
    Start(&'static str),
    /// It ends so.
    End(&'static str),
}

const PATTERNS: [(Pattern, Wording); 10] = [
    (
        Pattern::Whole("Forbidden: field is immutable"),
        Wording::Immutable,
    ),
    (Pattern::End(": field is immutable"), Wording::Immutable),
    (
        Pattern::Whole("Forbidden: field is immutable when `immutable` is set"),
        Wording::MadeImmutable,
    ),
    (Pattern::End(": may not change once set"), Wording::SetOnce),
    (Pattern::End(": cannot change roleRef"), Wording::RoleRef),
    (
        Pattern::Whole("Forbidden: may not be changed in an update."),
        Wording::Priority,
    ),
    (
        Pattern::Start("Forbidden: updates to statefulset spec for fields other than "),
        Wording::StatefulSet,
    ),
    (
        Pattern::Start("Forbidden: pod updates may not change fields other than "),
        Wording::Pod,
    ),
    (
        Pattern::Start("Forbidden: spec is immutable after creation except "),
        Wording::Claim,
    ),
    (
        Pattern::Start("Forbidden: spec.persistentvolumesource is immutable after creation"),
        Wording::VolumeSource,
    ),
];

impl Wording {
    /// What a cause's message means.
    pub(super) fn of(message: &str) -> Self {
        let found = PATTERNS.iter().find(|(pattern, _)| match pattern {
            Pattern::Whole(text) => message == *text,
            Pattern::Start(text) => message.starts_with(text),
            Pattern::End(text) => message.starts_with("Invalid value: ") && message.ends_with(text),
        });
        found.map_or(Self::Other, |(_, wording)| *wording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_known_whatever_it_quotes() {
        for (message, wording) in [
            (
                r#"Invalid value: {"matchLabels":{"app":"b"}}: field is immutable"#,
                Wording::Immutable,
            ),
            ("Forbidden: field is immutable", Wording::Immutable),
            (
                "Forbidden: field is immutable when `immutable` is set",
                Wording::MadeImmutable,
            ),
            (
                r#"Invalid value: ["10.0.0.77"]: may not change once set"#,
                Wording::SetOnce,
            ),
            (
                "Invalid value: -1: must be greater than or equal to 0",
                Wording::Other,
            ),
            (r#"Invalid value: "b": id is immutable"#, Wording::Other),
            (r#"Unsupported value: "x: field is immutable""#, Wording::Other),
            ("field is immutable", Wording::Other),
            ("", Wording::Other),
        ] {
            assert_eq!(Wording::of(message), wording, "{message}");
        }
    }
}
