//! Matrix: messages with an HTML body into an unencrypted room, and what the answers mean.
//!
//! Rules: Matrix specification v1.11, Client-Server API (§2.5 "Standard error response", §10.2 "Room aliases",
//! §10.4 "Joining rooms", §10.6 "Sending events to a room", §11.2 "Instant messaging").

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

/// One of the two forms of a message.
trait Form {
    /// What a character costs in bytes, once it is escaped here and in JSON.
    fn cost(character: char) -> usize;
    /// A text, escaped.
    fn escaped(text: &str) -> String;
    /// A piece of text with its markup, around the escaped text, and what the markup costs.
    fn around(span: &Span) -> (String, String);
    /// Strong text.
    fn strong(escaped: &str) -> String;
    /// Lines that belong together.
    fn paragraph(lines: &[String]) -> String;
    /// A list.
    fn list(items: &[String]) -> String;
}

struct Plain;
struct Html;

impl Form for Plain {
    fn cost(character: char) -> usize {
        match character {
            '"' | '\\' | '\n' => 2,
            other => other.len_utf8(),
        }
    }

    fn escaped(text: &str) -> String {
        text.to_owned()
    }

    fn around(span: &Span) -> (String, String) {
        match span {
            Span::Text(_) => (String::new(), String::new()),
            Span::Code(_) => ("`".to_owned(), "`".to_owned()),
            Span::Link(_, link) => (String::new(), format!(" ({})", link.as_str())),
        }
    }

    fn strong(escaped: &str) -> String {
        escaped.to_owned()
    }

    fn paragraph(lines: &[String]) -> String {
        lines.join("\n") + "\n\n"
    }

    fn list(items: &[String]) -> String {
        format!("• {}\n\n", items.join("\n• "))
    }
}

impl Form for Html {
    fn cost(character: char) -> usize {
        match character {
            '"' => "&quot;".len(),
            '\'' => "&#39;".len(),
            '&' => "&amp;".len(),
            '<' | '>' => "&lt;".len(),
            '\n' => "<br/>".len(),
            '\\' => 2,
            other => other.len_utf8(),
        }
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#39;")
            .replace('\n', "<br/>")
    }

    fn around(span: &Span) -> (String, String) {
        match span {
            Span::Text(_) => (String::new(), String::new()),
            Span::Code(_) => ("<code>".to_owned(), "</code>".to_owned()),
            Span::Link(_, link) => (
                format!("<a href=\"{}\">", Self::escaped(link.as_str())),
                "</a>".to_owned(),
            ),
        }
    }

    fn strong(escaped: &str) -> String {
        format!("<strong>{escaped}</strong>")
    }

    fn paragraph(lines: &[String]) -> String {
        format!("<p>{}</p>", lines.join("<br/>"))
    }

    fn list(items: &[String]) -> String {
        format!("<ul><li>{}</li></ul>", items.join("</li><li>"))
    }
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
mod tests {
    use std::time::Duration;

    use super::super::dedup::News;
    use super::super::event::Event;
    use super::super::samples::{applied, hostile, hostile_text, refused, unsigned};
    use super::*;

    fn rendered(event: &Event, news: &News) -> Value {
        content(&Message::new(event, news))
    }

    fn plain(content: &Value) -> &str {
        content["body"].as_str().unwrap()
    }

    /// The HTML, a paragraph in a line.
    fn html(content: &Value) -> String {
        content["formatted_body"]
            .as_str()
            .unwrap()
            .replace("</p>", "</p>\n")
            .replace("</ul>", "</ul>\n")
    }

