//! The data key of a file: how it is wrapped, and how it is recovered.

use std::fmt;

use manifest_yaml::Position;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::metadata::KeyGroups;
use crate::shamir::{self, ShamirError};

/// Bytes of a data key.
pub(crate) const DATA_KEY_BYTES: usize = 32;

/// The key that seals the values of one file. Wiped when it is dropped; it cannot be printed or copied.
pub struct DataKey(Zeroizing<[u8; DATA_KEY_BYTES]>);

/// Something that can open wrapped keys: a set of private keys.
pub trait DataKeySource {
    /// Opens one wrapped key. `Ok(None)` means that it is meant for somebody else.
    fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError>;
}

/// A data key, or a share of one, as it is wrapped for one key holder. What is inside is not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// What kind of key opens it.
    pub kind: KeyKind,
    /// Whose key: an age recipient, an OpenPGP fingerprint, the name of a key in a key service.
    pub recipient: String,
    /// The wrapped bytes, as the kind writes them.
    pub wrapped: String,
    /// Where it stands in the file.
    pub position: Position,
}

/// The kinds of keys that sops knows, by their names in the metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// age.
    Age,
    /// OpenPGP.
    Pgp,
    /// AWS KMS.
    Kms,
    /// Google Cloud KMS.
    GcpKms,
    /// Huawei Cloud KMS.
    HcKms,
    /// Azure Key Vault.
    AzureKv,
    /// `HashiCorp` Vault.
    HcVault,
}

/// Why a wrapped key cannot be read. That it is meant for another key is no error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnwrapError {
    /// Not an age file: its armor, its header or its payload is broken.
    #[error("failed to read the age file: {problem}")]
    InvalidAgeFile {
        /// What is broken.
        problem: &'static str,
    },
    /// Not an OpenPGP message for the key that it names, or one that cannot be read.
    #[error("failed to read the OpenPGP message: {problem}")]
    InvalidOpenPgpMessage {
        /// What is broken.
        problem: &'static str,
    },
    /// The private key is protected by a passphrase that was not given, or is another one.
    #[error("failed to unlock the private key: there was no passphrase, or a wrong one")]
    Locked,
}

/// Why the data key of a file cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DataKeyError {
    /// None of the keys opens the file.
    #[error("failed to find a key for the file: it is sealed for {}{}", Recipients(.wanted), Broken(.broken))]
    NoKey {
        /// Who can open it, foreign kinds of keys included.
        wanted: Vec<WrappedKey>,
        /// Wrapped keys that nobody can open, and why.
        broken: Vec<BrokenKey>,
    },
    /// Fewer key groups could be opened than the file demands.
    #[error(
        "failed to open enough key groups of the file: {opened} of {threshold}; the others are sealed for {}{}",
        Recipients(.wanted),
        Broken(.broken)
    )]
    BelowThreshold {
        /// Groups that were opened.
        opened: usize,
        /// Groups that are needed.
        threshold: usize,
        /// Who can open the other groups.
        wanted: Vec<WrappedKey>,
        /// Wrapped keys that nobody can open, and why.
        broken: Vec<BrokenKey>,
    },
    /// What was wrapped is not a key of 32 bytes.
    #[error("failed to use the data key: it has {length} bytes, not {DATA_KEY_BYTES}")]
    InvalidLength {
        /// Its bytes.
        length: usize,
    },
    /// The shares of the key groups do not fit together.
    #[error("failed to combine the shares of the key groups")]
    Shares(#[source] ShamirError),
}

/// A wrapped key that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenKey {
    /// Where it stands in the file.
    pub position: Position,
    /// For whom it is.
    pub recipient: String,
    /// What is wrong with it.
    pub error: UnwrapError,
}

impl DataKey {
    pub(crate) fn from_bytes(bytes: [u8; DATA_KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key out of a source of random bytes.
    pub(crate) fn generate(random: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut key = Self::from_bytes([0; DATA_KEY_BYTES]);
        random(key.0.as_mut_slice());
        key
    }

    /// The key; only a cipher and a wrapper of keys have a use for it.
    pub(crate) fn expose(&self) -> &[u8; DATA_KEY_BYTES] {
        &self.0
    }

    fn from_slice(bytes: &[u8]) -> Result<Self, DataKeyError> {
        let mut key = Self::from_bytes([0; DATA_KEY_BYTES]);
        if bytes.len() != DATA_KEY_BYTES {
            return Err(DataKeyError::InvalidLength { length: bytes.len() });
        }
        key.0.copy_from_slice(bytes);
        Ok(key)
    }
}

/// Recovers the data key of a file (`GetDataKeyWithKeyServices` in sops.go): from any key of its one group, or from
/// shares of as many groups as the threshold says.
pub(crate) fn recover(groups: &KeyGroups, source: &dyn DataKeySource) -> Result<DataKey, DataKeyError> {
    let mut parts = Vec::new();
    let mut wanted = Vec::new();
    let mut broken = Vec::new();
    for group in &groups.groups {
        match first_opened(group, source, &mut broken) {
            Some(part) => parts.push(part),
            None => wanted.extend(group.iter().cloned()),
        }
        if parts.len() == groups.threshold {
            break;
        }
    }
    if parts.len() < groups.threshold {
        return Err(match parts.len() {
            0 => DataKeyError::NoKey { wanted, broken },
            opened => DataKeyError::BelowThreshold {
                opened,
                threshold: groups.threshold,
                wanted,
                broken,
            },
        });
    }
    match (groups.groups.as_slice(), parts.as_slice()) {
        ([_], [key]) => DataKey::from_slice(key),
        _ => DataKey::from_slice(&shamir::combine(&parts).map_err(DataKeyError::Shares)?),
    }
}

fn first_opened(
    group: &[WrappedKey],
    source: &dyn DataKeySource,
    broken: &mut Vec<BrokenKey>,
) -> Option<Zeroizing<Vec<u8>>> {
    for key in group {
        match source.unwrap_key(key) {
            Ok(Some(part)) => return Some(part),
            Ok(None) => {}
            Err(error) => broken.push(BrokenKey {
                position: key.position,
                recipient: key.recipient.clone(),
                error,
            }),
        }
    }
    None
}

impl KeyKind {
    /// The list of these keys in the metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Pgp => "pgp",
            Self::Kms => "kms",
            Self::GcpKms => "gcp_kms",
            Self::HcKms => "hckms",
            Self::AzureKv => "azure_kv",
            Self::HcVault => "hc_vault",
        }
    }
}

