//! Numbers as Go's strconv reads them.

use crate::{Scalar, Schema};

/// A plain scalar that starts with a digit or a sign, if it is a number (`resolve`, cases 'D' and 'S').
pub(super) fn number(schema: Schema, text: &str) -> Option<Scalar<'static>> {
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    if let Some(integer) = integer(&plain) {
        return Some(integer);
    }
    if is_decimal_float(&plain) {
        return finite(&plain).map(Scalar::Float);
    }
    // What is left are signs after the prefix, which Go's ParseInt with a base given takes.
    let prefixes: &[(&str, u32)] = match schema {
        Schema::Kubernetes => &[("0b", 2)],
        Schema::GoYamlV3 => &[("0b", 2), ("0o", 8)],
    };
    prefixes
        .iter()
        .find_map(|(prefix, base)| signed(plain.strip_prefix(prefix)?, *base))
}

/// A plain scalar that starts with a dot, if it is a number (`resolve`, case '.').
pub(super) fn float_after_dot(text: &str) -> Option<f64> {
    if !text.contains('_') {
        return if is_decimal_float(text) {
            finite(text)
        } else {
            None
        };
    }
    // Go allows underscores between digits (strconv's `underscoreOK`).
    let bytes = text.as_bytes();
    let between_digits = bytes.windows(3).filter(|window| matches!(window, [_, b'_', _]));
    let well_placed = between_digits.clone().all(
        |window| matches!(window, [before, _, after] if before.is_ascii_digit() && after.is_ascii_digit()),
    );
    if !well_placed || bytes.last() == Some(&b'_') {
        return None;
    }
    let plain: String = text.chars().filter(|character| *character != '_').collect();
    if is_decimal_float(&plain) {
        finite(&plain)
    } else {
        None
    }
}

/// `strconv.ParseInt(text, 0, 64)`, then `strconv.ParseUint(text, 0, 64)`.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", text.get(1..)?),
        b'+' => ("+", text.get(1..)?),
        _ => ("", text),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some(octal) if octal.starts_with('0') => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    let magnitude = digits_of(digits, base)?;
    match sign {
        "-" => 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int),
        "+" => i64::try_from(magnitude).ok().map(Scalar::Int),
        _ => Some(i64::try_from(magnitude).map_or(Scalar::Unsigned(magnitude), Scalar::Int)),
    }
}

/// `strconv.ParseInt(digits, base, 64)`, then `strconv.ParseUint(digits, base, 64)`.
fn signed(digits: &str, base: u32) -> Option<Scalar<'static>> {
    if let Some(digits) = digits.strip_prefix('-') {
        return 0_i64
            .checked_sub_unsigned(digits_of(digits, base)?)
            .map(Scalar::Int);
    }
    let magnitude = digits_of(digits.strip_prefix('+')?, base)?;
    i64::try_from(magnitude).ok().map(Scalar::Int)
}

/// Digits without a sign.
fn digits_of(digits: &str, base: u32) -> Option<u64> {
    if digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(digits, base).ok()
}

/// `yamlStyleFloat`: `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_decimal_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

/// `strconv.ParseFloat`, which refuses what is too large.
fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}
