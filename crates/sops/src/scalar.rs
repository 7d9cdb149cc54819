//! Scalars as sops types them, and the text that is sealed and authenticated for each.

use std::borrow::Cow;

use manifest_yaml::syntax::{Content, Node, ScalarStyle};
use manifest_yaml::{Number, Schema, Sensitive, resolve_scalar};
use zeroize::Zeroizing;

use crate::error::LeafError;
use crate::format::Format;
use crate::time;

/// The `type` of a sealed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Integer,
    Float,
    Bool,
    Time,
    /// Read only: sops reads it and never writes it.
    Bytes,
    Comment,
}

/// A scalar that is not null, in its canonical text: what sops encrypts, and what its MAC covers (`Encrypt` in
/// aes/cipher.go and `ToBytes` in sops.go, which agree).
pub(crate) struct Scalar<'text> {
    kind: Kind,
    text: Text<'text>,
}

/// A text that is wiped unless it is only borrowed.
pub(crate) enum Text<'text> {
    Borrowed(&'text str),
    Owned(Zeroizing<String>),
}

impl Kind {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "str" => Self::String,
            "int" => Self::Integer,
            "float" => Self::Float,
            "bool" => Self::Bool,
            "time" => Self::Time,
            "bytes" => Self::Bytes,
            "comment" => Self::Comment,
            _ => return None,
        })
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::String => "str",
            Self::Integer => "int",
            Self::Float => "float",
            Self::Bool => "bool",
            Self::Time => "time",
            Self::Bytes => "bytes",
            Self::Comment => "comment",
        }
    }
}

impl Text<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl<'text> Scalar<'text> {
    /// A scalar of a parsed text; `None` for null. `path` and position are for the caller to add to the error.
    pub(crate) fn resolve(node: &'text Node, format: Format) -> Result<Option<Self>, LeafError> {
        let Content::Scalar { text, style } = &node.content else {
            return Err(LeafError::NotScalar);
        };
        let resolved =
            resolve_scalar(Schema::GoYamlV3, text, *style, node.tag.as_ref()).map_err(LeafError::Tag)?;
        let (kind, text) = match resolved {
            manifest_yaml::Scalar::Null => return Ok(None),
            manifest_yaml::Scalar::Bool(value) => (Kind::Bool, canonical_bool(value)),
            manifest_yaml::Scalar::Int(value) => (Kind::Integer, canonical_integer(value)),
            // go-yaml makes a uint64 of it, which sops cannot walk; the JSON store makes a float of it.
            manifest_yaml::Scalar::Unsigned(value) => match format {
                Format::Yaml => return Err(LeafError::IntegerOutOfRange),
                #[allow(clippy::cast_precision_loss)] // as Go's `json.Number.Float64`
                _ => (Kind::Float, canonical_float(value as f64)),
            },
            manifest_yaml::Scalar::Float(value) => (Kind::Float, canonical_float(value)),
            // A JSON number that no float holds.
            manifest_yaml::Scalar::String(_) if format != Format::Yaml && *style == ScalarStyle::Plain => {
                return Err(LeafError::NotFinite);
            }
            manifest_yaml::Scalar::String(Cow::Borrowed(text)) => (Kind::String, Text::Borrowed(text)),
            manifest_yaml::Scalar::String(Cow::Owned(text)) => {
                (Kind::String, Text::Owned(Zeroizing::new(text)))
            }
            manifest_yaml::Scalar::Timestamp(text) => (Kind::Time, Text::Owned(Zeroizing::new(text))),
        };
        Ok(Some(Self { kind, text }))
    }

