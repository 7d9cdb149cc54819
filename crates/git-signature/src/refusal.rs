//! Why a commit or tag is not trusted: the closed list of reasons.

use std::fmt;

use jiff::Timestamp;

use crate::armor::ArmorError;
use crate::moment::Moment;
use crate::object::{ObjectError, ObjectId, ObjectKind};

/// The two systems of keys that sign commits here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignerKind {
    /// An SSH key, by the SSHSIG format.
    Ssh,
    /// An OpenPGP certificate.
    OpenPgp,
}

impl fmt::Display for SignerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssh => "SSH",
            Self::OpenPgp => "OpenPGP",
        })
    }
}

/// A key as messages name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyName {
    /// Which system the key belongs to.
    pub kind: SignerKind,
    /// `SHA256:…` as `ssh-keygen -l` prints it, or the OpenPGP fingerprint (of an unknown key, its key id if
    /// the signature says no more) in upper-case hexadecimal digits.
    pub fingerprint: String,
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} key {}", self.kind, self.fingerprint)
    }
}

/// What limits the time in which a signature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The line of `allowed_signers` with `valid-after` or `valid-before`.
    Line(KeyName),
    /// The certificate that an SSH certification authority gave to the key.
    Certificate(KeyName),
    /// The OpenPGP certificate or the signing subkey.
    Key(KeyName),
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(key) => write!(f, "the allowed_signers entry of {key}"),
            Self::Certificate(key) => write!(f, "the certificate of {key}"),
            Self::Key(key) => write!(f, "{key}"),
        }
    }
}

/// What is wrong with a signature before any key comes into play.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedSignature {
    /// The armor is not one canonical block.
    #[error("{0}")]
    Armor(ArmorError),
    /// The bytes are not an SSHSIG structure of version 1 (PROTOCOL.sshsig).
    #[error("it is not an SSHSIG structure of version 1")]
    Sshsig,
    /// The SSHSIG structure can be read, but is not written the way that OpenSSH writes it.
    #[error("the SSHSIG structure is not written canonically")]
    SshsigNotCanonical,
    /// The SSHSIG field that is reserved for the future is used.
    #[error("the reserved field of the SSHSIG structure is not empty")]
    SshsigReserved,
    /// The bytes are not a version 4 or 6 OpenPGP signature packet.
    #[error("it is not an OpenPGP signature packet of version 4 or 6")]
    OpenPgpPacket,
    /// The OpenPGP packet can be read, but is not written in the shortest way.
    #[error("the OpenPGP packet is not written canonically")]
    OpenPgpNotCanonical,
    /// The part of an OpenPGP signature that nothing protects says more than who the issuer is, or says
    /// something else than the protected part.
    #[error("the unprotected part of the OpenPGP signature holds more than the issuer")]
    OpenPgpUnprotected,
    /// An OpenPGP signature of another type than 0x00, over a binary document.
    #[error("it is an OpenPGP signature of type {0:#04x}, not one over a document (0x00)")]
    OpenPgpType(u8),
    /// An OpenPGP signature that does not say when it was made, by whom, or demands something unknown.
    #[error("the OpenPGP signature {0}")]
    OpenPgpContent(String),
}

/// What is wrong with an SSH certificate under a key that is trusted as an authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateProblem {
    /// The authority's signature does not hold.
    #[error("the authority's signature on it is not valid")]
    Signature,
    /// It identifies a host.
    #[error("it is a host certificate; only user certificates sign commits")]
    Host,
    /// It names nobody.
    #[error("it names no principal")]
    NoPrincipals,
    /// It names only principals that the authority may not speak for.
    #[error("none of its principals ({0}) matches the entry of its authority")]
    PrincipalMismatch(String),
    /// It carries a condition that cannot be checked here.
    #[error("it carries the critical option {0:?}, which is not supported")]
    CriticalOption(String),
}

