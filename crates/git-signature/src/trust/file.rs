//! The files of trust material: what each holds, by its name.

use sequoia_openpgp::cert::Cert;

use super::{MAX_TRUST_FILE_BYTES, TrustErrorReason};
use crate::openpgp::certificates;
use crate::ssh::revoked::RevokedKeys;
use crate::ssh::{self, allowed_signers, authorized_keys};

/// What a file says in a line, or from a line on.
pub(crate) struct Line {
    /// The line, counted from 1, where it is known.
    pub(crate) number: Option<usize>,
    /// What it says, or why it cannot be read.
    pub(crate) item: Result<Item, TrustErrorReason>,
}

/// One thing that trust material says.
pub(crate) enum Item {
    SshKey(ssh::Entry),
    Certificate(Box<Cert>),
    RevokedKeys(RevokedKeys),
}

/// Reads a file as far as it can be read; only if every line can be is the file usable.
pub(crate) fn read(name: &str, bytes: &[u8]) -> Vec<Line> {
    let whole = |reason| {
        vec![Line {
            number: None,
            item: Err(reason),
        }]
    };
    if bytes.len() > MAX_TRUST_FILE_BYTES {
        return whole(TrustErrorReason::TooLarge(bytes.len()));
    }
    if holds_private_key(bytes) {
        return whole(TrustErrorReason::PrivateKey);
    }
    let text = || std::str::from_utf8(bytes).map_err(|_| TrustErrorReason::NotText);
    match FileKind::of(name) {
        None => whole(TrustErrorReason::UnknownName),
        Some(FileKind::AllowedSigners) => {
            text().map_or_else(whole, |text| lines(allowed_signers::read(text), Item::SshKey))
        }
        Some(FileKind::SshPublicKeys) => {
            text().map_or_else(whole, |text| lines(authorized_keys::read(text), Item::SshKey))
        }
        Some(FileKind::OpenPgpCertificates) => lines(certificates::read(bytes), |certificate| {
            Item::Certificate(Box::new(certificate))
        }),
        Some(FileKind::RevokedKeys) => {
            let (number, item) = match RevokedKeys::parse(bytes) {
                Ok(revoked) => (None, Ok(Item::RevokedKeys(revoked))),
                Err((number, error)) => (number, Err(error.into())),
            };
            vec![Line { number, item }]
        }
    }
}

fn lines<T, E: Into<TrustErrorReason>>(
    read: impl IntoIterator<Item = (usize, Result<T, E>)>,
    item: fn(T) -> Item,
) -> Vec<Line> {
    read.into_iter()
        .map(|(number, read)| Line {
            number: Some(number),
            item: read.map(item).map_err(Into::into),
        })
        .collect()
}

/// What a file holds, by its name.
enum FileKind {
    AllowedSigners,
    SshPublicKeys,
    OpenPgpCertificates,
    RevokedKeys,
}

impl FileKind {
    fn of(name: &str) -> Option<Self> {
        let stem = |suffix| {
            name.strip_suffix(suffix)
                .is_some_and(|stem: &str| !stem.is_empty())
        };
        match name {
            "allowed_signers" => Some(Self::AllowedSigners),
            "revoked_keys" => Some(Self::RevokedKeys),
            _ if stem(".sshpub") => Some(Self::SshPublicKeys),
            _ if stem(".asc") => Some(Self::OpenPgpCertificates),
            _ => None,
        }
    }
}

/// Whether a file has a private key in one of the forms that people mistake for public ones.
fn holds_private_key(bytes: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [
        b"PRIVATE KEY-----",
        b"PRIVATE KEY BLOCK-----",
        b"PuTTY-User-Key-File-",
        b"AGE-SECRET-KEY-",
    ];
    MARKS
        .iter()
        .any(|mark| bytes.windows(mark.len()).any(|window| window == *mark))
}
