//! ASCII armor around signatures: which kind it is, and its strict decoding.
//!
//! Armor is not covered by the signature inside, so whatever a decoder lets pass can be changed by anyone,
//! and gives a second object id to the same commit. Hence: one block, from the first byte to the last, lines
//! of one width, canonical base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Characters that a line of base64 may have: the widest that RFC 4880 §6.3 and RFC 7468 §2 know.
pub(crate) const MAX_LINE: usize = 76;

/// Header lines that an OpenPGP block may have. They are free text; `GnuPG` wrote `Version` and still writes
/// `Comment` where it is configured.
const MAX_HEADERS: usize = 4;

/// The kinds of signature that Git knows, by the line that begins them (gpg-interface.c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignatureFormat {
    Ssh,
    OpenPgp,
    /// An OpenPGP message with the signed data inside; Git accepts the label, nothing writes it.
    OpenPgpMessage,
    /// CMS, as gpgsm and gitsign make it.
    X509,
}

impl SignatureFormat {
    const ALL: [Self; 4] = [Self::Ssh, Self::OpenPgp, Self::OpenPgpMessage, Self::X509];

    fn begin(self) -> &'static str {
        match self {
            Self::Ssh => "-----BEGIN SSH SIGNATURE-----",
            Self::OpenPgp => "-----BEGIN PGP SIGNATURE-----",
            Self::OpenPgpMessage => "-----BEGIN PGP MESSAGE-----",
            Self::X509 => "-----BEGIN SIGNED MESSAGE-----",
        }
    }
}

/// The text of a signature as it was found in an object; nothing about it has been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    text: Vec<u8>,
}

impl Signature {
    pub(crate) fn new(text: Vec<u8>) -> Self {
        Self { text }
    }

    /// Whether Git would take this line as the beginning of a signature.
    pub(crate) fn begins_with(line: &[u8]) -> bool {
        SignatureFormat::ALL
            .iter()
            .any(|format| line.starts_with(format.begin().as_bytes()))
    }

    /// The armored text.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The kind that the first line names.
    pub(crate) fn format(&self) -> Option<SignatureFormat> {
        SignatureFormat::ALL
            .into_iter()
            .find(|format| self.text.starts_with(format.begin().as_bytes()))
    }
}

/// Why a text is not exactly one armored block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmorError {
    /// The text does not start with the expected `-----BEGIN …-----` line.
    #[error("it does not start with the line that begins such a block")]
    Begin,
    /// There is no `-----END …-----` line of the same kind.
    #[error("the line that ends the block is missing")]
    End,
    /// Something follows the block.
    #[error("something follows the end of the block")]
    Trailing,
    /// A second block follows the first.
    #[error("a second block follows the first")]
    SecondBlock,
    /// Lines before the base64 that OpenPGP does not know, or without the empty line after them.
    #[error("the lines before the base64 are not armor headers")]
    Headers,
    /// The base64 is not canonical: padding, line widths, white space or foreign characters.
    #[error("the base64 is not canonical")]
    Base64,
    /// The OpenPGP checksum is not that of the data.
    #[error("the checksum is wrong")]
    Checksum,
}

/// Decodes the only block of a text.
///
/// One newline may follow the line that ends the block: forges and other writers of commits put it there.
/// This, the width of the lines, and in OpenPGP the optional comments, checksum and form of the packet's
/// length are the freedoms that are left; honest writers differ in them.
pub(crate) fn decode(text: &[u8], label: Label) -> Result<Vec<u8>, ArmorError> {
    let (data, rest) = decode_first(text, label)?;
    match rest {
        b"" => Ok(data),
        rest if Signature::begins_with(rest.trim_ascii_start()) => Err(ArmorError::SecondBlock),
        _ => Err(ArmorError::Trailing),
    }
}

/// What an armored block holds, by the words in its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    SshSignature,
    PgpSignature,
    PgpPublicKey,
}

impl Label {
    fn words(self) -> &'static str {
        match self {
            Self::SshSignature => "SSH SIGNATURE",
            Self::PgpSignature => "PGP SIGNATURE",
            Self::PgpPublicKey => "PGP PUBLIC KEY BLOCK",
        }
    }

    fn is_openpgp(self) -> bool {
        match self {
            Self::SshSignature => false,
            Self::PgpSignature | Self::PgpPublicKey => true,
        }
    }
}

