//! Public keys by their wire encoding (RFC 4253 §6.6).

use std::hash::{Hash, Hasher};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1collisiondetection::Sha1CD;
use sha2::{Digest, Sha256};
use signature::Verifier;
use ssh_key::encoding::{Decode, Encode, Reader};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, Signature};

use crate::refusal::{KeyName, Refusal, SignerKind};

/// Bits that an RSA modulus must have: below, NIST SP 800-131A disallows signatures, and Flux's audit of
/// 2023 asked for the same bound.
pub(crate) const MIN_RSA_BITS: usize = 2048;

/// Bits that an RSA modulus may have: verification beyond costs attackers nothing and us much.
pub(crate) const MAX_RSA_BITS: usize = 8192;

/// A public key of a kind that can be verified here.
#[derive(Clone, Debug)]
pub(crate) struct PublicKey {
    data: KeyData,
    blob: Vec<u8>,
}

/// Why a text or a structure is not a key that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The line has no key where one belongs.
    #[error("there is no public key (`type base64`) where one belongs")]
    Missing,
    /// The base64 is not canonical.
    #[error("the key's base64 cannot be read")]
    Base64,
    /// The bytes are not a key in the form that OpenSSH writes.
    #[error("the key cannot be read")]
    Malformed,
    /// The type in front of the key is not the one inside.
    #[error("the line says {written:?}, but the key is of type {actual:?}")]
    TypeMismatch {
        /// The type as the line has it.
        written: String,
        /// The type inside the key.
        actual: String,
    },
    /// A certificate stands where a plain key belongs.
    #[error("this is a certificate; put the key of its authority here, with the option cert-authority")]
    Certificate,
    /// The kind of key is not supported.
    #[error("keys of type {0:?} are not supported")]
    Unsupported(String),
    /// An RSA key outside [2048, 8192] bits.
    #[error("RSA with {bits} bits, and {MIN_RSA_BITS} to {MAX_RSA_BITS} are accepted")]
    RsaSize {
        /// The length of the modulus.
        bits: usize,
    },
}

impl KeyError {
    pub(crate) fn into_refusal(self, key: KeyName) -> Refusal {
        match self {
            Self::RsaSize { .. } => Refusal::WeakKey {
                key,
                why: self.to_string(),
            },
            error => error.into_unsupported(),
        }
    }

    pub(crate) fn into_unsupported(self) -> Refusal {
        match self {
            Self::Unsupported(algorithm) => Refusal::UnsupportedAlgorithm {
                algorithm: crate::object::visible(&algorithm),
            },
            error => Refusal::UnsupportedAlgorithm {
                algorithm: error.to_string(),
            },
        }
    }
}

impl PublicKey {
    /// Accepts a key of a supported kind.
    pub(crate) fn new(data: KeyData) -> Result<Self, KeyError> {
        match &data {
            KeyData::Ed25519(_)
            | KeyData::Ecdsa(_)
            | KeyData::Rsa(_)
            | KeyData::SkEd25519(_)
            | KeyData::SkEcdsaSha2NistP256(_) => {}
            KeyData::Certificate(_) => return Err(KeyError::Certificate),
            other => return Err(KeyError::Unsupported(other.algorithm().as_str().to_owned())),
        }
        let blob = data.encode_vec().map_err(|_| KeyError::Malformed)?;
        Ok(Self { data, blob })
    }

    /// Reads a key in its wire encoding, which must be the one that OpenSSH writes.
    pub(crate) fn from_blob(blob: &[u8]) -> Result<Self, KeyError> {
        let key = Self::new(decode_blob(blob)?)?;
        if key.blob == blob {
            Ok(key)
        } else {
            Err(KeyError::Malformed)
        }
    }

    /// Reads the two fields `type base64` of a line.
    pub(crate) fn from_fields(written: &str, base64: &str) -> Result<Self, KeyError> {
        let blob = STANDARD.decode(base64).map_err(|_| KeyError::Base64)?;
        let key = match decode_blob(&blob)? {
            KeyData::Certificate(_) => return Err(KeyError::Certificate),
            _ => Self::from_blob(&blob)?,
        };
        let actual = key.data.algorithm();
        if actual.as_str() == written {
            Ok(key)
        } else {
            Err(KeyError::TypeMismatch {
                written: written.to_owned(),
                actual: actual.as_str().to_owned(),
            })
        }
    }

