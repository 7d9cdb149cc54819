//! What is noteworthy about a certificate.

use jiff::Timestamp;
use sequoia_openpgp::cert::Cert;
use sequoia_openpgp::packet::Key;
use sequoia_openpgp::packet::key::{PublicParts, UnspecifiedRole};

use super::policy::SigningPolicy;
use super::{Keyring, check_key, check_strength, timestamp};
use crate::inspection::{Problem, expires_soon};
use crate::moment::Moment;
use crate::refusal::{KeyName, Refusal};

impl Keyring {
    /// What is noteworthy about a certificate: that none of its keys can sign now, or not for long any more.
    pub(crate) fn problem(&self, name: &KeyName, now: Timestamp) -> Option<Problem> {
        let certificate = self.certificates.get(&name.fingerprint.parse().ok()?)?;
        let policy = SigningPolicy::at(now.into());
        let mut end = None;
        let mut refusal = None;
        for key in certificate.keys() {
            let key = key.key().clone().role_into_unspecified();
            match signs_until(certificate, &key, &policy, now, name) {
                Ok(None) => return None,
                Ok(until) => end = end.max(until),
                Err(why) => refusal = more_telling(refusal, why),
            }
        }
        match end {
            Some(until) => expires_soon(until, now),
            None => refusal.map(Problem::Refused),
        }
    }
}

/// Until when a key can sign that can do so now; `None` is for ever.
fn signs_until(
    certificate: &Cert,
    key: &Key<PublicParts, UnspecifiedRole>,
    policy: &SigningPolicy,
    now: Timestamp,
    name: &KeyName,
) -> Result<Option<Timestamp>, Refusal> {
    check_strength(certificate.primary_key().key().mpis(), name)?;
    let expiry = check_key(certificate, key, policy, Moment::Now(now), name)?;
    check_strength(key.mpis(), name)?;
    Ok(expiry.map(timestamp))
}

/// Of two reasons why keys of a certificate do not count, the one to tell: that a key is not for signing says
/// little where another one expired.
fn more_telling(known: Option<Refusal>, new: Refusal) -> Option<Refusal> {
    match known {
        None | Some(Refusal::UnusableKey { .. } | Refusal::UnsupportedAlgorithm { .. }) => Some(new),
        known => known,
    }
}
