//! Where messages go: an address and what opens it, checked before anything is sent.

use std::net::IpAddr;

use reqwest::Url;
use zeroize::Zeroizing;

use crate::api::{NotifierSpec, NotifierType, SecretData};

/// The Web API method that posts a message, where `address` does not say otherwise.
const SLACK_POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";
/// The most characters of an address, as in Flux.
const MAX_ADDRESS_CHARS: usize = 2_048;
/// The most bytes of a token. Slack's have about 60, a Matrix access token may have some hundred.
const MAX_TOKEN_BYTES: usize = 4_096;
/// The most bytes of a Matrix room id or alias (Matrix specification, "Common Identifier Format").
const MAX_MATRIX_ID_BYTES: usize = 255;
/// The most characters of a Slack channel's id or name. Slack's names have at most 80.
const MAX_SLACK_CHANNEL_CHARS: usize = 81;

/// The keys of a Flux Provider's Secret that would change how messages are sent, and that we do not have.
const UNSUPPORTED_KEYS: [&str; 5] = ["username", "password", "headers", "proxy", "caFile"];

/// Where the messages of one Notifier go.
///
/// There is no `Debug`: a webhook address and a token are secrets.
pub enum Destination {
    /// A Slack incoming webhook.
    SlackWebhook {
        /// The address: whoever has it can post.
        address: SecretUrl,
    },
    /// A Slack bot.
    SlackBot {
        /// The method `chat.postMessage`.
        address: Url,
        /// The bot token.
        token: Token,
        /// The channel, by id or name.
        channel: String,
    },
    /// A Matrix room.
    Matrix {
        /// The homeserver, its path ending in `/`.
        homeserver: Url,
        /// The access token.
        token: Token,
        /// The room.
        room: Room,
    },
}

/// An address that is a secret.
pub struct SecretUrl(Zeroizing<String>);

impl SecretUrl {
    /// The address, for the request.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// A bearer token: visible ASCII.
pub struct Token(Zeroizing<String>);

impl Token {
    /// The token, for the request.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// A Matrix room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// By its id: `!…`.
    Id(String),
    /// By an alias: `#name:server`.
    Alias(String),
}

impl Room {
    /// The id or the alias.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Id(text) | Self::Alias(text) => text,
        }
    }
}

