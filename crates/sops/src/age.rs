//! age keys: identities that open data keys, recipients that data keys are wrapped for.

mod file;
mod hybrid;
mod new_identity;
mod recipient;
mod ssh;
#[cfg(test)]
mod vectors;
mod x_wing;

use std::str::FromStr as _;
use std::sync::Arc;

use thiserror::Error;
use zeroize::Zeroizing;

use self::hybrid::HybridIdentity;
use self::ssh::SshKeyError;
use crate::data_key::{DataKeySource, KeyKind, UnwrapError, WrappedKey};

pub use file::{MAX_AGE_FILE_BYTES, WrapError};
pub use new_identity::{AgeKeyType, NewAgeIdentity};
pub use recipient::{AgeRecipient, RecipientError};

/// Something that opens the stanzas of age files.
pub type BoxedIdentity = Box<dyn age::Identity + Send + Sync>;

/// Private age keys. They cannot be printed or copied, and are wiped when they are dropped.
#[derive(Default)]
pub struct AgeIdentities(Vec<Entry>);

struct Entry {
    identity: BoxedIdentity,
    /// A plugin knows its own; we do not.
    recipient: Option<AgeRecipient>,
}

/// What reading keys can ask of the world. Where nobody attends, keys that need it are refused by name.
pub trait Attendant: Send + Sync {
    /// The passphrase of the SSH key with this public key; `None` if it is not to be had.
    fn passphrase(&self, recipient: &str) -> Option<Zeroizing<String>>;

    /// The identity that a plugin keeps, `AGE-PLUGIN-…`; `None` if plugins are not to be used.
    fn plugin(&self, identity: &str) -> Option<BoxedIdentity>;
}

/// Why a text is not a set of identities. It names the line and nothing of what is on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// Neither an identity nor a comment.
    #[error(
        "failed to read the age identity on line {line}: it is not AGE-SECRET-KEY-1…, AGE-SECRET-KEY-PQ-1… or an SSH \
         key, or was cut off or mistyped"
    )]
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
    /// A plugin's identity, where no plugin may be run.
    #[error("failed to read the age identity on line {line}: it is a plugin's, and plugins are not run here")]
    Plugin {
        /// The line, from 1.
        line: usize,
    },
    /// An SSH key with a passphrase, where nobody can be asked for it.
    #[error(
        "failed to read the SSH key on line {line}: it is protected by a passphrase, which nobody can be asked for \
         here; ssh-keygen -p takes it off a copy"
    )]
    Protected {
        /// The line, from 1.
        line: usize,
    },
    /// No identity at all.
    #[error("failed to find an age identity: there are only comments and blank lines")]
    Empty,
}

impl AgeIdentities {
    /// Reads an identity file as `age-keygen` writes it: identities, comments after `#`, blank lines. As in
    /// `SOPS_AGE_KEY` there may be several on a line. Or an SSH key as `ssh-keygen` writes it, alone.
    ///
    /// Plugins' identities and SSH keys under a passphrase are refused.
    pub fn parse(text: &str) -> Result<Self, IdentityError> {
        Self::parse_with(text, None)
    }

    /// The same with somebody to ask, when a file needs it, for passphrases and plugins.
    pub fn parse_attended(text: &str, attendant: &Arc<dyn Attendant>) -> Result<Self, IdentityError> {
        Self::parse_with(text, Some(attendant))
    }

    fn parse_with(text: &str, attendant: Option<&Arc<dyn Attendant>>) -> Result<Self, IdentityError> {
        let mut entries = Vec::new();
        let mut offset = 0;
        for (index, whole_line) in text.split_inclusive('\n').enumerate() {
            let line = index.saturating_add(1);
            let trimmed = whole_line.trim();
            if trimmed.starts_with(ssh::ARMOR_PREFIX) && entries.is_empty() {
                let armor = text.get(offset..).unwrap_or_default();
                return Ok(Self(vec![Entry::ssh(armor, line, attendant)?]));
            }
            offset = offset.saturating_add(whole_line.len());
            if trimmed.starts_with('#') {
                continue;
            }
            for word in trimmed.split_ascii_whitespace() {
                entries.push(Entry::parse(word, line, attendant)?);
            }
        }
        if entries.is_empty() {
            return Err(IdentityError::Empty);
        }
        Ok(Self(entries))
    }

    /// Adds the identities of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The public keys, in the order of the identities. Those of plugins are not among them.
    pub fn recipients(&self) -> impl Iterator<Item = &AgeRecipient> {
        self.0.iter().filter_map(|entry| entry.recipient.as_ref())
    }

