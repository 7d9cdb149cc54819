//! Telling people, against the real thing: a Slack that knows its limits, and a Matrix homeserver.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

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

struct Slack(Program);

impl Slack {
    fn start() -> Self {
        Self(Program::start("slack_sink.py", &["--webhook-secret", SECRET]))
    }

    fn webhook(&self) -> String {
        format!("{}/services/T000/B000/{SECRET}", self.0.url)
    }

    async fn fail_next(&self, faults: Value) {
        let control = client()
            .post(format!("{}/control", self.0.url))
            .json(&json!({"fail": faults}));
        assert!(control.send().await.unwrap().status().is_success());
    }

    async fn list(&self, what: &str) -> Vec<Value> {
        client()
            .get(format!("{}/{what}", self.0.url))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// The first words of every accepted message.
    async fn headlines(&self) -> Vec<String> {
        let text = |message: &Value| {
            message["message"]["text"]
                .as_str()
                .unwrap()
                .lines()
                .next()
                .unwrap()
                .to_owned()
        };
        self.list("messages").await.iter().map(text).collect()
    }

    /// How every try ended.
    async fn outcomes(&self) -> Vec<String> {
        let outcome = |request: &Value| request["outcome"].as_str().unwrap().to_owned();
        self.list("requests").await.iter().map(outcome).collect()
    }
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

async fn with_webhook(name: &str, slack: &Slack) -> Notifications {
    let notifications = Notifications::open(&state_dir(name)).unwrap();
    set(
        &notifications,
        json!({"type": "slack"}),
        &[("address", &slack.webhook())],
    )
    .await;
    notifications
}

async fn tell(notifications: &Notifications, event: Event) -> usize {
    notifications.tell(event, &BTreeMap::new()).await.unwrap()
}

#[tokio::test]
async fn a_webhook_is_told_once_per_event() {
    let slack = Slack::start();
    let notifications = with_webhook("once", &slack).await;
    let told = [
        tell(&notifications, succeeded()).await,
        tell(&notifications, succeeded()).await,
        tell(&notifications, failed("ApplyFailed", "took 3.1s")).await,
        tell(&notifications, failed("ApplyFailed", "took 2.9s")).await,
        tell(&notifications, succeeded()).await,
        tell(&notifications, succeeded()).await,
    ];
    assert_eq!(told, [1, 0, 1, 0, 1, 0]);
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(slack.headlines().await, [APPLIED, FAILED, RECOVERED]);
}

#[tokio::test]
async fn a_bot_posts_to_its_channel() {
    let slack = Slack::start();
    let notifications = Notifications::open(&state_dir("bot")).unwrap();
    let spec = json!({"type": "slack", "address": format!("{}/api/chat.postMessage", slack.0.url), "channel": "#deploys"});
    set(&notifications, spec, &[("token", TOKEN)]).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    let messages = slack.list("messages").await;
    assert_eq!(
        (messages.len(), &messages[0]["channel"]),
        (1, &json!("C0000000001"))
    );
}

#[tokio::test]
async fn a_wrong_token_keeps_messages_until_it_is_mended() {
    let slack = Slack::start();
    let notifications = Notifications::open(&state_dir("token")).unwrap();
    let spec = json!({"type": "slack", "address": format!("{}/api/chat.postMessage", slack.0.url), "channel": "deploys"});
    set(&notifications, spec.clone(), &[("token", "xoxb-wrong")]).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(Duration::from_secs(2)).await.unwrap(), 1);
    set(&notifications, spec, &[("token", TOKEN)]).await;
    notifications.deliver_due(Timestamp::now()).await.unwrap();
    assert_eq!(slack.outcomes().await, ["invalid_auth", "ok"]);
    assert_eq!(notifications.counts().waiting, 0);
}

#[tokio::test]
async fn trouble_at_slack_is_waited_out_in_order() {
    let slack = Slack::start();
    slack
        .fail_next(json!([{"status": 500}, {"status": 429, "retry_after": 3}]))
        .await;
    let notifications = with_webhook("trouble", &slack).await;
    tell(&notifications, failed("ApplyFailed", "")).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(
        slack.outcomes().await,
        ["internal_error", "ratelimited", "ok", "ok"]
    );
    assert_eq!(slack.headlines().await, [FAILED, RECOVERED]);
    let times: Vec<f64> = slack
        .list("requests")
        .await
        .iter()
        .map(|request| request["time"].as_f64().unwrap())
        .collect();
    assert!(times[2] - times[1] >= 2.9, "Retry-After is honoured: {times:?}");
    let counts = notifications.counts();
    assert_eq!((counts.delivered, counts.retried, counts.dropped), (2, 2, 0));
}

#[tokio::test]
async fn a_message_that_is_never_taken_is_dropped_and_holds_up_nothing() {
    let slack = Slack::start();
    slack
        .fail_next(json!([{"ok": false, "error": "invalid_blocks"}]))
        .await;
    let notifications = with_webhook("rejected", &slack).await;
    tell(&notifications, failed("ApplyFailed", "")).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(slack.headlines().await, [RECOVERED]);
    assert_eq!(notifications.counts().dropped, 1);
}

#[tokio::test]
async fn a_message_that_keeps_failing_lets_others_pass() {
    let slack = Slack::start();
    slack
        .fail_next(
            json!([{"status": 500}, {"status": 500}, {"status": 500}, {"status": 500}, {"status": 500}]),
        )
        .await;
    let notifications = with_webhook("overtaken", &slack).await;
    tell(&notifications, failed("ApplyFailed", "")).await;
    tell(&notifications, succeeded()).await;
    let start = Timestamp::now();
    for hour in 0..5 {
        assert_eq!(
            slack.headlines().await,
            Vec::<String>::new(),
            "in their order for {hour} tries"
        );
        notifications
            .deliver_due(start + Duration::from_hours(hour))
            .await
            .unwrap();
    }
    assert_eq!(slack.headlines().await, [RECOVERED]);
    notifications
        .deliver_due(start + Duration::from_hours(5))
        .await
        .unwrap();
    assert_eq!(slack.headlines().await, [RECOVERED, FAILED]);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let slack = Slack::start();
    slack.fail_next(json!([{"status": 307}])).await;
    let notifications = with_webhook("redirect", &slack).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(Duration::from_secs(1)).await.unwrap(), 1);
    assert_eq!(slack.list("requests").await.len(), 1);
}