/// Why messages can go nowhere. No variant holds a value out of the Secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDestination {
    /// No Secret where one is needed.
    #[error("spec.secretRef is missing: {0}")]
    NoSecret(&'static str),
    /// A field that has to be there.
    #[error("{field} is missing: {meaning}")]
    Missing {
        /// Which one.
        field: &'static str,
        /// What it would say.
        meaning: &'static str,
    },
    /// A field that is there twice, or beside another that excludes it.
    #[error("{field} can not be given {beside}: {why}")]
    Contradiction {
        /// Which one.
        field: &'static str,
        /// What it stands beside.
        beside: &'static str,
        /// Why not both.
        why: &'static str,
    },
    /// A key of the Secret that would be ignored.
    #[error("the Secret has the key {0}, which fluxops does not support; remove it")]
    UnsupportedKey(&'static str),
    /// A field that can not be read.
    #[error("{field} is not usable: {why}")]
    Unusable {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

const SPEC_ADDRESS: &str = "spec.address";
const SECRET_ADDRESS: &str = "the Secret's key address";
const SECRET_TOKEN: &str = "the Secret's key token";
const CHANNEL: &str = "spec.channel";

impl Destination {
    /// The destination of a Notifier, with the data of the Secret it refers to.
    pub fn parse(spec: &NotifierSpec, secret: Option<&SecretData>) -> Result<Self, InvalidDestination> {
        let secret = secret.ok_or(InvalidDestination::NoSecret(match spec.type_ {
            NotifierType::Slack => "Slack needs a Secret with `address` (a webhook) or `token` (a bot)",
            NotifierType::Matrix => "Matrix needs a Secret with `token`",
        }))?;
        if let Some(key) = UNSUPPORTED_KEYS.iter().find(|key| secret.contains_key(**key)) {
            return Err(InvalidDestination::UnsupportedKey(key));
        }
        let secret_address = secret.get("address").map(|bytes| line(bytes, SECRET_ADDRESS));
        let secret_address = secret_address.transpose()?;
        let token = secret.get("token").map(|bytes| token(bytes)).transpose()?;
        if spec.address.is_some() && secret_address.is_some() {
            return Err(InvalidDestination::Contradiction {
                field: SPEC_ADDRESS,
                beside: "when the Secret has the key address",
                why: "it would be unclear which one counts",
            });
        }
        match spec.type_ {
            NotifierType::Slack => slack(spec, secret_address, token),
            NotifierType::Matrix => matrix(spec, secret_address.as_ref(), token),
        }
    }

    /// What it is, for logs.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SlackWebhook { .. } => "Slack webhook",
            Self::SlackBot { .. } => "Slack bot",
            Self::Matrix { .. } => "Matrix",
        }
    }
}

fn slack(
    spec: &NotifierSpec,
    secret_address: Option<Zeroizing<String>>,
    token: Option<Token>,
) -> Result<Destination, InvalidDestination> {
    let Some(token) = token else {
        if spec.address.is_some() {
            return Err(InvalidDestination::Contradiction {
                field: SPEC_ADDRESS,
                beside: "without a token",
                why: "a webhook's address is a secret; move it to the key address of the Secret",
            });
        }
        let address = secret_address.ok_or(InvalidDestination::Missing {
            field: SECRET_ADDRESS,
            meaning: "the incoming webhook; or give a bot's token",
        })?;
        if spec.channel.is_some() {
            return Err(InvalidDestination::Contradiction {
                field: CHANNEL,
                beside: "with a webhook",
                why: "a webhook posts to the channel it was made for",
            });
        }
        checked_url(&address, SECRET_ADDRESS)?;
        return Ok(Destination::SlackWebhook {
            address: SecretUrl(address),
        });
    };
    let (address, field) = match (&secret_address, &spec.address) {
        (Some(address), _) => (address.as_str(), SECRET_ADDRESS),
        (None, Some(address)) => (address.as_str(), SPEC_ADDRESS),
        (None, None) => (SLACK_POST_MESSAGE, SPEC_ADDRESS),
    };
    let address = checked_url(address, field)?;
    if address.path().starts_with("/services/") {
        return Err(InvalidDestination::Contradiction {
            field: SECRET_TOKEN,
            beside: "with the address of a webhook",
            why: "a webhook takes no token, a bot has no webhook",
        });
    }
    let channel = spec.channel.clone().ok_or(InvalidDestination::Missing {
        field: CHANNEL,
        meaning: "the channel the bot posts to, by id or name",
    })?;
    let is_channel = !channel.is_empty()
        && channel.chars().count() <= MAX_SLACK_CHANNEL_CHARS
        && !channel.chars().any(|c| c.is_whitespace() || c.is_control());
    if !is_channel {
        return Err(InvalidDestination::Unusable {
            field: CHANNEL,
            why: "a Slack channel is an id such as C0123456789, or a name",
        });
    }
    Ok(Destination::SlackBot {
        address,
        token,
        channel,
    })
}

fn matrix(
    spec: &NotifierSpec,
    secret_address: Option<&Zeroizing<String>>,
    token: Option<Token>,
) -> Result<Destination, InvalidDestination> {
    let (address, field) = match (secret_address, &spec.address) {
        (Some(address), _) => (address.as_str(), SECRET_ADDRESS),
        (None, Some(address)) => (address.as_str(), SPEC_ADDRESS),
        (None, None) => {
            return Err(InvalidDestination::Missing {
                field: SPEC_ADDRESS,
                meaning: "the homeserver, for example https://matrix.example.org",
            });
        }
    };
    let mut homeserver = checked_url(address, field)?;
    if homeserver.query().is_some() {
        return Err(InvalidDestination::Unusable {
            field,
            why: "a homeserver's address has no query",
        });
    }
    if !homeserver.path().ends_with('/') {
        homeserver.set_path(&format!("{}/", homeserver.path()));
    }
    let token = token.ok_or(InvalidDestination::Missing {
        field: SECRET_TOKEN,
        meaning: "the access token of the account that posts",
    })?;
    let channel = spec.channel.as_deref().ok_or(InvalidDestination::Missing {
        field: CHANNEL,
        meaning: "the room, as !id:server or #alias:server",
    })?;
    let room = room(channel).ok_or(InvalidDestination::Unusable {
        field: CHANNEL,
        why: "a Matrix room is !id:server or #alias:server",
    })?;
    Ok(Destination::Matrix {
        homeserver,
        token,
        room,
    })
}

/// Room ids of room version 12 have no server part; aliases always have one.
fn room(text: &str) -> Option<Room> {
    let is_id = text.len() > 1
        && text.len() <= MAX_MATRIX_ID_BYTES
        && !text.chars().any(|c| c.is_whitespace() || c.is_control());
    match text.chars().next() {
        Some('!') if is_id => Some(Room::Id(text.to_owned())),
        Some('#') if is_id && text.contains(':') => Some(Room::Alias(text.to_owned())),
        _ => None,
    }
}

/// A secret that is one line of text; the newline that `kubectl create secret --from-file` brings along is cut.
fn line(bytes: &[u8], field: &'static str) -> Result<Zeroizing<String>, InvalidDestination> {
    std::str::from_utf8(bytes)
        .map(|text| Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned()))
        .map_err(|_| InvalidDestination::Unusable {
            field,
            why: "it is not UTF-8",
        })
}

