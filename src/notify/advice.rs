//! What to do next, for somebody who was woken up by it.

use super::event::{ClusterObject, CommitId, Event, Failure, ObjectFailure, Step};
use super::rich::Rich;
use super::text::Public;
use crate::name::{Key, Kind};

/// What stands for the API server's refusal to change a field, for which it has no reason of its own.
const IMMUTABLE: &str = "UnknownImmutableField";

/// The advice for a failure: the step's own, if it has some, or what generally helps with its step and reason.
pub(super) fn advice(event: &Event, failure: &Failure) -> Rich {
    if let Some(advice) = failure.advice.as_ref().filter(|advice| !advice.is_empty()) {
        return Rich::new(sentence(advice.as_str()));
    }
    let reason = failure.reason.as_str();
    match failure.step {
        Step::Configure => configure(event),
        Step::Fetch => fetch(event),
        Step::Verify => verify(event, reason),
        Step::Open => open(event),
        Step::Render => render(event),
        Step::Plan | Step::Apply => apply(event, failure),
        Step::Record => Rich::new(
            "Nothing is applied that can not be recorded. Check free space and permissions of the state \
             directory (",
        )
        .code("--state-dir")
        .text("), and that the log is whole: ")
        .code("fluxops audit verify")
        .text("."),
        Step::Health => health(event, failure),
    }
}

/// A phrase as a sentence: steps word their advice as it would stand after a colon.
fn sentence(phrase: &str) -> String {
    let mut rest = phrase.chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if phrase.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{first}{}{end}", rest.as_str())
}

/// `fluxops get KIND/NAME -n NAMESPACE`: works in the cluster and with `--config` alike.
fn get(event: &Event) -> String {
    let object = &event.object;
    format!(
        "fluxops get {}/{} -n {}",
        object.kind.lowercase(),
        object.key.name,
        object.key.namespace
    )
}

fn short(event: &Event) -> &str {
    let commit = event.commit.as_ref();
    commit.map_or("the commit", |commit| commit.id.short())
}

fn configure(event: &Event) -> Rich {
    Rich::new("Correct the ")
        .text(event.object.kind.as_str())
        .text(", or the Secret, ConfigMap or other object that it refers to; it is read again as soon as it changes. See ")
        .code(get(event))
        .text(".")
}

fn fetch(event: &Event) -> Rich {
    Rich::new("Check that the Git server answers from where fluxops runs, and takes its credentials. See ")
        .code(get(event))
        .text(".")
}

fn verify(event: &Event, reason: &str) -> Rich {
    let commit = short(event);
    match reason {
        "Unsigned" => Rich::new("If it is yours, sign it and push again: ")
            .code("git commit --amend --no-edit -S")
            .text(format!(
                ". If nobody can say where {commit} comes from, treat the repository as broken into: find out who \
                 pushed it before anything else."
            )),
        "UnknownKey" => Rich::new(
            "If this key ought to be trusted, check its fingerprint with its owner by another way, then add it to \
             the object of verify.trustRef. If nobody knows it, treat the repository as broken into.",
        ),
        "Expired" | "SignatureExpired" => Rich::new(
            "Let the owner extend the key, or sign with a valid one; then update the object of verify.trustRef.",
        ),
        "Revoked" => Rich::new(
            "The key was revoked, so this commit may not be its owner's. Ask them. What is good has to be signed \
             again with a key that is trusted.",
        ),
        "BadSignature" => Rich::new(format!(
            "Signature and content of {commit} do not belong together: it was changed after it was signed. Keep a \
             copy of the repository, and find out who pushed it."
        )),
        "Rewound" | "Diverged" | "UnrelatedHistory" | "TrustedCommitMissing" => Rich::new(
            "Somebody pushed by force, or the remote was restored from a backup. Find out who, and why. What is in the \
             cluster stays. If it is right, accept the new head: ",
        )
        .code(format!(
            "fluxops reconcile gitsource/{} -n {} --accept-rewind {}",
            event.object.key.name,
            event.object.key.namespace,
            event.commit.as_ref().map_or("COMMIT", |commit| commit.id.as_str())
        ))
        .text("."),
        _ => Rich::new("See it for yourself in a clone: ")
            .code(format!("fluxops verify --trust DIR {}", revision(event)))
            .text(". If nobody can say where the commit comes from, treat the repository as broken into."),
    }
}

/// What is put where a command wants a revision.
fn revision(event: &Event) -> &str {
    let commit = event.commit.as_ref();
    commit.map_or("REVISION", |commit| commit.id.short())
}

fn open(event: &Event) -> Rich {
    Rich::new("Try it in a clone, with the same key: ")
        .code("fluxops secrets decrypt FILE")
        .text(format!(
            " at {}. If no key fits, encrypt the file for a recipient whose identity is in the Secret of \
             decryption.secretRef. If the MAC is wrong, the file was changed after it was sealed: decrypt the last \
             good version, change that, and encrypt it again.",
            short(event)
        ))
}