/// Why a commit or tag is not trusted.
///
/// [`reason`](Self::reason) gives a word that programs can rely on; `Display` explains and says what to do
/// next. Neither repeats text from the object that could confuse a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The object is not one that Git would have written, or not the one that was asked for.
    MalformedObject(ObjectError),
    /// The object belongs to a repository with SHA-256 names.
    UnsupportedObjectFormat,
    /// There is no signature.
    Unsigned,
    /// There is more than one signature.
    MultipleSignatures,
    /// The signature is of a kind that is not verified here.
    UnsupportedSignatureType {
        /// The kind, in words.
        found: &'static str,
    },
    /// The signature cannot be read.
    MalformedSignature(MalformedSignature),
    /// The signature was made with an algorithm that is not verified here.
    UnsupportedAlgorithm {
        /// The algorithm by the name that its standard gives it.
        algorithm: String,
    },
    /// Nobody vouches for the key.
    UnknownKey {
        /// The key that the signature names.
        key: KeyName,
        /// The authority that certified the key, where there is one: it is not trusted either.
        authority: Option<String>,
        /// Whether the trust material has any key of this kind.
        kind_is_trusted: KindTrust,
    },
    /// The signature is not one by this key over this object.
    BadSignature {
        /// The key that the signature names.
        key: KeyName,
    },
    /// The signature was made for another purpose than Git.
    WrongNamespace {
        /// The purpose that the signature names.
        found: String,
    },
    /// The key is trusted, but not for Git.
    NamespaceNotAllowed {
        /// The key.
        key: KeyName,
    },
    /// A security key signed without being touched.
    UserNotPresent {
        /// The key.
        key: KeyName,
    },
    /// The certificate of the key is not one that its authority's entry accepts.
    CertificateRefused {
        /// The key that the certificate is about.
        key: KeyName,
        /// What is wrong.
        problem: CertificateProblem,
    },
    /// The key is not valid yet.
    NotYetValid {
        /// What sets the limit.
        what: Validity,
        /// The time of which it is judged.
        moment: Moment,
        /// When validity begins.
        from: Timestamp,
    },
    /// The key is not valid any more.
    Expired {
        /// What sets the limit.
        what: Validity,
        /// The time of which it is judged.
        moment: Moment,
        /// When validity ended.
        until: Timestamp,
    },
    /// The signature itself carries an end, which has passed.
    SignatureExpired {
        /// The key.
        key: KeyName,
        /// When the signature ended.
        until: Timestamp,
    },
    /// The key, its certificate or its authority has been revoked.
    Revoked {
        /// The key that made the signature.
        key: KeyName,
        /// What revoked it, in words.
        by: String,
    },
    /// The key is too weak for its signatures to prove anything.
    WeakKey {
        /// The key.
        key: KeyName,
        /// What is weak about it.
        why: String,
    },
    /// The signature is over a hash that can be forged.
    WeakHash {
        /// The hash.
        algorithm: String,
    },
    /// The key may not sign, or the certificate does not hold together at that time.
    UnusableKey {
        /// The key.
        key: KeyName,
        /// What is wrong.
        why: String,
    },
    /// The object claims to be from the future.
    FromTheFuture {
        /// Its time.
        moment: Moment,
        /// The time of judgement.
        now: Timestamp,
    },
    /// The tag was signed under another name than the one it is now found under.
    TagNameMismatch {
        /// The name inside the tag.
        signed: String,
        /// The name of the ref.
        found: String,
    },
    /// The tag does not stand for a commit.
    TagTarget {
        /// What it stands for instead.
        kind: ObjectKind,
        /// The object it stands for.
        object: ObjectId,
    },
}

/// Whether trust material holds keys of the kind that signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindTrust {
    /// It holds some.
    Some,
    /// It holds none: only keys of the other kind.
    None,
}

