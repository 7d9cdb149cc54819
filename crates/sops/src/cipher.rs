//! AES-256-GCM as sops uses it (aes/cipher.go).

use aes_gcm::aead::consts::U32;
use aes_gcm::aes::Aes256;
use aes_gcm::{AeadInOut as _, AesGcm, KeyInit as _};
use zeroize::Zeroizing;

use crate::data_key::DataKey;
use crate::encrypted_value::{self, EncryptedValue, IV_BYTES};
use crate::error::LeafError;
use crate::scalar::{Kind, Scalar, Text};

/// Opens and seals values with one data key. The key schedule is wiped when it is dropped.
pub(crate) struct Cipher(AesGcm<Aes256, U32>);

impl Cipher {
    pub(crate) fn new(key: &DataKey) -> Self {
        Self(AesGcm::new(key.expose().into()))
    }

    /// The plaintext of a sealed value, checked to be one of its type.
    pub(crate) fn open(
        &self,
        sealed: EncryptedValue,
        associated_data: &str,
    ) -> Result<Scalar<'static>, LeafError> {
        let kind = sealed.kind;
        let data = self.open_bytes(sealed, associated_data)?;
        let text = into_text(data).ok_or(LeafError::InvalidPlaintext { kind: kind.name() })?;
        Scalar::from_plaintext(kind, text).ok_or(LeafError::InvalidPlaintext { kind: kind.name() })
    }

    /// The plaintext of a sealed value, whatever its type.
    pub(crate) fn open_bytes(
        &self,
        sealed: EncryptedValue,
        associated_data: &str,
    ) -> Result<Zeroizing<Vec<u8>>, LeafError> {
        let EncryptedValue {
            mut data, iv, tag, ..
        } = sealed;
        self.0
            .decrypt_inout_detached(
                (&iv).into(),
                associated_data.as_bytes(),
                data.as_mut_slice().into(),
                (&tag).into(),
            )
            .map_err(|_| LeafError::NotAuthentic)?;
        Ok(data)
    }

    /// The text that stands for a value once it is sealed.
    pub(crate) fn seal(
        &self,
        kind: Kind,
        plaintext: &[u8],
        associated_data: &str,
        iv: [u8; IV_BYTES],
    ) -> Result<String, aes_gcm::Error> {
        let mut data = Zeroizing::new(plaintext.to_vec());
        let tag = self.0.encrypt_inout_detached(
            (&iv).into(),
            associated_data.as_bytes(),
            data.as_mut_slice().into(),
        )?;
        Ok(encrypted_value::render(&data, &iv, &tag.into(), kind))
    }
}

/// The same bytes as a string, without a copy; bytes that are not UTF-8 are wiped.
fn into_text(mut bytes: Zeroizing<Vec<u8>>) -> Option<Text<'static>> {
    match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) => Some(Text::Owned(Zeroizing::new(text))),
        Err(error) => {
            drop(Zeroizing::new(error.into_bytes()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cipher() -> Cipher {
        Cipher::new(&DataKey::from_bytes([7; 32]))
    }

    /// Made with Go's `cipher.NewGCMWithNonceSize(block, 32)`: key 32 times 7, IV 32 times 9.
    #[test]
    fn agrees_with_go() {
        let sealed = cipher().seal(Kind::String, b"hello", "data:a:", [9; 32]).unwrap();
        assert_eq!(
            sealed,
            "ENC[AES256_GCM,data:77WLtcE=,iv:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=,tag:JRlc4WrRrQI8GatqjsFoLw==,type:str]"
        );
    }

    #[test]
    fn opens_what_it_seals_and_nothing_else() {
        let sealed = cipher().seal(Kind::Integer, b"42", "a:", [1; 32]).unwrap();
        let parse = |text: &str| EncryptedValue::parse(text).ok().unwrap();
        let opened = cipher().open(parse(&sealed), "a:").ok().unwrap();
        assert_eq!((opened.kind(), opened.as_str()), (Kind::Integer, "42"));
        assert!(matches!(
            cipher().open(parse(&sealed), "b:"),
            Err(LeafError::NotAuthentic)
        ));
        let other = Cipher::new(&DataKey::from_bytes([8; 32]));
        assert!(matches!(
            other.open(parse(&sealed), "a:"),
            Err(LeafError::NotAuthentic)
        ));
        // The type is not authenticated by the cipher; the plaintext has to fit it.
        let retyped = sealed.replace("type:int", "type:bool");
        assert!(matches!(
            cipher().open(parse(&retyped), "a:"),
            Err(LeafError::InvalidPlaintext { kind: "bool" })
        ));
    }
}