#[tokio::test]
async fn messages_survive_the_process() {
    let state = state_dir("restart");
    let spec = json!({"type": "slack"});
    {
        // Nobody listens at port 9: this process never gets its messages out.
        let notifications = Notifications::open(&state).unwrap();
        set(
            &notifications,
            spec.clone(),
            &[("address", "http://127.0.0.1:9/services/T/B/x")],
        )
        .await;
        tell(&notifications, failed("ApplyFailed", "")).await;
        tell(&notifications, succeeded()).await;
        assert_eq!(notifications.flush(Duration::from_secs(1)).await.unwrap(), 2);
    }
    let slack = Slack::start();
    let notifications = Notifications::open(&state).unwrap();
    set(&notifications, spec, &[("address", &slack.webhook())]).await;
    assert_eq!(tell(&notifications, succeeded()).await, 0, "it was told before");
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(slack.headlines().await, [FAILED, RECOVERED]);
}

#[tokio::test]
async fn a_lost_answer_costs_a_repetition_and_no_message() {
    let slack = Slack::start();
    slack.fail_next(json!([{"cut": true}])).await;
    let notifications = with_webhook("cut", &slack).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    // Slack has no transaction ids: it can not know that this is the same message.
    assert_eq!(slack.headlines().await, [APPLIED, APPLIED]);
}

