//! `revoked_keys`: a list of keys, or a binary KRL (ssh-keygen(1), KEY REVOCATION LISTS).

use std::collections::HashSet;

use super::Certified;
use super::authorized_keys::{lines, split_field};
use super::key::{KeyError, PublicKey};
use super::krl::{Krl, KrlError};

/// Keys that are not trusted any more, whoever vouches for them. A key is revoked with its certificates, and
/// an authority with everything it certified (authfile.c, `sshkey_check_revoked`).
#[derive(Default)]
pub(crate) struct RevokedKeys {
    keys: HashSet<PublicKey>,
    krl: Option<Krl>,
}

/// Why a revocation file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevokedKeysError {
    /// A binary KRL that cannot be read.
    #[error(transparent)]
    Krl(#[from] KrlError),
    /// Neither a binary KRL nor text.
    #[error("it is neither a KRL nor a list of keys in UTF-8")]
    NotText,
    /// The text from which `ssh-keygen -k` makes a KRL.
    #[error("this is the specification of a KRL; make the KRL with `ssh-keygen -k -f revoked_keys FILE`")]
    Specification,
    /// A key that cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl RevokedKeys {
    /// Reads a file; an error in a line comes with its line, counted from 1.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, (Option<usize>, RevokedKeysError)> {
        if Krl::is_krl(bytes) {
            let krl = Krl::parse(bytes).map_err(|error| (None, error.into()))?;
            return Ok(Self {
                keys: HashSet::new(),
                krl: Some(krl),
            });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| (None, RevokedKeysError::NotText))?;
        let mut keys = HashSet::new();
        for (number, line) in lines(text) {
            keys.insert(read_line(line).map_err(|error| (Some(number), error))?);
        }
        Ok(Self { keys, krl: None })
    }

    /// What revokes a key or its certificate, in words.
    pub(super) fn lookup(&self, key: &PublicKey, certificate: Option<&Certified>) -> Option<String> {
        let list = |key: &PublicKey| {
            self.keys
                .contains(key)
                .then(|| "listed in revoked_keys".to_owned())
        };
        let authority = certificate.map(Certified::authority);
        list(key)
            .or_else(|| self.krl.as_ref().and_then(|krl| krl.lookup(key, certificate)))
            .or_else(|| {
                let authority = authority?;
                let by = list(authority)
                    .or_else(|| self.krl.as_ref().and_then(|krl| krl.lookup(authority, None)))?;
                Some(format!(
                    "the authority {} of its certificate: {by}",
                    authority.fingerprint()
                ))
            })
    }
}

fn read_line(line: &str) -> Result<PublicKey, RevokedKeysError> {
    const SPECIFICATION: [&str; 6] = ["serial:", "id:", "key:", "sha1:", "sha256:", "hash:"];
    if SPECIFICATION.iter().any(|keyword| line.starts_with(keyword)) {
        return Err(RevokedKeysError::Specification);
    }
    let (key_type, rest) = split_field(line);
    let (base64, _comment) = split_field(rest);
    if base64.is_empty() {
        return Err(KeyError::Missing.into());
    }
    Ok(PublicKey::from_fields_or_certificate(key_type, base64)?)
}
