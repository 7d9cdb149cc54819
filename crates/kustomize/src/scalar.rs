//! Scalars as texts: what replacements and vars copy.

use manifest_yaml::syntax::ScalarStyle;
use manifest_yaml::{Exposed, Number, Scalar, Schema, Sensitive, Value, resolve_scalar};
use zeroize::Zeroizing;

use crate::field_path::number_text;

/// The text of a scalar.
pub(crate) struct Text {
    pub(crate) text: Zeroizing<String>,
    pub(crate) visibility: Visibility,
}

/// Whether anybody may read a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Visibility {
    Plain,
    Sensitive,
}

impl Visibility {
    /// What is made of two texts is as visible as the less visible one.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Plain, Self::Plain) => Self::Plain,
            _ => Self::Sensitive,
        }
    }
}

/// Why a value has no text that could be copied.
const NO_SCALAR: &str = "is no scalar";
const NULL: &str = "is null";
const FLOAT: &str =
    "is a fraction, whose spelling kustomize would copy and the engine no longer knows; put it in quotes";

impl Text {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: Zeroizing::new(text.into()),
            visibility: Visibility::Plain,
        }
    }

    /// The text of a scalar as it is written.
    pub(crate) fn of(value: &Value) -> Result<Self, &'static str> {
        let number = |number: Number| match number {
            Number::Integer(_) | Number::Unsigned(_) => Ok(number_text(number)),
            Number::Float(_) => Err(FLOAT),
        };
        match value {
            Value::String(text) => Ok(Self::plain(text.as_str())),
            Value::Bool(value) => Ok(Self::plain(value.to_string())),
            Value::Number(value) => number(*value).map(Self::plain),
            Value::Sensitive(scalar) => {
                let text = match scalar.expose() {
                    Exposed::String(text) => text.to_owned(),
                    Exposed::Bool(value) => value.to_string(),
                    Exposed::Number(value) => number(value)?,
                };
                Ok(Self {
                    text: Zeroizing::new(text),
                    visibility: Visibility::Sensitive,
                })
            }
            Value::Null => Err(NULL),
            Value::Sequence(_) | Value::Mapping(_) => Err(NO_SCALAR),
        }
    }

    /// A string of it.
    pub(crate) fn into_string(self) -> Value {
        match self.visibility {
            Visibility::Plain => Value::String(self.text.to_string()),
            Visibility::Sensitive => Value::Sensitive(Sensitive::string(self.text)),
        }
    }

    /// The scalar that it is without quotes or a tag.
    pub(crate) fn into_untyped(self) -> Value {
        let resolved = resolve_scalar(Schema::GoYamlV3, &self.text, ScalarStyle::Plain, None);
        let visible = self.visibility == Visibility::Plain;
        let number = |number| {
            if visible {
                Value::Number(number)
            } else {
                Value::Sensitive(Sensitive::number(number))
            }
        };
        match resolved {
            Ok(Scalar::Null) => Value::Null,
            Ok(Scalar::Bool(value)) if visible => Value::Bool(value),
            Ok(Scalar::Bool(value)) => Value::Sensitive(Sensitive::bool(value)),
            Ok(Scalar::Int(value)) => number(Number::Integer(value)),
            Ok(Scalar::Unsigned(value)) => number(Number::Unsigned(value)),
            Ok(Scalar::Float(value)) if value.is_finite() => number(Number::Float(value)),
            Ok(Scalar::Timestamp(time)) => Self {
                text: Zeroizing::new(time),
                visibility: self.visibility,
            }
            .into_string(),
            Ok(Scalar::Float(_) | Scalar::String(_)) | Err(_) => self.into_string(),
        }
    }

    /// A scalar of the type that another one has: a string of digits stays a string, and a number has to stay one.
    pub(crate) fn into_type_of(self, other: &Value) -> Result<Value, &'static str> {
        let kind = match other {
            Value::Sensitive(scalar) => match scalar.expose() {
                Exposed::String(_) => Kind::String,
                Exposed::Bool(_) => Kind::Bool,
                Exposed::Number(number) => Kind::of_number(number),
            },
            Value::String(_) => Kind::String,
            Value::Bool(_) => Kind::Bool,
            Value::Number(number) => Kind::of_number(*number),
            Value::Null => return Err("is null, whose type nothing else has; give it a value to replace"),
            Value::Sequence(_) | Value::Mapping(_) => return Err(NO_SCALAR),
        };
        if kind == Kind::String {
            return Ok(self.into_string());
        }
        let value = self.into_untyped();
        let fits = match &value {
            Value::Bool(_) => kind == Kind::Bool,
            Value::Number(number) => fits_number(kind, *number),
            Value::Sensitive(scalar) => match scalar.expose() {
                Exposed::Bool(_) => kind == Kind::Bool,
                Exposed::Number(number) => fits_number(kind, number),
                Exposed::String(_) => false,
            },
            _ => false,
        };
        if fits {
            return Ok(value);
        }
        Err(match kind {
            Kind::Bool => "is a boolean, and what replaces it is none",
            Kind::Integer => "is an integer, and what replaces it is none",
            Kind::Float | Kind::String => "is a number, and what replaces it is none",
        })
    }
}

/// Whether a value is a string.
pub(crate) fn is_text(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Sensitive(scalar) => matches!(scalar.expose(), Exposed::String(_)),
        _ => false,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    String,
    Bool,
    Integer,
    Float,
}

impl Kind {
    fn of_number(number: Number) -> Self {
        match number {
            Number::Integer(_) | Number::Unsigned(_) => Self::Integer,
            Number::Float(_) => Self::Float,
        }
    }
}

fn fits_number(kind: Kind, number: Number) -> bool {
    match kind {
        Kind::Integer => Kind::of_number(number) == Kind::Integer,
        Kind::Float => true,
        Kind::String | Kind::Bool => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_stay() {
        let typed =
            |text: &str, other: Value| Text::plain(text).into_type_of(&other).map(|it| format!("{it:?}"));
        assert_eq!(typed("8080", "x".into()), Ok(r#""8080""#.to_owned()));
        assert_eq!(typed("8080", 1.into()), Ok("Integer(8080)".to_owned()));
        assert_eq!(typed("true", false.into()), Ok("true".to_owned()));
        assert!(typed("x", 1.into()).is_err());
        assert!(typed("1.5", 1.into()).is_err());
        assert!(typed("x", Value::Null).is_err());
    }

    #[test]
    fn texts_without_type_get_one() {
        let untyped = |text: &str| format!("{:?}", Text::plain(text).into_untyped());
        assert_eq!(untyped("1"), "Integer(1)");
        assert_eq!(untyped("yes"), r#""yes""#);
        assert_eq!(untyped("true"), "true");
        assert_eq!(untyped(""), "null");
    }

    #[test]
    fn sensitive_texts_stay_sensitive() {
        let secret = || Text::of(&Value::Sensitive(Sensitive::string("5".to_owned()))).unwrap();
        assert!(secret().into_string().is_sensitive());
        assert!(secret().into_untyped().is_sensitive());
        assert!(secret().into_type_of(&1.into()).unwrap().is_sensitive());
    }
}
