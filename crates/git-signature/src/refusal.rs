//! Why a commit or tag is not trusted: the closed list of reasons.

mod text;

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
/// [`reason`](Self::reason) gives a word that programs can rely on, [`explanation`](Self::explanation) says what
/// was found, and [`remedy`](Self::remedy) what to do next; `Display` is the last two in one line. None repeats
/// text from the object that could confuse a terminal. `docs/verdict-reasons.md` lists them all.
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