fn render(event: &Event) -> Rich {
    Rich::new("See the same in a clone: ")
        .code("fluxops build DIR")
        .text(format!(
            " at {}. Correct the files, commit, sign and push.",
            short(event)
        ))
}

fn apply(event: &Event, failure: &Failure) -> Rich {
    let first = failure.objects.first().first();
    let word = match first {
        // It says `Invalid`, and these words.
        Some(failed)
            if failed.reason.as_str() == "Invalid"
                && failed.message.as_str().contains("field is immutable") =>
        {
            IMMUTABLE
        }
        Some(failed) => failed.reason.as_str(),
        None => failure.reason.as_str(),
    };
    match word {
        "Forbidden" | "Unauthorized" => Rich::new(
            "The service account that applies lacks a right. Bind a role that allows it, or leave the object out. \
             What it may do: ",
        )
        .code(format!(
            "kubectl auth can-i --list -n {} --as=system:serviceaccount:{}:SERVICEACCOUNT",
            namespace(event, first),
            event.object.key.namespace
        )),
        "ImmutableField" => Rich::new(
            "The field can not be changed on an object that is there. Take the change back, or have the object deleted \
             and made anew, knowing what stops with it, by the annotation ",
        )
        .code("fluxops.dev/force: Enabled")
        .text("."),
        IMMUTABLE => Rich::new(
            "The field can not be changed on an object that is there. Take the change back, or delete the object \
             yourself, knowing what stops with it; it is then made anew: ",
        )
        .code(kubectl(event, "delete", first)),
        "Conflict" => Rich::new(
            "Another manager owns a field of this object. Find it, and let only one of the two set the field: ",
        )
        .code(kubectl(event, "get -o yaml --show-managed-fields", first)),
        "NamespaceNotFound" | "NotFound" | "UnknownKind" => Rich::new(
            "Something it needs is not there: a namespace or a kind (its CRD). Add it to the same folder, or to a \
             Delivery that this one depends on.",
        ),
        "WouldPruneEverything" => Rich::new(
            "The folder has no objects any more, and everything would be deleted. If that is meant, set allowEmpty \
             to true; if not, look at spec.path.",
        ),
        "TooManyRequests" | "ServiceUnavailable" | "InternalError" | "Timeout" | "ServerTimeout" | "ClusterUnreachable" | "InvalidReply" => {
            Rich::new("This is the API server's trouble, not the commit's; it is tried again. Look at ")
                .code("kubectl get --raw '/readyz?verbose'")
                .text(".")
        }
        _ => Rich::new("Correct the manifests above, commit, sign and push. What would be sent: ")
            .code("fluxops build DIR")
            .text(format!(" at {}.", short(event))),
    }
}

fn health(event: &Event, failure: &Failure) -> Rich {
    let advice = Rich::new("The commit is applied; what it brought does not come up. Begin with ")
        .code(kubectl(event, "describe", failure.objects.first().first()));
    match &failure.running {
        Some(running) => advice
            .text(". To go back: ")
            .code(format!(
                "git revert {}..{}",
                running.short(),
                event.commit.as_ref().map_or("HEAD", |c| c.id.short())
            ))
            .text(", sign and push."),
        None => advice.text("."),
    }
}

/// A kubectl command on the first object that failed. Without one, or where a name would mean something to a shell
/// (a name that the API server refuses can be anything), the command that shows our own object.
fn kubectl(event: &Event, verb: &str, failed: Option<&ObjectFailure>) -> String {
    let is_plain = |text: &str| {
        !text.starts_with('-')
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b':'))
    };
    let Some(ClusterObject {
        kind,
        namespace,
        name,
    }) = failed.map(|failed| &failed.object)
    else {
        return get(event);
    };
    let namespace = namespace.as_ref().map(Public::as_str);
    if ![kind.as_str(), name.as_str(), namespace.unwrap_or_default()]
        .into_iter()
        .all(is_plain)
    {
        return get(event);
    }
    let on = namespace.map_or_else(String::new, |namespace| format!("-n {namespace} "));
    format!("kubectl {on}{verb} {}/{name}", kind.as_str().to_ascii_lowercase())
}

/// The namespace of the first object that failed, if it is a name; otherwise that of our own object.
fn namespace<'a>(event: &'a Event, failed: Option<&'a ObjectFailure>) -> &'a str {
    failed
        .and_then(|failed| failed.object.namespace.as_ref())
        .map(Public::as_str)
        .filter(|namespace| Key::new(namespace, "any").is_ok())
        .unwrap_or(&event.object.key.namespace)
}

