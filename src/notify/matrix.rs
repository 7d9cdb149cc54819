//! Matrix: messages with an HTML body into an unencrypted room, and what the answers mean.
//!
//! Rules: Matrix specification v1.11, Client-Server API (§2.5 "Standard error response", §10.2 "Room aliases",
//! §10.4 "Joining rooms", §10.6 "Sending events to a room", §11.2 "Instant messaging").

mod form;

use std::time::Duration;

use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, MAX_RETRY_AFTER, Reply, quoted_word};
use super::destination::{Room, Token};
use super::http::Http;
use super::message::{Message, Mood};
use super::outbox::MessageId;
use super::rich::{Rich, Span};
use super::text::shorten;
use form::{Form, Html, Plain};

/// The most bytes of a whole event (Client-Server API, "Size limits").
const MAX_EVENT_BYTES: usize = 65_536;
/// What the homeserver adds around the content: hashes, signatures, references to other events.
const ENVELOPE_BYTES: usize = 12 * 1024;

/// The most bytes of the headline, as JSON; so with the following.
const MAX_HEADLINE: usize = 900;
const MAX_FACT: usize = 2_300;
const MAX_FACTS: usize = 7_000;
const MAX_SENTENCE: usize = 5_000;
const MAX_OBJECTS: usize = 7_000;
const MAX_ADVICE: usize = 3_000;
const MAX_FOOTER: usize = 600;
/// Tags, labels and "… and N more".
const MARKUP_BYTES: usize = 1_500;

// The body and its HTML twin both stay within these; what a character costs in the body is never more.
const _: () = assert!(
    2 * (MAX_HEADLINE + MAX_FACTS + MAX_SENTENCE + MAX_OBJECTS + MAX_ADVICE + MAX_FOOTER + MARKUP_BYTES)
        <= MAX_EVENT_BYTES - ENVELOPE_BYTES
);

/// A room of a homeserver, and the account that posts there.
pub(super) struct Account<'a> {
    pub(super) http: &'a Http,
    pub(super) homeserver: &'a Url,
    pub(super) token: &'a Token,
    pub(super) room: &'a Room,
}

/// How the room is, seen by the account.
enum RoomState {
    Readable,
    Encrypted,
    NotJoined,
}

