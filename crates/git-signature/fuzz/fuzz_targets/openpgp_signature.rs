//! The OpenPGP packets inside a commit: they never make the reader panic.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git_signature::{ObjectId, ObjectKind, TrustStore};
use libfuzzer_sys::fuzz_target;

const KEY: &str = "ada ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

fuzz_target!(|blob: &[u8]| {
    let trust = TrustStore::parse([("allowed_signers", KEY)]).expect("a good line");
    let base64 = STANDARD.encode(blob);
    let lines: Vec<&str> = (0..base64.len())
        .step_by(76)
        .map(|at| &base64[at..base64.len().min(at + 76)])
        .collect();
    let raw = format!(
        "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
         author A <a@example.org> 1 +0000\n\
         committer A <a@example.org> 1 +0000\n\
         gpgsig -----BEGIN PGP SIGNATURE-----\n \n {}\n -----END PGP SIGNATURE-----\n\n",
        lines.join("\n ")
    );
    let Ok(id) = ObjectId::of(ObjectKind::Commit, raw.as_bytes()) else {
        return;
    };
    assert!(
        trust
            .verify_commit(raw.as_bytes(), id, jiff::Timestamp::UNIX_EPOCH)
            .is_err()
    );
});
