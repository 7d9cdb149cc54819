//! SSH keys: what `allowed_signers`, `*.sshpub` and `revoked_keys` say, and the signatures judged by it.

pub(crate) mod allowed_signers;
pub(crate) mod authorized_keys;
mod inspection;
mod key;
pub(crate) mod krl;
mod pattern;
pub(crate) mod revoked;
mod sshsig;
mod window;

use std::collections::HashMap;

use ssh_key::certificate::{CertType, Certificate};

use crate::moment::{Moment, Times};
use crate::object::visible;
use crate::refusal::{CertificateProblem, KeyName, KindTrust, Refusal, SignerKind, Validity};
use crate::trust::Signer;

pub use allowed_signers::AllowedSignersError;
pub use authorized_keys::AuthorizedKeysError;
pub use key::KeyError;
pub use krl::KrlError;
pub use revoked::RevokedKeysError;

use key::PublicKey;
use pattern::PatternList;
use revoked::RevokedKeys;
use sshsig::Sshsig;
use window::Window;

/// The SSHSIG namespace of Git's signatures (gpg-interface.c calls `ssh-keygen -Y sign -n git`).
const NAMESPACE: &str = "git";

/// Everything that is known about SSH keys. Keys are found by their wire encoding, so that a lookup costs
/// the same however many there are.
#[derive(Default)]
pub(crate) struct Keyring {
    signers: HashMap<PublicKey, Vec<Grant>>,
    authorities: HashMap<PublicKey, Vec<Grant>>,
    pub(crate) revoked: RevokedKeys,
}

/// A line that lists a key, with what the line says about it.
pub(crate) struct Entry {
    pub(crate) key: PublicKey,
    pub(crate) role: Role,
    pub(crate) grant: Grant,
}

/// What a listed key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Sign.
    Signer,
    /// Certify the keys that sign (`cert-authority`).
    Authority,
}

/// How a line vouches for a key: for whom, for what and for how long.
pub(crate) struct Grant {
    identity: Identity,
    namespaces: Option<PatternList>,
    window: Window,
}

/// Whom a line vouches for.
enum Identity {
    /// The principals field of an `allowed_signers` line.
    Principals(PatternList),
    /// The comment of an `authorized_keys` line, or the key's fingerprint.
    Label(String),
}

impl Keyring {
    pub(crate) fn is_empty(&self) -> bool {
        self.signers.is_empty() && self.authorities.is_empty()
    }

    pub(crate) fn add(&mut self, entry: Entry) {
        let keys = match entry.role {
            Role::Signer => &mut self.signers,
            Role::Authority => &mut self.authorities,
        };
        keys.entry(entry.key).or_default().push(entry.grant);
    }

    /// Judges an armored SSHSIG over a payload.
    ///
    /// The order of the checks is the order of what a user should be told: an unknown key before anything
    /// that depends on the key, an altered object before what its own time says.
    pub(crate) fn verify(&self, armored: &[u8], payload: &[u8], times: Times) -> Result<Signer, Refusal> {
        let signature = Sshsig::parse(armored)?;
        let signed_by = SignedBy::new(&signature)?;
        let name = signed_by.key.name();

        let grants = match &signed_by.certificate {
            None => self.signers.get(&signed_by.key),
            Some(certified) => self.authorities.get(&certified.authority),
        };
        if let Some(by) = self
            .revoked
            .lookup(&signed_by.key, signed_by.certificate.as_ref())
        {
            return Err(Refusal::Revoked { key: name, by });
        }
        let grants = grants.ok_or_else(|| Refusal::UnknownKey {
            key: name.clone(),
            authority: signed_by
                .certificate
                .as_ref()
                .map(|certified| certified.authority.fingerprint()),
            kind_is_trusted: if self.is_empty() {
                KindTrust::None
            } else {
                KindTrust::Some
            },
        })?;
        signed_by
            .key
            .check_strength()
            .map_err(|error| error.into_refusal(name.clone()))?;
        signature.verify(&signed_by.key, payload)?;
        if signature.namespace() != NAMESPACE {
            return Err(Refusal::WrongNamespace {
                found: visible(signature.namespace()),
            });
        }
        times.refuse_future(Moment::Committed(times.committed))?;
        if let Some(certified) = &signed_by.certificate {
            certified.check(&name, times)?;
        }

        let mut refusal = None;
        for grant in grants {
            match grant.judge(&name, signed_by.certificate.as_ref(), times) {
                Ok(identity) => {
                    let certificate = signed_by.certificate.as_ref().map(Certified::window);
                    let ends = [Some(grant.window), certificate];
                    return Ok(Signer {
                        kind: SignerKind::Ssh,
                        identity,
                        fingerprint: name.fingerprint,
                        valid_until: ends.iter().flatten().filter_map(Window::last).min(),
                    });
                }
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or(Refusal::UnknownKey {
            key: name,
            authority: None,
            kind_is_trusted: KindTrust::Some,
        }))
    }
}

impl Grant {
    /// Whom this line recognises in the signature, or why it does not.
    fn judge(
        &self,
        name: &KeyName,
        certificate: Option<&Certified>,
        times: Times,
    ) -> Result<String, Refusal> {
        let identity = match (&self.identity, certificate) {
            (Identity::Label(label), _) => label.clone(),
            (Identity::Principals(patterns), None) => patterns.first_positive().to_owned(),
            (Identity::Principals(patterns), Some(certified)) => {
                certified
                    .principal(patterns)
                    .map_err(|problem| Refusal::CertificateRefused {
                        key: name.clone(),
                        problem,
                    })?
            }
        };
        self.check_namespace(name)?;
        for moment in times.moments() {
            self.check_window(name, moment)?;
        }
        Ok(identity)
    }

