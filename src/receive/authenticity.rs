//! Who calls: proven over the raw body, before anything of it is looked at.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use ring::hmac;
use ring::rand::SystemRandom;

use super::forge::single;
use crate::api::{ReceiverType, SecretData};

/// The fewest bytes that a token may have. Its digest is in the path of the webhook, and everybody who sees that could try out
/// a short one.
pub const MIN_TOKEN: usize = 16;
/// How far the time in `X-Timestamp` may be from ours.
pub const MAX_CLOCK_SKEW: Duration = Duration::from_mins(5);

/// The header with a generic signature, as in Flux.
const GENERIC_SIGNATURE: &str = "x-signature";
/// The header with the time of a generic call, in seconds since 1970.
const GENERIC_TIME: &str = "x-timestamp";

/// How calls of a Receiver prove where they come from. There is no `Debug`: it holds a secret.
pub struct Authenticity(Scheme);

enum Scheme {
    /// HMAC-SHA256 over the body, in hexadecimal behind a prefix.
    Signature {
        header: &'static str,
        prefix: &'static str,
        key: hmac::Key,
    },
    /// The token itself. Not the tokens are compared but their MACs under a key of the moment, which takes the same time
    /// wherever they differ.
    Token { key: hmac::Key, expected: hmac::Tag },
    /// HMAC over the body, or over a time, a dot and the body.
    Generic { sha256: hmac::Key, sha512: hmac::Key },
}

/// That a call comes from who knows the token. Nothing but [`Authenticity::check`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authentic {
    signed: Option<[u8; SHA256_OUTPUT_LEN]>,
}

impl Authentic {
    /// The digest of what was signed; nothing where only a token was shown, which says nothing of the body.
    pub fn signed(&self) -> Option<[u8; SHA256_OUTPUT_LEN]> {
        self.signed
    }
}

/// The call does not prove where it comes from. Who calls is not told why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("failed to authenticate a call of a webhook")]
pub struct Unauthentic;

/// Why a token cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidToken {
    /// There is none.
    #[error("failed to find the key token in the Secret of spec.secretRef")]
    Missing,
    /// Everybody could try it out.
    #[error(
        "failed to use the token: it has fewer than {MIN_TOKEN} bytes; make one with `openssl rand -hex 32` and give it to the forge too"
    )]
    Short,
    /// The system gives no random numbers.
    #[error("failed to get random numbers")]
    Random,
}

/// The token in a Secret, without white space around it: files end in a newline, and no forge's token does.
pub(super) fn token(secret: &SecretData) -> Result<&[u8], InvalidToken> {
    let token = secret.get("token").ok_or(InvalidToken::Missing)?.trim_ascii();
    if token.len() < MIN_TOKEN {
        return Err(InvalidToken::Short);
    }
    Ok(token)
}

impl Authenticity {
    /// How calls of this type prove that they know this token.
    pub(super) fn new(type_: ReceiverType, token: &[u8]) -> Result<Self, InvalidToken> {
        let signature = |header, prefix| Scheme::Signature {
            header,
            prefix,
            key: hmac::Key::new(hmac::HMAC_SHA256, token),
        };
        Ok(Self(match type_ {
            ReceiverType::GitHub => signature("x-hub-signature-256", "sha256="),
            ReceiverType::Gitea => signature("x-gitea-signature", ""),
            ReceiverType::Forgejo => signature("x-forgejo-signature", ""),
            ReceiverType::Bitbucket => signature("x-hub-signature", "sha256="),
            ReceiverType::GitLab => {
                let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
                let key = key.map_err(|_| InvalidToken::Random)?;
                let expected = hmac::sign(&key, token);
                Scheme::Token { key, expected }
            }
            ReceiverType::GenericHmac => Scheme::Generic {
                sha256: hmac::Key::new(hmac::HMAC_SHA256, token),
                sha512: hmac::Key::new(hmac::HMAC_SHA512, token),
            },
        }))
    }

    /// Whether a call comes from who knows the token.
    pub fn check(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Authentic, Unauthentic> {
        match &self.0 {
            Scheme::Signature { header, prefix, key } => {
                let value = single(headers, header).ok_or(Unauthentic)?;
                let tag = value.strip_prefix(prefix.as_bytes()).and_then(unhex);
                hmac::verify(key, body, &tag.ok_or(Unauthentic)?).map_err(|_| Unauthentic)?;
                Ok(signed(&[body]))
            }
            Scheme::Token { key, expected } => {
                let given = single(headers, "x-gitlab-token").ok_or(Unauthentic)?;
                hmac::verify(key, given, expected.as_ref()).map_err(|_| Unauthentic)?;
                Ok(Authentic { signed: None })
            }
            Scheme::Generic { sha256, sha512 } => generic(headers, body, now, sha256, sha512),
        }
    }
}

fn generic(
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
    sha256: &hmac::Key,
    sha512: &hmac::Key,
) -> Result<Authentic, Unauthentic> {
    let value = single(headers, GENERIC_SIGNATURE).ok_or(Unauthentic)?;
    let (key, digits) = if let Some(digits) = value.strip_prefix(b"sha256=") {
        (sha256, digits)
    } else if let Some(digits) = value.strip_prefix(b"sha512=") {
        (sha512, digits)
    } else {
        return Err(Unauthentic);
    };
    let tag = unhex(digits).ok_or(Unauthentic)?;
    let message = if headers.contains_key(GENERIC_TIME) {
        let time = single(headers, GENERIC_TIME).ok_or(Unauthentic)?;
        if !is_near(time, now) {
            return Err(Unauthentic);
        }
        [time, b".", body].concat()
    } else if begins_with_a_time(body) {
        // What was signed with a time could be sent again without one, as another body.
        return Err(Unauthentic);
    } else {
        body.to_vec()
    };
    hmac::verify(key, &message, &tag).map_err(|_| Unauthentic)?;
    Ok(signed(&[&message]))
}

fn is_near(time: &[u8], now: Timestamp) -> bool {
    let digits = !time.is_empty() && time.iter().all(u8::is_ascii_digit);
    let seconds = std::str::from_utf8(time).ok().filter(|_| digits);
    let seconds = seconds.and_then(|text| text.parse::<i64>().ok());
    let off = seconds.map(|seconds| seconds.abs_diff(now.as_second()));
    off.is_some_and(|off| off <= MAX_CLOCK_SKEW.as_secs())
}

fn begins_with_a_time(body: &[u8]) -> bool {
    let digits = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && body.get(digits) == Some(&b'.')
}

fn signed(parts: &[&[u8]]) -> Authentic {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    Authentic {
        signed: context.finish().as_ref().try_into().ok(),
    }
}

/// The bytes that hexadecimal digits of either case stand for.
fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: &u8| {
        char::from(*digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let byte = |[high, low]: &[u8; 2]| Some(value(high)? << 4 | value(low)?);
    pairs.iter().map(byte).collect()
}

#[cfg(test)]
mod tests;