impl Account<'_> {
    /// Posts a message. The homeserver takes a transaction id once, so that a repeated try posts nothing twice.
    pub(super) async fn post(&self, message: &Message, id: &MessageId) -> Answer {
        self.try_post(message, id).await.unwrap_or_else(|answer| answer)
    }

    async fn try_post(&self, message: &Message, id: &MessageId) -> Result<Answer, Answer> {
        let room = match self.room {
            Room::Id(room) => room.clone(),
            Room::Alias(alias) => self.resolve(alias).await?,
        };
        let mut state = self.state(&room).await?;
        if matches!(state, RoomState::NotJoined) {
            self.join().await?;
            state = self.state(&room).await?;
        }
        match state {
            RoomState::Readable => {}
            RoomState::Encrypted => {
                return Err(Answer::Misconfigured {
                    why:
                        "the room is encrypted, and fluxops sends unencrypted messages only; use another room"
                            .to_owned(),
                });
            }
            RoomState::NotJoined => return Err(not_invited()),
        }
        let url = self.url(&["rooms", &room, "send", "m.room.message", id.as_str()]);
        let content = content(message);
        let reply = self.call(|client| client.put(url).json(&content)).await?;
        Ok(sent(&reply))
    }

    /// The id of the room that an alias stands for.
    async fn resolve(&self, alias: &str) -> Result<String, Answer> {
        #[derive(Deserialize)]
        struct Resolved {
            room_id: String,
        }
        let url = self.url(&["directory", "room", alias]);
        let reply = self.call(|client| client.get(url)).await?;
        if !reply.status.is_success() {
            return Err(refusal(&reply));
        }
        match serde_json::from_slice::<Resolved>(&reply.body) {
            Ok(resolved) if resolved.room_id.starts_with('!') => Ok(resolved.room_id),
            _ => Err(not_matrix(reply.status)),
        }
    }

    /// Asked before every message: a room can be encrypted at any time, and then never goes back.
    async fn state(&self, room: &str) -> Result<RoomState, Answer> {
        let url = self.url(&["rooms", room, "state", "m.room.encryption", ""]);
        let reply = self.call(|client| client.get(url)).await?;
        if reply.status.is_success() {
            return Ok(RoomState::Encrypted);
        }
        match MatrixError::of(&reply).errcode.as_str() {
            "M_NOT_FOUND" => Ok(RoomState::Readable),
            "M_FORBIDDEN" => Ok(RoomState::NotJoined),
            _ => Err(refusal(&reply)),
        }
    }

    /// Accepts an invitation, or enters a public room.
    async fn join(&self) -> Result<(), Answer> {
        let url = self.url(&["join", self.room.as_str()]);
        let reply = self.call(|client| client.post(url).json(&json!({}))).await?;
        if reply.status.is_success() {
            return Ok(());
        }
        match refusal(&reply) {
            Answer::Misconfigured { .. } if reply.status != StatusCode::UNAUTHORIZED => Err(not_invited()),
            other => Err(other),
        }
    }

    async fn call(&self, request: impl FnOnce(&Client) -> reqwest::RequestBuilder) -> Result<Reply, Answer> {
        let authorised = |client: &Client| request(client).bearer_auth(self.token.expose());
        self.http.send(authorised).await
    }

    /// An address of the client API; every segment is percent-encoded.
    fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.homeserver.clone();
        // An http(s) URL always has segments; an error would leave the homeserver's own address.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty()
                .extend(["_matrix", "client", "v3"])
                .extend(segments);
        }
        url
    }
}

/// The content of an `m.room.message` event. An alarm is `m.text`, which notifies; the rest is `m.notice`, which
/// by default does not.
pub(super) fn content(message: &Message) -> Value {
    json!({
        "msgtype": match message.mood {
            Mood::Alarm => "m.text",
            Mood::Notice => "m.notice",
        },
        "body": body::<Plain>(message),
        "format": "org.matrix.custom.html",
        "formatted_body": body::<Html>(message),
        // Present and empty: whatever names stand in the text, nobody is mentioned (§11.37 "User and room mentions").
        "m.mentions": {},
    })
}

fn body<F: Form>(message: &Message) -> String {
    let mut parts = vec![F::paragraph(&[F::strong(&fitted::<F>(
        &message.headline,
        MAX_HEADLINE,
    ))])];

    let facts = message.facts.iter().map(|(label, value)| {
        format!(
            "{} {}",
            F::strong(&format!("{label}:")),
            marked_up::<F>(value, MAX_FACT)
        )
    });
    parts.push(F::paragraph(&while_they_fit::<F>(facts, MAX_FACTS)));

    if let Some(sentence) = &message.sentence {
        parts.push(F::paragraph(&[fitted::<F>(sentence, MAX_SENTENCE)]));
    }
    if let Some(objects) = &message.objects {
        let items = objects
            .named
            .iter()
            .map(|object| marked_up::<F>(object, MAX_FACT));
        let mut items = while_they_fit::<F>(items, MAX_OBJECTS);
        items.extend(objects.more_than(items.len()));
        parts.push(F::list(&items));
    }
    if let Some(advice) = &message.advice {
        let advice = marked_up::<F>(advice, MAX_ADVICE);
        parts.push(F::paragraph(&[format!("{} {advice}", F::strong("What to do:"))]));
    }
    parts.push(F::paragraph(&[fitted::<F>(&message.footer, MAX_FOOTER)]));
    parts.concat().trim_end().to_owned()
}

