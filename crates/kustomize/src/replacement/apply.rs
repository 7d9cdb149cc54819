//! Carrying replacements out (kustomize's filters/replacement/replacement.go).

use std::borrow::Cow;
use std::rc::Rc;

use manifest_yaml::Value;

use super::targets::{Found, Shape, Walk};
use super::{FieldPath, ObjectSource, Piece, Replacement, Source, Target};
use crate::BuildError;
use crate::field_path::{self, Part};
use crate::resource::{Id, Resource};
use crate::resources::Resources;
use crate::scalar::Text;

/// The namespace of namespaced objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// What an id says of the namespace of an object that cannot have one.
const NO_NAMESPACE: &str = "_non_namespaceable_";

/// Replaces the fields of every target, one replacement after another.
pub(crate) fn replace(replacements: &[Rc<Replacement>], resources: &mut Resources) -> Result<(), BuildError> {
    for replacement in replacements {
        let value = replacement.value(resources)?;
        for (index, target) in replacement.targets.iter().enumerate() {
            let field = format!("{}.targets[{index}]", replacement.field);
            for resource in resources.iter_mut().filter(|resource| target.selects(resource)) {
                target
                    .write(&value, resource)
                    .map_err(|(path, problem)| BuildError::Transformation {
                        file: replacement.file.clone(),
                        transformation: field.clone(),
                        object: resource.id().to_string(),
                        path,
                        problem,
                    })?;
            }
        }
    }
    Ok(())
}

/// What is written into the targets.
enum Replaced {
    /// A scalar or a tree, which keeps its type where the target leaves it one.
    Value(Value),
    /// A text without a type of its own.
    Untyped(String),
}

impl Replacement {
    fn value(&self, resources: &Resources) -> Result<Replaced, BuildError> {
        match &self.source {
            Source::Value(text) => Ok(Replaced::Untyped(text.clone())),
            Source::Object(source) => source.value(resources).map_err(|problem| BuildError::FieldValue {
                file: self.file.clone(),
                field: format!("{}.source", self.field),
                problem,
            }),
        }
    }
}

impl ObjectSource {
    fn value(&self, resources: &Resources) -> Result<Replaced, String> {
        let mut selected = resources.iter().filter(|resource| self.selects(resource));
        let object = match (selected.next(), selected.next()) {
            (None, _) => return Err("selects no object".to_owned()),
            (Some(object), None) => object,
            (Some(one), Some(other)) => {
                return Err(format!(
                    "selects several objects: {} and {}",
                    one.id(),
                    other.id()
                ));
            }
        };
        let path = &self.path.text;
        let found = field_path::lookup(object.value(), &self.path.parts)
            .map_err(|problem| format!("has the fieldPath {path}, which {problem} in {}", object.id()))?;
        let value = match found {
            None | Some(Value::Null) => None,
            Some(Value::Sequence(items)) if items.is_empty() => None,
            Some(Value::Mapping(map)) if map.is_empty() => None,
            found => found,
        }
        .ok_or_else(|| format!("finds nothing at {path} of {}", object.id()))?;
        match &self.piece {
            None => Ok(Replaced::Value(value.share())),
            Some(piece) => self.split(value, piece).map(Replaced::Value),
        }
    }

    /// The piece of a text that is asked for, with the type of the text.
    fn split(&self, value: &Value, piece: &Piece) -> Result<Value, String> {
        let path = &self.path.text;
        let text = Text::of(value).map_err(|problem| format!("cannot split {path}, which {problem}"))?;
        let found = usize::try_from(piece.index)
            .ok()
            .and_then(|index| text.text.split(piece.delimiter.as_str()).nth(index))
            .ok_or_else(|| format!("has the index {}, and {path} has fewer pieces", piece.index))?;
        let piece = Text {
            text: found.to_owned().into(),
            visibility: text.visibility,
        };
        piece
            .into_type_of(value)
            .map_err(|problem| format!("cannot split {path}, which {problem}"))
    }

    /// Whether the object is, or was once, called as the source says.
    fn selects(&self, resource: &Resource) -> bool {
        let in_default = |namespace: &str| match namespace {
            "" => DEFAULT_NAMESPACE.to_owned(),
            given => given.to_owned(),
        };
        names(resource).any(|(id, namespace)| {
            self.kinds.selects(&id)
                && (self.name.is_empty() || self.name == id.name)
                && (self.namespace.is_empty() || in_default(&self.namespace) == in_default(namespace))
        })
    }
}

