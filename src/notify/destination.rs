//! Where messages go: an address and what opens it, checked before anything is sent.

use std::collections::BTreeMap;
use std::net::IpAddr;

use reqwest::Url;
use zeroize::Zeroizing;

use crate::api::{NotifierSpec, NotifierType};

/// The data of the Secret that `secretRef` names.
pub type SecretData = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// The Web API method that posts a message, where `address` does not say otherwise.
pub const SLACK_POST_MESSAGE: &str = "https://slack.com/api/chat.postMessage";
/// The most characters of an address, as in Flux.
pub const MAX_ADDRESS_CHARS: usize = 2_048;
/// The most bytes of a token. Slack's have about 60, a Matrix access token may have some hundred.
pub const MAX_TOKEN_BYTES: usize = 4_096;
/// The most bytes of a Matrix room id or alias (Matrix specification, "Common Identifier Format").
pub const MAX_MATRIX_ID_BYTES: usize = 255;
/// The most characters of a Slack channel's id or name. Slack's names have at most 80.
pub const MAX_SLACK_CHANNEL_CHARS: usize = 81;

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
            NotifierType::Matrix => matrix(spec, secret_address, token),
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
    secret_address: Option<Zeroizing<String>>,
    token: Option<Token>,
) -> Result<Destination, InvalidDestination> {
    let (address, field) = match (&secret_address, &spec.address) {
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
