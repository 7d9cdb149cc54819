//! The SSHSIG structure (PROTOCOL.sshsig; sshsig.c).

use ssh_key::encoding::{Decode, Encode, Reader};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, SshSig};

use super::key::PublicKey;
use crate::armor::{self, Label};
use crate::refusal::{MalformedSignature, Refusal};

/// Bit of the flags of a FIDO signature that says that somebody touched the key (PROTOCOL.u2f).
const USER_PRESENT: u8 = 0x01;

/// Bytes at the end of a FIDO signature: the flags and a counter of four bytes.
const SECURITY_KEY_TRAILER: usize = 5;

/// A signature that can be read; whether it holds is another question.
pub(super) struct Sshsig(SshSig);

impl Sshsig {
    /// Reads an armored signature: exactly one block, exactly one structure, written as OpenSSH writes it.
    pub(super) fn parse(armored: &[u8]) -> Result<Self, Refusal> {
        let blob = armor::decode(armored, Label::SshSignature)?;
        Ok(Self::from_blob(&blob)?)
    }

    fn from_blob(blob: &[u8]) -> Result<Self, MalformedSignature> {
        let mut reader = blob;
        let signature = SshSig::decode(&mut reader).map_err(|_| MalformedSignature::Sshsig)?;
        if !reader.is_finished() || signature.version() != SshSig::VERSION {
            return Err(MalformedSignature::Sshsig);
        }
        if !signature.reserved().is_empty() {
            return Err(MalformedSignature::SshsigReserved);
        }
        if signature.encode_vec().ok().as_deref() != Some(blob) {
            return Err(MalformedSignature::SshsigNotCanonical);
        }
        Ok(Self(signature))
    }

    /// The key, or the certificate with the key in it, that claims to have signed.
    pub(super) fn public_key(&self) -> &KeyData {
        self.0.public_key()
    }

    /// What the signature was made for.
    pub(super) fn namespace(&self) -> &str {
        self.0.namespace()
    }

    /// Verifies the signature over a message by a key that is trusted.
    pub(super) fn verify(&self, key: &PublicKey, message: &[u8]) -> Result<(), Refusal> {
        let signature = self.0.signature();
        match signature.algorithm() {
            // SHA-1, which OpenSSH refuses in SSHSIG as well.
            Algorithm::Rsa { hash: None } => {
                return Err(Refusal::WeakHash {
                    algorithm: "SHA-1 (ssh-rsa)".to_owned(),
                });
            }
            algorithm if !key.signs_with(&algorithm) => {
                return Err(Refusal::UnsupportedAlgorithm {
                    algorithm: crate::object::visible(algorithm.as_str()),
                });
            }
            _ => {}
        }
        let bad = || Refusal::BadSignature { key: key.name() };
        let signed = SshSig::signed_data(self.namespace(), self.0.hash_alg(), message).map_err(|_| bad())?;
        key.verify(&signed, signature).map_err(|_| bad())?;
        if key.is_security_key() && !user_present(signature.as_bytes()) {
            return Err(Refusal::UserNotPresent { key: key.name() });
        }
        Ok(())
    }
}

/// Whether the flags of a FIDO signature, which it covers, say that the key was touched.
fn user_present(signature: &[u8]) -> bool {
    signature
        .len()
        .checked_sub(SECURITY_KEY_TRAILER)
        .and_then(|flags| signature.get(flags))
        .is_some_and(|flags| flags & USER_PRESENT != 0)
}
