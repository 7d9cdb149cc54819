//! SSH keys as age keys: `ssh-ed25519` and `ssh-rsa` (C2SP age, "The SSH recipient types").

use std::sync::{Arc, OnceLock};

use age::DecryptError;
use age::secrecy::SecretString;
use age::ssh::{Identity, ParseRecipientKeyError, Recipient, UnsupportedKey};
use age_core::format::{FileKey, Stanza};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::{Attendant, BoxedIdentity};

/// How a file with an SSH key begins.
pub(super) const ARMOR_PREFIX: &str = "-----BEGIN ";

/// Bytes of the hash by which a stanza names its key.
const TAG_BYTES: usize = 4;

const UNSUPPORTED_TYPE: &str = "SSH keys that are neither ed25519 nor RSA";

/// Why a text is not an SSH key that can be used.
pub(super) enum SshKeyError {
    /// It cannot be read.
    Invalid,
    /// It is of a kind that is not supported.
    Unsupported(&'static str),
    /// It is protected by a passphrase, and nobody is there to be asked.
    Protected,
}

/// A recipient as it is in `authorized_keys`: the key, and what follows it.
pub(super) fn split_comment(text: &str) -> (&str, &str) {
    let key_type = text.find(' ').map_or(text.len(), |blank| blank.saturating_add(1));
    let rest = text.get(key_type..).unwrap_or_default();
    let end = rest
        .find(' ')
        .map_or(text.len(), |blank| key_type.saturating_add(blank));
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Reads `ssh-ed25519 …` or `ssh-rsa …`. The error is the kind of key if that is not supported.
pub(super) fn parse_recipient(key: &str) -> Result<Recipient, Option<&'static str>> {
    key.parse().map_err(|error| unsupported_recipient(&error))
}

fn unsupported_recipient(error: &ParseRecipientKeyError) -> Option<&'static str> {
    match error {
        ParseRecipientKeyError::RsaModulusTooLarge => Some("RSA keys of more than 4096 bits"),
        ParseRecipientKeyError::RsaModulusTooSmall => Some("RSA keys of less than 2048 bits"),
        ParseRecipientKeyError::Unsupported(_) => Some(UNSUPPORTED_TYPE),
        _ => None,
    }
}

/// Reads a private key as ssh-keygen writes it. One with a passphrase is left sealed until a file asks for it.
pub(super) fn parse_identity(
    text: &str,
    attendant: Option<&Arc<dyn Attendant>>,
) -> Result<(BoxedIdentity, Recipient), SshKeyError> {
    // The reader wants the line break that ends the armor.
    let identity = Identity::from_buffer(text.trim().as_bytes(), None).map_err(|_| SshKeyError::Invalid)?;
    if let Identity::Unsupported(key) = &identity {
        return Err(SshKeyError::Unsupported(match key {
            UnsupportedKey::EncryptedPem => "PEM keys with a passphrase (ssh-keygen -p makes them OpenSSH's)",
            UnsupportedKey::EncryptedSsh(_) => {
                "SSH keys whose passphrase cipher is not one of OpenSSH's defaults"
            }
            UnsupportedKey::Hardware(_) => "SSH keys on hardware",
            UnsupportedKey::Type(_) => UNSUPPORTED_TYPE,
        }));
    }
    let recipient = Recipient::try_from(identity.clone()).map_err(|error| {
        unsupported_recipient(&error).map_or(SshKeyError::Invalid, SshKeyError::Unsupported)
    })?;
    let identity: BoxedIdentity = match (identity, attendant) {
        (Identity::Encrypted(key), Some(attendant)) => Box::new(ProtectedKey {
            key,
            recipient: recipient.clone(),
            attendant: Arc::clone(attendant),
            opened: OnceLock::new(),
        }),
        (Identity::Encrypted(_), None) => return Err(SshKeyError::Protected),
        (identity, _) => Box::new(identity),
    };
    Ok((identity, recipient))
}

/// A private key under a passphrase, which is asked for once, by the first file that needs it.
struct ProtectedKey {
    key: age::ssh::EncryptedKey,
    recipient: Recipient,
    attendant: Arc<dyn Attendant>,
    opened: OnceLock<Option<Identity>>,
}

impl ProtectedKey {
    /// Whether a stanza names this key.
    fn is_named_by(&self, stanza: &Stanza) -> bool {
        let (key_type, public) = match &self.recipient {
            Recipient::SshRsa(public, _) => ("ssh-rsa", public),
            Recipient::SshEd25519(public, _) => ("ssh-ed25519", public),
        };
        let hash = Sha256::digest(public);
        let tag = hash
            .get(..TAG_BYTES)
            .map(|tag| BASE64_STANDARD_NO_PAD.encode(tag));
        stanza.tag == key_type && stanza.args.first() == tag.as_ref()
    }

    fn open(&self) -> Option<Identity> {
        let passphrase = self.attendant.passphrase(&self.recipient.to_string())?;
        let passphrase = SecretString::from(passphrase.as_str());
        self.key.decrypt(passphrase).ok().map(Identity::from)
    }
}

impl age::Identity for ProtectedKey {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if !self.is_named_by(stanza) {
            return None;
        }
        match self.opened.get_or_init(|| self.open()) {
            Some(identity) => identity.unwrap_stanza(stanza),
            None => Some(Err(DecryptError::KeyDecryptionFailed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_key_is_its_comment() {
        for (text, key, comment) in [
            ("ssh-rsa AAAA me@home of mine", "ssh-rsa AAAA", " me@home of mine"),
            ("ssh-rsa AAAA", "ssh-rsa AAAA", ""),
            ("ssh-rsa", "ssh-rsa", ""),
            ("", "", ""),
        ] {
            assert_eq!(split_comment(text), (key, comment), "{text}");
        }
    }
}
