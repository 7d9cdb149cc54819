//! Slack: Block Kit messages, and what the answers mean.
//!
//! Rules: docs.slack.dev, "Block Kit reference", "Formatting message text", `chat.postMessage`, "Sending messages
//! using incoming webhooks".

use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Reply, quoted_word};
use super::destination::{SecretUrl, Token};
use super::http::Http;
use super::message::Message;
use super::rich::{Rich, Span};
use super::text::shorten;

/// The most characters of a header block's text (Block Kit reference, "Header block").
const MAX_HEADER: usize = 150;
/// The most characters of a section's text (Block Kit reference, "Section block").
const MAX_SECTION: usize = 3_000;
/// What the facts may take of a section.
const MAX_FACTS: usize = 2_400;
/// What one fact may take.
const MAX_FACT: usize = 800;
/// What the sentence may take of a section.
const MAX_SENTENCE: usize = 1_500;
/// What the objects may take of a section.
const MAX_OBJECTS: usize = 2_900;
/// What the advice may take of a section.
const MAX_ADVICE: usize = 1_500;
/// What the sentence may take of the text that stands in for the blocks.
const MAX_FALLBACK_SENTENCE: usize = 300;
/// What the small print may take.
const MAX_FOOTER: usize = 300;
/// The most characters of all blocks together. Not in the reference: Slack answers `msg_blocks_too_long` somewhere
/// between 9,597 and 11,341 (slackapi/bolt-js issue 2867).
const MAX_ALL_BLOCKS: usize = 9_600;
/// What stands between the parts of a section, and "… and N more".
const MARGIN: usize = 60;

const _: () = assert!(
    MAX_HEADER + MAX_FACTS + MAX_SENTENCE + MAX_OBJECTS + MAX_ADVICE + MAX_FOOTER + MARGIN <= MAX_ALL_BLOCKS
);
const _: () = assert!(MAX_OBJECTS + MARGIN <= MAX_SECTION && MAX_ADVICE + MARGIN <= MAX_SECTION);

/// Posts a message through an incoming webhook.
pub(super) async fn post_webhook(http: &Http, address: &SecretUrl, message: &Message) -> Answer {
    let body = payload(message, None);
    let reply = http
        .send(|client| client.post(address.expose()).json(&body))
        .await;
    reply.map_or_else(|answer| answer, |reply| webhook_answer(&reply))
}

/// Posts a message as a bot.
pub(super) async fn post_message(
    http: &Http,
    address: &Url,
    token: &Token,
    channel: &str,
    message: &Message,
) -> Answer {
    let body = payload(message, Some(channel));
    let request = |client: &reqwest::Client| {
        client
            .post(address.clone())
            .bearer_auth(token.expose())
            .json(&body)
    };
    let reply = http.send(request).await;
    reply.map_or_else(|answer| answer, |reply| bot_answer(&reply))
}