impl Refusal {
    /// One word for the reason. The words are stable: they appear in conditions, in JSON and in alerts.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::MalformedObject(_) => "MalformedObject",
            Self::UnsupportedObjectFormat => "UnsupportedObjectFormat",
            Self::Unsigned => "Unsigned",
            Self::MultipleSignatures => "MultipleSignatures",
            Self::UnsupportedSignatureType { .. } => "UnsupportedSignatureType",
            Self::MalformedSignature(_) => "MalformedSignature",
            Self::UnsupportedAlgorithm { .. } => "UnsupportedAlgorithm",
            Self::UnknownKey { .. } => "UnknownKey",
            Self::BadSignature { .. } => "BadSignature",
            Self::WrongNamespace { .. } => "WrongNamespace",
            Self::NamespaceNotAllowed { .. } => "NamespaceNotAllowed",
            Self::UserNotPresent { .. } => "UserNotPresent",
            Self::CertificateRefused { .. } => "CertificateRefused",
            Self::NotYetValid { .. } => "NotYetValid",
            Self::Expired { .. } => "Expired",
            Self::SignatureExpired { .. } => "SignatureExpired",
            Self::Revoked { .. } => "Revoked",
            Self::WeakKey { .. } => "WeakKey",
            Self::WeakHash { .. } => "WeakHash",
            Self::UnusableKey { .. } => "UnusableKey",
            Self::FromTheFuture { .. } => "FromTheFuture",
            Self::TagNameMismatch { .. } => "TagNameMismatch",
            Self::TagTarget { .. } => "TagTarget",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.explain(f)?;
        write!(f, "; {}", self.remedy())
    }
}