#[tokio::test]
async fn flushing_ends_in_time() {
    let slack = Slack::start();
    slack.fail_next(json!([{"hang": 10}])).await;
    let notifications = with_webhook("hang", &slack).await;
    tell(&notifications, succeeded()).await;
    let start = Instant::now();
    assert_eq!(notifications.flush(Duration::from_secs(1)).await.unwrap(), 1);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn running_delivers_what_is_told_and_stops_when_told() {
    let slack = Slack::start();
    let notifications = with_webhook("run", &slack).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (notifications, stop) = (notifications.clone(), stop.clone());
        async move { notifications.run(stop).await }
    });
    tell(&notifications, succeeded()).await;
    let start = Instant::now();
    while notifications.counts().delivered == 0 && start.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    running.await.unwrap();
    assert_eq!(slack.headlines().await, [APPLIED]);
}

#[tokio::test]
async fn a_notifier_that_can_not_be_used_is_named_and_loses_nothing() {
    let slack = Slack::start();
    let notifications = Notifications::open(&state_dir("unusable")).unwrap();
    let spec: fluxops::api::NotifierSpec = serde_json::from_value(json!({"type": "slack"})).unwrap();
    let error = notifications
        .set_notifier(chat(), spec.clone(), None)
        .await
        .unwrap_err();
    assert!(
        error.to_string().starts_with("spec.secretRef is missing"),
        "{error}"
    );
    assert_eq!(tell(&notifications, failed("ApplyFailed", "")).await, 1);
    assert_eq!(notifications.flush(Duration::from_millis(100)).await.unwrap(), 1);
    set(
        &notifications,
        json!({"type": "slack"}),
        &[("address", &slack.webhook())],
    )
    .await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(slack.headlines().await, [FAILED]);
}

#[tokio::test]
async fn a_notifier_that_is_gone_takes_its_messages_along() {
    let slack = Slack::start();
    let notifications = with_webhook("gone", &slack).await;
    tell(&notifications, succeeded()).await;
    notifications.remove_notifier(&chat()).await.unwrap();
    assert_eq!(tell(&notifications, failed("ApplyFailed", "")).await, 0);
    assert_eq!(notifications.counts().waiting, 0);
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

#[tokio::test]
async fn slack_takes_whatever_commits_and_errors_say() {
    let slack = Slack::start();
    let notifications = with_webhook("hostile", &slack).await;
    let told = tell_hostile(&notifications).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(slack.outcomes().await, vec!["ok"; told]);
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

/// Whether a text stands in any file below a directory.
fn is_below(directory: &Path, needle: &str) -> bool {
    std::fs::read_dir(directory).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_below(&path, needle);
        }
        String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(needle)
    })
}

#[tokio::test]
async fn a_webhook_address_is_seen_nowhere() {
    let log = Log::default();
    let _guard = log.listen(tracing::Level::TRACE);

    let slack = Slack::start();
    slack
        .fail_next(json!([{"status": 500}, {"ok": false, "error": "no_service"}, {"cut": true}]))
        .await;
    let state = state_dir("secret");
    let notifications = Notifications::open(&state).unwrap();
    let refused = format!("http://127.0.0.1:9/services/T000/B000/{SECRET}");
    for address in [refused, slack.webhook(), slack.webhook(), slack.webhook()] {
        set(&notifications, json!({"type": "slack"}), &[("address", &address)]).await;
        tell(&notifications, failed("ApplyFailed", "")).await;
        notifications.deliver_due(Timestamp::now()).await.unwrap();
    }
    assert!(
        is_below(&state, "alice@example.com"),
        "the search finds what is there"
    );
    assert!(!is_below(&state, SECRET));

    let logged = log.text();
    assert_eq!(
        logged.matches("failed to deliver a message").count(),
        4,
        "{logged}"
    );
    assert!(!logged.contains(SECRET), "{logged}");
}

/// The homeserver that the tests of this file share, with its first user.
struct Matrix {
    url: String,
    token: String,
    user: String,
    registration_secret: String,
}

