//! From values to text.
//!
//! Two pairs: the masked writers put `***` for every sensitive scalar and may go anywhere; the exposed writers give
//! plaintext, in memory that is wiped.

mod json;
mod sink;
mod yaml;

use zeroize::Zeroizing;

use crate::{Exposed, Number, Sensitive, Value};
use sink::Sink;

/// What stands for a sensitive scalar.
pub const MASK: &str = "***";

/// Compact JSON with [`MASK`] for sensitive scalars. No line break at the end.
pub fn to_json_masked(value: &Value) -> String {
    let mut sink = Sink::default();
    json::write(&mut sink, value, Disclosure::Masked);
    sink.into_string()
}

/// One YAML document with [`MASK`] for sensitive scalars, without `---`, with a line break at the end.
///
/// It reads back as the same value in every reader we know: both [schemas](crate::Schema), YAML 1.1 and 1.2.
pub fn to_yaml_masked(value: &Value) -> String {
    let mut sink = Sink::default();
    yaml::write(&mut sink, value, Disclosure::Masked);
    sink.into_string()
}

/// Compact JSON in plaintext.
pub fn to_json_exposed(value: &Value) -> Zeroizing<Vec<u8>> {
    let mut sink = Sink::default();
    json::write(&mut sink, value, Disclosure::Exposed);
    Zeroizing::new(sink.into_string().into_bytes())
}

/// One YAML document in plaintext; otherwise as [`to_yaml_masked`].
pub fn to_yaml_exposed(value: &Value) -> Zeroizing<String> {
    let mut sink = Sink::default();
    yaml::write(&mut sink, value, Disclosure::Exposed);
    Zeroizing::new(sink.into_string())
}

/// Whether sensitive scalars are written.
#[derive(Clone, Copy)]
enum Disclosure {
    Masked,
    Exposed,
}

impl Disclosure {
    fn of(self, scalar: &Sensitive) -> Exposed<'_> {
        match self {
            Self::Masked => Exposed::String(MASK),
            Self::Exposed => scalar.expose(),
        }
    }
}

/// As Go's encoding/json: a float has an exponent below 1e-6 and from 1e21, and no fraction if it needs none.
fn write_number(sink: &mut Sink, number: Number) {
    match number {
        Number::Integer(value) => sink.push_display(value),
        Number::Unsigned(value) => sink.push_display(value),
        Number::Float(value) => {
            let magnitude = value.abs();
            if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
                sink.push_display(value);
            } else {
                let text = Zeroizing::new(format!("{value:e}"));
                match text.split_once('e') {
                    Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                        sink.push(mantissa);
                        sink.push("e+");
                        sink.push(exponent);
                    }
                    _ => sink.push(&text),
                }
            }
        }
    }
}
