//! The age file that holds a wrapped key: armored, small, for one recipient.

use std::io::{Read as _, Write as _};

use age::armor::{ArmoredReader, ArmoredWriter, Format};
use age::{DecryptError, Decryptor, Encryptor};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::data_key::UnwrapError;

/// Largest age file taken as a wrapped key, in bytes. sops writes about 400, and 2,000 for a post-quantum recipient.
pub const MAX_AGE_FILE_BYTES: usize = 64 << 10;

/// Largest payload of such a file, in bytes: a data key has 32, a share of one 33.
const MAX_PAYLOAD_BYTES: usize = 64;

const ARMOR_BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";

/// Why a data key cannot be wrapped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WrapError {
    /// The age library refuses.
    #[error("failed to make an age file")]
    Age(#[source] age::EncryptError),
    /// Writing to memory failed.
    #[error("failed to write an age file")]
    Write(#[source] std::io::Error),
}

/// The payload as an armored age file for one recipient, as sops stores a data key. What is random in it comes from the
/// operating system's source: the age library takes no other.
pub(super) fn wrap(payload: &[u8], recipient: &dyn age::Recipient) -> Result<String, WrapError> {
    let encryptor = Encryptor::with_recipients(std::iter::once(recipient)).map_err(WrapError::Age)?;
    let mut file = Vec::new();
    let armor = ArmoredWriter::wrap_output(&mut file, Format::AsciiArmor).map_err(WrapError::Write)?;
    let mut writer = encryptor.wrap_output(armor).map_err(WrapError::Write)?;
    writer.write_all(payload).map_err(WrapError::Write)?;
    let armor = writer.finish().map_err(WrapError::Write)?;
    armor.finish().map_err(WrapError::Write)?;
    // Armor is ASCII.
    Ok(String::from_utf8_lossy(&file).replace("\r\n", "\n"))
}

/// The payload of an armored age file; `None` if it is for other identities.
pub(super) fn unwrap<'a>(
    file: &str,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
    let invalid = |problem| UnwrapError::InvalidAgeFile { problem };
    if file.len() > MAX_AGE_FILE_BYTES {
        return Err(invalid("it is too large"));
    }
    open(file, identities, MAX_PAYLOAD_BYTES)
}

fn open<'a>(
    file: &str,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    max_payload_bytes: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
    let invalid = |problem| UnwrapError::InvalidAgeFile { problem };
    if !file.trim_start().starts_with(ARMOR_BEGIN) {
        return Err(invalid("it is not armored"));
    }
    let refused = |error: DecryptError| match error {
        DecryptError::KeyDecryptionFailed => UnwrapError::Locked,
        DecryptError::InvalidMac => invalid("its header is not authentic"),
        // The library tells these two apart no further.
        DecryptError::UnknownFormat => invalid("its version is unknown or its header malformed"),
        DecryptError::Io(_) => invalid("its armor is broken or cut off"),
        _ => invalid("its header is malformed"),
    };
    let decryptor = Decryptor::new_buffered(ArmoredReader::new(file.as_bytes())).map_err(refused)?;
    let mut payload = match decryptor.decrypt(identities) {
        Ok(reader) => reader.take(max_payload_bytes as u64 + 1),
        Err(DecryptError::NoMatchingKeys) => return Ok(None),
        Err(error) => return Err(refused(error)),
    };
    // One byte more than is read, so that reading to the end never moves the buffer.
    let mut part = Zeroizing::new(Vec::with_capacity(max_payload_bytes + 33));
    payload
        .read_to_end(&mut part)
        .map_err(|_| invalid("its payload is not authentic"))?;
    if part.len() > max_payload_bytes {
        return Err(invalid("its payload is too large for a data key"));
    }
    Ok(Some(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &str) -> Option<UnwrapError> {
        let identity = age::x25519::Identity::generate();
        unwrap(file, std::iter::once(&identity as &dyn age::Identity)).err()
    }

    #[test]
    fn refuses_broken_files() {
        let identity = age::x25519::Identity::generate();
        let open = |file: &str| unwrap(file, std::iter::once(&identity as &dyn age::Identity));
        let file = wrap(&[7; 32], &identity.to_public()).unwrap();
        let invalid = |problem| Some(UnwrapError::InvalidAgeFile { problem });
        assert_eq!(refused(""), invalid("it is not armored"));
        assert_eq!(refused("age-encryption.org/v1\n"), invalid("it is not armored"));
        assert_eq!(
            refused(&format!("{ARMOR_BEGIN}\n????\n")),
            invalid("its armor is broken or cut off")
        );
        assert_eq!(
            refused(&format!("{ARMOR_BEGIN}\n{}", "A".repeat(MAX_AGE_FILE_BYTES))),
            invalid("it is too large")
        );
        let cut_off = file.get(..file.len() / 2).unwrap();
        assert!(open(cut_off).is_err());
        assert_eq!(refused(&file), None);
        let large = wrap(&[7; MAX_PAYLOAD_BYTES + 1], &identity.to_public()).unwrap();
        assert_eq!(
            open(&large).err(),
            invalid("its payload is too large for a data key")
        );
    }
}
