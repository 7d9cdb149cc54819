//! The reader of `revoked_keys`, most of all of binary KRLs.
#![no_main]

use git_signature::TrustStore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = TrustStore::parse([("revoked_keys", bytes)]);
    let krl = [b"SSHKRL\n\0\0\0\0\x01", [0; 32].as_slice(), bytes].concat();
    let _ = TrustStore::parse([("revoked_keys", krl)]);
});
