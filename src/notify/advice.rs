//! What to do next, for somebody who was woken up by it.

use super::event::{CommitId, Event, Failure, ObjectFailure, Step};
use super::rich::Rich;
use crate::name::Kind;

/// The advice for a failure: the step's own, if it has some, or what generally helps with its step and reason.
pub(super) fn advice(event: &Event, failure: &Failure) -> Rich {
    if let Some(advice) = &failure.advice {
        return Rich::new(advice.as_str());
    }
    let reason = failure.reason.as_str();
    match failure.step {
        Step::Configure => configure(event),
        Step::Fetch => fetch(event, reason),
        Step::Verify => verify(event, reason),
        Step::Open => open(event, reason),
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

fn fetch(event: &Event, reason: &str) -> Rich {
    match reason {
        "AuthenticationFailed" | "Unauthorized" | "Forbidden" => Rich::new(
            "The Git server turned the credentials down. Check that those in the Secret of secretRef have not \
             expired and may read this repository.",
        ),
        "UnknownHostKey" | "HostKeyMismatch" | "HostKeyUnknown" => Rich::new(
            "Do not simply accept the new key: somebody may stand in between. Compare its fingerprint with the one \
             that the server's owner publishes, then put the line into known_hosts of the Secret.",
        ),
        "RedirectRefused" => Rich::new(
            "The server sent us to another host; credentials do not go there. If the repository has moved, write \
             its new address into spec.url.",
        ),
        "ReferenceNotFound" | "NotFound" => Rich::new(
            "Check that repository and branch or tag still exist, and that spec.url and spec.ref name them.",
        ),
        _ => Rich::new("Check that the Git server answers from where fluxops runs. See ")
            .code(get(event))
            .text("."),
    }
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
        "UnknownKey" | "UnknownSigner" | "UntrustedKey" => Rich::new(
            "If this key ought to be trusted, check its fingerprint with its owner by another way, then add it to \
             the object of verify.trustRef. If nobody knows it, treat the repository as broken into.",
        ),
        "KeyExpired" | "Expired" => Rich::new(
            "Let the owner extend the key, or sign with a valid one; then update the object of verify.trustRef.",
        ),
        "KeyRevoked" | "Revoked" => Rich::new(
            "The key was revoked, so this commit may not be its owner's. Ask them. What is good has to be signed \
             again with a key that is trusted.",
        ),
        "BadSignature" => Rich::new(format!(
            "Signature and content of {commit} do not belong together: it was changed after it was signed. Keep a \
             copy of the repository, and find out who pushed it."
        )),
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

fn open(event: &Event, reason: &str) -> Rich {
    match reason {
        "MissingKey" | "NoKey" | "KeyNotFound" => Rich::new(
            "None of our keys opens it. Put the identity of one of the recipients named above into the Secret of \
             decryption.secretRef, or encrypt the file for a recipient whose identity is there.",
        ),
        "MacMismatch" | "WrongMac" => Rich::new(
            "The file was changed after it was sealed, by hand or by a merge. Take the last good version, make the \
             change to the plaintext, and encrypt it again: ",
        )
        .code("fluxops secrets decrypt FILE")
        .text(" and ")
        .code("fluxops secrets encrypt FILE")
        .text("."),
        _ => Rich::new("Try it in a clone, with the same key: ")
            .code("fluxops secrets decrypt FILE")
            .text(format!(" at {}. Correct the file, commit, sign and push.", short(event))),
    }
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
        // The API server has no reason of its own for it, only `Invalid` and these words.
        Some(failed) if failed.message.as_str().contains("field is immutable") => "ImmutableField",
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
        "ImmutableField" | "Immutable" => Rich::new(
            "The field can not be changed on an object that is there. Take the change back, or delete the object \
             yourself, knowing what stops with it; it is then made anew: ",
        )
        .code(first.map_or_else(|| get(event), |failed| kubectl("delete", failed))),
        "Conflict" => Rich::new(
            "Another manager owns a field of this object. Find it, and let only one of the two set the field: ",
        )
        .code(first.map_or_else(|| get(event), |failed| kubectl("get", failed) + " -o yaml --show-managed-fields")),
        "NamespaceNotFound" | "NotFound" => Rich::new(
            "Something it needs is not there: a namespace or a kind (its CRD). Add it to the same folder, or to a \
             Delivery that this one depends on.",
        ),
        "NothingRendered" | "EmptyRender" => Rich::new(
            "The folder has no objects any more, and everything would be deleted. If that is meant, set allowEmpty \
             to true; if not, look at spec.path.",
        ),
        "TooManyRequests" | "ServiceUnavailable" | "InternalError" | "Timeout" | "ServerTimeout" | "Unreachable" => {
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
    let advice = Rich::new("The commit is applied; what it brought does not come up. Begin with ");
    let advice = match failure.objects.first().first() {
        Some(failed) => advice.code(kubectl("describe", failed)),
        None => advice.code(get(event)),
    };
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

/// A kubectl command on an object.
fn kubectl(verb: &str, failed: &ObjectFailure) -> String {
    let object = &failed.object;
    let kind = object.kind.as_str().to_ascii_lowercase();
    match &object.namespace {
        Some(namespace) => format!("kubectl -n {namespace} {verb} {kind}/{}", object.name),
        None => format!("kubectl {verb} {kind}/{}", object.name),
    }
}

fn namespace<'a>(event: &'a Event, failed: Option<&'a ObjectFailure>) -> &'a str {
    failed
        .and_then(|failed| failed.object.namespace.as_ref())
        .map_or(event.object.key.namespace.as_str(), |namespace| {
            namespace.as_str()
        })
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