/// Decodes the block with which a text starts, and returns what follows its last line.
pub(crate) fn decode_first(text: &[u8], label: Label) -> Result<(Vec<u8>, &[u8]), ArmorError> {
    let begin = format!("-----BEGIN {}-----\n", label.words());
    let end = format!("-----END {}-----", label.words());
    let mut rest = text.strip_prefix(begin.as_bytes()).ok_or(ArmorError::Begin)?;

    if label.is_openpgp() {
        rest = skip_headers(rest, label)?;
    }
    let mut encoded = String::new();
    let mut width = None;
    let mut last_width = 0;
    let mut checksum = None;
    loop {
        let (line, after) = split_line(rest).ok_or(ArmorError::End)?;
        if line == end.as_bytes() {
            rest = after;
            break;
        }
        if line.starts_with(b"-----") {
            return Err(ArmorError::End);
        }
        rest = after;
        if checksum.is_some() {
            return Err(ArmorError::Base64);
        }
        let line = std::str::from_utf8(line).map_err(|_| ArmorError::Base64)?;
        if label.is_openpgp() && line.starts_with('=') && line.len() == CHECKSUM_LINE {
            checksum = Some(line);
            continue;
        }
        // Every line but the last has the width of the first; the last has that or less.
        let width = *width.get_or_insert(line.len());
        if line.is_empty() || line.len() > width.min(MAX_LINE) || (last_width != 0 && last_width != width) {
            return Err(ArmorError::Base64);
        }
        last_width = line.len();
        encoded.push_str(line);
    }

    // The engine refuses foreign characters, missing padding and trailing bits that are not zero.
    let data = STANDARD.decode(&encoded).map_err(|_| ArmorError::Base64)?;
    if data.is_empty() || STANDARD.encode(&data) != encoded {
        return Err(ArmorError::Base64);
    }
    match checksum {
        Some(line) if line != checksum_line(&data) => Err(ArmorError::Checksum),
        _ => Ok((data, rest)),
    }
}

/// Length of the line `=XXXX` that ends an OpenPGP block.
const CHECKSUM_LINE: usize = 5;

/// The line and what follows its newline; the last line need not have one.
fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    match text.iter().position(|&byte| byte == b'\n') {
        Some(at) => Some((text.get(..at)?, text.get(at + 1..)?)),
        None => Some((text, &[])),
    }
}

/// Skips armor headers and the empty line that ends them (RFC 9580 §6.2.2). Around a signature, anybody can
/// add some, so only a few known ones are let pass; a certificate comes from those who trust it.
fn skip_headers(mut text: &[u8], label: Label) -> Result<&[u8], ArmorError> {
    let limit = if label == Label::PgpPublicKey {
        usize::MAX
    } else {
        MAX_HEADERS
    };
    for _ in 0..=limit {
        let (line, rest) = split_line(text).ok_or(ArmorError::Headers)?;
        if line.is_empty() {
            return Ok(rest);
        }
        let accepted = match label {
            Label::PgpPublicKey => line.windows(2).any(|pair| pair == b": "),
            Label::PgpSignature | Label::SshSignature => is_harmless_header(line),
        };
        if !accepted {
            return Err(ArmorError::Headers);
        }
        text = rest;
    }
    Err(ArmorError::Headers)
}

fn is_harmless_header(line: &[u8]) -> bool {
    let known = line.starts_with(b"Version: ") || line.starts_with(b"Comment: ");
    known && line.iter().all(|&byte| byte == b' ' || byte.is_ascii_graphic())
}

