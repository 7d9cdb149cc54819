//! `ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]`

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::scalar::Kind;

/// What every sealed value starts with.
pub(crate) const PREFIX: &str = "ENC[AES256_GCM,";

/// Bytes of an initialisation vector (`nonceSize` in aes/cipher.go).
pub(crate) const IV_BYTES: usize = 32;

/// Bytes of a GCM tag.
pub(crate) const TAG_BYTES: usize = 16;

/// A sealed value, taken apart.
pub(crate) struct EncryptedValue {
    /// The ciphertext; it is opened in place.
    pub(crate) data: Zeroizing<Vec<u8>>,
    pub(crate) iv: [u8; IV_BYTES],
    pub(crate) tag: [u8; TAG_BYTES],
    pub(crate) kind: Kind,
}

/// Why a text is not a sealed value.
///
/// sops reads more loosely: its expression is greedy, open at the end, and takes any length of IV. It writes only the
/// form that is taken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EncryptedValueError {
    /// The text does not begin with `ENC[`.
    #[error("failed to read a sealed value: it is in clear, without ENC[…]")]
    NotEncrypted,
    /// Another cipher than `AES256_GCM`.
    #[error("failed to read a sealed value: its cipher is not AES256_GCM")]
    UnknownCipher,
    /// Not exactly `data`, `iv`, `tag` and `type`, in this order.
    #[error("failed to read a sealed value: it is not ENC[AES256_GCM,data:…,iv:…,tag:…,type:…]")]
    Malformed,
    /// A field is not base64 (RFC 4648 §4, with padding).
    #[error("failed to read a sealed value: {field} is not base64")]
    InvalidBase64 {
        /// `data`, `iv` or `tag`.
        field: &'static str,
    },
    /// An IV that is not 32 bytes, a tag that is not 16, or no data.
    #[error("failed to read a sealed value: {field} has {length} bytes")]
    InvalidLength {
        /// `data`, `iv` or `tag`.
        field: &'static str,
        /// Its bytes.
        length: usize,
    },
    /// A type that sops does not have.
    #[error("failed to read a sealed value: its type is unknown")]
    UnknownType,
}

impl EncryptedValue {
    pub(crate) fn parse(text: &str) -> Result<Self, EncryptedValueError> {
        let Some(inner) = text.strip_prefix("ENC[") else {
            return Err(EncryptedValueError::NotEncrypted);
        };
        let inner = inner.strip_suffix(']').ok_or(EncryptedValueError::Malformed)?;
        let Some(("AES256_GCM", fields)) = inner.split_once(',') else {
            return Err(EncryptedValueError::UnknownCipher);
        };
        let mut fields = fields.split(',');
        let mut field = |name: &str| {
            let (found, value) = fields.next()?.split_once(':')?;
            (found == name).then_some(value)
        };
        let (Some(data), Some(iv), Some(tag), Some(kind)) =
            (field("data"), field("iv"), field("tag"), field("type"))
        else {
            return Err(EncryptedValueError::Malformed);
        };
        if fields.next().is_some() {
            return Err(EncryptedValueError::Malformed);
        }
        let data = decode_data(data)?;
        Ok(Self {
            data,
            iv: decode_array("iv", iv)?,
            tag: decode_array("tag", tag)?,
            kind: Kind::from_name(kind).ok_or(EncryptedValueError::UnknownType)?,
        })
    }
}

/// The text of a sealed value.
pub(crate) fn render(data: &[u8], iv: &[u8; IV_BYTES], tag: &[u8; TAG_BYTES], kind: Kind) -> String {
    format!(
        "{PREFIX}data:{},iv:{},tag:{},type:{}]",
        BASE64_STANDARD.encode(data),
        BASE64_STANDARD.encode(iv),
        BASE64_STANDARD.encode(tag),
        kind.name()
    )
}