    fn check_namespace(&self, name: &KeyName) -> Result<(), Refusal> {
        match &self.namespaces {
            Some(namespaces) if !namespaces.matches(NAMESPACE) => {
                Err(Refusal::NamespaceNotAllowed { key: name.clone() })
            }
            _ => Ok(()),
        }
    }

    fn check_window(&self, name: &KeyName, moment: Moment) -> Result<(), Refusal> {
        self.window.check(moment, || Validity::Line(name.clone()))
    }
}

/// The key inside a signature, with its certificate if it came with one.
struct SignedBy {
    key: PublicKey,
    certificate: Option<Certified>,
}

/// A key's certificate and the authority that issued it.
pub(crate) struct Certified {
    certificate: Certificate,
    authority: PublicKey,
}

impl SignedBy {
    fn new(signature: &Sshsig) -> Result<Self, Refusal> {
        let unsupported = |error: KeyError| error.into_unsupported();
        match signature.public_key() {
            ssh_key::public::KeyData::Certificate(certificate) => Ok(Self {
                key: PublicKey::new(certificate.public_key().clone()).map_err(unsupported)?,
                certificate: Some(Certified {
                    authority: PublicKey::new(certificate.signature_key().clone()).map_err(unsupported)?,
                    certificate: (**certificate).clone(),
                }),
            }),
            key => Ok(Self {
                key: PublicKey::new(key.clone()).map_err(unsupported)?,
                certificate: None,
            }),
        }
    }
}

impl Certified {
    /// The checks that PROTOCOL.certkeys asks for, apart from the principal.
    fn check(&self, name: &KeyName, times: Times) -> Result<(), Refusal> {
        let refused = |problem| Refusal::CertificateRefused {
            key: name.clone(),
            problem,
        };
        self.authority
            .check_strength()
            .map_err(|error| error.into_refusal(self.authority.name()))?;
        self.verify_signature().map_err(refused)?;
        match self.certificate.cert_type() {
            CertType::User => {}
            CertType::Host => return Err(refused(CertificateProblem::Host)),
        }
        if let Some(option) = self.certificate.critical_options().keys().next() {
            return Err(refused(CertificateProblem::CriticalOption(visible(option))));
        }
        for moment in times.moments() {
            self.window()
                .check(moment, || Validity::Certificate(name.clone()))?;
        }
        Ok(())
    }

    fn window(&self) -> Window {
        Window::of_certificate(self.certificate.valid_after(), self.certificate.valid_before())
    }

    /// Verifies the authority's signature over everything in the certificate that comes before it.
    fn verify_signature(&self) -> Result<(), CertificateProblem> {
        let encoded = self
            .certificate
            .to_bytes()
            .map_err(|_| CertificateProblem::Signature)?;
        let signature = ssh_key::encoding::Encode::encode_vec(self.certificate.signature())
            .map_err(|_| CertificateProblem::Signature)?;
        let signed = encoded
            .len()
            .checked_sub(signature.len() + size_of::<u32>())
            .and_then(|end| encoded.get(..end))
            .ok_or(CertificateProblem::Signature)?;
        self.authority
            .verify(signed, self.certificate.signature())
            .map_err(|_| CertificateProblem::Signature)
    }

    /// The first of the certificate's principals that the authority may speak for.
    fn principal(&self, patterns: &PatternList) -> Result<String, CertificateProblem> {
        let principals = self.certificate.valid_principals();
        if principals.is_empty() {
            return Err(CertificateProblem::NoPrincipals);
        }
        principals
            .iter()
            .find(|principal| patterns.matches(principal))
            .map(|principal| visible(principal))
            .ok_or_else(|| CertificateProblem::PrincipalMismatch(visible(&principals.join(", "))))
    }

    pub(crate) fn authority(&self) -> &PublicKey {
        &self.authority
    }

    pub(crate) fn serial(&self) -> u64 {
        self.certificate.serial()
    }

    pub(crate) fn key_id(&self) -> &str {
        self.certificate.key_id()
    }
}
