//! Slack: Block Kit messages, and what the answers mean.
//!
//! Rules: docs.slack.dev, "Block Kit reference", "Formatting message text", `chat.postMessage`, "Sending messages
//! using incoming webhooks".

mod answers;

use reqwest::Url;
use serde_json::{Value, json};

use super::answer::Answer;
use super::destination::{SecretUrl, Token};
use super::http::Http;
use super::message::Message;
use super::rich::{Rich, Span};
use super::text::shorten;
pub(super) use answers::{bot_answer, webhook_answer};

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

#[cfg(test)]
mod tests;
