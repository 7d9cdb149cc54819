//! OpenSSH's binary key revocation lists (PROTOCOL.krl; krl.c).

use std::collections::{HashMap, HashSet};

use super::Certified;
use super::key::{KeyError, PublicKey};

/// The first bytes of a KRL.
const MAGIC: &[u8] = b"SSHKRL\n\0";

/// The version of the format.
const FORMAT_VERSION: u32 = 1;

mod section {
    pub(super) const CERTIFICATES: u8 = 1;
    pub(super) const EXPLICIT_KEY: u8 = 2;
    pub(super) const FINGERPRINT_SHA1: u8 = 3;
    pub(super) const SIGNATURE: u8 = 4;
    pub(super) const FINGERPRINT_SHA256: u8 = 5;
    pub(super) const EXTENSION: u8 = 255;
}

mod certificate_section {
    pub(super) const SERIAL_LIST: u8 = 0x20;
    pub(super) const SERIAL_RANGE: u8 = 0x21;
    pub(super) const SERIAL_BITMAP: u8 = 0x22;
    pub(super) const KEY_ID: u8 = 0x23;
    pub(super) const EXTENSION: u8 = 0x39;
}

/// Why a KRL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KrlError {
    /// The version is not 1.
    #[error("the KRL has format version {0}, and 1 is supported")]
    Version(u32),
    /// It ends in the middle of something.
    #[error("the KRL ends too early")]
    Truncated,
    /// It holds something of a kind that is not known, and that may be what revokes a key.
    #[error("the KRL has a section of the unknown type {0:#04x}")]
    UnknownSection(u8),
    /// It holds an extension that must be understood.
    #[error("the KRL has the critical extension {0:?}, which is not supported")]
    CriticalExtension(String),
    /// It is signed inside, in the way that OpenSSH has given up.
    #[error("the KRL carries a signature, which OpenSSH does not support any more; make it without")]
    Signed,
    /// A key in it cannot be read.
    #[error("the KRL has a key that is not usable: {0}")]
    Key(KeyError),
    /// A fingerprint has the wrong length, or a number is out of order.
    #[error("the KRL has a malformed entry")]
    Malformed,
    /// A name is not UTF-8.
    #[error("the KRL has a name that is not UTF-8")]
    NotText,
}

/// A revocation list, indexed.
#[derive(Debug, Default)]
pub(crate) struct Krl {
    keys: HashSet<Vec<u8>>,
    sha1: HashSet<[u8; 20]>,
    sha256: HashSet<[u8; 32]>,
    /// Revoked certificates by the wire encoding of their authority; `None` holds for every authority.
    certificates: HashMap<Option<Vec<u8>>, RevokedCertificates>,
}

#[derive(Debug, Default)]
struct RevokedCertificates {
    serials: HashSet<u64>,
    ranges: Vec<(u64, u64)>,
    bitmaps: Vec<Bitmap>,
    key_ids: HashSet<String>,
}

/// Serial numbers from `offset` on, one bit each, the lowest in the last byte.
#[derive(Debug)]
struct Bitmap {
    offset: u64,
    bits: Vec<u8>,
}

impl Krl {
    /// Whether a file is a KRL and not a list of keys.
    pub(crate) fn is_krl(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads a KRL. What is not understood is refused, unless the KRL itself says that it may be ignored.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, KrlError> {
        let mut reader = Reader(bytes.strip_prefix(MAGIC).ok_or(KrlError::Malformed)?);
        let version = reader.u32()?;
        if version != FORMAT_VERSION {
            return Err(KrlError::Version(version));
        }
        let (_krl_version, _generated, _flags) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let (_reserved, _comment) = (reader.string()?, reader.string()?);

        let mut krl = Self::default();
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let mut content = Reader(reader.string()?);
            match kind {
                section::CERTIFICATES => krl.read_certificates(&mut content)?,
                section::EXPLICIT_KEY => {
                    while !content.is_empty() {
                        let key = PublicKey::from_blob(content.string()?).map_err(KrlError::Key)?;
                        krl.keys.insert(key.blob().to_vec());
                    }
                }
                section::FINGERPRINT_SHA1 => read_fingerprints(&mut content, &mut krl.sha1)?,
                section::FINGERPRINT_SHA256 => read_fingerprints(&mut content, &mut krl.sha256)?,
                section::SIGNATURE => return Err(KrlError::Signed),
                section::EXTENSION => read_extension(&mut content)?,
                other => return Err(KrlError::UnknownSection(other)),
            }
        }
        Ok(krl)
    }

    fn read_certificates(&mut self, reader: &mut Reader<'_>) -> Result<(), KrlError> {
        let authority = match reader.string()? {
            b"" => None,
            blob => Some(PublicKey::from_blob(blob).map_err(KrlError::Key)?.blob().to_vec()),
        };
        let _reserved = reader.string()?;
        let revoked = self.certificates.entry(authority).or_default();
        while !reader.is_empty() {
            let kind = reader.u8()?;
            let mut content = Reader(reader.string()?);
            match kind {
                certificate_section::SERIAL_LIST => {
                    while !content.is_empty() {
                        revoked.serials.insert(content.u64()?);
                    }
                }
                certificate_section::SERIAL_RANGE => {
                    let range = (content.u64()?, content.u64()?);
                    if range.0 > range.1 || !content.is_empty() {
                        return Err(KrlError::Malformed);
                    }
                    revoked.ranges.push(range);
                }
                certificate_section::SERIAL_BITMAP => {
                    let offset = content.u64()?;
                    let bits = content.string()?.to_vec();
                    if !content.is_empty() {
                        return Err(KrlError::Malformed);
                    }
                    revoked.bitmaps.push(Bitmap { offset, bits });
                }
                certificate_section::KEY_ID => {
                    while !content.is_empty() {
                        revoked.key_ids.insert(content.text()?.to_owned());
                    }
                }
                certificate_section::EXTENSION => read_extension(&mut content)?,
                other => return Err(KrlError::UnknownSection(other)),
            }
        }
        Ok(())
    }