impl Refusal {
    fn explain(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MalformedObject(error) => write!(f, "the object is not one that Git writes: {error}"),
            Self::UnsupportedObjectFormat => {
                f.write_str("the repository uses SHA-256 object ids, which are not supported")
            }
            Self::Unsigned => f.write_str("there is no signature"),
            Self::MultipleSignatures => {
                f.write_str("there is more than one signature, and only one can be meant")
            }
            Self::UnsupportedSignatureType { found } => {
                write!(f, "it is signed with {found}, which is not supported")
            }
            Self::MalformedSignature(problem) => write!(f, "the signature cannot be read: {problem}"),
            Self::UnsupportedAlgorithm { algorithm } => {
                write!(f, "the signature uses {algorithm}, which is not supported")
            }
            Self::UnknownKey {
                key,
                authority,
                kind_is_trusted,
            } => {
                write!(f, "it is signed by {key}, which is not trusted")?;
                if let Some(authority) = authority {
                    write!(f, ", and neither is {authority}, the authority that certified it")?;
                }
                match (kind_is_trusted, key.kind) {
                    (KindTrust::Some, _) => Ok(()),
                    (KindTrust::None, SignerKind::Ssh) => f.write_str("; only OpenPGP keys are trusted"),
                    (KindTrust::None, SignerKind::OpenPgp) => f.write_str("; only SSH keys are trusted"),
                }
            }
            Self::BadSignature { key } => write!(
                f,
                "the signature by {key} does not match the object: it was altered after it was signed, \
                 or the signature belongs to another one"
            ),
            Self::WrongNamespace { found } => {
                write!(f, "the signature was made for {found:?}, not for \"git\"")
            }
            Self::NamespaceNotAllowed { key } => write!(
                f,
                "{key} is trusted, but the namespaces option of its allowed_signers entry leaves out \"git\""
            ),
            Self::UserNotPresent { key } => {
                write!(f, "{key} is a security key and signed without being touched")
            }
            Self::CertificateRefused { key, problem } => {
                write!(f, "the certificate of {key} is not accepted: {problem}")
            }
            Self::NotYetValid { what, moment, from } => {
                write!(f, "{what} is valid from {from} on, and was not valid {moment}")
            }
            Self::Expired { what, moment, until } => {
                write!(f, "{what} was valid until {until}, and not {moment}")
            }
            Self::SignatureExpired { key, until } => {
                write!(f, "the signature by {key} was valid until {until}")
            }
            Self::Revoked { key, by } => write!(f, "{key} is revoked ({by})"),
            Self::WeakKey { key, why } => write!(f, "{key} is too weak ({why})"),
            Self::WeakHash { algorithm } => {
                write!(f, "the signature is over {algorithm}, which can be forged")
            }
            Self::UnusableKey { key, why } => write!(f, "{key} cannot be used for signing: {why}"),
            Self::FromTheFuture { moment, now } => {
                write!(
                    f,
                    "it was made in the future: its time is {}, now it is {now}",
                    moment.time()
                )
            }
            Self::TagNameMismatch { signed, found } => {
                write!(f, "the tag was signed as {signed:?} and is found as {found:?}")
            }
            Self::TagTarget { kind, object } => {
                write!(f, "the tag stands for the {kind} {object}, not for a commit")
            }
        }
    }

    /// What to do next, for whoever is responsible for the commit or for the trust material.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::MalformedObject(_) => "make the commit or tag anew with git",
            Self::UnsupportedObjectFormat => "use a repository with the SHA-1 object format",
            Self::Unsigned => "sign it (git commit -S, git tag -s) with a key that is trusted",
            Self::MultipleSignatures | Self::MalformedSignature(_) | Self::SignatureExpired { .. } => {
                "sign it anew, once"
            }
            Self::UnsupportedSignatureType { .. } => "sign it with an SSH or OpenPGP key",
            Self::UnsupportedAlgorithm { .. } => "sign it with an Ed25519, ECDSA or RSA key",
            Self::UnknownKey { key, .. } => match key.kind {
                SignerKind::Ssh => {
                    "if you trust it, add its public key to allowed_signers, or as NAME.sshpub"
                }
                SignerKind::OpenPgp => "if you trust it, add its public key as NAME.asc",
            },
            Self::BadSignature { .. } => "find out who changed it, then sign it anew",
            Self::WrongNamespace { .. } => "sign it with git commit -S or git tag -s",
            Self::NamespaceNotAllowed { .. } => "add \"git\" there if the key may sign commits",
            Self::UserNotPresent { .. } => {
                "make a key without the option no-touch-required, and sign it anew"
            }
            Self::CertificateRefused { .. } => "have a new certificate issued, and sign it anew",
            Self::NotYetValid { .. } | Self::FromTheFuture { .. } => {
                "correct the clock that is wrong, and sign it anew"
            }
            Self::Expired { .. } => {
                "extend its validity and update the trust material, or sign it with another key"
            }
            Self::Revoked { .. } => "sign it anew with a key that is trusted",
            Self::WeakKey { .. } => "sign it with a stronger key, such as Ed25519",
            Self::WeakHash { .. } => "sign it with SHA-256 or better",
            Self::UnusableKey { .. } => {
                "renew the key and update the trust material, or sign it with another key"
            }
            Self::TagNameMismatch { .. } => "somebody moved the tag: make a new one under the new name",
            Self::TagTarget { .. } => "tag the commit itself",
        }
    }
}

impl std::error::Error for Refusal {}

impl From<ObjectError> for Refusal {
    fn from(error: ObjectError) -> Self {
        use crate::object::ObjectIdError;
        match error {
            ObjectError::MultipleSignatures => Self::MultipleSignatures,
            ObjectError::Sha256Signature { .. }
            | ObjectError::ObjectName {
                source: ObjectIdError::Sha256,
                ..
            } => Self::UnsupportedObjectFormat,
            error => Self::MalformedObject(error),
        }
    }
}

impl From<MalformedSignature> for Refusal {
    fn from(problem: MalformedSignature) -> Self {
        Self::MalformedSignature(problem)
    }
}

impl From<ArmorError> for Refusal {
    fn from(error: ArmorError) -> Self {
        match error {
            ArmorError::SecondBlock => Self::MultipleSignatures,
            error => Self::MalformedSignature(MalformedSignature::Armor(error)),
        }
    }
}