impl Matrix {
    /// Starts it once; it ends with this process.
    fn shared() -> &'static Self {
        static SHARED: OnceLock<Matrix> = OnceLock::new();
        SHARED.get_or_init(|| {
            let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("notify-synapse");
            let started = Command::new(root().join("tests/world/synapse.sh"))
                .arg("start")
                .arg(&folder)
                .arg("--parent-death")
                .status();
            assert!(
                started.unwrap().success(),
                "tests/world/synapse.sh could not start Synapse"
            );
            let variables = std::fs::read_to_string(folder.join("matrix.env")).unwrap();
            let variable = |name: &str| {
                let value = variables
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
                value.unwrap().trim_matches('\'').to_owned()
            };
            let registered = std::fs::read_to_string(folder.join("matrix.json")).unwrap();
            let registered: Value = serde_json::from_str(&registered).unwrap();
            Matrix {
                url: variable("MATRIX_URL"),
                token: variable("MATRIX_TOKEN"),
                user: variable("MATRIX_USER_ID"),
                registration_secret: registered["registration_secret"].as_str().unwrap().to_owned(),
            }
        })
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let request = client()
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .json(&body);
        let response = request.send().await.unwrap();
        assert!(
            response.status().is_success(),
            "{path}: {}",
            response.text().await.unwrap()
        );
        response.json().await.unwrap()
    }

    /// Makes a room of the first user; its id.
    async fn room(&self, settings: Value) -> String {
        let created = self.post("/_matrix/client/v3/createRoom", settings).await;
        created["room_id"].as_str().unwrap().to_owned()
    }

    /// Registers another user; its id and token (Synapse's admin API, "Shared-Secret Registration").
    async fn register(&self, name: &str) -> (String, String) {
        let endpoint = format!("{}/_synapse/admin/v1/register", self.url);
        let nonce: Value = client()
            .get(&endpoint)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let nonce = nonce["nonce"].as_str().unwrap();
        // A folder that an earlier run left has its users too.
        let name = format!("{name}-{}", Timestamp::now().as_millisecond());
        let key = hmac::Key::new(
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            self.registration_secret.as_bytes(),
        );
        let mac = hmac::sign(&key, format!("{nonce}\0{name}\0password\0notadmin").as_bytes());
        let user = json!({
            "nonce": nonce, "username": name, "password": "password", "admin": false,
            "mac": fluxops::name::hex(mac.as_ref()),
        });
        let registered = self.post("/_synapse/admin/v1/register", user).await;
        let field = |name: &str| registered[name].as_str().unwrap().to_owned();
        (field("user_id"), field("access_token"))
    }

    /// What was said in a room, oldest first.
    async fn messages(&self, room: &str) -> Vec<Value> {
        let mut url = reqwest::Url::parse(&self.url).unwrap();
        url.path_segments_mut()
            .unwrap()
            .extend(["_matrix", "client", "v3", "rooms", room, "messages"]);
        url.set_query(Some("dir=f&limit=100"));
        let reply = client().get(url).bearer_auth(&self.token).send().await.unwrap();
        let reply: Value = reply.json().await.unwrap();
        let events = reply["chunk"].as_array().unwrap().iter();
        events
            .filter(|event| event["type"] == "m.room.message")
            .cloned()
            .collect()
    }

    async fn notifications(&self, name: &str, room: &str) -> Notifications {
        let notifications = Notifications::open(&state_dir(name)).unwrap();
        self.set(&notifications, room, &self.token).await;
        notifications
    }

    async fn set(&self, notifications: &Notifications, room: &str, token: &str) {
        let spec = json!({"type": "matrix", "address": self.url, "channel": room});
        set(notifications, spec, &[("token", token)]).await;
    }
}

/// The first lines of messages.
fn headlines(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .map(|message| {
            message["content"]["body"]
                .as_str()
                .unwrap()
                .lines()
                .next()
                .unwrap()
        })
        .collect()
}

