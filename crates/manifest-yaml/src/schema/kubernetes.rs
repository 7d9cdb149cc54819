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
/// without a fraction and fits `i64` is an integer.
pub(crate) fn float_as_number(value: f64) -> Option<Number> {
    if !value.is_finite() {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)] // the bounds are checked
    let fits =
        value.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value);
    #[allow(clippy::cast_possible_truncation)] // the bounds are checked
    Some(if fits {
        Number::Integer(value as i64)
    } else {
        Number::Float(value)
    })
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
    // Go's %g with the shortest precision switches to an exponent below -4 and from 21.
    if (-4..21).contains(&exponent) {
        return format!("{single}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