/// What an object is and was called, each with its namespace: that of the current one as it is written.
fn names(resource: &Resource) -> impl Iterator<Item = (Cow<'_, Id>, &str)> {
    let current = (Cow::Owned(resource.id()), resource.namespace());
    let previous = resource.previous.iter().map(|id| {
        let namespace = id.namespace.as_deref().unwrap_or(NO_NAMESPACE);
        (Cow::Borrowed(id), namespace)
    });
    std::iter::once(current).chain(previous)
}

impl Target {
    fn selects(&self, resource: &Resource) -> bool {
        let is_rejected = |selector: &crate::selector::Selector| {
            let by_metadata = !selector.requires_nothing() && selector.selects_metadata(resource);
            let by_name = !selector.names_nothing() && names(resource).any(|name| matches(selector, name));
            by_metadata || by_name
        };
        self.select.selects_metadata(resource)
            && !self.reject.iter().any(is_rejected)
            && names(resource).any(|name| matches(&self.select, name))
    }

    /// Writes the value to every path; an error says to which it cannot.
    fn write(&self, value: &Replaced, resource: &mut Resource) -> Result<(), (String, String)> {
        let shape = match value {
            Replaced::Value(value) => Shape::of(value),
            Replaced::Untyped(_) => Shape::Scalar,
        };
        for path in &self.paths {
            let walk = Walk {
                create: self.create,
                shape,
                path: &path.parts,
            };
            let refuse = |problem: String| (path.text.clone(), problem);
            let count = walk
                .visit_object(resource.value_mut(), &path.parts, &mut |field, found| {
                    self.set(field, found, value, path.made_as())
                })
                .map_err(refuse)?;
            if count == 0 {
                return Err(refuse("there is no such field".to_owned()));
            }
            resource
                .check_identity()
                .map_err(|(field, problem)| refuse(format!("{field} {problem}")))?;
        }
        Ok(())
    }

    fn set(&self, field: &mut Value, found: Found, value: &Replaced, made: MadeAs) -> Result<(), String> {
        if let (Value::Sequence(_) | Value::Mapping(_), None) = (&*field, &self.piece) {
            *field = value.share();
            return Ok(());
        }
        let text = value
            .text()
            .map_err(|problem| format!("what replaces it {problem}"))?;
        let text = match &self.piece {
            None => text,
            Some(piece) => {
                let current = match found {
                    Found::Made => Text::plain(""),
                    Found::Existing => Text::of(field).map_err(|problem| format!("it {problem}"))?,
                };
                insert(piece, &current, &text)
            }
        };
        *field = match found {
            Found::Made => match made {
                MadeAs::Text => text.into_string(),
                MadeAs::Untyped => text.into_untyped(),
            },
            Found::Existing => text
                .into_type_of(field)
                .map_err(|problem| format!("it {problem}"))?,
        };
        Ok(())
    }
}

fn matches(selector: &crate::selector::Selector, (id, namespace): (Cow<'_, Id>, &str)) -> bool {
    selector.selects_kind(&id) && selector.selects_name(&id.name) && selector.selects_namespace(namespace)
}

impl Replaced {
    fn share(&self) -> Value {
        match self {
            Self::Value(value) => value.share(),
            Self::Untyped(text) => Text::plain(text.as_str()).into_untyped(),
        }
    }

    fn text(&self) -> Result<Text, &'static str> {
        match self {
            Self::Value(value) => Text::of(value),
            Self::Untyped(text) => Ok(Text::plain(text.as_str())),
        }
    }
}

/// What a scalar becomes that was not there.
#[derive(Clone, Copy)]
enum MadeAs {
    /// A string.
    Text,
    /// Whatever it would be in YAML without quotes.
    Untyped,
}

impl FieldPath {
    /// Annotations become strings, whatever they look like.
    fn made_as(&self) -> MadeAs {
        match self.parts.as_slice() {
            [Part::Key(metadata), Part::Key(annotations), Part::Key(_)]
                if metadata == "metadata" && annotations == "annotations" =>
            {
                MadeAs::Text
            }
            _ => MadeAs::Untyped,
        }
    }
}

/// A text with one of its pieces replaced, or with one more before or after the others.
fn insert(piece: &Piece, current: &Text, value: &Text) -> Text {
    let mut pieces: Vec<&str> = current.text.split(piece.delimiter.as_str()).collect();
    match usize::try_from(piece.index) {
        Err(_) => pieces.insert(0, &value.text),
        Ok(index) => match pieces.get_mut(index) {
            Some(old) => *old = &value.text,
            None => pieces.push(&value.text),
        },
    }
    Text {
        text: pieces.join(&piece.delimiter).into(),
        visibility: current.visibility.and(value.visibility),
    }
}
