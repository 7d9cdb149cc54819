//! The post-quantum keys of age 1.3, `age1pq1…`: HPKE in base mode with MLKEM768-X25519, HKDF-SHA256 and
//! ChaCha20-Poly1305 (C2SP age, "The hybrid recipient type"; pq.go of age).

use std::collections::HashSet;

use age::secrecy::ExposeSecret as _;
use age::{DecryptError, EncryptError};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::primitives::{bech32_decode, bech32_encode, hpke_open};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bech32::Hrp;
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::{Deserializable as _, Kem as _, OpModeS, Serializable as _};
use rand_core::OsRng;
use zeroize::Zeroizing;

use super::x_wing::{EncappedKey, PrivateKey, PublicKey, XWing};

/// How a recipient begins.
pub(super) const RECIPIENT_PREFIX: &str = "age1pq1";
/// How an identity begins.
pub(super) const IDENTITY_PREFIX: &str = "AGE-SECRET-KEY-PQ-1";

const RECIPIENT_HRP: Hrp = Hrp::parse_unchecked("age1pq");
const IDENTITY_HRP: Hrp = Hrp::parse_unchecked("AGE-SECRET-KEY-PQ-");

const STANZA_TYPE: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";

/// Recipients without this label may not be mixed with those that have it: they would undo its promise.
const LABEL: &str = "postquantum";

/// A file key and the tag of its cipher.
const BODY_BYTES: usize = FILE_KEY_BYTES + 16;

/// A private key, `AGE-SECRET-KEY-PQ-1…`.
pub(super) struct HybridIdentity(PrivateKey);

/// A public key, `age1pq1…`.
pub(super) struct HybridRecipient(PublicKey);

impl HybridIdentity {
    /// A new one, out of the operating system's random source.
    pub(super) fn generate() -> Self {
        let (private, _) = XWing::gen_keypair(&mut OsRng);
        Self(private)
    }

    /// Reads `AGE-SECRET-KEY-PQ-1…`; `None` if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = decode(text, IDENTITY_PREFIX, IDENTITY_HRP)?;
        PrivateKey::from_bytes(&bytes).map(Self).ok()
    }

    /// The text that [`parse`](Self::parse) reads.
    pub(super) fn expose(&self) -> Zeroizing<String> {
        let seed = Zeroizing::new(<[u8; 32]>::from(self.0.to_bytes()));
        let mut text = Zeroizing::new(bech32_encode(IDENTITY_HRP, seed.as_slice()));
        text.make_ascii_uppercase();
        text
    }

    pub(super) fn recipient(&self) -> HybridRecipient {
        HybridRecipient(XWing::sk_to_pk(&self.0))
    }
}

impl HybridRecipient {
    /// Reads `age1pq1…`; `None` if it is not one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = decode(text, RECIPIENT_PREFIX, RECIPIENT_HRP)?;
        PublicKey::from_bytes(&bytes).map(Self).ok()
    }

    /// The text that [`parse`](Self::parse) reads.
    pub(super) fn encode(&self) -> String {
        bech32_encode(RECIPIENT_HRP, &self.0.to_bytes())
    }
}

/// The bytes of a Bech32 text, whose prefix is also that of its case.
fn decode(text: &str, prefix: &str, hrp: Hrp) -> Option<Zeroizing<Vec<u8>>> {
    if !text.starts_with(prefix) {
        return None;
    }
    bech32_decode(
        text,
        |_| (),
        |found| (found == hrp).then_some(()).ok_or(()),
        |_, bytes| {
            let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
            decoded.extend(bytes);
            Ok(decoded)
        },
    )
    .ok()
}

