//! OpenPGP: certificates from `*.asc` files, and the signatures judged by them.

pub(crate) mod certificates;
mod inspection;
mod packet;
mod policy;

use std::collections::HashMap;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use sequoia_openpgp::cert::Cert;
use sequoia_openpgp::cert::amalgamation::ValidAmalgamation;
use sequoia_openpgp::crypto::mpi;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::{PublicParts, UnspecifiedRole};
use sequoia_openpgp::types::RevocationStatus;
use sequoia_openpgp::{Fingerprint, KeyHandle, KeyID};

use crate::armor::{self, Label};
use crate::moment::{Moment, Times};
use crate::refusal::{KeyName, KindTrust, Refusal, SignerKind, Validity};
use crate::trust::Signer;

pub use certificates::CertificateFileError;

use packet::DocumentSignature;
use policy::SigningPolicy;

/// Bits that an RSA modulus must have (NIST SP 800-131A).
const MIN_RSA_BITS: usize = 2048;

/// Every certificate that is trusted, found by the ids of its primary key and its subkeys.
#[derive(Default)]
pub(crate) struct Keyring {
    certificates: HashMap<Fingerprint, Cert>,
    /// Which certificates have a key with this id. An id has 64 bits and can be forged: it finds candidates,
    /// and only the signature decides between them.
    by_key_id: HashMap<KeyID, Vec<Fingerprint>>,
}