/// `=` and the base64 of the CRC-24 of RFC 9580 §6.1.1.
fn checksum_line(data: &[u8]) -> String {
    const INITIAL: u32 = 0x00B7_04CE;
    const POLYNOMIAL: u32 = 0x0186_4CFB;
    const OVERFLOW: u32 = 0x0100_0000;
    let mut crc = INITIAL;
    for &byte in data {
        crc ^= u32::from(byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & OVERFLOW != 0 {
                crc ^= POLYNOMIAL;
            }
        }
    }
    let [_, bytes @ ..] = crc.to_be_bytes();
    format!("={}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssh(body: &str) -> Result<Vec<u8>, ArmorError> {
        let text = format!("-----BEGIN SSH SIGNATURE-----\n{body}-----END SSH SIGNATURE-----");
        decode(text.as_bytes(), Label::SshSignature)
    }

    fn pgp(body: &str) -> Result<Vec<u8>, ArmorError> {
        let text = format!("-----BEGIN PGP SIGNATURE-----\n{body}-----END PGP SIGNATURE-----\n");
        decode(text.as_bytes(), Label::PgpSignature)
    }

    #[test]
    fn one_canonical_block_is_decoded() {
        assert_eq!(ssh("aGVs\nbG8=\n").unwrap(), b"hello");
        assert_eq!(pgp("\naGVsbG8=\n").unwrap(), b"hello");
        // The checksum is the one that `gpg --enarmor` writes for the same bytes.
        assert_eq!(pgp("\naGVsbG8=\n=R/WK\n").unwrap(), b"hello");
        assert_eq!(
            pgp("Version: GnuPG v2\nComment: x\n\naGVsbG8=\n").unwrap(),
            b"hello"
        );
    }

    #[test]
    fn anything_else_in_the_base64_is_refused() {
        for body in [
            "",
            "\naGVsbG8=\n",
            "aGVsbG8\n",
            "aGVsbG9=\n",
            "aGVs bG8=\n",
            " aGVsbG8=\n",
            "aGVsbG8= \n",
            "aGVsbG8=\r\n",
            "aGVsbG8=\n\n",
            "aG\nVsbG8=\n",
            "aGVs\nb\nG8=\n",
            "aGVsbG8=\naGVsbG8=\n",
            "aGVsbG8=\n=\n",
            "a-Vs\n",
            "\u{e4}GVs\n",
        ] {
            assert_eq!(ssh(body), Err(ArmorError::Base64), "{body:?}");
        }
        assert_eq!(ssh(&format!("{}\n", "a".repeat(MAX_LINE))).unwrap().len(), 57);
        assert_eq!(
            ssh(&format!("{}\n", "a".repeat(MAX_LINE + 4))),
            Err(ArmorError::Base64)
        );
    }

    #[test]
    fn armor_headers_are_few_and_known() {
        for body in [
            "aGVsbG8=\n",
            "Hash: SHA256\n\naGVsbG8=\n",
            "Comment: \u{e4}\n\naGVsbG8=\n",
            "Comment: \x1b\n\n",
        ] {
            assert_eq!(pgp(body), Err(ArmorError::Headers), "{body:?}");
        }
        let comments = |count| format!("{}\naGVsbG8=\n", "Comment: x\n".repeat(count));
        assert!(pgp(&comments(MAX_HEADERS)).is_ok());
        assert_eq!(pgp(&comments(MAX_HEADERS + 1)), Err(ArmorError::Headers));
        assert_eq!(pgp("\naGVsbG8=\n=AAAA\n"), Err(ArmorError::Checksum));
    }

    #[test]
    fn the_block_is_alone() {
        let block = "-----BEGIN SSH SIGNATURE-----\naGVsbG8=\n-----END SSH SIGNATURE-----";
        let decode = |text: &str| decode(text.as_bytes(), Label::SshSignature);
        assert!(decode(block).is_ok());
        assert!(decode(&format!("{block}\n")).is_ok());
        assert_eq!(decode(&format!("{block}\n\n")), Err(ArmorError::Trailing));
        assert_eq!(decode(&format!("{block} ")), Err(ArmorError::End));
        assert_eq!(decode(&format!("{block}\njunk")), Err(ArmorError::Trailing));
        assert_eq!(decode(&format!("{block}\n{block}")), Err(ArmorError::SecondBlock));
        assert_eq!(decode(&format!("\n{block}")), Err(ArmorError::Begin));
        assert_eq!(decode(&block.replace("END SSH", "END PGP")), Err(ArmorError::End));
        assert_eq!(
            decode(&block.replace("BEGIN SSH", "BEGIN PGP")),
            Err(ArmorError::Begin)
        );
        assert_eq!(
            decode("-----BEGIN SSH SIGNATURE-----\naGVsbG8=\n"),
            Err(ArmorError::End)
        );
    }
}