/// An age recipient as it is; other keys with their kind in front.
impl fmt::Display for WrappedKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            KeyKind::Age => formatter.write_str(&self.recipient),
            kind => write!(formatter, "{} {}", kind.name(), self.recipient),
        }
    }
}

struct Recipients<'a>(&'a [WrappedKey]);

impl fmt::Display for Recipients<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, key) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str(", ")?;
            }
            key.fmt(formatter)?;
        }
        formatter.write_str(advice(self.0))
    }
}

/// What to do where no age key could help.
fn advice(wanted: &[WrappedKey]) -> &'static str {
    let is_among = |kind| wanted.iter().any(|key| key.kind == kind);
    if is_among(KeyKind::Age) {
        ""
    } else if is_among(KeyKind::Pgp) {
        "; no age key opens it: give the secret OpenPGP key, without its passphrase, or let its holder add an age \
         recipient with sops rotate --add-age"
    } else {
        "; key services are not asked for keys: let somebody with access to one of them add an age recipient with \
         sops rotate --add-age"
    }
}

struct Broken<'a>(&'a [BrokenKey]);

impl fmt::Display for Broken<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for key in self.0 {
            write!(
                formatter,
                "; at {}, for {}: {}",
                key.position, key.recipient, key.error
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opens what is wrapped as its own hexadecimal digits, for its own recipients.
    struct Plain(&'static [&'static str]);

    impl DataKeySource for Plain {
        fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
            if key.wrapped == "broken" {
                return Err(UnwrapError::InvalidAgeFile { problem: "broken" });
            }
            let is_ours = self.0.contains(&key.recipient.as_str());
            Ok(is_ours.then(|| Zeroizing::new(key.wrapped.bytes().collect())))
        }
    }

    fn key(kind: KeyKind, recipient: &str, wrapped: &str) -> WrappedKey {
        WrappedKey {
            kind,
            recipient: recipient.to_owned(),
            wrapped: wrapped.to_owned(),
            position: Position { line: 3, column: 4 },
        }
    }

    fn one_group(keys: Vec<WrappedKey>) -> KeyGroups {
        KeyGroups {
            groups: vec![keys],
            threshold: 1,
        }
    }

    #[test]
    fn any_key_of_a_group_will_do() {
        let wrapped = "k".repeat(32);
        let groups = one_group(vec![
            key(KeyKind::Age, "broken", "broken"),
            key(KeyKind::Age, "theirs", "x"),
            key(KeyKind::Age, "ours", &wrapped),
        ]);
        let recovered = recover(&groups, &Plain(&["ours"])).ok().unwrap();
        assert_eq!(recovered.expose().as_slice(), wrapped.as_bytes());
    }

    #[test]
    fn the_error_names_who_could_open_the_file() {
        let groups = one_group(vec![
            key(KeyKind::Pgp, "FBC7", "x"),
            key(KeyKind::Age, "age1theirs", "x"),
            key(KeyKind::Age, "age1broken", "broken"),
        ]);
        assert_eq!(
            recover(&groups, &Plain(&[])).err().unwrap().to_string(),
            "failed to find a key for the file: it is sealed for pgp FBC7, age1theirs, age1broken; at 3:4, for \
             age1broken: failed to read the age file: broken"
        );
        let foreign = one_group(vec![key(KeyKind::Kms, "arn:aws:kms:x", "x")]);
        assert_eq!(
            recover(&foreign, &Plain(&[])).err().unwrap().to_string(),
            "failed to find a key for the file: it is sealed for kms arn:aws:kms:x; key services are not asked \
             for keys: let somebody with access to one of them add an age recipient with sops rotate --add-age"
        );
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        let groups = one_group(vec![key(KeyKind::Age, "ours", "short")]);
        assert_eq!(
            recover(&groups, &Plain(&["ours"])).err(),
            Some(DataKeyError::InvalidLength { length: 5 })
        );
    }

    #[test]
    fn groups_below_the_threshold_are_not_enough() {
        let groups = KeyGroups {
            groups: vec![
                vec![key(KeyKind::Age, "ours", "share")],
                vec![key(KeyKind::Age, "theirs", "share")],
            ],
            threshold: 2,
        };
        let error = recover(&groups, &Plain(&["ours"])).err().unwrap();
        assert_eq!(
            error.to_string(),
            "failed to open enough key groups of the file: 1 of 2; the others are sealed for theirs"
        );
    }
}
