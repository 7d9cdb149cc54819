//! Public keys: whom a data key is wrapped for.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

use super::file::{self, WrapError};
use super::hybrid::{self, HybridRecipient};
use super::ssh;

/// A public age key: `age1…`, `age1pq1…`, or an SSH key `ssh-ed25519 …`, `ssh-rsa …`.
///
/// Two are the same if the keys are; the comment of an SSH key does not count.
#[derive(Clone)]
pub struct AgeRecipient {
    /// The key in its one form, without a comment.
    key: String,
    /// What follows an SSH key, with the blank in front of it.
    comment: String,
    wrapper: Arc<dyn age::Recipient + Send + Sync>,
}

/// Why a text is not a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// Not an age recipient.
    #[error(
        "failed to read the age recipient {text:?}: it is not age1…, age1pq1…, ssh-ed25519 … or ssh-rsa …, or was \
         cut off or mistyped"
    )]
    Invalid {
        /// What was given.
        text: String,
    },
    /// A recipient of a kind that is not supported.
    #[error("failed to read the age recipient {text:?}: {kind} are not supported")]
    Unsupported {
        /// What was given.
        text: String,
        /// The kind.
        kind: &'static str,
    },
}

impl AgeRecipient {
    pub(super) fn x25519(recipient: age::x25519::Recipient) -> Self {
        Self::new(recipient.to_string(), recipient)
    }

    pub(super) fn hybrid(recipient: HybridRecipient) -> Self {
        Self::new(recipient.encode(), recipient)
    }

    pub(super) fn ssh(recipient: age::ssh::Recipient) -> Self {
        Self::new(recipient.to_string(), recipient)
    }

    fn new(key: String, wrapper: impl age::Recipient + Send + Sync + 'static) -> Self {
        Self {
            key,
            comment: String::new(),
            wrapper: Arc::new(wrapper),
        }
    }

    /// The payload as an armored age file for this recipient alone.
    pub(crate) fn wrap(&self, payload: &[u8]) -> Result<String, WrapError> {
        file::wrap(payload, self.wrapper.as_ref())
    }
}

/// By the prefixes that sops goes by (`parseRecipient` in age/keysource.go).
impl FromStr for AgeRecipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        let invalid = || RecipientError::Invalid {
            text: text.to_owned(),
        };
        let unsupported = |kind| RecipientError::Unsupported {
            text: text.to_owned(),
            kind,
        };
        if text.starts_with(hybrid::RECIPIENT_PREFIX) {
            HybridRecipient::parse(text).map(Self::hybrid).ok_or_else(invalid)
        } else if text.starts_with("age1") && text.matches('1').count() > 1 {
            Err(unsupported("plugin recipients"))
        } else if text.starts_with("ssh-") {
            let (key, comment) = ssh::split_comment(text);
            let recipient =
                ssh::parse_recipient(key).map_err(|kind| kind.map_or_else(invalid, unsupported))?;
            Ok(Self {
                comment: comment.to_owned(),
                ..Self::ssh(recipient)
            })
        } else {
            text.parse().map(Self::x25519).map_err(|_| invalid())
        }
    }
}

impl PartialEq for AgeRecipient {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for AgeRecipient {}

impl Hash for AgeRecipient {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for AgeRecipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.key, self.comment)
    }
}

impl fmt::Debug for AgeRecipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        let classic = age::x25519::Identity::generate().to_public().to_string();
        let hybrid = hybrid::HybridIdentity::generate().recipient().encode();
        for text in [&classic, &hybrid] {
            let recipient: AgeRecipient = text.parse().unwrap();
            assert_eq!(recipient.to_string(), *text);
            assert_eq!(recipient.to_string().parse(), Ok(recipient));
        }
    }

    #[test]
    fn others_are_refused_by_name() {
        for (text, unsupported) in [
            ("age1yubikey1abc", true),
            ("ssh-dss AAAAB3NzaC1kc3MAAAAA", true),
            ("age1pq1abc", false),
            ("ssh-ed25519 AAAA", false),
            ("ssh-ed25519", false),
            ("age1abc", false),
            ("hello", false),
            ("", false),
        ] {
            let error = text.parse::<AgeRecipient>().err().unwrap();
            assert_eq!(
                matches!(error, RecipientError::Unsupported { .. }),
                unsupported,
                "{text}"
            );
        }
    }
}
