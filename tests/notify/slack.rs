//! Slack, by a sink that knows the limits of Block Kit.

use super::*;

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

#[tokio::test]
async fn slack_takes_whatever_commits_and_errors_say() {
    let slack = Slack::start();
    let notifications = with_webhook("hostile", &slack).await;
    let told = tell_hostile(&notifications).await;
    assert_eq!(notifications.flush(PATIENCE).await.unwrap(), 0);
    assert_eq!(slack.outcomes().await, vec!["ok"; told]);
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
