//! What a refusal says to people: the explanation and the remedy.

use std::fmt;

use super::{KindTrust, Refusal, SignerKind};

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.explanation(), self.remedy())
    }
}

impl Refusal {
    /// What was found, in a sentence that names the keys and times in question, without advice.
    pub fn explanation(&self) -> impl fmt::Display + '_ {
        fmt::from_fn(move |f| self.explain(f))
    }

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
