//! What a scalar means.

mod go_yaml_v3;
mod kubernetes;
mod number;
mod timestamp;

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use thiserror::Error;

use crate::syntax::{ScalarStyle, Tag};

pub(crate) use kubernetes::{float_as_number, key_of_float};

/// How plain scalars get their type, and how maps are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Schema {
    /// As kubectl: `sigs.k8s.io/yaml` 1.6 (go-yaml v2, YAML 1.1 with exceptions), then JSON. `yes` is true, `0777` is 511,
    /// dates are strings, `1.0` is 1; `<<` merges; scalar keys become strings.
    Kubernetes,
    /// As SOPS: `go.yaml.in/yaml/v3` (YAML 1.2 with exceptions). `yes` is a string, `0777` is 511, dates are times;
    /// `<<` is a key like any other; keys must be strings.
    GoYamlV3,
}

/// A scalar with its type.
#[derive(Clone, PartialEq)]
pub enum Scalar<'text> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer that fits `i64`.
    Int(i64),
    /// An integer above `i64::MAX` that fits `u64`.
    Unsigned(u64),
    /// Any other number, the infinities and NaN included.
    Float(f64),
    /// A string.
    String(Cow<'text, str>),
    /// A point in time, in the form that Go's `time.RFC3339Nano` gives it: `2024-01-01T00:00:00Z`. Only
    /// [`Schema::GoYamlV3`] has these.
    Timestamp(String),
}

/// As Go's `base64.StdEncoding`, which does not mind bits set after the last byte.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// Why a scalar is not what its tag says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ScalarError {
    /// The text is not of the tag's type.
    #[error("failed to read the scalar as its tag says")]
    TagMismatch,
    /// `!!binary` with something that is not base64.
    #[error("failed to read the scalar as !!binary: not base64")]
    InvalidBase64,
    /// `!!binary` with bytes that are not UTF-8.
    #[error("failed to read the scalar as !!binary: its bytes are not UTF-8")]
    BinaryNotUtf8,
}

/// The type that go-yaml's `resolve` (resolve.go) and `decoder.scalar` (decode.go) give a scalar.
///
/// Tags of other types than YAML's own make a string.
pub fn resolve_scalar<'text>(
    schema: Schema,
    text: &'text str,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Scalar<'text>, ScalarError> {
    let scalar = match tag.map(|tag| tag.name.as_str()) {
        None | Some("!") if style != ScalarStyle::Plain => Scalar::String(Cow::Borrowed(text)),
        // The non-specific tag: to go-yaml v2 a tag that it does not know, to v3 none.
        Some("!") if schema == Schema::Kubernetes => Scalar::String(Cow::Borrowed(text)),
        None | Some("!") => resolve_plain(schema, text, Timestamps::Recognised),
        Some("!!binary") => return decode_binary(text),
        Some("!!null") => expect(resolve_plain(schema, text, Timestamps::Ignored), |it| {
            matches!(it, Scalar::Null)
        })?,
        Some("!!bool") => expect(resolve_plain(schema, text, Timestamps::Ignored), |it| {
            matches!(it, Scalar::Bool(_))
        })?,
        Some("!!int") => expect(resolve_plain(schema, text, Timestamps::Ignored), |it| {
            matches!(it, Scalar::Int(_) | Scalar::Unsigned(_))
        })?,
        Some("!!float") => match resolve_plain(schema, text, Timestamps::Ignored) {
            #[allow(clippy::cast_precision_loss)] // as Go's float64(v)
            Scalar::Int(value) => Scalar::Float(value as f64),
            other => expect(other, |it| matches!(it, Scalar::Float(_)))?,
        },
        Some("!!timestamp") => expect(resolve_plain(schema, text, Timestamps::Recognised), |it| {
            matches!(it, Scalar::Timestamp(_))
        })?,
        Some(_) => Scalar::String(Cow::Borrowed(text)),
    };
    Ok(match (schema, scalar) {
        (Schema::Kubernetes, Scalar::Timestamp(_)) => Scalar::String(Cow::Borrowed(text)),
        (_, scalar) => scalar,
    })
}

/// Whether dates are looked for: not under a tag of another type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timestamps {
    Recognised,
    Ignored,
}

fn resolve_plain(schema: Schema, text: &str, timestamps: Timestamps) -> Scalar<'_> {
    let word = match schema {
        Schema::Kubernetes => kubernetes::word(text),
        Schema::GoYamlV3 => go_yaml_v3::word(text),
    };
    if let Some(scalar) = word {
        return scalar;
    }
    let recognised = match text.as_bytes().first() {
        Some(b'.') => number::float_after_dot(text).map(Scalar::Float),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let timestamp = match timestamps {
                Timestamps::Recognised => timestamp::canonical(text).map(Scalar::Timestamp),
                Timestamps::Ignored => None,
            };
            timestamp.or_else(|| number::number(schema, text))
        }
        _ => None,
    };
    recognised.unwrap_or(Scalar::String(Cow::Borrowed(text)))
}

fn expect<'text>(
    scalar: Scalar<'text>,
    is_wanted: impl FnOnce(&Scalar<'text>) -> bool,
) -> Result<Scalar<'text>, ScalarError> {
    if is_wanted(&scalar) {
        Ok(scalar)
    } else {
        Err(ScalarError::TagMismatch)
    }
}

fn decode_binary(text: &str) -> Result<Scalar<'static>, ScalarError> {
    // Go's decoder skips line breaks, and nothing else.
    let compact: String = text
        .chars()
        .filter(|character| !matches!(character, '\r' | '\n'))
        .collect();
    let bytes = BASE64.decode(compact).map_err(|_| ScalarError::InvalidBase64)?;
    let decoded = String::from_utf8(bytes).map_err(|_| ScalarError::BinaryNotUtf8)?;
    Ok(Scalar::String(Cow::Owned(decoded)))
}
