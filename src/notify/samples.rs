//! Events that the tests of this module share.

use std::time::Duration;

use jiff::Timestamp;
use proptest::strategy::Strategy as _;

use super::event::{
    Action, Change, ClusterObject, CommitFacts, CommitId, Event, Failure, KeyKind, Listed, ObjectFailure,
    Outcome, Retry, Signature, Step, Success,
};
use super::forge::commit_link;
use super::text::{Public, Reason};
use crate::name::{Key, Kind, ObjectName};

pub(super) const ID: &str = "3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d";
pub(super) const NEXT_ID: &str = "8e7d6c5b4a8e7d6c5b4a8e7d6c5b4a8e7d6c5b4a";

pub(super) fn notifier() -> Key {
    Key::new("apps", "chat").unwrap()
}

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_934_000 + second).unwrap()
}

fn event(id: &str, outcome: Outcome) -> Event {
    let id = CommitId::parse(id).unwrap();
    Event {
        object: ObjectName {
            kind: Kind::Delivery,
            key: Key::new("apps", "web").unwrap(),
        },
        cluster: Public::masked("prod-eu"),
        time: at(0),
        commit: Some(CommitFacts {
            link: commit_link("https://github.com/acme/apps.git", &id),
            id,
            reference: Some(Public::masked("main")),
            subject: Some(Public::masked("Roll web out & mark it <stable>")),
            author: Some(Public::masked("Alice Roe")),
        }),
        signature: Some(Signature::Signed {
            key: KeyKind::Ssh,
            identity: Public::masked("alice@example.com"),
            fingerprint: Public::masked("SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7"),
        }),
        outcome,
        audit_head: Some(Public::masked(
            "c0ffee0123456789c0ffee0123456789c0ffee0123456789c0ffee0123456789",
        )),
    }
}

pub(super) fn object(kind: &str, name: &str) -> ClusterObject {
    ClusterObject {
        kind: Public::masked(kind),
        namespace: Some(Public::masked("shop")),
        name: Public::masked(name),
    }
}

pub(super) fn object_failure(name: &str, reason: &str, message: &str) -> ObjectFailure {
    ObjectFailure {
        object: object("Deployment", name),
        reason: Reason::word(reason),
        message: Public::masked(message),
    }
}

/// A failure of the commit, with this message.
pub(super) fn failed(
    id: &str,
    step: Step,
    reason: &str,
    message: &str,
    objects: Listed<ObjectFailure>,
) -> Event {
    event(
        id,
        Outcome::Failed(Failure {
            step,
            reason: Reason::word(reason),
            message: Public::masked(message),
            objects,
            advice: None,
            running: Some(CommitId::parse(NEXT_ID).unwrap()),
            retry: Retry::After(Duration::from_mins(1)),
        }),
    )
}

/// A dry-run that the API server refuses.
pub(super) fn refused() -> Event {
    let objects = [
        object_failure("web", "Invalid", "spec.selector: field is immutable"),
        object_failure(
            "worker",
            "Invalid",
            "spec.replicas: must be greater than or equal to 0",
        ),
    ];
    failed(
        ID,
        Step::Plan,
        "DryRunFailed",
        "2 of 14 objects would not apply",
        objects.into_iter().collect(),
    )
}

/// An unsigned commit.
pub(super) fn unsigned() -> Event {
    let mut event = failed(
        ID,
        Step::Verify,
        "Unsigned",
        "the commit has no signature",
        Listed::default(),
    );
    event.object.kind = Kind::GitSource;
    event.signature = Some(Signature::Refused);
    if let Outcome::Failed(failure) = &mut event.outcome {
        failure.retry = Retry::OnChange;
    }
    event
}

/// A commit that was applied, with these changes.
pub(super) fn succeeded(id: &str, changes: &[(Action, &str, &str)]) -> Event {
    let changes = changes.iter().map(|(action, kind, name)| Change {
        action: *action,
        object: object(kind, name),
    });
    event(
        id,
        Outcome::Succeeded(Success {
            changes: changes.collect(),
            duration: Duration::from_millis(1_250),
        }),
    )
}

/// A commit that was applied and changed something.
pub(super) fn applied() -> Event {
    succeeded(
        ID,
        &[
            (Action::Created, "Secret", "db"),
            (Action::Configured, "Deployment", "web"),
            (Action::Deleted, "ConfigMap", "old"),
        ],
    )
}

/// A failure and a success in which everything that others write is this text.
pub(super) fn hostile(text: &str) -> [Event; 2] {
    let public = Public::masked(text);
    let object = ClusterObject {
        kind: public.clone(),
        namespace: Some(public.clone()),
        name: public.clone(),
    };
    let failures = (0..super::event::MAX_LISTED + 10).map(|_| ObjectFailure {
        object: object.clone(),
        reason: Reason::word(text),
        message: public.clone(),
    });
    let changes = (0..super::event::MAX_LISTED + 10).map(|_| Change {
        action: Action::Created,
        object: object.clone(),
    });
    let mut failure = failed(ID, Step::Apply, text, text, failures.collect());
    if let Outcome::Failed(failure) = &mut failure.outcome {
        failure.advice = Some(public.clone());
    }
    let success = Outcome::Succeeded(Success {
        changes: changes.collect(),
        duration: Duration::MAX,
    });
    let success = event(ID, success);
    [failure, success].map(|mut event| {
        event.cluster = public.clone();
        event.audit_head = Some(public.clone());
        event.signature = Some(Signature::Signed {
            key: KeyKind::OpenPgp,
            identity: public.clone(),
            fingerprint: public.clone(),
        });
        if let Some(commit) = &mut event.commit {
            commit.subject = Some(public.clone());
            commit.author = Some(public.clone());
            commit.reference = Some(public.clone());
        }
        event
    })
}

/// Texts of the characters that markup is made of, of one to four bytes, up to more than any limit.
pub(super) fn hostile_text() -> impl proptest::strategy::Strategy<Value = String> {
    let characters = "<>&`*_~|!@#\"'\\/:; \nazÄ…€😀\u{202e}\u{7}"
        .chars()
        .collect::<Vec<_>>();
    proptest::collection::vec(proptest::sample::select(characters), 0..2_500)
        .prop_map(|characters| characters.into_iter().collect())
}
