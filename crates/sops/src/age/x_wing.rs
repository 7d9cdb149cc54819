//! The key encapsulation mechanism MLKEM768-X25519, also called X-Wing, for HPKE (draft-connolly-cfrg-xwing-kem,
//! draft-ietf-hpke-pq): what seals with it stays sealed as long as one of ML-KEM-768 and X25519 holds.

use hpke::generic_array::typenum::{Sum, U32, U96, U192, U1024, Unsigned as _};
use hpke::kem::SharedSecret;
use hpke::rand_core::{CryptoRng, RngCore};
use hpke::{Deserializable, HpkeError, Kem, Serializable};
use ml_kem::kem::{Decapsulate as _, Encapsulate as _};
use ml_kem::{Ciphertext, EncodedSizeUser as _, KemCore, MlKem768};
use sha3::digest::{ExtendableOutput as _, FixedOutput as _, Update as _, XofReader as _};
use sha3::{Sha3_256, Shake256};
use subtle::ConstantTimeEq as _;
use x25519_dalek::{EphemeralSecret, PublicKey as X25519PublicKey, StaticSecret};
use zeroize::{Zeroize as _, Zeroizing};

/// Binds the shared secret to this combination of mechanisms.
const LABEL: &[u8; 6] = br"\.//^\";

const SEED_BYTES: usize = 32;
/// Of 1216 of a public key; the others are X25519's.
const ML_KEM_PUBLIC_BYTES: usize = 1184;
/// Of 1120 of what a sender adds.
const ML_KEM_CIPHERTEXT_BYTES: usize = 1088;

type MlKemPrivate = <MlKem768 as KemCore>::DecapsulationKey;
type MlKemPublic = <MlKem768 as KemCore>::EncapsulationKey;

/// The mechanism.
pub(super) enum XWing {}

/// A private key: the seed that it grows from, and what has grown. All of it is wiped when it is dropped.
#[derive(Clone)]
pub(super) struct PrivateKey {
    seed: Zeroizing<[u8; SEED_BYTES]>,
    ml_kem: MlKemPrivate,
    x25519: StaticSecret,
}

/// A public key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PublicKey {
    ml_kem: MlKemPublic,
    x25519: X25519PublicKey,
}

/// What the sender adds to the message, so that the recipient comes to the same secret.
#[derive(Clone)]
pub(super) struct EncappedKey {
    ml_kem: Ciphertext<MlKem768>,
    x25519: X25519PublicKey,
}

impl PrivateKey {
    fn from_seed(seed: Zeroizing<[u8; SEED_BYTES]>) -> Self {
        let mut d = ml_kem::B32::default();
        let mut z = ml_kem::B32::default();
        let mut scalar = Zeroizing::new([0; 32]);
        let mut expanded = Shake256::default().chain(seed.as_slice()).finalize_xof();
        expanded.read(&mut d);
        expanded.read(&mut z);
        expanded.read(scalar.as_mut_slice());
        let (ml_kem, _) = MlKem768::generate_deterministic(&d, &z);
        d.as_mut_slice().zeroize();
        z.as_mut_slice().zeroize();
        Self {
            seed,
            ml_kem,
            x25519: StaticSecret::from(*scalar),
        }
    }

    fn public(&self) -> PublicKey {
        PublicKey {
            ml_kem: self.ml_kem.encapsulation_key().clone(),
            x25519: X25519PublicKey::from(&self.x25519),
        }
    }
}

impl PartialEq for PrivateKey {
    fn eq(&self, other: &Self) -> bool {
        self.seed.ct_eq(other.seed.as_slice()).into()
    }
}

impl Eq for PrivateKey {}

impl Eq for PublicKey {}

impl Serializable for PrivateKey {
    type OutputSize = U32;

    fn write_exact(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(self.seed.as_slice());
    }
}

impl Deserializable for PrivateKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        if bytes.len() != SEED_BYTES {
            return Err(HpkeError::IncorrectInputLength(SEED_BYTES, bytes.len()));
        }
        seed.copy_from_slice(bytes);
        Ok(Self::from_seed(seed))
    }
}

