//! The readers of `allowed_signers` and of `*.sshpub`.
#![no_main]

use git_signature::{Problem, TrustStore, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &[u8]| {
    for name in ["allowed_signers", "a.sshpub"] {
        // What looks through a file and what uses it agree on whether it can be used.
        let findings = inspect([(name, text)], jiff::Timestamp::UNIX_EPOCH);
        let unusable = findings
            .iter()
            .any(|finding| matches!(finding.problem, Problem::Unreadable(_)));
        assert_eq!(TrustStore::parse([(name, text)]).is_err(), unusable);
    }
});
