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
    let reply = http.send(|client| client.post(address.expose()).json(&body)).await;
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
        client.post(address.clone()).bearer_auth(token.expose()).json(&body)
    };
    let reply = http.send(request).await;
    reply.map_or_else(|answer| answer, |reply| bot_answer(&reply))
}

/// The payload for a webhook, or with a channel for `chat.postMessage`.
pub(super) fn payload(message: &Message, channel: Option<&str>) -> Value {
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&message.headline, MAX_HEADER)}),
        json!({"type": "section", "text": mrkdwn(facts(message))}),
    ];
    if let Some(sentence) = &message.sentence {
        // Plain text: whatever the cause of a failure quotes, Slack does not read it as markup.
        blocks.push(json!({"type": "section", "text": plain(sentence, MAX_SENTENCE)}));
    }
    if let Some(objects) = objects(message) {
        blocks.push(json!({"type": "section", "text": mrkdwn(objects)}));
    }
    if let Some(advice) = &message.advice {
        let advice = format!("*What to do:* {}", marked_up(advice, MAX_ADVICE - MARGIN));
        blocks.push(json!({"type": "section", "text": mrkdwn(advice)}));
    }
    let footer = marked_up(&Rich::new(message.footer.as_str()), MAX_FOOTER);
    blocks.push(json!({"type": "context", "elements": [mrkdwn(footer)]}));

    let mut payload = json!({
        "text": escaped(&message.headline, MAX_SECTION),
        "blocks": blocks,
        "unfurl_links": false,
        "unfurl_media": false,
    });
    if let (Some(channel), Some(payload)) = (channel, payload.as_object_mut()) {
        payload.insert("channel".to_owned(), json!(channel));
    }
    payload
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
fn mrkdwn(text: String) -> Value {
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
    shortened.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
        "ratelimited" | "rate_limited" | "message_limit_exceeded" | "internal_error" | "fatal_error"
        | "service_unavailable" | "request_timeout" | "team_added_to_org" | "rollup_error" => Answer::Later {
            wait: reply.retry_after,
            why: why("it asks us to try again"),
        },
        "invalid_blocks" | "invalid_blocks_format" | "invalid_attachments" | "invalid_payload" | "invalid_json"
        | "json_not_object" | "msg_blocks_too_long" | "msg_too_long" | "no_text" | "too_many_attachments"
        | "invalid_arguments" | "invalid_arg_name" | "invalid_charset" | "duplicate_message_not_allowed" => {
            Answer::Rejected {
                why: why("it does not take this message"),
            }
        }
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
        "no_service" | "no_service_id" | "no_active_hooks" | "no_team" | "invalid_token" | "user_not_found"
        | "action_prohibited" | "posting_to_general_channel_denied" | "restricted_action" => Answer::Misconfigured {
            why: why("the webhook is gone or may not post; make a new one and put it into the Secret"),
        },
        _ if reply.status.is_client_error() => Answer::Misconfigured {
            why: format!("Slack answered {} {word}; check the address and the token", reply.status),
        },
        _ => Answer::Later {
            wait: reply.retry_after,
            why: why("we do not know this error"),
        },
    }
}