impl Serializable for PublicKey {
    type OutputSize = Sum<U1024, U192>;

    fn write_exact(&self, buffer: &mut [u8]) {
        let (ml_kem, x25519) = buffer.split_at_mut(ML_KEM_PUBLIC_BYTES);
        ml_kem.copy_from_slice(&self.ml_kem.as_bytes());
        x25519.copy_from_slice(self.x25519.as_bytes());
    }
}

impl Deserializable for PublicKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let (ml_kem, x25519) = split::<Self>(bytes, ML_KEM_PUBLIC_BYTES)?;
        let encoded = ml_kem.try_into().map_err(|_| HpkeError::ValidationError)?;
        let key = Self {
            ml_kem: MlKemPublic::from_bytes(encoded),
            x25519: X25519PublicKey::from(x25519),
        };
        // The modulus check of FIPS 203 §7.2: coefficients that are not reduced do not come back as they were.
        if key.ml_kem.as_bytes().as_slice() != ml_kem {
            return Err(HpkeError::ValidationError);
        }
        Ok(key)
    }
}

impl Serializable for EncappedKey {
    type OutputSize = Sum<U1024, U96>;

    fn write_exact(&self, buffer: &mut [u8]) {
        let (ml_kem, x25519) = buffer.split_at_mut(ML_KEM_CIPHERTEXT_BYTES);
        ml_kem.copy_from_slice(&self.ml_kem);
        x25519.copy_from_slice(self.x25519.as_bytes());
    }
}

impl Deserializable for EncappedKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, HpkeError> {
        let (ml_kem, x25519) = split::<Self>(bytes, ML_KEM_CIPHERTEXT_BYTES)?;
        let ml_kem: &Ciphertext<MlKem768> = ml_kem.try_into().map_err(|_| HpkeError::ValidationError)?;
        Ok(Self {
            ml_kem: *ml_kem,
            x25519: X25519PublicKey::from(x25519),
        })
    }
}

/// The two halves of an encoding: the first of a length, the second an X25519 point.
fn split<T: Serializable>(bytes: &[u8], first: usize) -> Result<(&[u8], [u8; 32]), HpkeError> {
    let wrong_length = || HpkeError::IncorrectInputLength(T::OutputSize::USIZE, bytes.len());
    let (ml_kem, x25519) = bytes.split_at_checked(first).ok_or_else(wrong_length)?;
    Ok((ml_kem, x25519.try_into().map_err(|_| wrong_length())?))
}

impl Kem for XWing {
    type PublicKey = PublicKey;
    type PrivateKey = PrivateKey;
    type EncappedKey = EncappedKey;
    type NSecret = U32;

    const KEM_ID: u16 = 0x647a;

    fn sk_to_pk(private: &PrivateKey) -> PublicKey {
        private.public()
    }

    /// `DeriveKeyPair` of draft-ietf-hpke-pq: `SHAKE256.LabeledDerive(ikm, "DeriveKeyPair", "", 32)`.
    fn derive_keypair(key_material: &[u8]) -> (PrivateKey, PublicKey) {
        const LABEL: &[u8; 13] = b"DeriveKeyPair";
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        Shake256::default()
            .chain(key_material)
            .chain(b"HPKE-v1")
            .chain(b"KEM")
            .chain(Self::KEM_ID.to_be_bytes())
            .chain([0, 13])
            .chain(LABEL)
            .chain([0, 32])
            .finalize_xof()
            .read(seed.as_mut_slice());
        let private = PrivateKey::from_seed(seed);
        let public = private.public();
        (private, public)
    }

