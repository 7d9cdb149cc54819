use std::time::Duration;

use super::super::dedup::{News, PastFailure};
use super::super::event::{Event, Step};
use super::super::samples::{applied, at, hostile, hostile_text, refused, unsigned};
use super::super::text::Reason;
use super::*;
use crate::notify::answer::Reply;
use reqwest::StatusCode;

fn rendered(event: &Event, news: &News) -> Value {
    payload(&Message::new(event, news), None)
}

/// The texts of a payload, as a reader sees them one below the other.
fn texts(payload: &Value) -> String {
    let mut lines = vec![format!("text: {}", payload["text"].as_str().unwrap())];
    for block in payload["blocks"].as_array().unwrap() {
        let text = block.get("text").unwrap_or(&block["elements"][0]);
        lines.push(format!(
            "--- {} {}",
            block["type"].as_str().unwrap(),
            text["type"].as_str().unwrap()
        ));
        lines.push(text["text"].as_str().unwrap().to_owned());
    }
    lines.join("\n")
}

#[test]
fn a_failure_says_what_failed_and_what_to_do() {
    insta::assert_snapshot!(texts(&rendered(&refused(), &News::Failure)), @r##"
    text: 🔴 web on prod-eu: 3f2a1b9 would not apply
    2 of 14 objects would not apply
    --- header plain_text
    🔴 web on prod-eu: 3f2a1b9 would not apply
    --- section mrkdwn
    *Delivery:* `apps/web` on `prod-eu`
    *Commit:* <https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d|3f2a1b9> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on `main`
    *Signed by:* alice@example.com, SSH key `SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7`
    *Failed at:* Plan: `DryRunFailed`
    *Now:* The cluster was not touched, it keeps running 8e7d6c5.
    *Next try:* by itself in 1m
    --- section plain_text
    2 of 14 objects would not apply
    --- section mrkdwn
    • `Deployment shop/web` Invalid: spec.selector: field is immutable
    • `Deployment shop/worker` Invalid: spec.replicas: must be greater than or equal to 0
    --- section mrkdwn
    *What to do:* The field can not be changed on an object that is there. Take the change back, or delete the object yourself, knowing what stops with it; it is then made anew: `kubectl -n shop delete deployment/web`
    --- context mrkdwn
    2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789
    "##);
}

#[test]
fn an_unsigned_commit_is_an_alarm() {
    insta::assert_snapshot!(texts(&rendered(&unsigned(), &News::Failure)), @r##"
    text: 🔴 web on prod-eu: 3f2a1b9 refused, its signature is not trusted
    the commit has no signature
    --- header plain_text
    🔴 web on prod-eu: 3f2a1b9 refused, its signature is not trusted
    --- section mrkdwn
    *GitSource:* `apps/web` on `prod-eu`
    *Commit:* <https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d|3f2a1b9> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on `main`
    *Signed by:* nobody we trust
    *Failed at:* Verify: `Unsigned`
    *Now:* The cluster was not touched, it keeps running 8e7d6c5.
    *Next try:* when the commit or the configuration changes
    --- section plain_text
    the commit has no signature
    --- section mrkdwn
    *What to do:* If it is yours, sign it and push again: `git commit --amend --no-edit -S`. If nobody can say where 3f2a1b9 comes from, treat the repository as broken into: find out who pushed it before anything else.
    --- context mrkdwn
    2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789
    "##);
}

#[test]
fn a_success_says_what_changed() {
    insta::assert_snapshot!(texts(&rendered(&applied(), &News::NewRevision)), @r##"
    text: ✅ web on prod-eu: applied 3f2a1b9
    --- header plain_text
    ✅ web on prod-eu: applied 3f2a1b9
    --- section mrkdwn
    *Delivery:* `apps/web` on `prod-eu`
    *Commit:* <https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d|3f2a1b9> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on `main`
    *Signed by:* alice@example.com, SSH key `SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7`
    *Changed:* 1 created, 1 configured, 1 deleted (took 1.2s)
    --- section mrkdwn
    • created `Secret shop/db`
    • configured `Deployment shop/web`
    • deleted `ConfigMap shop/old`
    --- context mrkdwn
    2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789
    "##);
}

#[test]
fn a_recovery_says_what_is_over() {
    let past = PastFailure {
        since: at(-3_725),
        step: Step::Fetch,
        reason: Reason::word("Timeout"),
    };
    insta::assert_snapshot!(texts(&rendered(&applied(), &News::Recovery(past))), @r##"
    text: 🟢 web on prod-eu: works again, applied 3f2a1b9
    --- header plain_text
    🟢 web on prod-eu: works again, applied 3f2a1b9
    --- section mrkdwn
    *Delivery:* `apps/web` on `prod-eu`
    *Commit:* <https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d|3f2a1b9> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on `main`
    *Signed by:* alice@example.com, SSH key `SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7`
    *Had failed:* at Fetch (Timeout), for 1h2m5s since 2025-11-23 20:37:55 UTC
    *Changed:* 1 created, 1 configured, 1 deleted (took 1.2s)
    --- section mrkdwn
    • created `Secret shop/db`
    • configured `Deployment shop/web`
    • deleted `ConfigMap shop/old`
    --- context mrkdwn
    2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789
    "##);
}

#[test]
fn the_payload_is_block_kit() {
    let mut payload = payload(&Message::new(&unsigned(), &News::Failure), Some("C1"));
    // The texts are above.
    for block in payload["blocks"].as_array_mut().unwrap() {
        if let Some(text) = block.pointer_mut("/text/text") {
            *text = json!("");
        }
    }
    insta::assert_snapshot!(serde_json::to_string(&payload).unwrap(), @r##"
    {"text":"🔴 web on prod-eu: 3f2a1b9 refused, its signature is not trusted\nthe commit has no signature","blocks":[{"type":"header","text":{"type":"plain_text","text":"","emoji":false}},{"type":"section","text":{"type":"mrkdwn","text":"","verbatim":true}},{"type":"section","text":{"type":"plain_text","text":"","emoji":false}},{"type":"section","text":{"type":"mrkdwn","text":"","verbatim":true}},{"type":"context","elements":[{"type":"mrkdwn","text":"2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789","verbatim":true}]}],"unfurl_links":false,"unfurl_media":false,"channel":"C1"}
    "##);
}

#[test]
fn foreign_text_commands_nobody() {
    let texts = hostile("<!channel> <https://evil.example|click> `code` & *bold*")
        .map(|event| rendered(&event, &News::NewRevision).to_string());
    for text in texts {
        assert!(
            text.contains("&lt;!channel&gt; &lt;https://evil.example"),
            "{text}"
        );
        // In plain_text Slack reads no control sequences, so only there they may stand as they are.
        let marked: Value = serde_json::from_str(&text).unwrap();
        let mrkdwn = marked["blocks"].as_array().unwrap().iter().filter_map(|block| {
            let text = block.get("text").unwrap_or(&block["elements"][0]);
            (text["type"] == "mrkdwn").then(|| text["text"].as_str().unwrap().to_owned())
        });
        for shown in mrkdwn.chain([marked["text"].as_str().unwrap().to_owned()]) {
            assert!(
                !shown.contains("<!") && !shown.contains("<https://evil"),
                "{shown}"
            );
        }
    }
}

fn assert_within_limits(payload: &Value) {
    let blocks = payload["blocks"].as_array().unwrap();
    assert!(blocks.len() <= 50);
    let mut total = 0;
    for block in blocks {
        let text = block.get("text").unwrap_or(&block["elements"][0]);
        let limit = if block["type"] == "header" {
            MAX_HEADER
        } else {
            MAX_SECTION
        };
        let size = size(text["text"].as_str().unwrap());
        assert!((1..=limit).contains(&size), "{block}");
        total += size;
        if text["type"] == "mrkdwn" {
            assert_whole_markup(text["text"].as_str().unwrap());
        }
    }
    assert!(total <= MAX_ALL_BLOCKS, "{total}");
    assert!((1..=MAX_SECTION).contains(&size(payload["text"].as_str().unwrap())));
}

/// Entities are whole, every `<` begins our link, and code spans are closed.
fn assert_whole_markup(text: &str) {
    for rest in text.split('&').skip(1) {
        assert!(
            ["amp;", "lt;", "gt;"]
                .iter()
                .any(|entity| rest.starts_with(entity)),
            "&{rest}"
        );
    }
    for rest in text.split('<').skip(1) {
        assert!(
            rest.starts_with("https://github.com/acme/apps/commit/"),
            "<{rest}"
        );
        assert!(rest.contains('>'), "<{rest}");
    }
}

proptest::proptest! {
    #[test]
    fn no_event_exceeds_a_limit(text in hostile_text()) {
        for event in hostile(&text) {
            assert_within_limits(&rendered(&event, &News::NewRevision));
        }
    }
}

#[test]
fn what_does_not_fit_is_counted() {
    let text = texts(&rendered(&hostile(&"&".repeat(2_000))[0], &News::Failure));
    assert!(text.contains("… and 59 more"), "{text}");
}

fn reply(status: u16, body: &str) -> Reply {
    Reply {
        status: StatusCode::from_u16(status).unwrap(),
        retry_after: (status == 429).then_some(Duration::from_secs(7)),
        body: body.as_bytes().to_vec(),
    }
}

fn class(answer: &Answer) -> &'static str {
    match answer {
        Answer::Accepted => "accepted",
        Answer::Later { wait: Some(_), .. } => "later, as asked",
        Answer::Later { wait: None, .. } => "later",
        Answer::Unreachable { .. } => "unreachable",
        Answer::Misconfigured { .. } => "misconfigured",
        Answer::Rejected { .. } => "rejected",
    }
}

#[test]
fn answers_to_a_webhook() {
    for (status, body, expected) in [
        (200, "ok", "accepted"),
        (200, "<html>", "misconfigured"),
        (302, "", "misconfigured"),
        (400, "invalid_payload", "rejected"),
        (400, "invalid_blocks", "rejected"),
        (403, "action_prohibited", "misconfigured"),
        (404, "no_service", "misconfigured"),
        (404, "channel_not_found", "misconfigured"),
        (410, "channel_is_archived", "misconfigured"),
        (418, "teapot", "misconfigured"),
        (429, "ratelimited", "later, as asked"),
        (500, "rollup_error", "later"),
        (503, "", "later"),
    ] {
        assert_eq!(
            class(&webhook_answer(&reply(status, body))),
            expected,
            "{status} {body}"
        );
    }
}

#[test]
fn answers_to_a_bot() {
    let refused = |word: &str| format!(r#"{{"ok":false,"error":"{word}"}}"#);
    for (status, body, expected) in [
        (
            200,
            r#"{"ok":true,"channel":"C1","ts":"1.2"}"#.to_owned(),
            "accepted",
        ),
        (200, refused("ratelimited"), "later"),
        (429, refused("ratelimited"), "later, as asked"),
        (200, refused("internal_error"), "later"),
        (200, refused("something_new"), "later"),
        (200, refused("invalid_blocks"), "rejected"),
        (200, refused("msg_too_long"), "rejected"),
        (200, refused("invalid_auth"), "misconfigured"),
        (200, refused("not_in_channel"), "misconfigured"),
        (200, refused("missing_scope"), "misconfigured"),
        (200, "<html>".to_owned(), "misconfigured"),
        (200, "{}".to_owned(), "misconfigured"),
        (301, String::new(), "misconfigured"),
        (502, "<html>".to_owned(), "later"),
    ] {
        assert_eq!(
            class(&bot_answer(&reply(status, &body))),
            expected,
            "{status} {body}"
        );
    }
}
