//! Patterns of all sorts: translated or refused, and matched in linear time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sops::GoRegex;

fuzz_target!(|input: (&str, &str)| {
    let (pattern, text) = input;
    if let Ok(regex) = GoRegex::parse(pattern) {
        regex.is_match(text);
    }
});