/// What a failure of this step leaves behind, in the cluster.
pub(super) fn state(kind: Kind, step: Step, running: Option<&CommitId>) -> String {
    let running = running.map(CommitId::short);
    match (kind, step, running) {
        (Kind::Delivery, Step::Apply, Some(running)) => {
            format!("The cluster may hold parts of it. What was applied whole last is {running}.")
        }
        (Kind::Delivery, Step::Apply, None) => "The cluster may hold parts of it.".to_owned(),
        (Kind::Delivery, Step::Health, Some(running)) => {
            format!("It is applied. {running} was the last that was healthy.")
        }
        (Kind::Delivery, Step::Health, None) => "It is applied.".to_owned(),
        (_, _, Some(running)) => format!("The cluster was not touched, it keeps running {running}."),
        (_, _, None) => "The cluster was not touched.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::{Listed, Outcome};
    use super::super::rich::Span;
    use super::super::samples::{ID, NEXT_ID, failed, object_failure};
    use super::*;

    fn given(step: Step, reason: &str, objects: Listed<ObjectFailure>) -> String {
        let event = failed(ID, step, reason, "", objects);
        let Outcome::Failed(failure) = &event.outcome else {
            panic!("not a failure");
        };
        advice(&event, failure)
            .spans()
            .iter()
            .map(|span| match span {
                Span::Code(code) => format!("`{code}`"),
                Span::Text(text) | Span::Link(text, _) => text.clone(),
            })
            .collect()
    }

    const STEPS: [Step; 9] = [
        Step::Configure,
        Step::Fetch,
        Step::Verify,
        Step::Open,
        Step::Render,
        Step::Plan,
        Step::Record,
        Step::Apply,
        Step::Health,
    ];

    #[test]
    fn every_step_has_advice_whatever_the_reason() {
        for step in STEPS {
            let text = given(step, "NobodyKnows", Listed::default());
            assert!(text.len() > 40 && text.ends_with('.'), "{text}");
        }
    }

    #[test]
    fn advice_fits_the_reason() {
        for (step, reason, expected) in [
            (Step::Fetch, "Timeout", "`fluxops get delivery/web -n apps`"),
            (Step::Verify, "Unsigned", "`git commit --amend --no-edit -S`"),
            (
                Step::Verify,
                "SomethingElse",
                "`fluxops verify --trust DIR 3f2a1b9`",
            ),
            (Step::Open, "DecryptionFailed", "`fluxops secrets decrypt FILE`"),
            (Step::Plan, "WouldPruneEverything", "set allowEmpty"),
            (Step::Record, "NoSpace", "`fluxops audit verify`"),
            (Step::Apply, "InternalError", "the API server's trouble"),
            (Step::Health, "Timeout", "`git revert 8e7d6c5..3f2a1b9`"),
        ] {
            let text = given(step, reason, Listed::default());
            assert!(text.contains(expected), "{step:?} {reason}: {text}");
        }
    }

    #[test]
    fn a_step_that_knows_better_is_heard() {
        for (phrase, expected) in [
            ("correct spec.url", "Correct spec.url."),
            ("Sign it.", "Sign it."),
            ("", "Nothing is applied that can not be recorded."),
        ] {
            let mut event = failed(ID, Step::Record, "AuditFailed", "", Listed::default());
            let Outcome::Failed(failure) = &mut event.outcome else {
                panic!("not a failure");
            };
            failure.advice = Some(Public::masked(phrase));
            let failure = failure.clone();
            match advice(&event, &failure).spans().first() {
                Some(Span::Text(text)) => assert!(text.starts_with(expected), "{text}"),
                _ => panic!("no text"),
            }
        }
    }

    #[test]
    fn commands_name_the_first_object() {
        for (reason, message, expected) in [
            ("Forbidden", "", "--list -n shop --as=system:serviceaccount:apps:"),
            (
                "Conflict",
                "",
                "`kubectl -n shop get -o yaml --show-managed-fields deployment/web`",
            ),
            (
                "Invalid",
                "spec.selector: Invalid value: field is immutable",
                "`kubectl -n shop delete deployment/web`",
            ),
            ("ImmutableField", "", "`fluxops.dev/force: Enabled`"),
            (
                "Invalid",
                "spec.replicas: must not be negative",
                "`fluxops build DIR` at 3f2a1b9",
            ),
        ] {
            let objects = [
                object_failure("web", reason, message),
                object_failure("other", "NotFound", ""),
            ];
            let text = given(Step::Apply, "ApplyFailed", objects.into_iter().collect());
            assert!(text.contains(expected), "{reason}: {text}");
        }
    }

    #[test]
    fn a_name_that_a_shell_would_run_gets_into_no_command() {
        for name in ["web;reboot", "$(reboot)", "web`reboot`", "web -A", "--all"] {
            let objects = std::iter::once(object_failure(name, "Conflict", "")).collect();
            let text = given(Step::Apply, "ApplyFailed", objects);
            assert!(text.ends_with("`fluxops get delivery/web -n apps`"), "{text}");
        }
    }

    #[test]
    fn the_state_says_whether_the_cluster_was_touched() {
        let next = CommitId::parse(NEXT_ID).unwrap();
        for step in STEPS {
            for running in [Some(&next), None] {
                let untouched = state(Kind::Delivery, step, running).contains("not touched");
                assert_eq!(untouched, !matches!(step, Step::Apply | Step::Health), "{step:?}");
            }
        }
    }
}
