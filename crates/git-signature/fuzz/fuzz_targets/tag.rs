//! The reader of tags: it never panics, and the payload is the beginning of the object.
#![no_main]

use git_signature::{ObjectId, ObjectKind, Tag};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let Ok(id) = ObjectId::of(ObjectKind::Tag, raw) else {
        return;
    };
    if let Ok(tag) = Tag::parse(raw, id) {
        assert!(raw.starts_with(tag.payload()));
    }
});
