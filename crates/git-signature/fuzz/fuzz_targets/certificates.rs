//! OpenPGP certificates of trust material: blocks of armor, and the packets in one.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git_signature::{Problem, TrustStore, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let base64 = STANDARD.encode(bytes);
    let lines: Vec<&str> = (0..base64.len())
        .step_by(64)
        .map(|at| &base64[at..base64.len().min(at + 64)])
        .collect();
    let armored = format!(
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{}\n-----END PGP PUBLIC KEY BLOCK-----\n",
        lines.join("\n")
    );
    check(armored.as_bytes());
});

/// What looks through a file and what uses it agree on whether it can be used.
fn check(file: &[u8]) {
    let findings = inspect([("a.asc", file)], jiff::Timestamp::UNIX_EPOCH);
    let unusable = findings
        .iter()
        .any(|finding| matches!(finding.problem, Problem::Unreadable(_)));
    assert_eq!(TrustStore::parse([("a.asc", file)]).is_err(), unusable);
}
