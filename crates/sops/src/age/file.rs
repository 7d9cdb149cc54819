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

/// Bytes of a full line in the body of a stanza, without its line break.
const STANZA_LINE_BYTES: usize = 64;

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

/// The same for payloads of another size.
pub(super) fn open<'a>(
    file: &str,
    identities: impl Iterator<Item = &'a dyn age::Identity>,
    max_payload_bytes: usize,
) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
    let invalid = |problem| UnwrapError::InvalidAgeFile { problem };
    let refused = |error: DecryptError| match error {
        DecryptError::KeyDecryptionFailed => UnwrapError::Locked,
        DecryptError::InvalidMac => invalid("its header is not authentic"),
        DecryptError::UnknownFormat => invalid("its header is malformed or of another version"),
        DecryptError::Io(_) => invalid("it is cut off"),
        DecryptError::DecryptionFailed => invalid("it names a key that does not open it"),
        _ => invalid("its header is malformed"),
    };
    let file = remove_armor(file)?;
    if !stanzas_are_closed(&file) {
        return Err(invalid("its header is malformed"));
    }
    let decryptor = Decryptor::new_buffered(file.as_slice()).map_err(refused)?;
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

/// The age file inside an armor, which may have white space around it. What is sealed is not opened yet, and no secret.
fn remove_armor(file: &str) -> Result<Vec<u8>, UnwrapError> {
    let invalid = |problem| UnwrapError::InvalidAgeFile { problem };
    let file = file.trim_ascii();
    if !file.starts_with(ARMOR_BEGIN) {
        return Err(invalid("it is not armored"));
    }
    let mut bytes = Vec::with_capacity(file.len());
    ArmoredReader::new(file.as_bytes())
        .read_to_end(&mut bytes)
        .map_err(|_| invalid("its armor is broken or cut off"))?;
    Ok(bytes)
}

/// Whether the body of every stanza ends with a line that is not full, as the format demands and age itself sees to. The
/// library takes the empty line for optional, as a draft of the format had it.
fn stanzas_are_closed(file: &[u8]) -> bool {
    let mut is_open = false;
    for line in file.split(|byte| *byte == b'\n').skip(1) {
        if line.starts_with(b"---") {
            break;
        }
        if line.starts_with(b"-> ") {
            if is_open {
                return false;
            }
            is_open = true;
        } else if line.len() < STANZA_LINE_BYTES {
            is_open = false;
        }
    }
    !is_open
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
