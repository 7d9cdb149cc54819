//! `*.asc`: armored OpenPGP certificates, one or more in a file.

use sequoia_openpgp::cert::{Cert, CertParser};
use sequoia_openpgp::parse::Parse;
use sequoia_openpgp::types::SignatureType;

use super::Keyring;
use crate::armor::{self, ArmorError, Label};

/// Why a file of certificates cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFileError {
    /// The file is not made of armored blocks.
    #[error("it is not an armored OpenPGP public key (`gpg --export --armor`): {0}")]
    Armor(ArmorError),
    /// A block does not hold certificates.
    #[error("it does not hold an OpenPGP certificate that can be read: {0}")]
    Certificate(String),
    /// A certificate comes with its secret key.
    #[error("it holds the secret key of {0}; take it out, and consider the key as disclosed")]
    SecretKey(String),
    /// A certificate has a revocation that cannot be verified, or a signature in an unknown form, that may
    /// be one. To ignore it might mean to trust a key that was revoked.
    #[error("the certificate {0} has a revocation or a signature that cannot be verified; export it anew")]
    UnverifiableRevocation(String),
}

/// Reads the blocks of a file, each certificate with the line that its block begins in, counted from 1. What
/// follows a block that cannot be read is not looked at.
pub(crate) fn read(text: &[u8]) -> Vec<(usize, Result<Cert, CertificateFileError>)> {
    let text = without_carriage_returns(text);
    let mut rest = text.trim_ascii_start();
    let mut certificates = Vec::new();
    loop {
        let before = text.get(..text.len() - rest.len()).unwrap_or_default();
        let line = before.split(|&byte| byte == b'\n').count();
        let block = armor::decode_first(rest, Label::PgpPublicKey).map_err(CertificateFileError::Armor);
        match block.and_then(|(data, after)| Ok((read_certificates(&data)?, after))) {
            Ok((found, after)) => {
                certificates.extend(found.into_iter().map(|certificate| (line, Ok(certificate))));
                rest = after.trim_ascii_start();
            }
            Err(error) => {
                certificates.push((line, Err(error)));
                return certificates;
            }
        }
        if rest.is_empty() {
            return certificates;
        }
    }
}

impl Keyring {
    /// Adds a certificate. If it is known, from another file, the two are merged, so that a revocation counts
    /// wherever it stands.
    pub(crate) fn add(&mut self, certificate: Cert) -> Result<(), CertificateFileError> {
        let fingerprint = certificate.fingerprint();
        let certificate = match self.certificates.remove(&fingerprint) {
            Some(known) => known
                .merge_public(certificate)
                .map_err(|error| unreadable(&error))?,
            None => certificate,
        };
        for key in certificate.keys() {
            let holders = self.by_key_id.entry(key.key().keyid()).or_default();
            if !holders.contains(&fingerprint) {
                holders.push(fingerprint.clone());
            }
        }
        self.certificates.insert(fingerprint, certificate);
        Ok(())
    }
}

fn read_certificates(data: &[u8]) -> Result<Vec<Cert>, CertificateFileError> {
    let certificates = CertParser::from_bytes(data)
        .map_err(|error| unreadable(&error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(&error))?;
    if certificates.is_empty() {
        return Err(CertificateFileError::Certificate("there is none".to_owned()));
    }
    for certificate in &certificates {
        let fingerprint = || certificate.fingerprint().to_hex();
        if certificate.is_tsk() {
            return Err(CertificateFileError::SecretKey(fingerprint()));
        }
        let unverifiable = certificate.bad_signatures().any(|signature| {
            matches!(
                signature.typ(),
                SignatureType::KeyRevocation
                    | SignatureType::SubkeyRevocation
                    | SignatureType::CertificationRevocation
                    | SignatureType::Unknown(_)
            )
        });
        let unknown = certificate
            .unknowns()
            .any(|component| component.component().tag() == sequoia_openpgp::packet::Tag::Signature);
        if unverifiable || unknown {
            return Err(CertificateFileError::UnverifiableRevocation(fingerprint()));
        }
    }
    Ok(certificates)
}

/// The text with the line ends of Windows made those of Unix.
fn without_carriage_returns(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .collect();
    lines.join(&b'\n')
}

fn unreadable(error: &sequoia_openpgp::anyhow::Error) -> CertificateFileError {
    CertificateFileError::Certificate(error.root_cause().to_string())
}
