//! The reader of `allowed_signers`.
#![no_main]

use git_signature::TrustStore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    let _ = TrustStore::parse([("allowed_signers", text)]);
});
