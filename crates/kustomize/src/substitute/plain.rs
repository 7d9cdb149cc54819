//! Whether Flux writes a text without quotes, and so reads what becomes of it with any type.

use manifest_yaml::syntax::ScalarStyle;
use manifest_yaml::{Scalar, Schema, resolve_scalar};

/// Characters that begin something else than a plain scalar.
const INDICATORS: &str = "-?:,[]{}#&*!|>'\"%@`";

/// Whether go-yaml v2 writes the text as a plain scalar: it is one line, reads back as a string, and holds nothing that
/// ends a scalar (`stringv` of its encode.go and `yaml_emitter_analyze_scalar` of its emitterc.go).
pub(super) fn is_plain(text: &str) -> bool {
    let Some(first) = text.chars().next() else {
        return false;
    };
    let mut others = text.chars().skip(1);
    let begins_well = match first {
        '-' | '?' | ':' => others.next().is_some_and(|second| !second.is_whitespace()),
        _ => !INDICATORS.contains(first),
    };
    let reads_as_string = matches!(
        resolve_scalar(Schema::Kubernetes, text, ScalarStyle::Plain, None),
        Ok(Scalar::String(_))
    );
    begins_well
        && reads_as_string
        && !text.starts_with(char::is_whitespace)
        && !text.ends_with([' ', '\t', ':'])
        && !text.contains(['\n', '\r', '\t', '\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'])
        && !text.contains(char::is_control)
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.starts_with("---")
        && !text.starts_with("...")
}
