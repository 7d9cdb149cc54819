//! Verdicts on commits and tags that are made live with git, ssh-keygen and gpg, and on what becomes of them
//! when somebody alters them without having the key.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy takes only functions marked as tests for tests, not what they call"
)]

mod docs;
mod every_byte;
mod inspection;
mod material;
mod mutations;
mod object;
mod openpgp;
mod openpgp_lifetime;
mod openpgp_subkeys;
mod properties;
mod reasons;
mod ssh;
mod ssh_certificates;
mod ssh_revocation;
mod table;
mod tags;
mod trust;
mod world;