    /// Whether there is no identity.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Entry {
    /// By the prefixes that sops goes by (`parseIdentity` in age/keysource.go).
    fn parse(text: &str, line: usize, attendant: Option<&Arc<dyn Attendant>>) -> Result<Self, IdentityError> {
        if text.starts_with("AGE-PLUGIN-") {
            let identity = attendant.and_then(|attendant| attendant.plugin(text));
            return Ok(Self {
                identity: identity.ok_or(IdentityError::Plugin { line })?,
                recipient: None,
            });
        }
        if text.starts_with(hybrid::IDENTITY_PREFIX) {
            let identity = HybridIdentity::parse(text).ok_or(IdentityError::Invalid { line })?;
            let recipient = Some(AgeRecipient::hybrid(identity.recipient()));
            return Ok(Self {
                identity: Box::new(identity),
                recipient,
            });
        }
        let identity = age::x25519::Identity::from_str(text).map_err(|_| IdentityError::Invalid { line })?;
        let recipient = Some(AgeRecipient::x25519(identity.to_public()));
        Ok(Self {
            identity: Box::new(identity),
            recipient,
        })
    }

    fn ssh(armor: &str, line: usize, attendant: Option<&Arc<dyn Attendant>>) -> Result<Self, IdentityError> {
        if armor.trim_start().starts_with("-----BEGIN AGE ") {
            return Err(IdentityError::Unsupported {
                line,
                kind: "encrypted identity files",
            });
        }
        let (identity, recipient) = ssh::parse_identity(armor, attendant).map_err(|error| match error {
            SshKeyError::Invalid => IdentityError::Invalid { line },
            SshKeyError::Unsupported(kind) => IdentityError::Unsupported { line, kind },
            SshKeyError::Protected => IdentityError::Protected { line },
        })?;
        Ok(Self {
            identity,
            recipient: Some(AgeRecipient::ssh(recipient)),
        })
    }
}

/// The identities named by the recipient are tried first, then the others: the name is not authenticated.
impl DataKeySource for AgeIdentities {
    fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        if key.kind != KeyKind::Age {
            return Ok(None);
        }
        let named = key.recipient.parse::<AgeRecipient>().ok();
        let is_named = |entry: &&Entry| named.is_some() && entry.recipient == named;
        let identities = self
            .0
            .iter()
            .filter(is_named)
            .chain(self.0.iter().filter(|entry| !is_named(entry)))
            .map(|entry| entry.identity.as_ref() as &dyn age::Identity);
        file::unwrap(&key.wrapped, identities)
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Position;

    use super::*;

    fn identity(key_type: AgeKeyType) -> (AgeIdentities, AgeRecipient) {
        let new = NewAgeIdentity::generate(key_type);
        let text = format!("# created: now\n\n{}\r\n", new.expose());
        (AgeIdentities::parse(&text).unwrap(), new.recipient().clone())
    }

    fn wrapped(recipient: &AgeRecipient, file: String) -> WrappedKey {
        WrappedKey {
            kind: KeyKind::Age,
            recipient: recipient.to_string(),
            wrapped: file,
            position: Position::START,
        }
    }

    #[test]
    fn opens_what_is_wrapped_for_it() {
        for key_type in [AgeKeyType::X25519, AgeKeyType::PostQuantum] {
            let (ours, recipient) = identity(key_type);
            let (mut others, other) = identity(AgeKeyType::X25519);
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
    }

    #[test]
    fn there_may_be_several_on_a_line() {
        let [first, second] = [AgeKeyType::X25519, AgeKeyType::PostQuantum].map(NewAgeIdentity::generate);
        let text = format!("{} {}\n", first.expose(), second.expose());
        let identities = AgeIdentities::parse(&text).unwrap();
        let recipients: Vec<_> = identities.recipients().collect();
        assert_eq!(recipients, [first.recipient(), second.recipient()]);
    }

    #[test]
    fn identities_are_named_by_line_only() {
        let age_file = "\n-----BEGIN AGE ENCRYPTED FILE-----\nNOPE";
        let table = [
            ("", IdentityError::Empty),
            ("# only\n\n", IdentityError::Empty),
            ("# c\nAGE-SECRET-KEY-1NOPE", IdentityError::Invalid { line: 2 }),
            ("hunter2", IdentityError::Invalid { line: 1 }),
            ("AGE-SECRET-KEY-PQ-1NOPE", IdentityError::Invalid { line: 1 }),
            ("\nAGE-PLUGIN-NOPE-1", IdentityError::Plugin { line: 2 }),
            (
                "\n-----BEGIN OPENSSH PRIVATE KEY-----\nNOPE\n",
                IdentityError::Invalid { line: 2 },
            ),
            (
                age_file,
                IdentityError::Unsupported {
                    line: 2,
                    kind: "encrypted identity files",
                },
            ),
        ];
        for (text, expected) in table {
            let error = AgeIdentities::parse(text).err().unwrap();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains("NOPE") && !error.to_string().contains("hunter2"));
        }
    }
}