/// The first of some lines that stay within a limit together.
fn while_they_fit<F: Form>(lines: impl Iterator<Item = String>, limit: usize) -> Vec<String> {
    let mut spent = 0;
    lines
        .take_while(|line| {
            spent += line.chars().map(F::cost).sum::<usize>().min(json_bytes(line));
            spent <= limit
        })
        .collect()
}

/// The bytes of a text that is escaped already, in JSON.
fn json_bytes(text: &str) -> usize {
    text.chars().map(Plain::cost).sum()
}

fn fitted<F: Form>(text: &str, limit: usize) -> String {
    F::escaped(&shorten(text.chars(), limit, F::cost))
}

/// Spans of at most `limit` bytes. Markup is never cut apart.
fn marked_up<F: Form>(rich: &Rich, limit: usize) -> String {
    let mut text = String::new();
    for span in rich.spans() {
        let (Span::Text(inner) | Span::Code(inner) | Span::Link(inner, _)) = span;
        let (start, end) = F::around(span);
        let left = limit.saturating_sub(json_bytes(&text) + json_bytes(&start) + json_bytes(&end));
        let inner = fitted::<F>(inner, left);
        if !inner.is_empty() {
            text.extend([start, inner, end]);
        }
    }
    text
}

/// A standard error response.
#[derive(Deserialize, Default)]
struct MatrixError {
    #[serde(default)]
    errcode: String,
    #[serde(default)]
    retry_after_ms: Option<u64>,
}

impl MatrixError {
    /// The error that a reply holds; an empty one if it holds none.
    fn of(reply: &Reply) -> Self {
        serde_json::from_slice(&reply.body).unwrap_or_default()
    }
}

/// What the answer to a sent event means.
pub(super) fn sent(reply: &Reply) -> Answer {
    #[derive(Deserialize)]
    struct Sent {
        #[serde(rename = "event_id")]
        _event_id: String,
    }
    if !reply.status.is_success() {
        refusal(reply)
    } else if serde_json::from_slice::<Sent>(&reply.body).is_ok() {
        Answer::Accepted
    } else {
        not_matrix(reply.status)
    }
}

/// What an error means. `Retry-After` counts before the older `retry_after_ms`.
fn refusal(reply: &Reply) -> Answer {
    let error = MatrixError::of(reply);
    let word = quoted_word(&error.errcode);
    let wait = (reply.retry_after)
        .or(error.retry_after_ms.map(Duration::from_millis))
        .map(|wait| wait.min(MAX_RETRY_AFTER));
    let misconfigured = |hint: &str| Answer::Misconfigured {
        why: format!("the homeserver says {word}: {hint}"),
    };
    match word.as_str() {
        "M_LIMIT_EXCEEDED" => Answer::Later {
            wait,
            why: "the homeserver limits our rate".to_owned(),
        },
        _ if reply.status.is_server_error()
            || matches!(
                reply.status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT
            ) =>
        {
            Answer::Later {
                wait,
                why: format!("the homeserver answered {}", reply.status),
            }
        }
        "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" | "M_USER_DEACTIVATED" | "M_USER_LOCKED"
        | "M_USER_SUSPENDED" => misconfigured("put a valid access token into the Secret"),
        "M_TOO_LARGE" | "M_BAD_JSON" | "M_NOT_JSON" => Answer::Rejected {
            why: format!("the homeserver says {word}: it does not take this message"),
        },
        "M_FORBIDDEN" => misconfigured("the account may not post into the room"),
        "M_NOT_FOUND" | "M_UNKNOWN" | "M_INVALID_PARAM" => misconfigured("check the room"),
        _ => not_matrix(reply.status),
    }
}

fn not_invited() -> Answer {
    Answer::Misconfigured {
        why: "the account is not in the room and may not enter it; invite it".to_owned(),
    }
}

fn not_matrix(status: StatusCode) -> Answer {
    Answer::Misconfigured {
        why: format!("the answer ({status}) is not one of a Matrix homeserver; check the address"),
    }
}

#[cfg(test)]
mod tests;
