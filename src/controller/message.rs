//! What came of a reconcile, as the facts that a message is made of.

use std::time::Duration;

use git_signature::SignerKind;

use crate::name::ObjectRef;
use crate::notify::{self, Changes, ClusterObject, CommitId, Listed, Public, Reason, Retry, forge};
use crate::plan::Action;
use crate::reconcile::{Delivered, Failure};
use crate::verify::{CommitFacts, Verification, signer_kind};

/// What a signature said.
pub(super) fn signature(verification: &Verification) -> notify::Signature {
    match verification {
        Verification::Signed(signer) | Verification::Merged(signer) => notify::Signature::Signed {
            key: match signer.kind {
                SignerKind::Ssh => notify::KeyKind::Ssh,
                SignerKind::OpenPgp => notify::KeyKind::OpenPgp,
            },
            identity: Public::masked(&signer.identity),
            fingerprint: Public::masked(&signer.fingerprint),
        },
        Verification::Earlier(Some(signer)) => notify::Signature::Signed {
            key: if signer.kind == signer_kind(SignerKind::OpenPgp) {
                notify::KeyKind::OpenPgp
            } else {
                notify::KeyKind::Ssh
            },
            identity: Public::masked(&signer.identity),
            fingerprint: Public::masked(&signer.fingerprint),
        },
        Verification::Earlier(None) => notify::Signature::Named,
        Verification::Waived => notify::Signature::Waived,
    }
}

/// A commit, with its page where the forge is known.
pub(super) fn commit_facts(commit: &CommitFacts, url: Option<&str>) -> Option<notify::CommitFacts> {
    let id = CommitId::parse(&commit.id).ok()?;
    let reference = commit
        .revision
        .rsplit_once('@')
        .map(|(reference, _)| Public::masked(reference));
    let link = url.and_then(|url| forge::commit_link(url, &id));
    let subject = commit.subject.as_ref().map(Public::masked);
    let author = commit.author.as_ref().map(Public::masked);
    Some(notify::CommitFacts {
        id,
        reference,
        subject,
        author,
        link,
    })
}

/// A failure. Everything in it was put into words that hold no secret by the step that failed.
pub(super) fn told(failure: &Failure, running: Option<&str>, next: Duration) -> notify::Failure {
    let object = |failure: &crate::plan::ObjectFailure| notify::ObjectFailure {
        object: cluster_object(&failure.object),
        reason: Reason::word(&failure.reason),
        message: Public::masked(&failure.message),
    };
    let running = running
        .and_then(|name| name.rsplit_once(':'))
        .and_then(|(_, id)| CommitId::parse(id).ok());
    notify::Failure {
        step: failure.step,
        reason: Reason::word(&failure.reason),
        message: Public::masked(&failure.message),
        objects: failure.objects.iter().map(object).collect::<Listed<_>>(),
        advice: failure.advice.as_ref().map(Public::masked),
        running,
        retry: Retry::After(next),
    }
}

/// What was changed.
pub(super) fn changes(delivered: &Delivered) -> Changes {
    let change = |change: &crate::apply::Change| {
        let action = match change.action {
            Action::Create => notify::Action::Created,
            Action::Configure => notify::Action::Configured,
            Action::Recreate => notify::Action::Recreated,
            Action::Delete => notify::Action::Deleted,
            Action::None => return None,
        };
        Some(notify::Change {
            action,
            object: cluster_object(&change.object),
        })
    };
    delivered.changes.iter().filter_map(change).collect()
}

fn cluster_object(object: &ObjectRef) -> ClusterObject {
    ClusterObject {
        kind: Public::masked(&object.kind),
        namespace: object.namespace.as_ref().map(Public::masked),
        name: Public::masked(&object.name),
    }
}
