//! The trust store: who may sign, read from a folder's files, and the judgement over commits and tags.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::armor::{Signature, SignatureFormat};
use crate::moment::Times;
use crate::object::{Commit, ObjectId, ObjectKind, Tag};
use crate::openpgp::{self, CertificateFileError};
use crate::refusal::{Refusal, SignerKind};
use crate::ssh;
use crate::ssh::allowed_signers::AllowedSignersError;
use crate::ssh::authorized_keys::AuthorizedKeysError;
use crate::ssh::revoked::RevokedKeysError;

pub(crate) mod file;

use file::{Item, Line};

/// Bytes that one file of trust material may have: four times what fits into a Kubernetes Secret.
pub const MAX_TRUST_FILE_BYTES: usize = 4 * 1024 * 1024;

/// Who signed, as the trust material knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The system of keys.
    pub kind: SignerKind,
    /// The name that the trust material gives to the key; nothing in it comes from the commit:
    ///
    /// - for a line of `allowed_signers`, its first principal pattern, as written: a line for
    ///   `*@example.org` says that the signer is one of those, and no more;
    /// - for a certificate, the first of its principals that the authority's line matches;
    /// - for a line of a `*.sshpub` file, its comment, or without one the fingerprint;
    /// - for an OpenPGP certificate, its primary user id, or without one the fingerprint.
    pub identity: String,
    /// `SHA256:…` of the SSH key, or the fingerprint of the OpenPGP certificate (its primary key, also where
    /// a subkey signed).
    pub fingerprint: String,
    /// The last moment at which this may be said without asking anew, as far as the key, the line that lists it, its
    /// certificate and the signature tell; None where none of them has an end.
    pub valid_until: Option<Timestamp>,
}

/// Why trust material is not usable. One file or line that cannot be read makes the whole store unusable:
/// what cannot be read may have been meant to revoke or to limit a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustError {
    /// The file's name; empty where the store as a whole is meant.
    pub file: String,
    /// The line, counted from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: TrustErrorReason,
}

impl std::fmt::Display for TrustError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.file.as_str(), self.line) {
            ("", _) => write!(f, "failed to read the trust material: {}", self.reason),
            (file, None) => write!(f, "failed to read the trust material {file}: {}", self.reason),
            (file, Some(line)) => write!(
                f,
                "failed to read the trust material {file}:{line}: {}",
                self.reason
            ),
        }
    }
}

impl std::error::Error for TrustError {}