    /// A decrypted value: parsed as its type, then put in canonical form. `None` if it is not of its type.
    pub(crate) fn from_plaintext(kind: Kind, text: Text<'text>) -> Option<Self> {
        let plain = text.as_str();
        let text = match kind {
            Kind::String | Kind::Bytes | Kind::Comment => text,
            // Rust takes what `strconv.Atoi` takes: a sign and digits, leading zeros included.
            Kind::Integer => canonical_integer(plain.parse().ok()?),
            Kind::Float => canonical_float(parse_float(plain)?),
            Kind::Bool => canonical_bool(parse_bool(plain)?),
            Kind::Time => Text::Owned(Zeroizing::new(time::canonical(plain)?)),
        };
        let kind = if kind == Kind::Bytes { Kind::String } else { kind };
        Some(Self { kind, text })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The canonical text.
    pub(crate) fn as_str(&self) -> &str {
        self.text.as_str()
    }

    /// Whether it is the empty string, which is written as it is, never sealed (`isEmpty` in aes/cipher.go).
    pub(crate) fn is_empty(&self) -> bool {
        self.as_str().is_empty()
    }

    /// Whether it is no float, or one that JSON has a form for.
    pub(crate) fn is_finite(&self) -> bool {
        self.kind != Kind::Float || !matches!(self.as_str(), "+Inf" | "-Inf" | "NaN")
    }

    /// The value to hand on: times as strings, as they are in Kubernetes after sops decrypted them.
    pub(crate) fn to_sensitive(&self) -> Result<Sensitive, LeafError> {
        let text = self.as_str();
        match self.kind {
            Kind::Integer => text
                .parse()
                .map(|value| Sensitive::number(Number::Integer(value)))
                .map_err(|_| LeafError::IntegerOutOfRange),
            Kind::Float => match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Sensitive::number(Number::Float(value))),
                _ => Err(LeafError::NotFinite),
            },
            Kind::Bool => Ok(Sensitive::bool(text == TRUE)),
            Kind::String | Kind::Time | Kind::Bytes | Kind::Comment => Ok(Sensitive::string(text.to_owned())),
        }
    }

    /// The value to hand on, of one that anybody may read.
    pub(crate) fn to_value(&self) -> Result<manifest_yaml::Value, LeafError> {
        use manifest_yaml::{Exposed, Value};
        Ok(match self.to_sensitive()?.expose() {
            Exposed::String(text) => Value::String(text.to_owned()),
            Exposed::Bool(value) => Value::Bool(value),
            Exposed::Number(number) => Value::Number(number),
        })
    }
}

/// As Python prints it, which the first sops was written in.
pub(crate) const TRUE: &str = "True";
const FALSE: &str = "False";

fn canonical_bool(value: bool) -> Text<'static> {
    Text::Borrowed(if value { TRUE } else { FALSE })
}

fn canonical_integer(value: i64) -> Text<'static> {
    Text::Owned(Zeroizing::new(value.to_string()))
}

