//! OpenPGP certificates (`*.asc`) and signatures.

use crate::moment::Times;
use crate::refusal::Refusal;
use crate::trust::Signer;

#[derive(Default)]
pub(crate) struct Keyring {}

/// x
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFileError {
    /// x
    #[error("not yet")]
    Stub,
}

impl Keyring {
    pub(crate) fn is_empty(&self) -> bool {
        true
    }
    pub(crate) fn read(&mut self, _bytes: &[u8]) -> Result<(), CertificateFileError> {
        Err(CertificateFileError::Stub)
    }
    pub(crate) fn verify(&self, _a: &[u8], _p: &[u8], _t: Times) -> Result<Signer, Refusal> {
        Err(Refusal::Unsigned)
    }
}