impl age::Identity for HybridIdentity {
    /// That the body does not open is no error: nothing else says whether a stanza is for this key.
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        if stanza.tag != STANZA_TYPE {
            return None;
        }
        let opened = (|| {
            let [share] = stanza.args.as_slice() else {
                return Err(DecryptError::InvalidHeader);
            };
            let share = BASE64_STANDARD_NO_PAD
                .decode(share)
                .map_err(|_| DecryptError::InvalidHeader)?;
            let encapped = EncappedKey::from_bytes(&share).map_err(|_| DecryptError::InvalidHeader)?;
            if stanza.body.len() != BODY_BYTES {
                return Err(DecryptError::InvalidHeader);
            }
            match hpke_open::<XWing>(&encapped, &self.0, INFO, &stanza.body) {
                Ok(file_key) => Ok(Some(Zeroizing::new(file_key))),
                Err(hpke::HpkeError::OpenError) => Ok(None),
                Err(_) => Err(DecryptError::InvalidHeader),
            }
        })();
        let opened = opened.transpose()?;
        Some(opened.and_then(|bytes| {
            FileKey::try_init_with_mut(|file_key| {
                let bytes = bytes.get(..FILE_KEY_BYTES).ok_or(DecryptError::InvalidHeader)?;
                file_key.copy_from_slice(bytes);
                Ok(())
            })
        }))
    }
}

impl age::Recipient for HybridRecipient {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), EncryptError> {
        let (encapped, body) = hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, XWing, _>(
            &OpModeS::Base,
            &self.0,
            INFO,
            file_key.expose_secret(),
            &[],
            &mut OsRng,
        )
        .map_err(|_| EncryptError::Io(std::io::Error::other("the public key is not a valid one")))?;
        let stanza = Stanza {
            tag: STANZA_TYPE.to_owned(),
            args: vec![BASE64_STANDARD_NO_PAD.encode(encapped.to_bytes())],
            body,
        };
        Ok((vec![stanza], HashSet::from([LABEL.to_owned()])))
    }
}

#[cfg(test)]
mod tests {
    use age::{Encryptor, Identity as _, Recipient as _};

    use super::*;

    #[test]
    fn texts_are_read_back() {
        let identity = HybridIdentity::generate();
        let text = identity.expose();
        assert!(text.starts_with(IDENTITY_PREFIX));
        assert_eq!(HybridIdentity::parse(&text).unwrap().expose(), text);
        assert!(HybridIdentity::parse(&text.to_lowercase()).is_none());
        let recipient = identity.recipient().encode();
        assert_eq!(recipient.len(), 1959);
        assert_eq!(HybridRecipient::parse(&recipient).unwrap().encode(), recipient);
        assert!(HybridRecipient::parse(&recipient.to_uppercase()).is_none());
        let (cut, _) = recipient.split_at(1900);
        assert!(HybridRecipient::parse(cut).is_none());
        assert!(HybridRecipient::parse(&text).is_none());
    }

    #[test]
    fn a_file_key_comes_back_to_its_recipient_alone() {
        let identity = HybridIdentity::generate();
        let file_key = FileKey::new(Box::new([7; FILE_KEY_BYTES]));
        let (stanzas, labels) = identity.recipient().wrap_file_key(&file_key).unwrap();
        assert!(labels.contains(LABEL));
        let [stanza] = stanzas.as_slice() else {
            panic!("one stanza")
        };
        let opened = identity.unwrap_stanza(stanza).unwrap().ok().unwrap();
        assert_eq!(opened.expose_secret(), file_key.expose_secret());
        assert!(HybridIdentity::generate().unwrap_stanza(stanza).is_none());
        let longer = Stanza {
            tag: stanza.tag.clone(),
            args: stanza.args.clone(),
            body: [stanza.body.as_slice(), &[0]].concat(),
        };
        assert!(matches!(
            identity.unwrap_stanza(&longer),
            Some(Err(DecryptError::InvalidHeader))
        ));
    }

    /// As age does: a file that a classic key opens too is not post-quantum.
    #[test]
    fn it_is_not_mixed_with_classic_recipients() {
        let hybrid = HybridIdentity::generate().recipient();
        let classic = age::x25519::Identity::generate().to_public();
        let mixed: [&dyn age::Recipient; 2] = [&hybrid, &classic];
        assert!(matches!(
            Encryptor::with_recipients(mixed.into_iter()).err(),
            Some(EncryptError::IncompatibleRecipients { .. })
        ));
        let pure: [&dyn age::Recipient; 2] = [&hybrid, &hybrid];
        assert!(Encryptor::with_recipients(pure.into_iter()).is_ok());
    }
}