    /// Without a sender's key: age uses the base mode only.
    fn decap(
        private: &PrivateKey,
        sender: Option<&PublicKey>,
        encapped: &EncappedKey,
    ) -> Result<SharedSecret<Self>, HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::DecapError);
        }
        let mut ml_kem = private
            .ml_kem
            .decapsulate(&encapped.ml_kem)
            .map_err(|()| HpkeError::DecapError)?;
        let x25519 = private.x25519.diffie_hellman(&encapped.x25519);
        if !x25519.was_contributory() {
            ml_kem.as_mut_slice().zeroize();
            return Err(HpkeError::DecapError);
        }
        let public = X25519PublicKey::from(&private.x25519);
        let secret = combine(&ml_kem, x25519.as_bytes(), &encapped.x25519, &public);
        ml_kem.as_mut_slice().zeroize();
        Ok(secret)
    }

    /// Without a sender's key: age uses the base mode only.
    fn encap<R: CryptoRng + RngCore>(
        public: &PublicKey,
        sender: Option<(&PrivateKey, &PublicKey)>,
        random: &mut R,
    ) -> Result<(SharedSecret<Self>, EncappedKey), HpkeError> {
        if sender.is_some() {
            return Err(HpkeError::EncapError);
        }
        let ephemeral = EphemeralSecret::random_from_rng(&mut *random);
        let share = X25519PublicKey::from(&ephemeral);
        let x25519 = ephemeral.diffie_hellman(&public.x25519);
        if !x25519.was_contributory() {
            return Err(HpkeError::EncapError);
        }
        let (ciphertext, mut ml_kem) = public
            .ml_kem
            .encapsulate(random)
            .map_err(|()| HpkeError::EncapError)?;
        let encapped = EncappedKey {
            ml_kem: ciphertext,
            x25519: share,
        };
        let secret = combine(&ml_kem, x25519.as_bytes(), &encapped.x25519, &public.x25519);
        ml_kem.as_mut_slice().zeroize();
        Ok((secret, encapped))
    }
}

/// `SHA3-256(ssM || ssX || ctX || pkX || label)`.
fn combine(
    ml_kem: &[u8],
    x25519: &[u8],
    ephemeral: &X25519PublicKey,
    public: &X25519PublicKey,
) -> SharedSecret<XWing> {
    let mut secret = SharedSecret::default();
    Sha3_256::default()
        .chain(ml_kem)
        .chain(x25519)
        .chain(ephemeral.as_bytes())
        .chain(public.as_bytes())
        .chain(LABEL)
        .finalize_into(&mut secret.0);
    secret
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let (private, public) = XWing::gen_keypair(&mut OsRng);
        let (ours, encapped) = XWing::encap(&public, None, &mut OsRng).unwrap();
        let encapped = EncappedKey::from_bytes(&encapped.to_bytes()).unwrap();
        assert!(XWing::decap(&private, None, &encapped).unwrap().0 == ours.0);
        let (other, _) = XWing::gen_keypair(&mut OsRng);
        assert!(XWing::decap(&other, None, &encapped).unwrap().0 != ours.0);
        let again = PrivateKey::from_bytes(&private.to_bytes()).unwrap();
        assert!(again == private && again.public() == public);
    }

    #[test]
    fn encodings_have_one_length_and_one_form() {
        let (_, public) = XWing::gen_keypair(&mut OsRng);
        let mut bytes = public.to_bytes().to_vec();
        assert!(PublicKey::from_bytes(&bytes).is_ok_and(|key| key == public));
        assert!(PublicKey::from_bytes(bytes.get(1..).unwrap()).is_err());
        assert!(PrivateKey::from_bytes(&[0; 31]).is_err());
        assert!(EncappedKey::from_bytes(&[0; 1119]).is_err());
        // The first coefficient as 4095, above the modulus 3329.
        bytes.splice(0..2, [0xff, 0xff]);
        assert!(matches!(
            PublicKey::from_bytes(&bytes),
            Err(HpkeError::ValidationError)
        ));
    }

    #[test]
    fn a_point_of_low_order_is_refused() {
        let (private, public) = XWing::gen_keypair(&mut OsRng);
        let (_, encapped) = XWing::encap(&public, None, &mut OsRng).unwrap();
        let low = EncappedKey {
            x25519: X25519PublicKey::from([0; 32]),
            ..encapped
        };
        assert!(XWing::decap(&private, None, &low).is_err());
        let low = PublicKey {
            x25519: X25519PublicKey::from([0; 32]),
            ..public
        };
        assert!(XWing::encap(&low, None, &mut OsRng).is_err());
    }
}