    #[test]
    fn a_failure_says_what_failed_and_what_to_do() {
        let content = rendered(&refused(), &News::Failure);
        assert_eq!(content["msgtype"], "m.text");
        insta::assert_snapshot!(html(&content), @r##"
        <p><strong>🔴 web on prod-eu: 3f2a1b9 would not apply</strong></p>
        <p><strong>Delivery:</strong> <code>apps/web</code> on <code>prod-eu</code><br/><strong>Commit:</strong> <a href="https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d">3f2a1b9</a> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on <code>main</code><br/><strong>Signed by:</strong> alice@example.com, SSH key <code>SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7</code><br/><strong>Failed at:</strong> Plan: <code>DryRunFailed</code><br/><strong>Now:</strong> The cluster was not touched, it keeps running 8e7d6c5.<br/><strong>Next try:</strong> by itself in 1m</p>
        <p>2 of 14 objects would not apply</p>
        <ul><li><code>Deployment shop/web</code> Invalid: spec.selector: field is immutable</li><li><code>Deployment shop/worker</code> Invalid: spec.replicas: must be greater than or equal to 0</li></ul>
        <p><strong>What to do:</strong> The field can not be changed on an object that is there. Take the change back, or delete the object yourself, knowing what stops with it; it is then made anew: <code>kubectl -n shop delete deployment/web</code></p>
        <p>2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789</p>
        "##);
        insta::assert_snapshot!(plain(&content), @r##"
        🔴 web on prod-eu: 3f2a1b9 would not apply

        Delivery: `apps/web` on `prod-eu`
        Commit: 3f2a1b9 (https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d) Roll web out & mark it <stable>, by Alice Roe, on `main`
        Signed by: alice@example.com, SSH key `SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7`
        Failed at: Plan: `DryRunFailed`
        Now: The cluster was not touched, it keeps running 8e7d6c5.
        Next try: by itself in 1m

        2 of 14 objects would not apply

        • `Deployment shop/web` Invalid: spec.selector: field is immutable
        • `Deployment shop/worker` Invalid: spec.replicas: must be greater than or equal to 0

        What to do: The field can not be changed on an object that is there. Take the change back, or delete the object yourself, knowing what stops with it; it is then made anew: `kubectl -n shop delete deployment/web`

        2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789
        "##);
    }

    #[test]
    fn an_unsigned_commit_is_an_alarm() {
        insta::assert_snapshot!(html(&rendered(&unsigned(), &News::Failure)), @r##"
        <p><strong>🔴 web on prod-eu: 3f2a1b9 refused, its signature is not trusted</strong></p>
        <p><strong>GitSource:</strong> <code>apps/web</code> on <code>prod-eu</code><br/><strong>Commit:</strong> <a href="https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d">3f2a1b9</a> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on <code>main</code><br/><strong>Signed by:</strong> nobody we trust<br/><strong>Failed at:</strong> Verify: <code>Unsigned</code><br/><strong>Now:</strong> The cluster was not touched, it keeps running 8e7d6c5.<br/><strong>Next try:</strong> when the commit or the configuration changes</p>
        <p>the commit has no signature</p>
        <p><strong>What to do:</strong> If it is yours, sign it and push again: <code>git commit --amend --no-edit -S</code>. If nobody can say where 3f2a1b9 comes from, treat the repository as broken into: find out who pushed it before anything else.</p>
        <p>2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789</p>
        "##);
    }

    #[test]
    fn a_success_does_not_wake_anybody() {
        let content = rendered(&applied(), &News::NewRevision);
        assert_eq!(
            (&content["msgtype"], &content["m.mentions"]),
            (&json!("m.notice"), &json!({}))
        );
        insta::assert_snapshot!(html(&content), @r##"
        <p><strong>✅ web on prod-eu: applied 3f2a1b9</strong></p>
        <p><strong>Delivery:</strong> <code>apps/web</code> on <code>prod-eu</code><br/><strong>Commit:</strong> <a href="https://github.com/acme/apps/commit/3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d">3f2a1b9</a> Roll web out &amp; mark it &lt;stable&gt;, by Alice Roe, on <code>main</code><br/><strong>Signed by:</strong> alice@example.com, SSH key <code>SHA256:Yx0vYzrX6Yd2s1Lr0yT2bUQ8r3m1o5kq7c9e1g3i5k7</code><br/><strong>Changed:</strong> 1 created, 1 configured, 1 deleted (took 1.2s)</p>
        <ul><li>created <code>Secret shop/db</code></li><li>configured <code>Deployment shop/web</code></li><li>deleted <code>ConfigMap shop/old</code></li></ul>
        <p>2025-11-23 21:40:00 UTC · fluxops · audit log c0ffee0123456789</p>
        "##);
    }

    #[test]
    fn foreign_text_brings_no_markup() {
        for event in hostile("<script>alert(1)</script><a href='x'>@room</a> & \"q\"") {
            let html = html(&rendered(&event, &News::Failure));
            assert!(
                html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<a href='")
            );
        }
    }

    /// The tags that are used; all of them are ones that clients let through (§11.2.1.7).
    fn assert_known_tags(html: &str) {
        const TAGS: [&str; 12] = [
            "p>", "/p>", "br/>", "strong>", "/strong>", "code>", "/code>", "ul>", "/ul>", "li>", "/li>",
            "/a>",
        ];
        for rest in html.split('<').skip(1) {
            let is_link = rest.starts_with("a href=\"https://github.com/acme/apps/commit/");
            assert!(is_link || TAGS.iter().any(|tag| rest.starts_with(tag)), "<{rest}");
        }
        for tag in ["p", "strong", "code", "ul", "li", "a"] {
            let opened =
                html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_event_exceeds_a_limit(text in hostile_text()) {
            for event in hostile(&text) {
                let content = rendered(&event, &News::NewRevision);
                assert!(content.to_string().len() <= MAX_EVENT_BYTES - ENVELOPE_BYTES);
                assert_known_tags(content["formatted_body"].as_str().unwrap());
            }
        }
    }

    #[test]
    fn the_longest_event_fits() {
        for character in ['"', '\\', '\'', '&', '😀', 'a'] {
            for event in hostile(&character.to_string().repeat(2_000)) {
                let size = rendered(&event, &News::Failure).to_string().len();
                assert!(size <= MAX_EVENT_BYTES - ENVELOPE_BYTES, "{character}: {size}");
            }
        }
    }

    #[test]
    fn segments_are_percent_encoded() {
        let homeserver = Url::parse("https://m.example.org/base/").unwrap();
        let secret =
            std::collections::BTreeMap::from([("token".to_owned(), zeroize::Zeroizing::new(b"t".to_vec()))]);
        let spec = r##"{"type":"matrix","address":"https://m.example.org","channel":"#a/b?c:d"}"##;
        let destination = super::super::destination::Destination::parse(
            &serde_json::from_str(spec).unwrap(),
            Some(&secret),
        );
        let Ok(super::super::destination::Destination::Matrix { token, room, .. }) = destination else {
            panic!("not a room");
        };
        let account = Account {
            http: &Http::default(),
            homeserver: &homeserver,
            token: &token,
            room: &room,
        };
        assert_eq!(
            account.url(&["directory", "room", room.as_str()]).as_str(),
            "https://m.example.org/base/_matrix/client/v3/directory/room/%23a%2Fb%3Fc:d"
        );
    }

    #[test]
    fn answers_of_a_homeserver() {
        let error = |word: &str| format!(r#"{{"errcode":"{word}","error":"some words"}}"#);
        for (status, body, expected) in [
            (200, r#"{"event_id":"$1"}"#.to_owned(), "accepted"),
            (200, "<html>".to_owned(), "misconfigured"),
            (401, error("M_UNKNOWN_TOKEN"), "misconfigured"),
            (403, error("M_FORBIDDEN"), "misconfigured"),
            (404, error("M_NOT_FOUND"), "misconfigured"),
            (404, error("M_UNRECOGNIZED"), "misconfigured"),
            (413, error("M_TOO_LARGE"), "rejected"),
            (400, error("M_BAD_JSON"), "rejected"),
            (429, error("M_LIMIT_EXCEEDED"), "later"),
            (500, error("M_UNKNOWN"), "later"),
            (502, "<html>".to_owned(), "later"),
            (302, String::new(), "misconfigured"),
        ] {
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                retry_after: None,
                body: body.clone().into_bytes(),
            };
            let class = match sent(&reply) {
                Answer::Accepted => "accepted",
                Answer::Later { .. } => "later",
                Answer::Unreachable { .. } => "unreachable",
                Answer::Misconfigured { .. } => "misconfigured",
                Answer::Rejected { .. } => "rejected",
            };
            assert_eq!(class, expected, "{status} {body}");
        }
    }

    #[test]
    fn a_homeserver_says_how_long_to_wait() {
        let limited = |retry_after, ms: &str| Reply {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after,
            body: format!(r#"{{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":{ms}}}"#).into_bytes(),
        };
        for (reply, expected) in [
            (limited(None, "1500"), Duration::from_millis(1_500)),
            (
                limited(Some(Duration::from_secs(3)), "1500"),
                Duration::from_secs(3),
            ),
            (limited(None, "99999999999"), MAX_RETRY_AFTER),
        ] {
            match sent(&reply) {
                Answer::Later { wait, .. } => assert_eq!(wait, Some(expected)),
                _ => panic!("not later"),
            }
        }
    }
}
