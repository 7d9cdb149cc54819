//! Trust material, and the verdicts by it.

use git_signature::{Refusal, Signer, TrustStore};
use jiff::{SignedDuration, Timestamp};

use crate::object::Object;

/// Files of trust material, as they are given to us and to git.
pub(crate) struct Material {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) store: TrustStore,
}

/// Trust material from names and contents.
pub(crate) fn trust<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Material {
    let files: Vec<_> = files
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
        .collect();
    let entries = files.iter().map(|(name, bytes)| (name, bytes));
    let store = TrustStore::parse(entries).unwrap_or_else(|error| panic!("{error}"));
    Material { files, store }
}

pub(crate) fn allowed_signers(text: &str) -> Material {
    trust([("allowed_signers", text.as_bytes())])
}

/// The verdict on a commit at this moment.
pub(crate) fn verify(trust: &Material, commit: &Object) -> Result<Signer, Refusal> {
    trust
        .store
        .verify_commit(&commit.raw, commit.id(), Timestamp::now())
}

/// The verdict as one word: the identity, or the reason of the refusal.
pub(crate) fn verdict(trust: &Material, commit: &Object) -> String {
    match verify(trust, commit) {
        Ok(signer) => signer.identity,
        Err(refusal) => refusal.reason().to_owned(),
    }
}

pub(crate) fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

/// A time as `allowed_signers` has it.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}
