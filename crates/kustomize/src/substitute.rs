//! Variables in built objects: `${name}`, as Flux's `postBuild` substitutes them.
//!
//! Flux writes an object as YAML, substitutes in the text and reads it again. So a text that was a plain scalar gets
//! the type of what it becomes: `replicas: ${n}` is a number afterwards, and `[a, b]` a list. The same comes out here,
//! scalar by scalar; what would tear the YAML apart there is refused. Whatever a sensitive variable goes into becomes
//! sensitive.

mod functions;
mod glob;
mod plain;
mod template;

use std::collections::BTreeMap;

use manifest_yaml::{Exposed, Limits, Mapping, Schema, Sensitive, Value, from_yaml};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::scalar::{Text, Visibility};
use template::Template;

/// The value of a variable.
pub enum Variable {
    /// Anybody may read it.
    Plain(String),
    /// It came out of a Secret.
    Sensitive(Zeroizing<String>),
}

/// Variables by name.
#[derive(Default)]
pub struct Variables(BTreeMap<String, Text>);

/// What to do with a variable that has no value and for which the text gives none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingVariable {
    /// Refuse the object.
    Refuse,
    /// Put nothing in its place.
    Empty,
}

/// Why variables cannot be substituted. No variant holds a value.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubstituteError {
    /// A name that no variable can have.
    #[error(
        "failed to take {name:?} for a variable: names are letters, digits and underscores, and begin with no digit"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// A variable without a value.
    #[error(
        "failed to substitute in {path}: the variable {name} has no value; give it one, or a default: ${{{name}:=…}}"
    )]
    Missing {
        /// The field.
        path: String,
        /// The variable.
        name: String,
    },
    /// A text that is not well-formed.
    #[error("failed to substitute in {path}: {problem}")]
    Template {
        /// The field.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A sensitive value in the name of a field.
    #[error("failed to substitute in {path}: a sensitive value would become the name of a field")]
    SensitiveKey {
        /// The map.
        path: String,
    },
    /// What comes out cannot stand where the text stood.
    #[error("failed to substitute in {path}: what comes out {problem}")]
    Result {
        /// The field.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Variables {
    /// Sets a variable; a later value takes the place of an earlier one. Line breaks are left out, as Flux does.
    pub fn insert(&mut self, name: &str, value: Variable) -> Result<(), SubstituteError> {
        let mut characters = name.chars();
        let begins = |first: char| first.is_ascii_alphabetic() || first == '_';
        let continues = |other: char| other.is_ascii_alphanumeric() || other == '_';
        if !characters.next().is_some_and(begins) || !characters.all(continues) {
            return Err(SubstituteError::Name {
                name: name.to_owned(),
            });
        }
        let without_breaks = |text: &str| Zeroizing::new(text.replace('\n', ""));
        let text = match &value {
            Variable::Plain(text) => Text {
                text: without_breaks(text),
                visibility: Visibility::Plain,
            },
            Variable::Sensitive(text) => Text {
                text: without_breaks(text),
                visibility: Visibility::Sensitive,
            },
        };
        self.0.insert(name.to_owned(), text);
        Ok(())
    }

    /// Whether there are none; then Flux substitutes nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, name: &str) -> Option<&Text> {
        self.0.get(name)
    }
}

/// Substitutes the variables in every text of an object, the names of fields included.
pub fn substitute(
    object: &mut Value,
    variables: &Variables,
    missing: MissingVariable,
) -> Result<(), SubstituteError> {
    let substitution = Substitution { variables, missing };
    substitution.value(object, &mut Vec::new(), Place::Map)
}

/// Where a value stands in the YAML that Flux writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Map,
    List,
}

struct Substitution<'a> {
    variables: &'a Variables,
    missing: MissingVariable,
}