/// `strconv.FormatFloat(value, 'f', -1, 64)`: the shortest digits that read back the same, never an exponent.
fn canonical_float(value: f64) -> Text<'static> {
    if value.is_infinite() {
        return Text::Borrowed(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    Text::Owned(Zeroizing::new(value.to_string()))
}

/// `strconv.ParseFloat`: a number too large for a float is an error, not an infinity.
fn parse_float(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    let names_infinity = text.bytes().any(|byte| byte.eq_ignore_ascii_case(&b'i'));
    (!value.is_infinite() || names_infinity).then_some(value)
}

/// `strconv.ParseBool`
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Limits;
    use manifest_yaml::syntax::{parse_json, parse_yaml};

    use super::*;

    fn resolved(format: Format, text: &str) -> Result<Option<(Kind, String)>, LeafError> {
        let stream = match format {
            Format::Yaml => parse_yaml(text, &Limits::default()),
            _ => parse_json(text, &Limits::default()),
        }
        .unwrap();
        let root = stream.documents()[0].root.as_ref().unwrap();
        let scalar = Scalar::resolve(root, format)?;
        Ok(scalar.map(|scalar| (scalar.kind(), scalar.as_str().to_owned())))
    }

    #[test]
    fn yaml_scalars_are_typed_as_sops_types_them() {
        let table = [
            ("yes", Kind::String, "yes"),
            ("true", Kind::Bool, "True"),
            ("FALSE", Kind::Bool, "False"),
            ("0777", Kind::Integer, "511"),
            ("0o777", Kind::Integer, "511"),
            ("0x1F", Kind::Integer, "31"),
            ("1_000", Kind::Integer, "1000"),
            ("+12", Kind::Integer, "12"),
            ("-0", Kind::Integer, "0"),
            ("08", Kind::Float, "8"),
            ("1e3", Kind::Float, "1000"),
            ("1.0", Kind::Float, "1"),
            ("1e21", Kind::Float, "1000000000000000000000"),
            ("1e-7", Kind::Float, "0.0000001"),
            ("-0.0", Kind::Float, "-0"),
            (".inf", Kind::Float, "+Inf"),
            ("-.inf", Kind::Float, "-Inf"),
            (".nan", Kind::Float, "NaN"),
            ("2024-01-01", Kind::Time, "2024-01-01T00:00:00Z"),
            (
                "2024-01-01T10:00:00.50+02:00",
                Kind::Time,
                "2024-01-01T10:00:00.5+02:00",
            ),
            (
                "2024-01-01 10:00:00.5 +02:00",
                Kind::String,
                "2024-01-01 10:00:00.5 +02:00",
            ),
            ("190:20:30", Kind::String, "190:20:30"),
            ("!!str 123", Kind::String, "123"),
            ("!!float 1", Kind::Float, "1"),
            ("!!int '3'", Kind::Integer, "3"),
            ("!!binary aGk=", Kind::String, "hi"),
            ("!custom 1", Kind::String, "1"),
            ("'1'", Kind::String, "1"),
            ("''", Kind::String, ""),
            ("1e400", Kind::String, "1e400"),
        ];
        for (text, kind, canonical) in table {
            assert_eq!(
                resolved(Format::Yaml, text),
                Ok(Some((kind, canonical.to_owned()))),
                "{text}"
            );
        }
        assert_eq!(resolved(Format::Yaml, "~"), Ok(None));
        assert_eq!(
            resolved(Format::Yaml, "18446744073709551615"),
            Err(LeafError::IntegerOutOfRange)
        );
    }

    #[test]
    fn json_scalars_are_typed_as_sops_types_them() {
        let table = [
            ("\"1\"", Kind::String, "1"),
            ("true", Kind::Bool, "True"),
            ("9223372036854775807", Kind::Integer, "9223372036854775807"),
            ("9223372036854775808", Kind::Float, "9223372036854776000"),
            ("1.0", Kind::Float, "1"),
            ("1E3", Kind::Float, "1000"),
            ("-0", Kind::Integer, "0"),
            ("\"2024-01-01\"", Kind::String, "2024-01-01"),
        ];
        for (text, kind, canonical) in table {
            assert_eq!(
                resolved(Format::Json, text),
                Ok(Some((kind, canonical.to_owned()))),
                "{text}"
            );
        }
        assert_eq!(resolved(Format::Json, "null"), Ok(None));
    }

    #[test]
    fn plaintext_is_parsed_as_its_type() {
        let canonical = |kind, text| {
            Scalar::from_plaintext(kind, Text::Borrowed(text)).map(|scalar| scalar.as_str().to_owned())
        };
        let table = [
            (Kind::Integer, "42", Some("42")),
            (Kind::Integer, "+007", Some("7")),
            (Kind::Integer, "0x1F", None),
            (Kind::Integer, "9223372036854775808", None),
            (Kind::Integer, "", None),
            (Kind::Float, "1.50", Some("1.5")),
            (Kind::Float, "1e3", Some("1000")),
            (Kind::Float, "+Inf", Some("+Inf")),
            (Kind::Float, "NaN", Some("NaN")),
            (Kind::Float, "1e400", None),
            (Kind::Bool, "t", Some("True")),
            (Kind::Bool, "yes", None),
            (
                Kind::Time,
                "2024-01-01T00:00:00.100Z",
                Some("2024-01-01T00:00:00.1Z"),
            ),
            (Kind::Time, "2024-01-01", None),
            (Kind::Comment, " any", Some(" any")),
        ];
        for (kind, text, expected) in table {
            assert_eq!(canonical(kind, text).as_deref(), expected, "{kind:?} {text}");
        }
    }
}