    /// Reads the two fields `type base64` of a line; of a certificate, the key that it is about.
    pub(crate) fn from_fields_or_certificate(written: &str, base64: &str) -> Result<Self, KeyError> {
        match Self::from_fields(written, base64) {
            Err(KeyError::Certificate) => {
                let blob = STANDARD.decode(base64).map_err(|_| KeyError::Base64)?;
                match decode_blob(&blob)? {
                    KeyData::Certificate(certificate) => Self::new(certificate.public_key().clone()),
                    _ => Err(KeyError::Malformed),
                }
            }
            outcome => outcome,
        }
    }

    /// Whether a word is the type of a key or certificate, or looks like that of one that is not known here.
    pub(crate) fn is_type(word: &str) -> bool {
        const PREFIXES: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-", "rsa-sha2-"];
        PREFIXES.iter().any(|prefix| word.starts_with(prefix)) && !word.contains(['=', ',', '"'])
    }

    pub(crate) fn blob(&self) -> &[u8] {
        &self.blob
    }

    pub(crate) fn fingerprint(&self) -> String {
        self.data.fingerprint(HashAlg::Sha256).to_string()
    }

    pub(crate) fn name(&self) -> KeyName {
        KeyName {
            kind: SignerKind::Ssh,
            fingerprint: self.fingerprint(),
        }
    }

    pub(crate) fn sha256(&self) -> [u8; 32] {
        Sha256::digest(&self.blob).into()
    }

    pub(crate) fn sha1(&self) -> [u8; 20] {
        // Plain SHA-1, as ssh-keygen writes it into a list: with the safe hash of collision detection, a key
        // that is part of an attack would not be found there.
        let mut hash = Sha1CD::configure()
            .detect_collisions(false)
            .safe_hash(false)
            .build();
        hash.update(&self.blob);
        let mut digest = sha1collisiondetection::Output::default();
        let _ = hash.finalize_into_dirty_cd(&mut digest);
        digest.into()
    }

    /// Whether signatures by this key prove anything.
    pub(crate) fn check_strength(&self) -> Result<(), KeyError> {
        let KeyData::Rsa(rsa) = &self.data else {
            return Ok(());
        };
        let modulus = rsa.n().as_positive_bytes().unwrap_or_default();
        let unused = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let bits = modulus.len() * 8 - unused;
        if (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
            Ok(())
        } else {
            Err(KeyError::RsaSize { bits })
        }
    }

    /// Whether a signature of this algorithm can be one by this key. RSA only with SHA-2 (RFC 8332), ECDSA
    /// only over the key's own curve.
    pub(crate) fn signs_with(&self, algorithm: &Algorithm) -> bool {
        match (&self.data, algorithm) {
            (KeyData::Rsa(_), Algorithm::Rsa { hash }) => hash.is_some(),
            (_, Algorithm::Rsa { .. }) => false,
            (data, algorithm) => data.algorithm() == *algorithm,
        }
    }

    pub(crate) fn is_security_key(&self) -> bool {
        matches!(self.data, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_))
    }

    /// Verifies a signature over the bytes given.
    pub(crate) fn verify(&self, signed: &[u8], signature: &Signature) -> Result<(), InvalidSignature> {
        if !self.signs_with(&signature.algorithm()) {
            return Err(InvalidSignature);
        }
        self.data.verify(signed, signature).map_err(|_| InvalidSignature)
    }
}

/// The signature is not one by this key over these bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidSignature;

fn decode_blob(blob: &[u8]) -> Result<KeyData, KeyError> {
    let mut reader = blob;
    let data = KeyData::decode(&mut reader).map_err(|_| KeyError::Malformed)?;
    reader
        .finish(data)
        .map_err(|_: ssh_key::encoding::Error| KeyError::Malformed)
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.blob == other.blob
    }
}

impl Eq for PublicKey {}

impl Hash for PublicKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.blob.hash(state);
    }
}
