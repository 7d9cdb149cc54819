//! Any bytes: JSON that is read is also YAML with the same meaning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest_yaml::{Limits, from_json, to_json_masked};

fuzz_target!(|bytes: &[u8]| {
    for document in from_json(bytes, &Limits::default()).unwrap_or_default() {
        let written = to_json_masked(&document.value);
        let again = from_json(written.as_bytes(), &Limits::default()).expect("our own JSON is read");
        let again = again.first().expect("a value is a document");
        assert_eq!(written, to_json_masked(&again.value));
    }
});