/// The ciphertext in a buffer of its own size, which will never have to grow once it is plaintext.
fn decode_data(text: &str) -> Result<Zeroizing<Vec<u8>>, EncryptedValueError> {
    let invalid = EncryptedValueError::InvalidBase64 { field: "data" };
    let mut data = Zeroizing::new(vec![0; base64::decoded_len_estimate(text.len())]);
    let length = BASE64_STANDARD
        .decode_slice(text, &mut data)
        .map_err(|_| invalid)?;
    data.truncate(length);
    if data.is_empty() {
        return Err(EncryptedValueError::InvalidLength {
            field: "data",
            length,
        });
    }
    Ok(data)
}

fn decode_array<const N: usize>(field: &'static str, text: &str) -> Result<[u8; N], EncryptedValueError> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|_| EncryptedValueError::InvalidBase64 { field })?;
    let length = bytes.len();
    bytes
        .try_into()
        .map_err(|_| EncryptedValueError::InvalidLength { field, length })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IV: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const TAG: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

    fn value(data: &str, iv: &str, tag: &str, kind: &str) -> String {
        format!("ENC[AES256_GCM,data:{data},iv:{iv},tag:{tag},type:{kind}]")
    }

    #[test]
    fn reads_what_it_writes() {
        for kind in ["str", "int", "float", "bool", "time", "bytes", "comment"] {
            let text = value("AQID", IV, TAG, kind);
            let parsed = EncryptedValue::parse(&text).ok().unwrap();
            assert_eq!(parsed.kind.name(), kind);
            assert_eq!(*parsed.data, [1, 2, 3]);
            assert_eq!(render(&parsed.data, &parsed.iv, &parsed.tag, parsed.kind), text);
        }
    }

    #[test]
    fn refuses_everything_else() {
        use EncryptedValueError as E;
        let table = [
            (String::new(), E::NotEncrypted),
            ("hello".into(), E::NotEncrypted),
            (" ENC[]".into(), E::NotEncrypted),
            ("ENC[".into(), E::Malformed),
            ("ENC[]".into(), E::UnknownCipher),
            (
                value("AQID", IV, TAG, "str").replace("AES256_GCM", "AES128_GCM"),
                E::UnknownCipher,
            ),
            (
                value("AQID", IV, TAG, "str").replace("AES256_GCM", "aes256_gcm"),
                E::UnknownCipher,
            ),
            (
                format!("ENC[AES256_GCM,data:AQID,tag:{TAG},iv:{IV},type:str]"),
                E::Malformed,
            ),
            (
                format!("ENC[AES256_GCM,data:AQID,iv:{IV},tag:{TAG}]"),
                E::Malformed,
            ),
            (
                format!("ENC[AES256_GCM,data:AQID,iv:{IV},tag:{TAG},type:str,x:y]"),
                E::Malformed,
            ),
            (format!("{} ", value("AQID", IV, TAG, "str")), E::Malformed),
            (format!("{}]", value("AQID", IV, TAG, "str")), E::UnknownType),
            (
                value("", IV, TAG, "str"),
                E::InvalidLength {
                    field: "data",
                    length: 0,
                },
            ),
            (value("AQI", IV, TAG, "str"), E::InvalidBase64 { field: "data" }),
            (value("AQJ=", IV, TAG, "str"), E::InvalidBase64 { field: "data" }),
            (value("AQ ID", IV, TAG, "str"), E::InvalidBase64 { field: "data" }),
            (
                value("AQID", "AAAAAAAAAAAAAAAA", TAG, "str"),
                E::InvalidLength {
                    field: "iv",
                    length: 12,
                },
            ),
            (
                value("AQID", IV, "AAAAAAAAAAAAAAAA", "str"),
                E::InvalidLength {
                    field: "tag",
                    length: 12,
                },
            ),
            (value("AQID", IV, TAG, "string"), E::UnknownType),
            (value("AQID", IV, TAG, ""), E::UnknownType),
        ];
        for (text, expected) in table {
            assert_eq!(EncryptedValue::parse(&text).err(), Some(expected), "{text}");
        }
    }
}
