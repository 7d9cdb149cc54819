//! Any bytes: JSON that is read is written so that it reads the same again. As with Go, negative zero alone loses
//! its sign: it is written `-0`, which is an integer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use manifest_yaml::{Limits, Number, Value, from_json, to_json_masked};

fuzz_target!(|bytes: &[u8]| {
    for mut document in from_json(bytes, &Limits::default()).unwrap_or_default() {
        drop_sign_of_zero(&mut document.value);
        let written = to_json_masked(&document.value);
        let again = from_json(written.as_bytes(), &Limits::default()).expect("our own JSON is read");
        let again = again.first().expect("a value is a document");
        assert_eq!(written, to_json_masked(&again.value));
    }
});

fn drop_sign_of_zero(value: &mut Value) {
    match value {
        Value::Number(Number::Float(number)) if *number == 0.0 => *number = 0.0,
        Value::Sequence(items) => items.iter_mut().for_each(drop_sign_of_zero),
        Value::Mapping(entries) => entries.iter_mut().for_each(|(_, value)| drop_sign_of_zero(value)),
        _ => {}
    }
}
