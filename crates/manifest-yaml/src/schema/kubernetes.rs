//! The words of go-yaml v2, and what JSON makes of its floats.

use crate::{Number, Scalar};

/// Scalars that mean something by their exact spelling (resolve.go of go.yaml.in/yaml/v2).
pub(super) fn word(text: &str) -> Option<Scalar<'static>> {
    Some(match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Scalar::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Scalar::Bool(false),
        _ => return super::go_yaml_v3::word(text),
    })
}

/// The number that a float is after it went through Go's JSON encoder and a Kubernetes decoder: one that is written
/// without fraction or exponent, in digits that fit `i64`, is the integer of those digits.
pub(crate) fn float_as_number(value: f64) -> Option<Number> {
    /// From here on Go writes an exponent (`floatEncoder` of encoding/json).
    const EXPONENT: f64 = 1e21;
    if !value.is_finite() {
        return None;
    }
    let is_whole = value.fract() == 0.0 && value.abs() < EXPONENT;
    let integer = if is_whole {
        value.to_string().parse().ok()
    } else {
        None
    };
    Some(integer.map_or(Number::Float(value), Number::Integer))
}

/// The string that a float is as a key: `strconv.FormatFloat(key, 'g', -1, 32)` in sigs.k8s.io/yaml's
/// `convertToJSONableObject`.
pub(crate) fn key_of_float(value: f64) -> String {
    #[allow(clippy::cast_possible_truncation)]
    // the shortest form of the nearest 32-bit float is what Go gives
    let single = value as f32;
    if single.is_nan() {
        return ".nan".to_owned();
    }
    if single.is_infinite() {
        return if single > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{single:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    // `%e is used if the exponent is less than -4`, or not less than 6 with the shortest precision (ftoa.go).
    if (-4..6).contains(&exponent) {
        return format!("{single}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