impl Keyring {
    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Judges an armored signature over a payload.
    pub(crate) fn verify(&self, armored: &[u8], payload: &[u8], times: Times) -> Result<Signer, Refusal> {
        let data = armor::decode(armored, Label::PgpSignature)?;
        let signature = DocumentSignature::parse(&data)?;
        signature.check_hash()?;

        let candidates = self.candidates(signature.issuer());
        if candidates.is_empty() {
            return Err(Refusal::UnknownKey {
                key: name(&signature.issuer().to_string()),
                authority: None,
                kind_is_trusted: if self.is_empty() {
                    KindTrust::None
                } else {
                    KindTrust::Some
                },
            });
        }
        let digest = signature.digest(payload)?;
        let mut refusal = None;
        for (certificate, key) in candidates {
            match judge(certificate, &key, &signature, &digest, times) {
                Ok(signer) => return Ok(signer),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.unwrap_or(Refusal::BadSignature {
            key: name(&signature.issuer().to_string()),
        }))
    }

    /// The keys that may have made a signature that names this issuer.
    fn candidates(&self, issuer: &KeyHandle) -> Vec<(&Cert, Key<PublicParts, UnspecifiedRole>)> {
        let fingerprints = self
            .by_key_id
            .get(&KeyID::from(issuer))
            .map(Vec::as_slice)
            .unwrap_or_default();
        fingerprints
            .iter()
            .filter_map(|fingerprint| self.certificates.get(fingerprint))
            .flat_map(|certificate| {
                certificate
                    .keys()
                    .map(|amalgamation| amalgamation.key().clone().role_into_unspecified())
                    .filter(|key| key.key_handle().aliases(issuer))
                    .map(move |key| (certificate, key))
            })
            .collect()
    }
}

/// Judges a signature by one key: first whether it holds, then whether the key counted at every moment.
fn judge(
    certificate: &Cert,
    key: &Key<PublicParts, UnspecifiedRole>,
    signature: &DocumentSignature,
    digest: &[u8],
    times: Times,
) -> Result<Signer, Refusal> {
    let name = certificate_name(certificate);
    check_strength(certificate.primary_key().key().mpis(), &name)?;
    check_strength(key.mpis(), &name)?;
    let signed = Moment::Signed(timestamp(signature.created()));
    let key_created = timestamp(key.creation_time());
    if signed.time() < key_created {
        return Err(Refusal::NotYetValid {
            what: Validity::Key(name),
            moment: signed,
            from: key_created,
        });
    }
    signature
        .verify(key, digest)
        .map_err(|_| Refusal::BadSignature { key: name.clone() })?;

    let [committed, now] = times.moments();
    for moment in [committed, signed] {
        times.refuse_future(moment)?;
    }
    let policy = SigningPolicy::at(times.now.into());
    signature.check_policy(&policy)?;
    let key_expiry = check_key(certificate, key, &policy, now, &name)?;
    for moment in [committed, signed] {
        check_key(certificate, key, &policy, moment, &name)?;
    }
    if let Some(until) = signature.expires()
        && until <= SystemTime::from(times.now)
    {
        return Err(Refusal::SignatureExpired {
            key: name,
            until: timestamp(until),
        });
    }
    Ok(Signer {
        kind: SignerKind::OpenPgp,
        identity: identity(certificate, &policy, times.now.into()),
        fingerprint: name.fingerprint,
        valid_until: [key_expiry, signature.expires()]
            .into_iter()
            .flatten()
            .min()
            .map(last_before),
    })
}

/// The last moment before an expiry. (OpenPGP counts whole seconds.)
fn last_before(expiry: SystemTime) -> Timestamp {
    timestamp(expiry)
        .checked_sub(SignedDuration::from_nanos(1))
        .unwrap_or(Timestamp::MIN)
}

/// Checks that a key of the certificate could sign at a moment: the certificate and the key are bound, not
/// revoked, not expired, and the key is meant for signing. (Sequoia checks with the binding of a subkey that
/// the subkey has signed back, without which anybody could adopt it.) Returns when the key will expire, if ever.
fn check_key(
    certificate: &Cert,
    key: &Key<PublicParts, UnspecifiedRole>,
    policy: &SigningPolicy,
    moment: Moment,
    name: &KeyName,
) -> Result<Option<SystemTime>, Refusal> {
    let time = SystemTime::from(moment.time());
    let unusable = |why: String| Refusal::UnusableKey {
        key: name.clone(),
        why,
    };
    for created in [
        certificate.primary_key().key().creation_time(),
        key.creation_time(),
    ] {
        if time < created {
            return Err(Refusal::NotYetValid {
                what: Validity::Key(name.clone()),
                moment,
                from: timestamp(created),
            });
        }
    }

    refuse_revoked(&certificate.revocation_status(policy, time), name)?;
    let valid = certificate
        .with_policy(policy, time)
        .map_err(|error| unusable(format!("its certificate is not valid {moment}: {}", root(&error))))?;
    let fingerprint = key.fingerprint();
    let signing = valid
        .keys()
        .find(|candidate| candidate.key().fingerprint() == fingerprint)
        .ok_or_else(|| {
            unusable(format!(
                "the certificate does not hold the key that signed {moment}"
            ))
        })?;
    refuse_revoked(&signing.revocation_status(), name)?;
    let expiries = [
        valid.primary_key().key_expiration_time(),
        signing.key_expiration_time(),
    ];
    let expiry = expiries.into_iter().flatten().min();
    if let Some(until) = expiry
        && until <= time
    {
        return Err(Refusal::Expired {
            what: Validity::Key(name.clone()),
            moment,
            until: timestamp(until),
        });
    }
    valid.alive().map_err(|error| unusable(root(&error)))?;
    signing.alive().map_err(|error| unusable(root(&error)))?;
    if !signing.for_signing() {
        return Err(unusable(
            "the key that signed is not meant for signing data".to_owned(),
        ));
    }
    Ok(expiry)
}

fn refuse_revoked(status: &RevocationStatus<'_>, name: &KeyName) -> Result<(), Refusal> {
    let by = match status {
        RevocationStatus::NotAsFarAsWeKnow => return Ok(()),
        RevocationStatus::Revoked(signatures) => {
            let reason = signatures
                .iter()
                .find_map(|signature| signature.reason_for_revocation());
            match reason {
                Some((code, [])) => format!("{code}"),
                Some((code, text)) => {
                    format!(
                        "{code}: {}",
                        crate::object::visible(&String::from_utf8_lossy(text))
                    )
                }
                None => "no reason given".to_owned(),
            }
        }
        // Somebody else revoked it and may have been entitled to. That cannot be checked, so it counts.
        RevocationStatus::CouldBe(_) => "by a third party".to_owned(),
    };
    Err(Refusal::Revoked {
        key: name.clone(),
        by,
    })
}

/// RSA of at least 2048 bits, or a curve. DSA and the rest are legacy that nothing needs to sign with.
fn check_strength(parameters: &mpi::PublicKey, name: &KeyName) -> Result<(), Refusal> {
    match parameters {
        mpi::PublicKey::RSA { .. } => {
            let bits = parameters.bits().unwrap_or_default();
            if bits < MIN_RSA_BITS {
                let why = format!("RSA with {bits} bits, and at least {MIN_RSA_BITS} are accepted");
                return Err(Refusal::WeakKey {
                    key: name.clone(),
                    why,
                });
            }
            Ok(())
        }
        mpi::PublicKey::EdDSA { .. }
        | mpi::PublicKey::ECDSA { .. }
        | mpi::PublicKey::Ed25519 { .. }
        | mpi::PublicKey::Ed448 { .. } => Ok(()),
        other => {
            let algorithm = other
                .algo()
                .map_or_else(|| "an unknown algorithm".to_owned(), |algo| algo.to_string());
            Err(Refusal::UnsupportedAlgorithm { algorithm })
        }
    }
}

/// The primary user id, if the certificate has a valid one that is not revoked; else the fingerprint.
fn identity(certificate: &Cert, policy: &SigningPolicy, now: SystemTime) -> String {
    certificate
        .with_policy(policy, now)
        .and_then(|valid| {
            let user_id = valid.primary_userid()?;
            let revoked = !matches!(user_id.revocation_status(), RevocationStatus::NotAsFarAsWeKnow);
            let text = String::from_utf8_lossy(user_id.userid().value()).into_owned();
            Ok((!revoked && !text.is_empty()).then(|| crate::object::visible(&text)))
        })
        .ok()
        .flatten()
        .unwrap_or_else(|| certificate.fingerprint().to_hex())
}

/// A certificate as messages name it.
pub(crate) fn certificate_name(certificate: &Cert) -> KeyName {
    name(&certificate.fingerprint().to_hex())
}

fn name(fingerprint: &str) -> KeyName {
    KeyName {
        kind: SignerKind::OpenPgp,
        fingerprint: fingerprint.to_owned(),
    }
}

/// OpenPGP times have 32 bits of seconds, which every other clock here can hold.
fn timestamp(time: SystemTime) -> Timestamp {
    Timestamp::try_from(time).unwrap_or(Timestamp::MAX)
}

/// The innermost cause, which says what is wrong; the outer ones say where Sequoia found it.
fn root(error: &sequoia_openpgp::anyhow::Error) -> String {
    error.root_cause().to_string()
}
