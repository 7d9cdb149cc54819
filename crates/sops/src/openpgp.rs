//! OpenPGP keys that open data keys (pgp/keysource.go of sops): secret keys without a passphrase, as `gpg
//! --export-secret-keys --armor` writes them.
//!
//! As gpg and sops do, a key opens what is sealed for it whether it has expired or not.

mod message;

use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::{SecretParts, UnspecifiedRole};
use sequoia_openpgp::parse::Parse as _;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::data_key::{DataKeySource, KeyKind, UnwrapError, WrappedKey};

pub use message::MAX_OPENPGP_MESSAGE_BYTES;

const ARMOR_BEGIN: &str = "-----BEGIN PGP PRIVATE KEY BLOCK-----";
const ARMOR_END: &str = "-----END PGP PRIVATE KEY BLOCK-----";

type SecretKey = Key<SecretParts, UnspecifiedRole>;

/// Secret OpenPGP keys. They cannot be printed or copied, and are wiped when they are dropped.
#[derive(Default)]
pub struct OpenPgpKeys(Vec<SecretKey>);

/// Why a text is not a set of secret OpenPGP keys. Keys are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenPgpKeyError {
    /// Something else than armored secret keys.
    #[error(
        "failed to read the OpenPGP keys: they are not armored secret keys, as gpg --export-secret-keys --armor writes them"
    )]
    NotArmored,
    /// A block that was cut off or mistyped, or holds something else.
    #[error("failed to read the OpenPGP key in block {block}: it was cut off or mistyped, or holds no key")]
    Invalid {
        /// The block, from 1.
        block: usize,
    },
    /// A key that only its passphrase opens.
    #[error(
        "failed to use the OpenPGP key {fingerprint}: it is protected by a passphrase, which nobody can be asked for \
         here; gpg --edit-key {fingerprint} passwd takes it off a copy"
    )]
    Protected {
        /// The key.
        fingerprint: String,
    },
    /// A certificate without a secret key that could open anything.
    #[error("failed to use the OpenPGP key {fingerprint}: it comes without a secret key to decrypt with")]
    NoSecretKey {
        /// The key.
        fingerprint: String,
    },
}

impl OpenPgpKeys {
    /// Reads armored secret keys, one block after the other.
    pub fn parse(text: &str) -> Result<Self, OpenPgpKeyError> {
        let mut keys = Vec::new();
        let mut rest = text.trim();
        let mut block = 0_usize;
        while !rest.is_empty() {
            block = block.saturating_add(1);
            if !rest.starts_with(ARMOR_BEGIN) {
                return Err(OpenPgpKeyError::NotArmored);
            }
            let invalid = || OpenPgpKeyError::Invalid { block };
            let (body, after) = rest.split_once(ARMOR_END).ok_or_else(invalid)?;
            let armored = Zeroizing::new(format!("{body}{ARMOR_END}\n"));
            let before = keys.len();
            for certificate in CertParser::from_bytes(armored.as_bytes()).map_err(|_| invalid())? {
                keys.extend(secret_keys(&certificate.map_err(|_| invalid())?)?);
            }
            if keys.len() == before {
                return Err(invalid());
            }
            rest = after.trim_start();
        }
        if keys.is_empty() {
            return Err(OpenPgpKeyError::NotArmored);
        }
        Ok(Self(keys))
    }

    /// Adds the keys of another set.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The keys of a certificate that can decrypt. Those on a smart card, or left out of the export, count for nothing as long
/// as there is another.
fn secret_keys(certificate: &Cert) -> Result<Vec<SecretKey>, OpenPgpKeyError> {
    let decrypting = |key: &SecretKey| key.pk_algo().for_encryption() && key.pk_algo().is_supported();
    let all: Vec<SecretKey> = certificate
        .keys()
        .secret()
        .map(|amalgamation| amalgamation.key().clone())
        .filter(decrypting)
        .collect();
    let fingerprint = || certificate.fingerprint().to_hex();
    let is_protected = |key: &SecretKey| !key.has_unencrypted_secret();
    match (all.is_empty(), all.iter().all(is_protected)) {
        (true, _) => Err(OpenPgpKeyError::NoSecretKey {
            fingerprint: fingerprint(),
        }),
        (false, true) => Err(OpenPgpKeyError::Protected {
            fingerprint: fingerprint(),
        }),
        (false, false) => Ok(all
            .into_iter()
            .filter(SecretKey::has_unencrypted_secret)
            .collect()),
    }
}

/// The message itself says for which keys it is; the fingerprint beside it is a name for people.
impl DataKeySource for OpenPgpKeys {
    fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        if key.kind != KeyKind::Pgp || self.is_empty() {
            return Ok(None);
        }
        message::unwrap(&key.wrapped, &self.0)
    }
}
