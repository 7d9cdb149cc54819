//! The reader of commits: it never panics, and loses nothing between payload and signature.
#![no_main]

use git_signature::{Commit, ObjectId, ObjectKind};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let Ok(id) = ObjectId::of(ObjectKind::Commit, raw) else {
        return;
    };
    if let Ok(commit) = Commit::parse(raw, id) {
        assert_eq!(commit.signature.is_none(), commit.payload() == raw);
    }
});