    /// What in the list revokes a key or its certificate, in words.
    pub(super) fn lookup(&self, key: &PublicKey, certificate: Option<&Certified>) -> Option<String> {
        if self.keys.contains(key.blob()) {
            return Some("listed in the KRL revoked_keys".to_owned());
        }
        if self.sha1.contains(&key.sha1()) || self.sha256.contains(&key.sha256()) {
            return Some("its fingerprint is listed in the KRL revoked_keys".to_owned());
        }
        let certificate = certificate?;
        [Some(certificate.authority().blob().to_vec()), None]
            .iter()
            .filter_map(|authority| self.certificates.get(authority))
            .find_map(|revoked| revoked.lookup(certificate.serial(), certificate.key_id()))
    }
}

impl RevokedCertificates {
    fn lookup(&self, serial: u64, key_id: &str) -> Option<String> {
        if self.key_ids.contains(key_id) {
            return Some("its certificate's key id is listed in the KRL revoked_keys".to_owned());
        }
        // An authority that does not number its certificates leaves 0, which therefore names none of them.
        let listed = serial != 0
            && (self.serials.contains(&serial)
                || self
                    .ranges
                    .iter()
                    .any(|&(low, high)| (low..=high).contains(&serial))
                || self.bitmaps.iter().any(|bitmap| bitmap.contains(serial)));
        listed.then(|| format!("its certificate, number {serial}, is listed in the KRL revoked_keys"))
    }
}

impl Bitmap {
    fn contains(&self, serial: u64) -> bool {
        let Some(bit) = serial.checked_sub(self.offset) else {
            return false;
        };
        let Ok(byte) = usize::try_from(bit / 8) else {
            return false;
        };
        self.bits
            .iter()
            .rev()
            .nth(byte)
            .is_some_and(|bits| bits >> (bit % 8) & 1 == 1)
    }
}

fn read_fingerprints<const N: usize>(
    reader: &mut Reader<'_>,
    into: &mut HashSet<[u8; N]>,
) -> Result<(), KrlError> {
    while !reader.is_empty() {
        into.insert(reader.string()?.try_into().map_err(|_| KrlError::Malformed)?);
    }
    Ok(())
}

fn read_extension(reader: &mut Reader<'_>) -> Result<(), KrlError> {
    let name = reader.text()?.to_owned();
    let critical = reader.u8()? != 0;
    let _contents = reader.string()?;
    match critical {
        true => Err(KrlError::CriticalExtension(name)),
        false if reader.is_empty() => Ok(()),
        false => Err(KrlError::Malformed),
    }
}

/// Reads the data types of RFC 4251 §5.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], KrlError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(KrlError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], KrlError> {
        self.take(N)?.try_into().map_err(|_| KrlError::Truncated)
    }

    fn u8(&mut self) -> Result<u8, KrlError> {
        self.array().map(u8::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, KrlError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, KrlError> {
        self.array().map(u64::from_be_bytes)
    }

    fn string(&mut self) -> Result<&'a [u8], KrlError> {
        let length = usize::try_from(self.u32()?).map_err(|_| KrlError::Truncated)?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, KrlError> {
        std::str::from_utf8(self.string()?).map_err(|_| KrlError::NotText)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_no_serial_number() {
        let revoked = RevokedCertificates {
            ranges: vec![(0, 5)],
            ..RevokedCertificates::default()
        };
        assert_eq!(revoked.lookup(0, "x"), None);
        assert!(revoked.lookup(5, "x").is_some());
        assert_eq!(revoked.lookup(6, "x"), None);
    }

    #[test]
    fn a_bitmap_counts_from_its_offset() {
        let bitmap = Bitmap {
            offset: 100,
            bits: vec![0x01, 0x82],
        };
        let set: Vec<u64> = (0..200).filter(|&serial| bitmap.contains(serial)).collect();
        assert_eq!(set, [101, 107, 108]);
        assert!(!bitmap.contains(u64::MAX));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let parse = |sections: &[u8]| {
            let header = [MAGIC, &[0, 0, 0, 1], &[0; 32]].concat();
            Krl::parse(&[&header, sections].concat()).err()
        };
        assert_eq!(parse(&[]), None);
        assert_eq!(parse(&[6, 0, 0, 0, 0]), Some(KrlError::UnknownSection(6)));
        assert_eq!(parse(&[4, 0, 0, 0, 0]), Some(KrlError::Signed));
        assert_eq!(parse(&[3, 0, 0, 0, 5, 0, 0, 0, 1, 7]), Some(KrlError::Malformed));
        assert_eq!(parse(&[3, 0, 0, 0, 5, 0, 0, 0]), Some(KrlError::Truncated));
        let extension = |critical| [255, 0, 0, 0, 10, 0, 0, 0, 1, b'x', critical, 0, 0, 0, 0];
        assert_eq!(parse(&extension(0)), None);
        assert_eq!(
            parse(&extension(1)),
            Some(KrlError::CriticalExtension("x".to_owned()))
        );
        let version_2 = [MAGIC, &[0, 0, 0, 2], &[0; 32]].concat();
        assert_eq!(Krl::parse(&version_2).err(), Some(KrlError::Version(2)));
    }
}
