//! age X25519 keys: identities that open data keys, recipients that data keys are wrapped for.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::str::FromStr;

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, Encryptor};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::data_key::{DataKeySource, KeyKind, UnwrapError, WrappedKey};

/// Largest age file taken as a wrapped key, in bytes. sops writes about 400.
pub const MAX_AGE_FILE_BYTES: usize = 64 << 10;

/// Largest payload of such a file, in bytes: a data key has 32, a share of one 33.
const MAX_PAYLOAD_BYTES: usize = 64;

const ARMOR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Private age keys. They cannot be printed or copied, and are wiped when they are dropped.
#[derive(Default)]
pub struct AgeIdentities(Vec<Pair>);

struct Pair {
    identity: age::x25519::Identity,
    recipient: AgeRecipient,
}

/// A public age key, `age1…`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AgeRecipient(age::x25519::Recipient);

/// Why a text is not a set of identities. It names the line and nothing of what is on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Neither an identity nor a comment.
    #[error("failed to read the age identity on line {line}: it is not AGE-SECRET-KEY-1…")]
    Invalid {
        /// The line, from 1.
        line: usize,
    },
    /// An identity of a kind that is not supported.
    #[error("failed to read the age identity on line {line}: {kind} are not supported")]
    Unsupported {
        /// The line, from 1.
        line: usize,
        /// The kind.
        kind: &'static str,
    },
    /// No identity at all.
    #[error("failed to find an age identity: there are only comments and blank lines")]
    Empty,
}

/// Why a text is not a recipient.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipientError {
    /// Not an age recipient.
    #[error("failed to read the age recipient {text:?}: it is not age1… with a valid checksum")]
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

/// Why a data key cannot be wrapped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The age library refuses.
    #[error("failed to make an age file")]
    Age(#[source] age::EncryptError),
    /// Writing to memory failed.
    #[error("failed to write an age file")]
    Write(#[source] std::io::Error),
}

impl AgeIdentities {
    /// Reads an identity file as `age-keygen` writes it: an identity per line, comments after `#`, blank lines.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        let mut pairs = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index.saturating_add(1);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(kind) = unsupported_identity(line) {
                return Err(IdentityError::Unsupported {
                    line: line_number,
                    kind,
                });
            }
            let identity = age::x25519::Identity::from_str(line)
                .map_err(|_| IdentityError::Invalid { line: line_number })?;
            let recipient = AgeRecipient(identity.to_public());
            pairs.push(Pair { identity, recipient });
        }
        if pairs.is_empty() {
            return Err(IdentityError::Empty);
        }
        Ok(Self(pairs))
    }

    /// Adds the identities of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The public keys, in the order of the identities.
    pub fn recipients(&self) -> impl Iterator<Item = &AgeRecipient> {
        self.0.iter().map(|pair| &pair.recipient)
    }

    /// Whether there is no identity.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The identities named by the recipient are tried first, then the others: the name is not authenticated.
impl DataKeySource for AgeIdentities {
    fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        if key.kind != KeyKind::Age {
            return Ok(None);
        }
        let named = key.recipient.parse::<AgeRecipient>().ok();
        let is_named = |pair: &&Pair| Some(&pair.recipient) == named.as_ref();
        let identities = self
            .0
            .iter()
            .filter(is_named)
            .chain(self.0.iter().filter(|pair| !is_named(pair)))
            .map(|pair| &pair.identity as &dyn age::Identity);
        unwrap(&key.wrapped, identities)
    }
}

/// The payload of an armored age file; `None` if it is for other identities.
fn unwrap<'a>(
    file: &str,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
    let invalid = |problem| UnwrapError::InvalidAgeFile { problem };
    if file.len() > MAX_AGE_FILE_BYTES {
        return Err(invalid("it is too large"));
    }
    if !file.trim_start().starts_with(ARMOR_BEGIN) {
        return Err(invalid("it is not armored"));
    }
    let problem = |error: &DecryptError| match error {
        DecryptError::InvalidMac => "its header is not authentic",
        DecryptError::UnknownFormat => "its version is unknown",
        DecryptError::Io(_) => "its armor is broken or cut off",
        _ => "its header is malformed",
    };
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(file.as_bytes()))
        .map_err(|error| invalid(problem(&error)))?;
    let mut payload = match decryptor.decrypt(identities) {
        Ok(reader) => reader.take(MAX_PAYLOAD_BYTES as u64 + 1),
        Err(DecryptError::NoMatchingKeys) => return Ok(None),
        Err(error) => return Err(invalid(problem(&error))),
    };
    // One byte more than is read, so that reading to the end never moves the buffer.
    let mut part = Zeroizing::new(Vec::with_capacity(MAX_PAYLOAD_BYTES + 33));
    payload
        .read_to_end(&mut part)
        .map_err(|_| invalid("its payload is not authentic"))?;
    if part.len() > MAX_PAYLOAD_BYTES {
        return Err(invalid("its payload is too large for a data key"));
    }
    Ok(Some(part))
}

impl AgeRecipient {
    /// The payload as an armored age file for this recipient alone, as sops stores a data key. The ephemeral key and
    /// the nonce come from the operating system's random source: the age library takes no other.
    pub(crate) fn wrap(&self, payload: &[u8]) -> Result<String, WrapError> {
        let recipient: &dyn age::Recipient = &self.0;
        let encryptor = Encryptor::with_recipients(std::iter::once(recipient)).map_err(WrapError::Age)?;
        let mut file = Vec::new();
        let armor = ArmoredWriter::wrap_output(&mut file, Format::AsciiArmor).map_err(WrapError::Write)?;
        let mut writer = encryptor.wrap_output(armor).map_err(WrapError::Write)?;
        writer.write_all(payload).map_err(WrapError::Write)?;
        let armor = writer.finish().map_err(WrapError::Write)?;
        armor.finish().map_err(WrapError::Write)?;
        // Armor is ASCII.
        Ok(String::from_utf8_lossy(&file).replace("\r\n", "\n"))
    }
}

