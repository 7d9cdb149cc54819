use super::*;

const TOKEN: &str = "It's a Secret to Everybody";

fn receiver() -> Key {
    Key::new("apps", "forge").unwrap()
}

fn secret(token: &str) -> SecretData {
    [(
        "token".to_owned(),
        zeroize::Zeroizing::new(token.as_bytes().to_vec()),
    )]
    .into()
}

fn spec(changes: &serde_json::Value) -> ReceiverSpec {
    let mut spec = serde_json::json!({
        "type": "gitlab", "secretRef": {"name": "hook"}, "sources": [{"name": "apps"}],
    });
    for (field, value) in changes.as_object().unwrap() {
        spec[field] = value.clone();
    }
    serde_json::from_value(spec).unwrap()
}

fn set(receivers: &Receivers, changes: &serde_json::Value, now: Instant) -> Result<String, InvalidReceiver> {
    receivers.set(&receiver(), &spec(changes), &secret(TOKEN), now)
}

/// A push by GitLab, with an id of its own.
fn call(receivers: &Receivers, path: &str, id: usize, now: Instant) -> Result<Answer, Refusal> {
    let mut headers = HeaderMap::new();
    headers.insert("x-gitlab-token", TOKEN.parse().unwrap());
    headers.insert("x-gitlab-event", "Push Hook".parse().unwrap());
    headers.insert("x-gitlab-event-uuid", id.to_string().parse().unwrap());
    let admitted = receivers.admit(path, now)?;
    let body = format!(r#"{{"ref":"refs/heads/{id}"}}"#);
    receivers.take(&admitted, &headers, body.as_bytes(), now, Timestamp::UNIX_EPOCH)
}

#[test]
fn the_path_is_that_of_the_name_and_the_token() {
    // By Python's hashlib.
    let path = webhook_path(&receiver(), TOKEN.as_bytes());
    assert_eq!(path, "/hook/1a677c8ee8ec448d5e50045c6d907df2");
    assert_ne!(path, webhook_path(&receiver(), b"another"));
    let other = Key::new("app", "sforge").unwrap();
    assert_ne!(path, webhook_path(&other, TOKEN.as_bytes()));
}

#[test]
fn what_cannot_be_served_is_not() {
    let now = Instant::now();
    let receivers = Receivers::served(now);
    let none = serde_json::json!({});
    let path = set(&receivers, &none, now).unwrap();
    for (changes, expected) in [
        (serde_json::json!({"sources": []}), InvalidReceiver::NoSources),
        (
            serde_json::json!({"type": "generic-hmac", "events": ["push"]}),
            InvalidReceiver::Events,
        ),
    ] {
        assert_eq!(set(&receivers, &changes, now), Err(expected));
        assert_eq!(call(&receivers, &path, 1, now), Err(Refusal::UnknownPath));
    }
    let short = receivers.set(&receiver(), &spec(&none), &secret("short"), now);
    assert_eq!(short, Err(InvalidReceiver::Token(InvalidToken::Short)));
    assert_eq!(
        set(&Receivers::not_served(now), &none, now),
        Err(InvalidReceiver::NotServed)
    );
}

#[test]
fn too_many_calls_of_one_receiver_are_refused_and_not_remembered() {
    let now = Instant::now();
    let receivers = Receivers::served(now);
    let path = set(&receivers, &serde_json::json!({}), now).unwrap();
    let burst = RECEIVER_RATE.burst as usize;
    for id in 0..burst {
        assert_eq!(call(&receivers, &path, id, now), Ok(Answer::Accepted));
    }
    assert_eq!(call(&receivers, &path, burst, now), Err(Refusal::RateLimited));
    let later = now + RECEIVER_RATE.every;
    assert_eq!(call(&receivers, &path, burst, later), Ok(Answer::Accepted));
    assert_eq!(
        call(&receivers, &path, burst, later + RECEIVER_RATE.every),
        Err(Refusal::Replayed)
    );
}

#[test]
fn those_who_cannot_sign_use_up_the_overall_rate_alone_and_only_at_paths_that_exist() {
    let now = Instant::now();
    let receivers = Receivers::served(now);
    let path = set(&receivers, &serde_json::json!({}), now).unwrap();
    for _ in 0..OVERALL_RATE.burst {
        assert!(matches!(
            receivers.admit("/hook/other", now),
            Err(Refusal::UnknownPath)
        ));
    }
    for _ in 0..OVERALL_RATE.burst {
        let admitted = receivers.admit(&path, now).unwrap_or_else(|_| unreachable!());
        let taken = receivers.take(&admitted, &HeaderMap::new(), b"", now, Timestamp::UNIX_EPOCH);
        assert_eq!(taken, Err(Refusal::Unauthentic));
    }
    assert_eq!(call(&receivers, &path, 1, now), Err(Refusal::RateLimited));
    assert_eq!(
        call(&receivers, &path, 1, now + OVERALL_RATE.every),
        Ok(Answer::Accepted)
    );
}

#[test]
fn a_changed_spec_forgets_no_call_and_another_token_is_another_path() {
    let now = Instant::now();
    let receivers = Receivers::served(now);
    let path = set(&receivers, &serde_json::json!({}), now).unwrap();
    assert_eq!(call(&receivers, &path, 1, now), Ok(Answer::Accepted));
    let events = serde_json::json!({"events": ["push hook"]});
    assert_eq!(set(&receivers, &events, now).as_ref(), Ok(&path));
    assert_eq!(call(&receivers, &path, 1, now), Err(Refusal::Replayed));
    assert_eq!(call(&receivers, &path, 2, now), Ok(Answer::Accepted));
    set(&receivers, &serde_json::json!({"events": ["Tag Push Hook"]}), now).unwrap();
    assert_eq!(call(&receivers, &path, 3, now), Ok(Answer::Ignored));
    set(&receivers, &serde_json::json!({"suspend": true}), now).unwrap();
    assert_eq!(call(&receivers, &path, 4, now), Err(Refusal::Suspended));

    let other = secret("another token of enough bytes");
    let moved = receivers
        .set(&receiver(), &spec(&serde_json::json!({})), &other, now)
        .unwrap();
    assert_ne!(moved, path);
    assert_eq!(call(&receivers, &path, 5, now), Err(Refusal::UnknownPath));
    assert_eq!(call(&receivers, &moved, 5, now), Err(Refusal::Unauthentic));
}

#[tokio::test]
async fn calls_that_wait_are_one() {
    let now = Instant::now();
    let receivers = Receivers::served(now);
    let path = set(&receivers, &serde_json::json!({}), now).unwrap();
    for id in 1..=3 {
        call(&receivers, &path, id, now).unwrap();
    }
    let names = ["refs/heads/1", "refs/heads/2", "refs/heads/3"].map(str::to_owned);
    let expected = [(receiver(), Pushed::References(names.into()))].into();
    assert_eq!(receivers.called().await, expected);
}
