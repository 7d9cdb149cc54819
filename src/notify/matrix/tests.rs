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
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script") && !html.contains("<a href='"));
    }
}

/// The tags that are used; all of them are ones that clients let through (§11.2.1.7).
fn assert_known_tags(html: &str) {
    const TAGS: [&str; 12] = [
        "p>", "/p>", "br/>", "strong>", "/strong>", "code>", "/code>", "ul>", "/ul>", "li>", "/li>", "/a>",
    ];
    for rest in html.split('<').skip(1) {
        let is_link = rest.starts_with("a href=\"https://github.com/acme/apps/commit/");
        assert!(is_link || TAGS.iter().any(|tag| rest.starts_with(tag)), "<{rest}");
    }
    for tag in ["p", "strong", "code", "ul", "li", "a"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
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
    let destination =
        super::super::destination::Destination::parse(&serde_json::from_str(spec).unwrap(), Some(&secret));
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
