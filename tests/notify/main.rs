//! Telling people, against the real thing: a Slack that knows its limits, and a Matrix homeserver.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/mod.rs"]
mod support;

mod matrix;
mod slack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use fluxops::api::SecretData;
use fluxops::name::{Key, Kind, ObjectName};
use fluxops::notify::{
    Action, Change, ClusterObject, CommitFacts, CommitId, Event, Failure, KeyKind, Listed, MAX_LISTED,
    Notifications, ObjectFailure, Outcome, Public, Reason, Retry, Signature, Step, Success, forge,
};
use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use support::outside::Program;
use support::root;

const ID: &str = "3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d";
/// The default bot token of the sink.
const TOKEN: &str = "xoxb-fluxops-test";
/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(20);

fn event(outcome: Outcome) -> Event {
    let id = CommitId::parse(ID).unwrap();
    Event {
        object: ObjectName {
            kind: Kind::Delivery,
            key: Key::new("apps", "web").unwrap(),
        },
        cluster: Public::masked("prod"),
        time: Timestamp::now(),
        commit: Some(CommitFacts {
            link: forge::commit_link("https://github.com/acme/apps", &id),
            id,
            reference: Some(Public::masked("main")),
            subject: Some(Public::masked("Roll out <!channel>")),
            author: Some(Public::masked("Alice Roe")),
        }),
        signature: Some(Signature::Signed {
            key: KeyKind::Ssh,
            identity: Public::masked("alice@example.com"),
            fingerprint: Public::masked("SHA256:abc"),
        }),
        outcome,
        audit_head: Some(Public::masked("c0ffee")),
    }
}

fn object(text: &str) -> ClusterObject {
    ClusterObject {
        kind: Public::masked("Deployment"),
        namespace: Some(Public::masked("shop")),
        name: Public::masked(text),
    }
}

fn failed(reason: &str, message: &str) -> Event {
    let objects = (0..MAX_LISTED + 5).map(|number| ObjectFailure {
        object: object(&format!("web-{number}")),
        reason: Reason::word("Invalid"),
        message: Public::masked(message),
    });
    event(Outcome::Failed(Failure {
        step: Step::Apply,
        reason: Reason::word(reason),
        message: Public::masked(message),
        objects: objects.collect::<Listed<_>>(),
        advice: None,
        running: None,
        retry: Retry::After(Duration::from_mins(1)),
    }))
}

fn succeeded() -> Event {
    let change = Change {
        action: Action::Created,
        object: object("web"),
    };
    event(Outcome::Succeeded(Success {
        changes: std::iter::once(change).collect(),
        duration: Duration::from_millis(300),
    }))
}

/// An HTTP client as anybody's.
fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// The last part of the webhook's address: it must be seen nowhere.
const SECRET: &str = "wEbHoOkSeCrEtCaNaRy";
const FAILED: &str = "🔴 web on prod: failed to apply 3f2a1b9";
const RECOVERED: &str = "🟢 web on prod: works again, applied 3f2a1b9";
const APPLIED: &str = "✅ web on prod: applied 3f2a1b9";

fn state_dir(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("notify-{name}"));
    let _ = std::fs::remove_dir_all(&path);
    path
}

fn secret(entries: &[(&str, &str)]) -> SecretData {
    let zeroizing = |value: &str| Zeroizing::new(value.as_bytes().to_vec());
    entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), zeroizing(value)))
        .collect()
}

fn chat() -> Key {
    Key::new("apps", "chat").unwrap()
}

async fn set(notifications: &Notifications, spec: Value, entries: &[(&str, &str)]) {
    let spec = serde_json::from_value(spec).unwrap();
    notifications
        .set_notifier(chat(), spec, Some(&secret(entries)))
        .await
        .unwrap();
}

async fn tell(notifications: &Notifications, event: Event) -> usize {
    notifications.tell(event, &BTreeMap::new()).await.unwrap()
}

/// Tells of failures whose foreign text is as long as it can be, and made of what markup is made of; how many.
async fn tell_hostile(notifications: &Notifications) -> usize {
    let texts = [
        "&",
        "<",
        ">",
        "\"",
        "\\",
        "`",
        "|",
        "😀",
        "ä",
        "a",
        "<!channel> ",
        "\n",
        " ",
    ];
    for (number, text) in texts.iter().enumerate() {
        let text = text.repeat(2_000 / text.chars().count());
        let mut event = failed(&format!("Reason{number}"), &text);
        event.cluster = Public::masked(&text);
        if let Some(commit) = &mut event.commit {
            commit.subject = Some(Public::masked(&text));
            commit.author = Some(Public::masked(&text));
        }
        event.signature = Some(Signature::Refused);
        assert_eq!(tell(notifications, event).await, 1);
    }
    texts.len()
}

/// What was logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Takes what this thread logs, until the guard is dropped.
    fn listen(&self, level: tracing::Level) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
