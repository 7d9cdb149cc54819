//! The vectors were made with `openssl dgst -hmac` and with Python's hmac; the first is the one in GitHub's documentation.

use proptest::prelude::*;

use super::*;

const TOKEN: &[u8] = b"It's a Secret to Everybody";
const BODY: &[u8] = b"Hello, World!";
const SHA256_TAG: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
const SHA512_TAG: &str = "11ed355a617e98134e842012a7944ccf59c10256cb182357bd7e3a42013ff07c376f8c14cf5cc1923da20b51d64256b2fb8ebbf100aa67a61326f61fea8111bc";
const SHA1_TAG: &str = "01dc10d0c83e72ed246219cdd91669667fe2ca59";
const EMPTY_TAG: &str = "66a0c074deaa0f489ead6537e0d32f9a344b90bbeda705b6ed45ecd3b413fb40";
/// Over `1700000000.Hello, World!`.
const TIMED_TAG: &str = "76c83fd0acdf22faed320674fe8e04d528cfe8a17905e720a9611e40677c03b7";
const TIME: i64 = 1_700_000_000;

fn checked(type_: ReceiverType, headers: &[(&'static str, &str)], body: &[u8], seconds: i64) -> bool {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, value.parse().unwrap());
    }
    let now = Timestamp::from_second(seconds).unwrap();
    let authenticity = Authenticity::new(type_, TOKEN).unwrap();
    authenticity.check(&map, body, now).is_ok()
}

#[test]
fn each_type_takes_the_signature_of_its_forge_and_no_other() {
    use ReceiverType::{Bitbucket, Forgejo, GenericHmac, GitHub, GitLab, Gitea};
    let prefixed = format!("sha256={SHA256_TAG}");
    let upper = format!("sha256={}", SHA256_TAG.to_uppercase());
    let (long, old) = (format!("sha512={SHA512_TAG}"), format!("sha1={SHA1_TAG}"));
    let (short, more) = (&prefixed[..prefixed.len() - 2], format!("{prefixed}00"));
    let token = std::str::from_utf8(TOKEN).unwrap();
    for (type_, header, value, expected) in [
        (GitHub, "x-hub-signature-256", prefixed.as_str(), true),
        (GitHub, "x-hub-signature-256", upper.as_str(), true),
        (GitHub, "x-hub-signature-256", SHA256_TAG, false),
        (GitHub, "x-hub-signature-256", short, false),
        (GitHub, "x-hub-signature-256", &more, false),
        (GitHub, "x-hub-signature-256", "sha256=", false),
        (GitHub, "x-hub-signature-256", "sha256=zz", false),
        (GitHub, "x-hub-signature-256", old.as_str(), false),
        (GitHub, "x-hub-signature", old.as_str(), false),
        (GitHub, "x-hub-signature", prefixed.as_str(), false),
        (Bitbucket, "x-hub-signature", prefixed.as_str(), true),
        (Bitbucket, "x-hub-signature-256", prefixed.as_str(), false),
        (Gitea, "x-gitea-signature", SHA256_TAG, true),
        (Gitea, "x-gitea-signature", prefixed.as_str(), false),
        (Forgejo, "x-forgejo-signature", SHA256_TAG, true),
        (Forgejo, "x-gitea-signature", SHA256_TAG, false),
        (GitLab, "x-gitlab-token", token, true),
        (GitLab, "x-gitlab-token", &token[..token.len() - 1], false),
        (GitLab, "x-gitlab-token", "", false),
        (GitLab, "x-hub-signature-256", prefixed.as_str(), false),
        (GenericHmac, "x-signature", prefixed.as_str(), true),
        (GenericHmac, "x-signature", long.as_str(), true),
        (GenericHmac, "x-signature", old.as_str(), false),
        (GenericHmac, "x-signature", SHA256_TAG, false),
    ] {
        assert_eq!(
            checked(type_, &[(header, value)], BODY, TIME),
            expected,
            "{type_:?} {header}: {value}"
        );
        if type_ != GitLab {
            assert!(!checked(type_, &[(header, value)], b"Hello, World?", TIME));
        }
        let twice = [(header, value), (header, value)];
        assert!(
            !checked(type_, &twice, BODY, TIME),
            "one that comes twice is none"
        );
        assert!(!checked(type_, &[], BODY, TIME));
    }
    let empty = format!("sha256={EMPTY_TAG}");
    assert!(checked(GitHub, &[("x-hub-signature-256", &empty)], b"", TIME));
}

#[test]
fn a_generic_call_with_a_time_is_signed_with_it_and_is_near_to_now() {
    let tag = format!("sha256={TIMED_TAG}");
    let call = |time: &str, body: &[u8], now| {
        checked(
            ReceiverType::GenericHmac,
            &[("x-signature", &tag), ("x-timestamp", time)],
            body,
            now,
        )
    };
    let skew = i64::try_from(MAX_CLOCK_SKEW.as_secs()).unwrap();
    for (now, expected) in [
        (0, true),
        (skew, true),
        (-skew, true),
        (skew + 1, false),
        (-skew - 1, false),
    ] {
        assert_eq!(call("1700000000", BODY, TIME + now), expected, "{now}");
    }
    for time in [
        "1700000001",
        "+1700000000",
        "1700000000.0",
        "",
        "99999999999999999999",
    ] {
        assert!(!call(time, BODY, TIME), "{time}");
    }
    let without = checked(
        ReceiverType::GenericHmac,
        &[("x-signature", &tag)],
        b"1700000000.Hello, World!",
        TIME,
    );
    assert!(!without, "it could be sent again for ever");
}

#[test]
fn a_token_is_taken_without_white_space_and_not_if_it_is_short() {
    let secret = |text: &str| -> SecretData {
        [(
            "token".to_owned(),
            zeroize::Zeroizing::new(text.as_bytes().to_vec()),
        )]
        .into()
    };
    let enough = "x".repeat(MIN_TOKEN);
    assert_eq!(token(&secret(&format!("{enough}\n"))), Ok(enough.as_bytes()));
    assert_eq!(
        token(&secret(&format!("{}\n", &enough[1..]))),
        Err(InvalidToken::Short)
    );
    assert_eq!(token(&SecretData::new()), Err(InvalidToken::Missing));
}

proptest! {
    #[test]
    fn no_change_of_a_body_or_a_signature_is_taken(at in 0_usize..13, bit in 0_u8..8, digit in 0_usize..64) {
        let mut body = BODY.to_vec();
        body[at] ^= 1 << bit;
        prop_assert!(!checked(ReceiverType::Gitea, &[("x-gitea-signature", SHA256_TAG)], &body, TIME));
        let mut tag = SHA256_TAG.as_bytes().to_vec();
        tag[digit] = if tag[digit] == b'0' { b'1' } else { b'0' };
        let tag = String::from_utf8(tag).unwrap();
        prop_assert!(!checked(ReceiverType::Gitea, &[("x-gitea-signature", &tag)], BODY, TIME));
    }
}
