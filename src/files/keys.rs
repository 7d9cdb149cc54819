//! The private keys that open sealed files.

use sops::{AgeIdentities, DataKeySource, IdentityError, KeyKind, OpenPgpKeyError, OpenPgpKeys};
use sops::{UnwrapError, WrappedKey};
use zeroize::Zeroizing;

/// Keys to open sealed files with. Without any, a sealed file is an error that names who could open it.
#[derive(Default)]
pub struct Keys {
    age: AgeIdentities,
    openpgp: OpenPgpKeys,
}

/// Why a key is none. The text of the key is not in here.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// An identity of age.
    #[error(transparent)]
    Age(#[from] IdentityError),
    /// A secret OpenPGP key.
    #[error(transparent)]
    OpenPgp(#[from] OpenPgpKeyError),
    /// An entry of a Secret.
    #[error("failed to use the entry {name} of the Secret")]
    Entry {
        /// The entry.
        name: String,
        /// Why.
        source: Box<KeyError>,
    },
    /// Bytes that are not text.
    #[error("failed to read the key: it is not UTF-8")]
    NotText,
}

impl Keys {
    /// These keys.
    pub(crate) fn new(age: AgeIdentities, openpgp: OpenPgpKeys) -> Self {
        Self { age, openpgp }
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.age.is_empty() && self.openpgp.is_empty()
    }

    /// age identities: the text of an identity file.
    pub fn parse_age(text: &str) -> Result<Self, KeyError> {
        Ok(Self {
            age: AgeIdentities::parse(text)?,
            openpgp: OpenPgpKeys::default(),
        })
    }

    /// The entries of a `decryption` Secret, as Flux names them: `*.agekey` are age identities, `*.asc` secret OpenPGP
    /// keys. Others are no keys; those of key services among them are not used.
    pub fn parse_entries<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Result<Self, KeyError> {
        let mut keys = Self::default();
        for (name, bytes) in entries {
            keys.add(name, bytes).map_err(|source| KeyError::Entry {
                name: name.to_owned(),
                source: Box::new(source),
            })?;
        }
        Ok(keys)
    }

    fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), KeyError> {
        let text = || str::from_utf8(bytes).map_err(|_| KeyError::NotText);
        match name.rsplit_once('.') {
            Some((_, "agekey")) => self.age.extend(AgeIdentities::parse(text()?)?),
            Some((_, "asc")) => self.openpgp.extend(OpenPgpKeys::parse(text()?)?),
            _ => {}
        }
        Ok(())
    }
}

impl DataKeySource for Keys {
    fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        match key.kind {
            KeyKind::Age => self.age.unwrap_key(key),
            KeyKind::Pgp => self.openpgp.unwrap_key(key),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_keys_by_their_names() {
        let identity = sops::NewAgeIdentity::generate(sops::AgeKeyType::X25519);
        let good = identity.expose().as_bytes();
        let of = |entries: &[(&'static str, &'static [u8])]| {
            Keys::parse_entries(entries.iter().copied())
                .err()
                .map(|error| crate::chain(&error))
        };
        let keys =
            Keys::parse_entries([("a.agekey", good), ("sops.vault-token", b"hunter2".as_slice())]).unwrap();
        assert_eq!(keys.age.recipients().count(), 1);
        assert!(keys.openpgp.is_empty());
        for (name, bytes, words) in [
            ("a.agekey", b"hunter2".as_slice(), "age identity on line 1"),
            ("a.agekey", b"\xff", "not UTF-8"),
            ("a.asc", b"hunter2", "not armored secret keys"),
        ] {
            let refusal = of(&[(name, bytes)]).unwrap();
            assert!(refusal.contains(name) && refusal.contains(words), "{refusal}");
            assert!(!refusal.contains("hunter2"), "{refusal}");
        }
    }
}