impl Substitution<'_> {
    fn value(&self, value: &mut Value, path: &mut Vec<String>, place: Place) -> Result<(), SubstituteError> {
        match value {
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    path.push(index.to_string());
                    self.value(item, path, Place::List)?;
                    path.pop();
                }
                Ok(())
            }
            Value::Mapping(map) => self.mapping(map, path),
            scalar => {
                if let Some(substituted) = self.scalar(scalar, path, place)? {
                    *scalar = substituted;
                }
                Ok(())
            }
        }
    }

    fn mapping(&self, map: &mut Mapping, path: &mut Vec<String>) -> Result<(), SubstituteError> {
        for (key, value) in map.iter_mut() {
            path.push(key.to_owned());
            self.value(value, path, Place::Map)?;
            path.pop();
        }
        if !map.keys().any(Template::is_in) {
            return Ok(());
        }
        let mut renamed = Mapping::new();
        for (key, value) in std::mem::take(map) {
            let text = self.text(&key, Visibility::Plain, path)?;
            if text.visibility == Visibility::Sensitive {
                return Err(SubstituteError::SensitiveKey { path: path.join(".") });
            }
            if text.text.is_empty() || renamed.contains_key(&text.text) {
                return Err(SubstituteError::Result {
                    path: path.join("."),
                    problem: "is no name for a field of its own",
                });
            }
            renamed.insert(text.text.as_str(), value);
        }
        *map = renamed;
        Ok(())
    }

    /// What a scalar becomes; nothing where it holds no variable.
    fn scalar(
        &self,
        scalar: &Value,
        path: &[String],
        place: Place,
    ) -> Result<Option<Value>, SubstituteError> {
        let (template, visibility) = match scalar {
            Value::String(text) => (text.as_str(), Visibility::Plain),
            Value::Sensitive(scalar) => match scalar.expose() {
                Exposed::String(text) => (text, Visibility::Sensitive),
                Exposed::Bool(_) | Exposed::Number(_) => return Ok(None),
            },
            _ => return Ok(None),
        };
        if !Template::is_in(template) {
            return Ok(None);
        }
        let text = self.text(template, visibility, path)?;
        if !plain::is_plain(template) {
            return Ok(Some(text.into_string()));
        }
        let value = read_back(&text.text, place).map_err(|problem| SubstituteError::Result {
            path: path.join("."),
            problem,
        })?;
        match text.visibility {
            Visibility::Plain => Ok(Some(value)),
            Visibility::Sensitive => seal(value)
                .map(Some)
                .ok_or_else(|| SubstituteError::SensitiveKey { path: path.join(".") }),
        }
    }

    fn text(&self, template: &str, visibility: Visibility, path: &[String]) -> Result<Text, SubstituteError> {
        let refuse = |problem: String| SubstituteError::Template {
            path: path.join("."),
            problem,
        };
        let parsed = Template::parse(template).map_err(refuse)?;
        let mut text = parsed
            .evaluate(self.variables, self.missing)
            .map_err(|failure| match failure {
                functions::Failure::Missing(name) => SubstituteError::Missing {
                    path: path.join("."),
                    name,
                },
                functions::Failure::Problem(problem) => refuse(problem.to_owned()),
            })?;
        text.visibility = text.visibility.and(visibility);
        Ok(text)
    }
}

/// The value that a plain scalar is read back as.
fn read_back(text: &str, place: Place) -> Result<Value, &'static str> {
    const KEY: &str = "value";
    if text.starts_with('#') || text.contains(" #") || text.contains("\t#") {
        return Err("would be taken for a comment");
    }
    let line = Zeroizing::new(match place {
        Place::Map => format!("{KEY}: {text}\n"),
        Place::List => format!("- {text}\n"),
    });
    let mut documents = from_yaml(line.as_bytes(), Schema::Kubernetes, &Limits::default())
        .map_err(|_| "is no YAML")?
        .into_iter();
    let value = match (documents.next(), documents.next()) {
        (Some(document), None) => document.value,
        _ => return Err("is more than one value"),
    };
    match value {
        Value::Mapping(mut map) if place == Place::Map && map.len() == 1 => {
            map.remove(KEY).ok_or("is more than one value")
        }
        Value::Sequence(mut items) if place == Place::List && items.len() == 1 => {
            items.pop().ok_or("is more than one value")
        }
        _ => Err("is more than one value"),
    }
}

/// The same value with every scalar sensitive; nothing if it has names of fields.
fn seal(value: Value) -> Option<Value> {
    Some(match value {
        Value::Bool(value) => Value::Sensitive(Sensitive::bool(value)),
        Value::Number(number) => Value::Sensitive(Sensitive::number(number)),
        Value::String(text) => Value::Sensitive(Sensitive::string(text)),
        Value::Sequence(items) => items.into_iter().map(seal).collect::<Option<Vec<_>>>()?.into(),
        Value::Mapping(map) if !map.is_empty() => return None,
        other => other,
    })
}
