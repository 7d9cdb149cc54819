//! Which algorithms count.

use std::time::SystemTime;

use sequoia_openpgp::Result;
use sequoia_openpgp::cert::amalgamation::key::ValidErasedKeyAmalgamation;
use sequoia_openpgp::packet::{Packet, Signature, key};
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy, StandardPolicy};
use sequoia_openpgp::types::{AEADAlgorithm, HashAlgorithm, SignatureType, SymmetricAlgorithm};

/// Hashes that can be forged, or nearly so.
const WEAK_HASHES: [HashAlgorithm; 3] = [HashAlgorithm::MD5, HashAlgorithm::SHA1, HashAlgorithm::RipeMD];

/// Sequoia's standard policy, stricter with hashes and milder with revocations.
///
/// The standard policy lets old signatures with SHA-1 count up to a date; here they never do. It also stops
/// to honour revocations that are made with weak hashes, in effect trusting the key again; here a revocation
/// counts however it was made.
#[derive(Debug, Clone)]
pub(super) struct SigningPolicy {
    standard: StandardPolicy<'static>,
}

impl SigningPolicy {
    /// The policy in force at a time: Sequoia knows dates from which algorithms do not count any more.
    pub(super) fn at(now: SystemTime) -> Self {
        let mut standard = StandardPolicy::at(now);
        for hash in WEAK_HASHES {
            standard.reject_hash(hash);
        }
        Self { standard }
    }
}

/// Whether a signature over this hash proves nothing.
pub(super) fn is_weak(hash: HashAlgorithm) -> bool {
    WEAK_HASHES.contains(&hash)
}

impl Policy for SigningPolicy {
    fn signature(&self, signature: &Signature, security: HashAlgoSecurity) -> Result<()> {
        match signature.typ() {
            SignatureType::KeyRevocation
            | SignatureType::SubkeyRevocation
            | SignatureType::CertificationRevocation => Ok(()),
            _ => self.standard.signature(signature, security),
        }
    }

    fn key(&self, key: &ValidErasedKeyAmalgamation<'_, key::PublicParts>) -> Result<()> {
        self.standard.key(key)
    }

    fn symmetric_algorithm(&self, algorithm: SymmetricAlgorithm) -> Result<()> {
        self.standard.symmetric_algorithm(algorithm)
    }

    fn aead_algorithm(&self, algorithm: AEADAlgorithm) -> Result<()> {
        self.standard.aead_algorithm(algorithm)
    }

    fn packet(&self, packet: &Packet) -> Result<()> {
        self.standard.packet(packet)
    }
}
