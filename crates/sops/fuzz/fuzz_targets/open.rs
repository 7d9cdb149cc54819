//! Sealed files that nobody made: the readers of YAML, JSON, metadata and values, behind a key that opens everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest_yaml::Limits;
use sops::creation_rules::CreationRules;
use sops::{AgeIdentities, DataKeySource, Format, UnwrapError, WrappedKey, decrypt, open};
use zeroize::Zeroizing;

/// Gives the same key for every file, so that the fuzzer gets past it.
struct AnyKey;

impl DataKeySource for AnyKey {
    fn unwrap_key(&self, _: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        Ok(Some(Zeroizing::new(vec![7; 32])))
    }
}

fuzz_target!(|text: &str| {
    let limits = Limits::default();
    for format in Format::ALL {
        let opened = open(text, format, &AnyKey, &limits);
        let decrypted = decrypt(text, format, &AnyKey, &limits);
        // The formats of lines have no form for some values.
        let has_all_forms = matches!(format, Format::Yaml | Format::Json);
        assert!(opened.is_err() || decrypted.is_ok() || !has_all_forms);
    }
    let _ = AgeIdentities::parse(text);
    let _ = CreationRules::parse(text, &limits);
});
