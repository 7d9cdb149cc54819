//! The OpenPGP message that holds a wrapped key: armored, small, encrypted, perhaps compressed.

use std::io::Read as _;

use sequoia_openpgp::cert::Cert;
use sequoia_openpgp::crypto::SessionKey;
use sequoia_openpgp::packet::{PKESK, SKESK};
use sequoia_openpgp::parse::Parse as _;
use sequoia_openpgp::parse::stream::{
    DecryptionHelper, DecryptorBuilder, MessageStructure, VerificationHelper,
};
use sequoia_openpgp::policy::StandardPolicy;
use sequoia_openpgp::types::SymmetricAlgorithm;
use sequoia_openpgp::{KeyHandle, Result as Parsed};
use zeroize::Zeroizing;

use super::SecretKey;
use crate::data_key::UnwrapError;

/// Largest OpenPGP message taken as a wrapped key, in bytes. gpg writes about 1,000 for an RSA key of 4096 bits.
pub const MAX_OPENPGP_MESSAGE_BYTES: usize = 64 << 10;

/// Largest payload of such a message, in bytes: a data key has 32, a share of one 33.
const MAX_PAYLOAD_BYTES: usize = 64;

/// What the library reads ahead, in bytes, so that nothing unpacks to much before its length is seen.
const BUFFER_BYTES: usize = 4 << 10;

const ARMOR_BEGIN: &str = "-----BEGIN PGP MESSAGE-----";

/// The payload of an armored message; `None` if it is for other keys.
///
/// One reason stands for all that goes wrong between the session key and the payload: who may send messages must not learn
/// from our answers which step failed (the attack of Bleichenbacher on RSA).
pub(super) fn unwrap(message: &str, keys: &[SecretKey]) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
    let invalid = |problem| UnwrapError::InvalidOpenPgpMessage { problem };
    if message.len() > MAX_OPENPGP_MESSAGE_BYTES {
        return Err(invalid("it is too large"));
    }
    let message = message.trim();
    if !message.starts_with(ARMOR_BEGIN) {
        return Err(invalid("it is not armored"));
    }
    let mut attempt = Attempt {
        keys,
        addressed: Addressed::NotSeen,
        is_open: false,
    };
    let payload = read(message, &mut attempt);
    match (payload, attempt.addressed) {
        (_, Addressed::ToOthers) => Ok(None),
        (_, Addressed::ToAnybody) if !attempt.is_open => Ok(None),
        (_, Addressed::NotSeen) => Err(invalid("it is malformed, or not encrypted")),
        (Ok(payload), _) if payload.len() > MAX_PAYLOAD_BYTES => {
            Err(invalid("its payload is too large for a data key"))
        }
        (Ok(payload), _) if attempt.is_open => Ok(Some(payload)),
        (Ok(_) | Err(_), _) => Err(invalid("it does not open with the key that it names")),
    }
}

/// The payload, or its first bytes if it is too large. All of it is authentic once its end was read.
fn read(message: &str, attempt: &mut Attempt<'_>) -> Parsed<Zeroizing<Vec<u8>>> {
    let policy = StandardPolicy::new();
    let mut decryptor = DecryptorBuilder::from_bytes(message)?
        .buffer_size(BUFFER_BYTES)
        .with_policy(&policy, None, attempt)?
        .take(MAX_PAYLOAD_BYTES as u64 + 1);
    // More than is read, so that reading to the end never moves the buffer.
    let mut payload = Zeroizing::new(Vec::with_capacity(MAX_PAYLOAD_BYTES + 33));
    decryptor.read_to_end(&mut payload)?;
    Ok(payload)
}

/// Whom a message names as its recipients.
enum Addressed {
    /// It did not come to that.
    NotSeen,
    /// None of our keys.
    ToOthers,
    /// Nobody by name, so that every key may try.
    ToAnybody,
    /// One of our keys.
    ToUs,
}

/// One message and the keys to open it with.
struct Attempt<'a> {
    keys: &'a [SecretKey],
    addressed: Addressed,
    is_open: bool,
}

impl DecryptionHelper for &mut Attempt<'_> {
    fn decrypt(
        &mut self,
        pkesks: &[PKESK],
        _: &[SKESK],
        algorithm: Option<SymmetricAlgorithm>,
        decrypt: &mut dyn FnMut(Option<SymmetricAlgorithm>, &SessionKey) -> bool,
    ) -> Parsed<Option<Cert>> {
        self.addressed = Addressed::ToOthers;
        for pkesk in pkesks {
            let recipient = pkesk.recipient();
            for key in self.keys {
                match &recipient {
                    Some(recipient) if key.key_handle().aliases(recipient) => {
                        self.addressed = Addressed::ToUs;
                    }
                    Some(_) => continue,
                    None if matches!(self.addressed, Addressed::ToOthers) => {
                        self.addressed = Addressed::ToAnybody;
                    }
                    None => {}
                }
                let mut pair = key.clone().into_keypair()?;
                let opened = pkesk.decrypt(&mut pair, algorithm);
                if opened.is_some_and(|(algorithm, session_key)| decrypt(algorithm, &session_key)) {
                    self.is_open = true;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }
}

/// Who signed a data key does not matter, as in sops: the MAC of the file is what binds it.
impl VerificationHelper for &mut Attempt<'_> {
    fn get_certs(&mut self, _: &[KeyHandle]) -> Parsed<Vec<Cert>> {
        Ok(Vec::new())
    }

    fn check(&mut self, _: MessageStructure<'_>) -> Parsed<()> {
        Ok(())
    }
}