#[tokio::test]
async fn a_room_is_told_by_its_id() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let notifications = matrix.notifications("matrix-id", &room).await;
    for event in [failed("ApplyFailed", "it did not go"), succeeded(), succeeded()] {
        tell(&notifications, event).await;
    }
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    let messages = matrix.messages(&room).await;
    assert_eq!(headlines(&messages), [FAILED, RECOVERED]);
    let contents: Vec<&Value> = messages.iter().map(|message| &message["content"]).collect();
    assert_eq!(
        (&contents[0]["msgtype"], &contents[1]["msgtype"]),
        (&json!("m.text"), &json!("m.notice"))
    );
    assert_eq!(contents[0]["format"], "org.matrix.custom.html");
    assert!(
        contents[0]["formatted_body"]
            .as_str()
            .unwrap()
            .contains("Roll out &lt;!channel&gt;")
    );
}

#[tokio::test]
async fn a_room_is_told_by_its_alias() {
    let matrix = Matrix::shared();
    let name = format!("deploys-{}", Timestamp::now().as_millisecond());
    let room = matrix
        .room(json!({"preset": "private_chat", "room_alias_name": name}))
        .await;
    let server = matrix.user.split_once(':').unwrap().1;
    let notifications = matrix
        .notifications("matrix-alias", &format!("#{name}:{server}"))
        .await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(headlines(&matrix.messages(&room).await), [APPLIED]);
}

#[tokio::test]
async fn a_crash_after_sending_posts_nothing_twice() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let state = state_dir("matrix-crash");
    for _ in 0..2 {
        // The same message is in the outbox again, as it is when the process dies before it takes it out.
        let _ = std::fs::remove_dir_all(&state);
        let notifications = Notifications::open(&state).unwrap();
        matrix.set(&notifications, &room, &matrix.token).await;
        assert_eq!(tell(&notifications, succeeded()).await, 1);
        assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    }
    assert_eq!(headlines(&matrix.messages(&room).await), [APPLIED]);
}

#[tokio::test]
async fn an_invitation_is_accepted() {
    let matrix = Matrix::shared();
    let (user, token) = matrix.register("bot").await;
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let notifications = Notifications::open(&state_dir("matrix-invite")).unwrap();
    matrix.set(&notifications, &room, &token).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(
        notifications.flush(Duration::from_secs(2)).await.unwrap(),
        1,
        "nobody has invited it"
    );

    matrix
        .post(
            &format!("/_matrix/client/v3/rooms/{room}/invite"),
            json!({"user_id": user}),
        )
        .await;
    matrix.set(&notifications, &room, &token).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(headlines(&matrix.messages(&room).await), [APPLIED]);
}

#[tokio::test]
async fn an_encrypted_room_gets_nothing() {
    let matrix = Matrix::shared();
    let encryption = json!({"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}});
    let room = matrix
        .room(json!({"preset": "private_chat", "initial_state": [encryption]}))
        .await;
    let log = Log::default();
    let _guard = log.listen(tracing::Level::WARN);
    let notifications = matrix.notifications("matrix-encrypted", &room).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(Duration::from_secs(2)).await.unwrap(), 1);
    assert_eq!(matrix.messages(&room).await, Vec::<Value>::new());
    assert!(log.text().contains("the room is encrypted"), "{}", log.text());
}

#[tokio::test]
async fn a_wrong_access_token_is_named_and_not_shown() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let log = Log::default();
    let _guard = log.listen(tracing::Level::TRACE);
    let notifications = Notifications::open(&state_dir("matrix-token")).unwrap();
    matrix.set(&notifications, &room, SECRET).await;
    tell(&notifications, succeeded()).await;
    assert_eq!(notifications.flush(Duration::from_secs(2)).await.unwrap(), 1);
    assert!(log.text().contains("M_UNKNOWN_TOKEN"), "{}", log.text());
    assert!(!log.text().contains(SECRET), "{}", log.text());
}

#[tokio::test]
async fn a_homeserver_takes_whatever_commits_and_errors_say() {
    let matrix = Matrix::shared();
    let room = matrix.room(json!({"preset": "private_chat"})).await;
    let notifications = matrix.notifications("matrix-hostile", &room).await;
    let told = tell_hostile(&notifications).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(
        (matrix.messages(&room).await.len(), notifications.counts().dropped),
        (told, 0)
    );
}