/// The payload for a webhook, or with a channel for `chat.postMessage`.
pub(super) fn payload(message: &Message, channel: Option<&str>) -> Value {
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&message.headline, MAX_HEADER)}),
        json!({"type": "section", "text": mrkdwn(&facts(message))}),
    ];
    if let Some(sentence) = &message.sentence {
        // Plain text: whatever the cause of a failure quotes, Slack does not read it as markup.
        blocks.push(json!({"type": "section", "text": plain(sentence, MAX_SENTENCE)}));
    }
    if let Some(objects) = objects(message) {
        blocks.push(json!({"type": "section", "text": mrkdwn(&objects)}));
    }
    if let Some(advice) = &message.advice {
        let advice = format!("*What to do:* {}", marked_up(advice, MAX_ADVICE - MARGIN));
        blocks.push(json!({"type": "section", "text": mrkdwn(&advice)}));
    }
    let footer = marked_up(&Rich::new(message.footer.as_str()), MAX_FOOTER);
    blocks.push(json!({"type": "context", "elements": [mrkdwn(&footer)]}));

    let mut payload = json!({
        "text": fallback(message),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    if let (Some(channel), Some(payload)) = (channel, payload.as_object_mut()) {
        payload.insert("channel".to_owned(), json!(channel));
    }
    payload
}

/// What notifications and screen readers show.
fn fallback(message: &Message) -> String {
    let sentence = message
        .sentence
        .as_ref()
        .map(|sentence| escaped(sentence, MAX_FALLBACK_SENTENCE));
    let headline = escaped(&message.headline, MAX_SECTION - MAX_FALLBACK_SENTENCE - 1);
    sentence.map_or(headline.clone(), |sentence| format!("{headline}\n{sentence}"))
}

fn facts(message: &Message) -> String {
    let mut facts = String::new();
    for (label, value) in &message.facts {
        let fact = format!("*{label}:* {}\n", marked_up(value, MAX_FACT));
        if size(&facts) + size(&fact) <= MAX_FACTS {
            facts.push_str(&fact);
        }
    }
    facts.truncate(facts.trim_end().len());
    facts
}

/// One line for each object, as many as fit; the others are counted.
fn objects(message: &Message) -> Option<String> {
    let objects = message.objects.as_ref()?;
    let mut lines = String::new();
    let mut named = 0;
    for object in &objects.named {
        let line = format!("• {}\n", marked_up(object, MAX_OBJECTS - MARGIN));
        if size(&lines) + size(&line) + MARGIN > MAX_OBJECTS {
            break;
        }
        lines.push_str(&line);
        named += 1;
    }
    match objects.more_than(named) {
        Some(more) => lines.push_str(&more),
        None => lines.truncate(lines.trim_end().len()),
    }
    Some(lines)
}

/// Slack counts characters; JavaScript's count, which is never smaller than ours, is the safe one.
fn size(text: &str) -> usize {
    text.encode_utf16().count()
}

fn plain(text: &str, limit: usize) -> Value {
    let text = shorten(text.chars(), limit, char::len_utf16);
    json!({"type": "plain_text", "text": text, "emoji": false})
}

/// `verbatim`: Slack is not to make links of bare addresses, or mentions of names, in what others wrote.
fn mrkdwn(text: &str) -> Value {
    json!({"type": "mrkdwn", "text": text, "verbatim": true})
}

/// Spans as mrkdwn of at most `limit` characters. Markup is never cut apart.
fn marked_up(rich: &Rich, limit: usize) -> String {
    let mut text = String::new();
    for span in rich.spans() {
        let left = limit.saturating_sub(size(&text));
        let piece = match span {
            Span::Text(plain) => escaped(plain, left),
            Span::Code(code) => enclosed("`", &code.replace('`', "'"), "`", left),
            Span::Link(shown, link) => {
                let start = format!("<{}|", link.as_str().replace('&', "&amp;"));
                enclosed(&start, &shown.replace('|', "/"), ">", left)
            }
        };
        text.push_str(&piece);
    }
    text
}

/// A text between two marks; where not even one character of it fits, nothing.
fn enclosed(start: &str, inner: &str, end: &str, limit: usize) -> String {
    let inner = escaped(inner, limit.saturating_sub(size(start) + size(end)));
    if inner.is_empty() {
        String::new()
    } else {
        format!("{start}{inner}{end}")
    }
}

/// `&`, `<` and `>` are the three characters with which all of Slack's control sequences are made.
fn escaped(text: &str, limit: usize) -> String {
    let cost = |character| match character {
        '&' => 5,
        '<' | '>' => 4,
        other => other.len_utf16(),
    };
    let shortened = shorten(text.chars(), limit, cost);
    shortened
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What the Web API answers.
#[derive(Deserialize)]
struct ApiAnswer {
    ok: bool,
    #[serde(default)]
    error: Option<String>,
}

/// What an answer of `chat.postMessage` means: its status is 200 even where it refuses.
pub(super) fn bot_answer(reply: &Reply) -> Answer {
    if let Some(later) = busy(reply) {
        return later;
    }
    match serde_json::from_slice::<ApiAnswer>(&reply.body) {
        Ok(ApiAnswer { ok: true, .. }) if reply.status.is_success() => Answer::Accepted,
        Ok(ApiAnswer { ok: false, error }) => refusal(error.as_deref().unwrap_or_default(), reply),
        _ => not_slack(reply.status),
    }
}

/// What an answer of an incoming webhook means: `ok`, or a word with a 4xx status.
pub(super) fn webhook_answer(reply: &Reply) -> Answer {
    if let Some(later) = busy(reply) {
        return later;
    }
    let word = String::from_utf8_lossy(&reply.body);
    match word.trim() {
        "ok" if reply.status.is_success() => Answer::Accepted,
        word if reply.status.is_client_error() => refusal(word, reply),
        _ => not_slack(reply.status),
    }
}

fn busy(reply: &Reply) -> Option<Answer> {
    let is_busy = reply.status == StatusCode::TOO_MANY_REQUESTS
        || reply.status == StatusCode::REQUEST_TIMEOUT
        || reply.status.is_server_error();
    is_busy.then(|| Answer::Later {
        wait: reply.retry_after,
        why: format!("Slack answered {}", reply.status),
    })
}

fn not_slack(status: StatusCode) -> Answer {
    Answer::Misconfigured {
        why: format!("the answer ({status}) is not one of Slack's; check the address"),
    }
}

/// What an error word means. Words of the message are for ever, those of the workspace can be mended, and
/// those that are unknown are taken for Slack's own trouble.
fn refusal(word: &str, reply: &Reply) -> Answer {
    let word = quoted_word(word);
    let why = |hint: &str| format!("Slack says {word}: {hint}");
    match word.as_str() {
        "ratelimited"
        | "rate_limited"
        | "message_limit_exceeded"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "rollup_error" => Answer::Later {
            wait: reply.retry_after,
            why: why("it asks us to try again"),
        },
        "invalid_blocks"
        | "invalid_blocks_format"
        | "invalid_attachments"
        | "invalid_payload"
        | "invalid_json"
        | "json_not_object"
        | "msg_blocks_too_long"
        | "msg_too_long"
        | "no_text"
        | "too_many_attachments"
        | "invalid_arguments"
        | "invalid_arg_name"
        | "invalid_charset"
        | "duplicate_message_not_allowed" => Answer::Rejected {
            why: why("it does not take this message"),
        },
        "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" | "account_inactive" => {
            Answer::Misconfigured {
                why: why("put a valid bot token into the Secret"),
            }
        }
        "missing_scope" | "no_permission" | "not_allowed_token_type" => Answer::Misconfigured {
            why: why("give the app the scope chat:write and install it again"),
        },
        "not_in_channel" => Answer::Misconfigured {
            why: why("invite the bot into the channel"),
        },
        "channel_not_found" | "is_archived" | "channel_is_archived" => Answer::Misconfigured {
            why: why("check the channel"),
        },
        "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "invalid_token"
        | "user_not_found"
        | "action_prohibited"
        | "posting_to_general_channel_denied"
        | "restricted_action" => Answer::Misconfigured {
            why: why("the webhook is gone or may not post; make a new one and put it into the Secret"),
        },
        _ if reply.status.is_client_error() => Answer::Misconfigured {
            why: format!(
                "Slack answered {} {word}; check the address and the token",
                reply.status
            ),
        },
        _ => Answer::Later {
            wait: reply.retry_after,
            why: why("we do not know this error"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::dedup::{News, PastFailure};
    use super::super::event::{Event, Step};
    use super::super::samples::{applied, at, hostile, hostile_text, refused, unsigned};
    use super::super::text::Reason;
    use super::*;

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
}