fn token(bytes: &[u8]) -> Result<Token, InvalidDestination> {
    let token = line(bytes, SECRET_TOKEN)?;
    if !token.is_empty() && token.len() <= MAX_TOKEN_BYTES && token.bytes().all(|b| b.is_ascii_graphic()) {
        Ok(Token(token))
    } else {
        Err(InvalidDestination::Unusable {
            field: SECRET_TOKEN,
            why: "a token is one word of visible ASCII characters",
        })
    }
}

/// Https, or http to loopback; no credentials, no fragment.
fn checked_url(text: &str, field: &'static str) -> Result<Url, InvalidDestination> {
    let unusable = |why| InvalidDestination::Unusable { field, why };
    if text.chars().count() > MAX_ADDRESS_CHARS {
        return Err(unusable("an address has at most 2048 characters"));
    }
    let url = Url::parse(text).map_err(|_| unusable("it is not an address"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable("it holds credentials; they go into the Secret"));
    }
    if url.fragment().is_some() {
        return Err(unusable("it has a fragment (#…)"));
    }
    let is_allowed = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_loopback(&url),
        _ => false,
    };
    if is_allowed {
        Ok(url)
    } else {
        Err(unusable("an address is https://…, or http://… to loopback"))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "T0P-S3CRET";

    fn secret(entries: &[(&str, &str)]) -> SecretData {
        let zeroizing = |value: &str| Zeroizing::new(value.as_bytes().to_vec());
        entries
            .iter()
            .map(|(key, value)| ((*key).to_owned(), zeroizing(value)))
            .collect()
    }

    fn parse(spec: &str, entries: &[(&str, &str)]) -> Result<Destination, InvalidDestination> {
        Destination::parse(&serde_json::from_str(spec).unwrap(), Some(&secret(entries)))
    }

    #[test]
    fn slack_is_a_webhook_or_a_bot() {
        let address = "https://hooks.slack.com/services/T/B/x\n";
        match parse(r#"{"type":"slack"}"#, &[("address", address)]) {
            Ok(Destination::SlackWebhook { address: kept }) => assert_eq!(kept.expose(), address.trim()),
            _ => panic!("no webhook"),
        }
        match parse(
            r##"{"type":"slack","channel":"#deploys"}"##,
            &[("token", "xoxb-1\n")],
        ) {
            Ok(Destination::SlackBot {
                address,
                token,
                channel,
            }) => {
                assert_eq!(
                    (address.as_str(), token.expose(), channel.as_str()),
                    (SLACK_POST_MESSAGE, "xoxb-1", "#deploys")
                );
            }
            _ => panic!("no bot"),
        }
    }

    #[test]
    fn matrix_is_a_homeserver_a_token_and_a_room() {
        for (channel, room) in [
            ("!abc:example.org", Room::Id("!abc:example.org".into())),
            (
                "!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM",
                Room::Id("!31hneApxJ_1o-63DmFrpeqnkFfWppnzWso1JvH3ogLM".into()),
            ),
            ("#ops:example.org", Room::Alias("#ops:example.org".into())),
        ] {
            let spec = format!(
                r#"{{"type":"matrix","address":"https://m.example.org/base","channel":"{channel}"}}"#
            );
            match parse(&spec, &[("token", "syt_1")]) {
                Ok(Destination::Matrix {
                    homeserver,
                    room: parsed,
                    ..
                }) => assert_eq!(
                    (homeserver.as_str(), parsed),
                    ("https://m.example.org/base/", room)
                ),
                _ => panic!("{channel}"),
            }
        }
    }

    #[test]
    fn http_is_for_loopback() {
        for (address, good) in [
            ("http://127.0.0.1:8080/x", true),
            ("http://[::1]:8080/x", true),
            ("http://localhost/x", true),
            ("https://example.com/x", true),
            ("http://example.com/x", false),
            ("http://127.0.0.1.example.com/x", false),
            ("http://localhost.example.com/x", false),
            ("http://10.0.0.1/x", false),
            ("ftp://127.0.0.1/x", false),
            ("https://user@example.com/x", false),
            ("https://example.com/x#y", false),
            ("hooks.slack.com/services/T/B/x", false),
            ("", false),
        ] {
            assert_eq!(
                parse(r#"{"type":"slack"}"#, &[("address", address)]).is_ok(),
                good,
                "{address}"
            );
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_ADDRESS_CHARS));
        assert!(parse(r#"{"type":"slack"}"#, &[("address", &long)]).is_err());
    }

    #[test]
    fn what_is_missing_or_contradicts_itself_is_named() {
        let webhook = "https://hooks.slack.com/services/T/B/T0P-S3CRET";
        let matrix = r##"{"type":"matrix","address":"https://m.example.org","channel":"#a:b"}"##;
        for (spec, entries, expected) in [
            (
                r#"{"type":"slack"}"#,
                &[][..],
                "the Secret's key address is missing",
            ),
            (
                r#"{"type":"slack","address":"https://hooks.slack.com/services/T/B/x"}"#,
                &[],
                "spec.address can not be given without a token: a webhook's address is a secret",
            ),
            (
                r#"{"type":"slack","address":"https://slack.com/api/chat.postMessage"}"#,
                &[("address", webhook)],
                "spec.address can not be given when the Secret has the key address",
            ),
            (
                r#"{"type":"slack","channel":"a"}"#,
                &[("address", webhook)],
                "spec.channel can not be given with a webhook",
            ),
            (
                r#"{"type":"slack","channel":"a"}"#,
                &[("address", webhook), ("token", CANARY)],
                "the Secret's key token can not be given with the address of a webhook",
            ),
            (
                r#"{"type":"slack"}"#,
                &[("token", CANARY)],
                "spec.channel is missing",
            ),
            (
                r#"{"type":"slack","channel":"a b"}"#,
                &[("token", CANARY)],
                "spec.channel is not usable",
            ),
            (
                r#"{"type":"slack","channel":"a"}"#,
                &[("token", "T0P-S3CRET two")],
                "the Secret's key token is not usable",
            ),
            (
                r#"{"type":"slack","channel":"a"}"#,
                &[("token", "")],
                "the Secret's key token is not usable",
            ),
            (
                r#"{"type":"slack"}"#,
                &[("address", "T0P-S3CRET")],
                "the Secret's key address is not usable",
            ),
            (matrix, &[("proxy", CANARY)], "the Secret has the key proxy"),
            (matrix, &[], "the Secret's key token is missing"),
            (
                r##"{"type":"matrix","channel":"#a:b"}"##,
                &[("token", CANARY)],
                "spec.address is missing",
            ),
            (
                r#"{"type":"matrix","address":"https://m.example.org"}"#,
                &[("token", CANARY)],
                "spec.channel is missing",
            ),
            (
                r#"{"type":"matrix","address":"https://m.example.org","channel":"ops"}"#,
                &[("token", CANARY)],
                "spec.channel is not usable",
            ),
            (
                r##"{"type":"matrix","address":"https://m.example.org?a","channel":"#a:b"}"##,
                &[("token", CANARY)],
                "spec.address is not usable",
            ),
        ] {
            let error = parse(spec, entries).map(|_| ()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{spec}: {error}");
            assert!(!error.contains(CANARY), "{error}");
        }
        let none = Destination::parse(&serde_json::from_str(matrix).unwrap(), None);
        assert!(matches!(none, Err(InvalidDestination::NoSecret(_))));
    }

    #[test]
    fn a_token_has_a_limit() {
        let (longest, spec) = ("a".repeat(MAX_TOKEN_BYTES), r#"{"type":"slack","channel":"a"}"#);
        assert!(parse(spec, &[("token", &longest)]).is_ok());
        assert!(parse(spec, &[("token", &format!("{longest}a"))]).is_err());
    }
}
