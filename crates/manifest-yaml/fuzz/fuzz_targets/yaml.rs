//! Any bytes: both schemas return, and what they read is written so that it reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest_yaml::{Limits, Schema, from_yaml, to_json_masked, to_yaml_masked};

fuzz_target!(|bytes: &[u8]| {
    for schema in [Schema::Kubernetes, Schema::GoYamlV3] {
        for document in from_yaml(bytes, schema, &Limits::default()).unwrap_or_default() {
            let written = to_yaml_masked(&document.value);
            let again = from_yaml(written.as_bytes(), schema, &Limits::default()).expect("our own YAML is read");
            let again = again.first().expect("a value is a document");
            assert_eq!(to_json_masked(&document.value), to_json_masked(&again.value));
        }
    }
});