impl FromStr for AgeRecipient {
    type Err = RecipientError;

    fn from_str(text: &str) -> Result<Self, RecipientError> {
        if let Some(kind) = unsupported_recipient(text) {
            return Err(RecipientError::Unsupported {
                text: text.to_owned(),
                kind,
            });
        }
        text.parse().map(Self).map_err(|_| RecipientError::Invalid {
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for AgeRecipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Debug for AgeRecipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The kinds of identities that age has and this module has not (`parseIdentity` in age/keysource.go of sops).
fn unsupported_identity(line: &str) -> Option<&'static str> {
    if line.starts_with("AGE-SECRET-KEY-PQ-1") {
        Some("post-quantum identities")
    } else if line.starts_with("AGE-PLUGIN-") {
        Some("plugin identities")
    } else if line.starts_with("-----BEGIN") {
        Some("SSH keys and encrypted identities")
    } else {
        None
    }
}

/// The kinds of recipients that age has and this module has not (`parseRecipient` in age/keysource.go of sops).
fn unsupported_recipient(text: &str) -> Option<&'static str> {
    if text.starts_with("age1pq1") {
        Some("post-quantum recipients")
    } else if text.starts_with("age1") && text.matches('1').count() > 1 {
        Some("plugin recipients")
    } else if text.starts_with("ssh-") {
        Some("SSH recipients")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Position;

    use super::*;

    fn identity() -> (AgeIdentities, AgeRecipient) {
        use age::secrecy::ExposeSecret as _;
        let identity = age::x25519::Identity::generate();
        let text = format!("# created: now\n\n{}\r\n", identity.to_string().expose_secret());
        (
            AgeIdentities::parse(&text).unwrap(),
            AgeRecipient(identity.to_public()),
        )
    }

    fn wrapped(recipient: &AgeRecipient, file: String) -> WrappedKey {
        WrappedKey {
            kind: KeyKind::Age,
            recipient: recipient.to_string(),
            wrapped: file,
            position: Position::START,
        }
    }

    fn broken(file: &str) -> Option<UnwrapError> {
        let (identities, recipient) = identity();
        identities.unwrap_key(&wrapped(&recipient, file.to_owned())).err()
    }

    #[test]
    fn opens_what_is_wrapped_for_it() {
        let (ours, recipient) = identity();
        let (mut others, other) = identity();
        let file = recipient.wrap(&[7; 32]).unwrap();
        let key = wrapped(&recipient, file.clone());
        assert_eq!(ours.unwrap_key(&key).unwrap().as_deref(), Some(&vec![7; 32]));
        assert!(others.unwrap_key(&key).unwrap().is_none());
        // The name of the recipient is a hint only.
        let misnamed = wrapped(&other, file);
        others.extend(ours);
        assert!(others.unwrap_key(&misnamed).unwrap().is_some());
        assert_eq!(others.recipients().count(), 2);
    }

    #[test]
    fn refuses_broken_files() {
        let (ours, recipient) = identity();
        let file = recipient.wrap(&[7; 32]).unwrap();
        let invalid = |problem| Some(UnwrapError::InvalidAgeFile { problem });
        assert_eq!(broken(""), invalid("it is not armored"));
        assert_eq!(broken("age-encryption.org/v1\n"), invalid("it is not armored"));
        assert_eq!(
            broken(&format!("{ARMOR_BEGIN}\n????\n")),
            invalid("its armor is broken or cut off")
        );
        assert_eq!(
            broken(&format!("{ARMOR_BEGIN}\n{}", "A".repeat(MAX_AGE_FILE_BYTES))),
            invalid("it is too large")
        );
        let cut_off = file.get(..file.len() / 2).unwrap();
        assert!(ours.unwrap_key(&wrapped(&recipient, cut_off.to_owned())).is_err());
        let large = recipient.wrap(&[7; MAX_PAYLOAD_BYTES + 1]).unwrap();
        assert_eq!(
            ours.unwrap_key(&wrapped(&recipient, large)).err(),
            invalid("its payload is too large for a data key")
        );
    }

    #[test]
    fn identities_are_named_by_line_only() {
        let table = [
            ("", IdentityError::Empty),
            ("# only\n\n", IdentityError::Empty),
            ("# c\nAGE-SECRET-KEY-1NOPE", IdentityError::Invalid { line: 2 }),
            ("hunter2", IdentityError::Invalid { line: 1 }),
            (
                "AGE-SECRET-KEY-PQ-1XYZ",
                IdentityError::Unsupported {
                    line: 1,
                    kind: "post-quantum identities",
                },
            ),
            (
                "\n-----BEGIN OPENSSH PRIVATE KEY-----",
                IdentityError::Unsupported {
                    line: 2,
                    kind: "SSH keys and encrypted identities",
                },
            ),
        ];
        for (text, expected) in table {
            let error = AgeIdentities::parse(text).err().unwrap();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("NOPE") && !error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn recipients_are_x25519() {
        let (_, recipient) = identity();
        assert_eq!(recipient.to_string().parse::<AgeRecipient>(), Ok(recipient));
        for (text, unsupported) in [
            ("age1pq1abc", true),
            ("age1yubikey1abc", true),
            ("ssh-ed25519 AAAA", true),
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
