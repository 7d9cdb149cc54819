//! The one signature packet of a commit or tag, read strictly (RFC 4880 §5.2, RFC 9580 §5.2).

use std::time::SystemTime;

use sequoia_openpgp::crypto::hash::Hash;
use sequoia_openpgp::packet::key::{PublicParts, UnspecifiedRole};
use sequoia_openpgp::packet::signature::subpacket::SubpacketValue;
use sequoia_openpgp::packet::{Key, Packet, Signature};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::policy::{HashAlgoSecurity, Policy};
use sequoia_openpgp::serialize::MarshalInto;
use sequoia_openpgp::types::SignatureType;
use sequoia_openpgp::{KeyHandle, PacketPile};

use super::policy::{SigningPolicy, is_weak};
use crate::refusal::{MalformedSignature, Refusal};

/// A signature packet (tag 2) in the old form with a length of one byte (RFC 9580 §4.2.2).
const OLD_FORM: u8 = 0x88;

/// The same with a length of two bytes.
const OLD_FORM_LONG: u8 = 0x89;

/// A signature packet in the new form (RFC 9580 §4.2.1).
const NEW_FORM: u8 = 0xC2;

const SIGNATURE_TAGS: [u8; 3] = [OLD_FORM, OLD_FORM_LONG, NEW_FORM];

/// A signature of type 0x00, over a binary document, that can be read; whether it holds is another question.
pub(super) struct DocumentSignature {
    signature: Signature,
    issuer: KeyHandle,
    created: SystemTime,
}

impl DocumentSignature {
    /// Reads a packet. Everything in it that the signature does not cover is checked, so that nobody can
    /// make a second commit id out of a signed commit by changing it.
    pub(super) fn parse(data: &[u8]) -> Result<Self, Refusal> {
        // Nothing but a signature is worth parsing: other packets can nest and expand.
        if !data.first().is_some_and(|tag| SIGNATURE_TAGS.contains(tag)) {
            return Err(MalformedSignature::OpenPgpPacket.into());
        }
        let pile = PacketPile::from_bytes(data).map_err(|_| MalformedSignature::OpenPgpPacket)?;
        let mut packets = pile.into_children();
        let signature = match (packets.next(), packets.next()) {
            (Some(Packet::Signature(signature)), None) => signature,
            (Some(Packet::Signature(_)), Some(_)) => return Err(Refusal::MultipleSignatures),
            _ => return Err(MalformedSignature::OpenPgpPacket.into()),
        };
        if !matches!(signature.version(), 4 | 6) {
            return Err(MalformedSignature::OpenPgpPacket.into());
        }
        if !is_canonical(&signature, data) {
            return Err(MalformedSignature::OpenPgpNotCanonical.into());
        }
        if signature.typ() != SignatureType::Binary {
            return Err(MalformedSignature::OpenPgpType(signature.typ().into()).into());
        }
        let issuer = issuer(&signature)?;
        let created = signature
            .signature_creation_time()
            .ok_or(MalformedSignature::OpenPgpContent(
                "does not say when it was made".to_owned(),
            ))?;
        Ok(Self {
            signature,
            issuer,
            created,
        })
    }

    /// The key that the signature names: its fingerprint, or at least its id.
    pub(super) fn issuer(&self) -> &KeyHandle {
        &self.issuer
    }

    /// When the signature was made, by its own account.
    pub(super) fn created(&self) -> SystemTime {
        self.created
    }

    /// When the signature ends, if it does.
    pub(super) fn expires(&self) -> Option<SystemTime> {
        self.signature.signature_expiration_time()
    }

    /// Refuses hashes that can be forged.
    pub(super) fn check_hash(&self) -> Result<(), Refusal> {
        let hash = self.signature.hash_algo();
        if is_weak(hash) {
            return Err(Refusal::WeakHash {
                algorithm: hash.to_string(),
            });
        }
        Ok(())
    }

    /// The hash that the signature is made over: the payload and the protected part of the packet.
    pub(super) fn digest(&self, payload: &[u8]) -> Result<Vec<u8>, Refusal> {
        let unsupported = |_| Refusal::UnsupportedAlgorithm {
            algorithm: self.signature.hash_algo().to_string(),
        };
        let context = self.signature.hash_algo().context().map_err(unsupported)?;
        let mut context = context.for_signature(self.signature.version());
        if let Some(salt) = salt(&self.signature) {
            context.update(salt);
        }
        context.update(payload);
        self.signature.hash(&mut context).map_err(unsupported)?;
        context.into_digest().map_err(unsupported)
    }

    /// Verifies the signature by a key. Sequoia ignores the first two bytes of the hash, which the packet
    /// repeats; here they must be right.
    pub(super) fn verify(
        &self,
        key: &Key<PublicParts, UnspecifiedRole>,
        digest: &[u8],
    ) -> Result<(), InvalidSignature> {
        if !digest.starts_with(self.signature.digest_prefix()) {
            return Err(InvalidSignature);
        }
        self.signature
            .verify_digest(key, digest)
            .map_err(|_| InvalidSignature)
    }

    /// Refuses what the signature demands and nobody here understands (critical subpackets).
    pub(super) fn check_policy(&self, policy: &SigningPolicy) -> Result<(), Refusal> {
        policy
            .signature(&self.signature, HashAlgoSecurity::CollisionResistance)
            .map_err(|error| {
                MalformedSignature::OpenPgpContent(format!("is not acceptable: {}", error.root_cause()))
                    .into()
            })
    }
}

/// The signature is not one by this key over this hash.
#[derive(Clone, Copy, Debug)]
pub(super) struct InvalidSignature;

fn salt(signature: &Signature) -> Option<&[u8]> {
    match signature {
        Signature::V6(signature) => Some(signature.salt()),
        _ => None,
    }
}

/// Whether the bytes are the packet as it is written, with the shortest length, in the old or the new form.
fn is_canonical(signature: &Signature, data: &[u8]) -> bool {
    let Ok(body) = signature.to_vec() else {
        return false;
    };
    let Some(header) = data.strip_suffix(body.as_slice()) else {
        return false;
    };
    let length = body.len();
    match *header {
        [OLD_FORM_LONG, high, low] => length > 0xFF && usize::from(u16::from_be_bytes([high, low])) == length,
        [OLD_FORM, one] | [NEW_FORM, one @ 0..=191] => usize::from(one) == length,
        [NEW_FORM, high @ 192..=223, low] => {
            (usize::from(high) - 192) * 256 + usize::from(low) + 192 == length
        }
        _ => false,
    }
}

/// The key that the signature names. The part of the packet that nothing protects may name it, and may say
/// nothing else; all names must agree.
fn issuer(signature: &Signature) -> Result<KeyHandle, Refusal> {
    let mut names = Vec::new();
    for subpacket in signature.unhashed_area().iter() {
        match subpacket.value() {
            SubpacketValue::Issuer(_) | SubpacketValue::IssuerFingerprint(_) if !subpacket.critical() => {
                if names.contains(&subpacket.tag()) {
                    return Err(MalformedSignature::OpenPgpUnprotected.into());
                }
                names.push(subpacket.tag());
            }
            _ => return Err(MalformedSignature::OpenPgpUnprotected.into()),
        }
    }
    // Fingerprints come first.
    let issuers = signature.get_issuers();
    let first = issuers.first().ok_or(MalformedSignature::OpenPgpContent(
        "does not say who made it".to_owned(),
    ))?;
    if !issuers.iter().all(|issuer| issuer.aliases(first)) {
        return Err(MalformedSignature::OpenPgpUnprotected.into());
    }
    Ok(first.clone())
}
