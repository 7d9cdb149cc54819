//! Finding, and where asked for making, the fields that a target's path leads to.

use manifest_yaml::{Mapping, Value};
use regex::Regex;

use super::Create;
use super::structured::visit_text;
use crate::field_path::{Part, readable};
use crate::scalar::{Text, is_text};

/// What a made field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    List,
    Map,
}

impl Shape {
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Sequence(_) => Self::List,
            Value::Mapping(_) => Self::Map,
            _ => Self::Scalar,
        }
    }

    fn empty(self) -> Value {
        match self {
            Self::Scalar => Value::Null,
            Self::List => Vec::new().into(),
            Self::Map => Mapping::new().into(),
        }
    }

    /// What has to be made for the parts of a path that are left.
    fn for_rest(self, rest: &[Part]) -> Self {
        match rest.first() {
            None => self,
            Some(Part::Index(_) | Part::Matching { .. }) => Self::List,
            Some(Part::Key(_) | Part::Last | Part::Every) => Self::Map,
        }
    }
}

/// Whether a field was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Existing,
    Made,
}

/// What is done to a field.
pub(super) type Set<'a> = dyn FnMut(&mut Value, Found) -> Result<(), String> + 'a;

/// Walks to the fields of a path (kyaml's `PathMatcher`, yaml/match.go).
pub(super) struct Walk<'a> {
    pub(super) create: Create,
    pub(super) shape: Shape,
    /// The whole path.
    pub(super) path: &'a [Part],
}

impl Walk<'_> {
    /// Runs `set` on every field that the path leads to; how many these are.
    pub(super) fn visit(&self, node: &mut Value, parts: &[Part], set: &mut Set<'_>) -> Result<usize, String> {
        self.walk(node, Found::Existing, parts, set)
    }

    /// As [`visit`](Self::visit), from the map that an object is.
    pub(super) fn visit_object(
        &self,
        object: &mut Mapping,
        parts: &[Part],
        set: &mut Set<'_>,
    ) -> Result<usize, String> {
        match parts.split_first() {
            Some((Part::Key(key), rest)) => self.key(object, key, rest, set),
            _ => Err("expects a list where there is a map".to_owned()),
        }
    }

    fn walk(
        &self,
        node: &mut Value,
        found: Found,
        parts: &[Part],
        set: &mut Set<'_>,
    ) -> Result<usize, String> {
        let Some((part, rest)) = parts.split_first() else {
            return set(node, found).map(|()| 1);
        };
        let expected = match part {
            Part::Key(_) | Part::Last => "a map",
            _ => "a list",
        };
        match (part, node) {
            (Part::Key(_), Value::Null) if self.create == Create::No => Ok(0),
            (Part::Key(key), Value::Mapping(map)) => self.key(map, key, rest, set),
            // Only sources know it; here it is a key.
            (Part::Last, Value::Mapping(map)) => self.key(map, "-", rest, set),
            (Part::Index(index), Value::Sequence(items)) => self.index(items, *index, rest, set),
            (Part::Every, Value::Sequence(items)) => {
                let mut count = 0;
                for item in items {
                    count += self.walk(item, Found::Existing, rest, set)?;
                }
                Ok(count)
            }
            (Part::Matching { field, value }, Value::Sequence(items)) => {
                self.matching(items, field, value, rest, set)
            }
            (_, text) if is_text(text) => self.text(text, parts, set),
            (_, other) => Err(format!("expects {expected} where there is {}", other.kind_name())),
        }
    }

    /// Goes on within a text that holds JSON.
    fn text(&self, node: &mut Value, parts: &[Part], set: &mut Set<'_>) -> Result<usize, String> {
        let walked = self.path.len().saturating_sub(parts.len());
        if self.path.iter().take(walked).any(|part| *part == Part::Every) {
            return Err(
                "leads into a text behind a wildcard, where kustomize leaves everything as it is".to_owned(),
            );
        }
        let text = Text::of(node).map_err(|problem| format!("leads into what {problem}"))?;
        let (count, changed) = visit_text(self, &text, parts, set)?;
        *node = changed.into_string();
        Ok(count)
    }

    fn key(&self, map: &mut Mapping, key: &str, rest: &[Part], set: &mut Set<'_>) -> Result<usize, String> {
        let found = match (map.contains_key(key), self.create) {
            (true, _) => Found::Existing,
            (false, Create::No) => return Ok(0),
            (false, Create::Yes) => Found::Made,
        };
        let field = map.get_or_insert_with(key, || self.shape.for_rest(rest).empty());
        self.walk(field, found, rest, set)
    }

    fn index(
        &self,
        items: &mut Vec<Value>,
        index: usize,
        rest: &[Part],
        set: &mut Set<'_>,
    ) -> Result<usize, String> {
        let mut found = Found::Existing;
        if index == items.len() && self.create == Create::Yes {
            items.push(self.shape.for_rest(rest).empty());
            found = Found::Made;
        }
        let count = items.len();
        match items.get_mut(index) {
            Some(item) => self.walk(item, found, rest, set),
            None => Err(format!("has the index {index}, and there are {count} items")),
        }
    }

    /// The items whose field contains what a pattern matches: unlike in sources the value is a regular expression.
    fn matching(
        &self,
        items: &mut Vec<Value>,
        field: &str,
        value: &str,
        rest: &[Part],
        set: &mut Set<'_>,
    ) -> Result<usize, String> {
        let pattern =
            Regex::new(value).map_err(|_| format!("has {value:?}, which is not a regular expression"))?;
        let count = self.visit_matching(items, field, &pattern, rest, set)?;
        if count > 0 || self.create == Create::No {
            return Ok(count);
        }
        if !pattern.is_match(value) {
            return Err(format!(
                "has to make an item from {value:?}, and the pattern does not match itself"
            ));
        }
        items.push(match field {
            "" => value.into(),
            field => [(field.to_owned(), value.into())]
                .into_iter()
                .collect::<Mapping>()
                .into(),
        });
        self.visit_matching(items, field, &pattern, rest, set)
    }

    fn visit_matching(
        &self,
        items: &mut [Value],
        field: &str,
        pattern: &Regex,
        rest: &[Part],
        set: &mut Set<'_>,
    ) -> Result<usize, String> {
        let mut count = 0;
        for item in items {
            let text = match (field, &*item) {
                ("", scalar) => readable(scalar)?,
                (field, Value::Mapping(map)) => match map.get(field) {
                    Some(found) => readable(found)?,
                    None => None,
                },
                _ => None,
            };
            if !text.is_some_and(|text| pattern.is_match(text.trim())) {
                continue;
            }
            // What follows a match of the item itself has no effect in kustomize.
            let rest = if field.is_empty() { &[] } else { rest };
            count += self.walk(item, Found::Existing, rest, set)?;
        }
        Ok(count)
    }
}