/// What is wrong with trust material.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustErrorReason {
    /// The name says nothing about what is in the file.
    #[error("unknown file name; known are allowed_signers, *.sshpub, *.asc and revoked_keys")]
    UnknownName,
    /// Two files have the same name.
    #[error("the file is given twice")]
    Repeated,
    /// The file is larger than [`MAX_TRUST_FILE_BYTES`].
    #[error("the file has {0} bytes, more than the {MAX_TRUST_FILE_BYTES} that are read")]
    TooLarge(usize),
    /// The file holds a private key, which has no business here.
    #[error("the file holds a private key; take it out, and consider the key as disclosed")]
    PrivateKey,
    /// The file is not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// No file names a key that is trusted.
    #[error("it names no key that is trusted")]
    Empty,
    /// A line of `allowed_signers`.
    #[error(transparent)]
    AllowedSigners(#[from] AllowedSignersError),
    /// A line of a `*.sshpub` file.
    #[error(transparent)]
    AuthorizedKeys(#[from] AuthorizedKeysError),
    /// The file `revoked_keys`.
    #[error(transparent)]
    RevokedKeys(#[from] RevokedKeysError),
    /// A file with OpenPGP certificates.
    #[error(transparent)]
    OpenPgp(#[from] CertificateFileError),
}

/// Who may sign commits and tags.
///
/// A store is made from files and never changes; it is the only thing that says who signed:
///
/// ```
/// use git_signature::TrustStore;
///
/// let allowed_signers = b"alice@example.org ssh-ed25519 \
///     AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
/// let trust = TrustStore::parse([("allowed_signers", allowed_signers)])?;
/// # Ok::<(), git_signature::TrustError>(())
/// ```
///
/// ```compile_fail
/// let trust = git_signature::TrustStore::default(); // trusts nobody: there is no such store
/// ```
pub struct TrustStore {
    ssh: ssh::Keyring,
    openpgp: openpgp::Keyring,
    digest: [u8; 32],
}

impl TrustStore {
    /// Reads trust material, given as file names and contents:
    ///
    /// - `allowed_signers`: lines of ssh-keygen(1), ALLOWED SIGNERS, with all options. A time without `Z` is
    ///   UTC here, where OpenSSH takes the machine's time zone;
    /// - `*.sshpub`: SSH public keys, one a line;
    /// - `*.asc`: armored OpenPGP certificates;
    /// - `revoked_keys`: SSH public keys, one a line, or a binary KRL. (OpenPGP keys are revoked inside their
    ///   certificate.)
    pub fn parse<N, B>(entries: impl IntoIterator<Item = (N, B)>) -> Result<Self, TrustError>
    where
        N: AsRef<str>,
        B: AsRef<[u8]>,
    {
        let mut files: BTreeMap<String, B> = BTreeMap::new();
        for (name, bytes) in entries {
            let name = name.as_ref().to_owned();
            if files.insert(name.clone(), bytes).is_some() {
                return Err(TrustError {
                    file: name,
                    line: None,
                    reason: TrustErrorReason::Repeated,
                });
            }
        }

        let mut store = Self {
            ssh: ssh::Keyring::default(),
            openpgp: openpgp::Keyring::default(),
            digest: [0; 32],
        };
        let mut digest = Sha256::new();
        for (name, bytes) in &files {
            let bytes = bytes.as_ref();
            for part in [name.as_bytes(), bytes] {
                digest.update(part.len().to_string());
                digest.update(":");
                digest.update(part);
            }
            for Line { number, item } in file::read(name, bytes) {
                item.and_then(|item| store.add(item))
                    .map_err(|reason| TrustError {
                        file: name.clone(),
                        line: number,
                        reason,
                    })?;
            }
        }
        if store.ssh.is_empty() && store.openpgp.is_empty() {
            return Err(TrustError {
                file: String::new(),
                line: None,
                reason: TrustErrorReason::Empty,
            });
        }
        store.digest = digest.finalize().into();
        Ok(store)
    }

    fn add(&mut self, item: Item) -> Result<(), TrustErrorReason> {
        match item {
            Item::SshKey(entry) => self.ssh.add(entry),
            Item::Certificate(certificate) => self.openpgp.add(*certificate)?,
            Item::RevokedKeys(revoked) => self.ssh.revoked = revoked,
        }
        Ok(())
    }

    /// SHA-256 over the names and contents of all files, in hexadecimal digits: equal exactly when the
    /// material is.
    pub fn digest(&self) -> String {
        HexDigits(&self.digest).to_string()
    }

    /// Judges a commit: the content of the object found under the name `id`, at the time `now`.
    ///
    /// `now` is the time at which the commit was first seen; a key must be valid then and at the commit's
    /// own time, which whoever signs can choose.
    pub fn verify_commit(&self, raw: &[u8], id: ObjectId, now: Timestamp) -> Result<Signer, Refusal> {
        self.verify_parsed_commit(&Commit::parse(raw, id)?, now)
    }

    /// Judges a commit that has been read already. What is used of a commit afterwards, its tree and its
    /// parents, should come from this same reading.
    pub fn verify_parsed_commit(&self, commit: &Commit<'_>, now: Timestamp) -> Result<Signer, Refusal> {
        let signature = commit.signature.as_ref().ok_or(Refusal::Unsigned)?;
        self.verify_signature(signature, &commit.payload(), commit.committer.time, now)
    }

    /// Judges an annotated tag found under the name `id` by way of the ref `ref_name` (`refs/tags/NAME`, or
    /// `NAME` alone), and returns the commit that it stands for.
    ///
    /// The signature of a tag vouches for that commit, and for the commit's name only: who needs the commit
    /// signed as well verifies it too.
    pub fn verify_tag(
        &self,
        raw: &[u8],
        id: ObjectId,
        ref_name: &str,
        now: Timestamp,
    ) -> Result<(Signer, ObjectId), Refusal> {
        let tag = Tag::parse(raw, id)?;
        let signer = self.verify_parsed_tag(&tag, ref_name, now)?;
        match tag.kind {
            ObjectKind::Commit => Ok((signer, tag.object)),
            kind => Err(Refusal::TagTarget {
                kind,
                object: tag.object,
            }),
        }
    }

    /// Judges an annotated tag that has been read already, whatever kind of object it stands for: a tag of a tree or
    /// of a blob vouches for these contents under the tag's name.
    pub fn verify_parsed_tag(
        &self,
        tag: &Tag<'_>,
        ref_name: &str,
        now: Timestamp,
    ) -> Result<Signer, Refusal> {
        let signature = tag.signature.as_ref().ok_or(Refusal::Unsigned)?;
        let signer = self.verify_signature(signature, tag.payload(), tag.tagger.time, now)?;
        let found = ref_name.strip_prefix("refs/tags/").unwrap_or(ref_name);
        if tag.name != found {
            return Err(Refusal::TagNameMismatch {
                signed: crate::object::visible(tag.name),
                found: crate::object::visible(found),
            });
        }
        Ok(signer)
    }

    fn verify_signature(
        &self,
        signature: &Signature,
        payload: &[u8],
        committed: Timestamp,
        now: Timestamp,
    ) -> Result<Signer, Refusal> {
        let unsupported = |found| Err(Refusal::UnsupportedSignatureType { found });
        let times = Times { committed, now };
        match signature.format() {
            Some(SignatureFormat::Ssh) => self.ssh.verify(signature.text(), payload, times),
            Some(SignatureFormat::OpenPgp) => self.openpgp.verify(signature.text(), payload, times),
            Some(SignatureFormat::X509) => unsupported("an X.509 certificate (gpgsm, gitsign)"),
            Some(SignatureFormat::OpenPgpMessage) => unsupported("an OpenPGP message instead of a signature"),
            None => unsupported("something that is neither an SSH nor an OpenPGP signature"),
        }
    }
}

struct HexDigits<'a>(&'a [u8]);

impl std::fmt::Display for HexDigits<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
