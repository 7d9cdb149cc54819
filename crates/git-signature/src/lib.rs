//! Signed Git commits and tags, verified strictly.
//!
//! Given the raw bytes of a commit or tag and the keys that are trusted, this crate says who signed it, or
//! why it is not trusted and what to do about it. It does no IO, runs no other program, and reads no
//! settings of a repository.
//!
//! ```no_run
//! # let (raw, id): (Vec<u8>, git_signature::ObjectId) = unimplemented!();
//! # let files: Vec<(String, Vec<u8>)> = Vec::new();
//! let trust = git_signature::TrustStore::parse(files)?;
//! match trust.verify_commit(&raw, id, jiff::Timestamp::now()) {
//!     Ok(signer) => println!("{id} signed by {} ({})", signer.identity, signer.fingerprint),
//!     Err(refusal) => println!("{id} refused: {} ({refusal})", refusal.reason()),
//! }
//! # Ok::<(), git_signature::TrustError>(())
//! ```
//!
//! Where Git is lax, this is not: the object has exactly the headers that Git writes, once each; there is
//! one signature, and its text is canonical; a key that expired, was revoked or is weak does not count,
//! and validity is judged at the time of the commit *and* at the time of judgement.
//!
//! What is left to whoever has no key: a commit can get a second id by way of the freedoms of its armor
//! (line width, one newline at the end; in OpenPGP also comments, the checksum, and the form of the packet's
//! length), and by the second form that every ECDSA signature has. What the commit says stays as it was signed.
#![forbid(unsafe_code)]

mod armor;
mod inspection;
mod moment;
mod object;
mod openpgp;
mod refusal;
mod ssh;
mod trust;

pub use armor::{ArmorError, Signature};
pub use inspection::{EXPIRY_NOTICE, Finding, Place, Problem, inspect};
pub use moment::{MAX_CLOCK_SKEW, Moment};
pub use object::{
    CollisionAttack, Commit, MAX_OBJECT_BYTES, ObjectError, ObjectId, ObjectIdError, ObjectKind, Person, Tag,
};
pub use openpgp::CertificateFileError;
pub use refusal::{
    CertificateProblem, KeyName, KindTrust, MalformedSignature, Refusal, SignerKind, Validity,
};
pub use ssh::{AllowedSignersError, AuthorizedKeysError, KeyError, KrlError, RevokedKeysError};
pub use trust::{MAX_TRUST_FILE_BYTES, Signer, TrustError, TrustErrorReason, TrustStore};
