//! The test vectors of draft-ietf-hpke-pq for this mechanism, which `make tools` fetches.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

use std::path::Path;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::rand_core::{CryptoRng, Error, RngCore};
use hpke::{Deserializable as _, Kem as _, OpModeR, Serializable as _};
use manifest_yaml::{Limits, Number, Value, from_json};

use super::{EncappedKey, PrivateKey, PublicKey, XWing};

/// What HPKE calls HKDF-SHA256 and ChaCha20-Poly1305.
const HKDF_SHA256: i64 = 1;
const CHACHA20_POLY1305: i64 = 3;

struct Vector(Value);

impl Vector {
    /// Those of our mechanism.
    fn read() -> Vec<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/vectors/hpke-pq.json");
        let text = std::fs::read(&path)
            .unwrap_or_else(|error| panic!("{}: {error}: run `make tools`", path.display()));
        let file = from_json(&text, &Limits::default()).unwrap().remove(0).value;
        let vectors = file
            .as_sequence()
            .unwrap()
            .iter()
            .map(|value| Self(value.share()));
        let ours = i64::from(XWing::KEM_ID);
        vectors.filter(|vector| vector.number("kem_id") == ours).collect()
    }

    fn number(&self, field: &str) -> i64 {
        match self.0.get_path(&[field]) {
            Some(Value::Number(Number::Integer(number))) => *number,
            _ => panic!("{field} is no number"),
        }
    }

    fn bytes(&self, path: &[&str]) -> Vec<u8> {
        hex(self.0.get_path(path).unwrap())
    }
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

/// The randomness of a vector, in the order in which it is drawn here: X25519's part, then ML-KEM's, which is the first
/// in the draft.
struct Given(Vec<u8>);

impl Given {
    fn new(ikm: &[u8]) -> Self {
        let (ml_kem, x25519) = ikm.split_at(32);
        Self([x25519, ml_kem].concat())
    }
}

impl RngCore for Given {
    fn next_u32(&mut self) -> u32 {
        panic!("bytes are drawn")
    }

    fn next_u64(&mut self) -> u64 {
        panic!("bytes are drawn")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&self.0);
        self.0 = rest;
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Given {}

#[test]
fn keys_shares_and_secrets_are_those_of_the_draft() {
    let vectors = Vector::read();
    assert_eq!(vectors.len(), 2);
    for vector in &vectors {
        let (private, public) = XWing::derive_keypair(&vector.bytes(&["ikmR"]));
        assert_eq!(private.to_bytes().to_vec(), vector.bytes(&["skRm"]));
        assert_eq!(public.to_bytes().to_vec(), vector.bytes(&["pkRm"]));
        let read = PrivateKey::from_bytes(&vector.bytes(&["skRm"])).unwrap();
        assert!(read.public() == PublicKey::from_bytes(&vector.bytes(&["pkRm"])).unwrap());

        let (secret, share) = XWing::encap(&public, None, &mut Given::new(&vector.bytes(&["ikmE"]))).unwrap();
        assert_eq!(share.to_bytes().to_vec(), vector.bytes(&["enc"]));
        assert_eq!(secret.0.to_vec(), vector.bytes(&["shared_secret"]));
        let share = EncappedKey::from_bytes(&vector.bytes(&["enc"])).unwrap();
        let secret = XWing::decap(&private, None, &share).unwrap();
        assert_eq!(secret.0.to_vec(), vector.bytes(&["shared_secret"]));
    }
}

#[test]
fn messages_of_the_draft_open() {
    let vectors = Vector::read();
    let ours = |vector: &&Vector| {
        vector.number("kdf_id") == HKDF_SHA256 && vector.number("aead_id") == CHACHA20_POLY1305
    };
    let vector = vectors.iter().find(ours).unwrap();
    let private = PrivateKey::from_bytes(&vector.bytes(&["skRm"])).unwrap();
    let share = EncappedKey::from_bytes(&vector.bytes(&["enc"])).unwrap();
    let info = vector.bytes(&["info"]);
    let mut context =
        hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, XWing>(&OpModeR::Base, &private, &share, &info)
            .unwrap();
    let messages = vector
        .0
        .get_path(&["encryptions"])
        .unwrap()
        .as_sequence()
        .unwrap();
    assert!(!messages.is_empty());
    for message in messages {
        let field = |name| hex(message.get_path(&[name]).unwrap());
        assert_eq!(context.open(&field("ct"), &field("aad")).unwrap(), field("pt"));
    }
}
