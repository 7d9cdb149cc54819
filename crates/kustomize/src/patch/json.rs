//! JSON patches (RFC 6902), with the liberties of the library that kustomize uses (`evanphx/json-patch` 4).

use manifest_yaml::{Mapping, Number, Value};

use crate::field_spec::FieldProblem;

/// How many values, maps and lists included, the `copy` operations of one patch may make; a few lines of them can double
/// an object again and again.
pub(crate) const MAX_COPIED_VALUES: usize = 100_000;

/// How deep an object may be after a patch; manifests are at most as deep.
pub(crate) const MAX_PATCHED_DEPTH: usize = manifest_yaml::Limits::MAX_DEPTH;

/// Numbers from here on kustomize writes with an exponent where it makes annotations of them.
const EXPONENT_FROM: u64 = 1_000_000;

/// A list of operations.
pub(crate) struct JsonPatch(Vec<Operation>);

struct Operation {
    action: Action,
    path: Pointer,
}

enum Action {
    Add(Value),
    Replace(Value),
    Remove,
    Move(Pointer),
    Copy(Pointer),
    Test(Value),
}

/// A JSON pointer (RFC 6901).
struct Pointer {
    text: String,
    tokens: Vec<String>,
}

impl Pointer {
    fn parse(text: &str) -> Result<Self, String> {
        let tokens = match text.strip_prefix('/') {
            None if text.is_empty() => Vec::new(),
            None => return Err(format!("the path {text:?} does not start with a slash")),
            Some(rest) => rest
                .split('/')
                .map(|token| token.replace("~1", "/").replace("~0", "~"))
                .collect(),
        };
        Ok(Self {
            text: text.to_owned(),
            tokens,
        })
    }

    fn problem(&self, problem: impl Into<String>) -> FieldProblem {
        FieldProblem::new(&self.text, problem)
    }

    fn missing(&self) -> FieldProblem {
        self.problem("there is nothing")
    }
}

impl JsonPatch {
    /// Takes the one document of a patch.
    pub(super) fn read(documents: Vec<Value>) -> Result<Self, String> {
        let mut documents = documents.into_iter();
        let (Some(Value::Sequence(items)), 0) = (documents.next(), documents.len()) else {
            return Err("it has several documents, of which kustomize would read the first alone".to_owned());
        };
        let operation =
            |(index, item)| Operation::read(item).map_err(|problem| format!("operation {index}: {problem}"));
        items
            .into_iter()
            .enumerate()
            .map(operation)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Runs the operations on an object.
    pub(super) fn apply(&self, object: &mut Mapping) -> Result<(), FieldProblem> {
        let mut root = Value::Mapping(std::mem::take(object));
        let mut copied = 0;
        let run = self
            .0
            .iter()
            .try_for_each(|operation| operation.run(&mut root, &mut copied));
        // Whatever happened, it is an object that the error will name.
        if let Value::Mapping(patched) = root {
            *object = patched;
        }
        run?;
        if object.is_empty() {
            return Err(FieldProblem::new("", "the patch leaves no object"));
        }
        check_annotations(object)
    }
}

impl Operation {
    fn read(item: Value) -> Result<Self, String> {
        let Value::Mapping(mut item) = item else {
            return Err("it is not a map".to_owned());
        };
        let pointer = |field: &str| match item.get(field) {
            Some(Value::String(text)) => Pointer::parse(text),
            Some(_) => Err(format!("{field} is not a string")),
            None => Err(format!("{field} is missing")),
        };
        let path = pointer("path")?;
        let from = pointer("from");
        // As in Go, no value is the same as null.
        let mut value = || item.remove("value").unwrap_or(Value::Null);
        let given = value();
        let action = match item.get("op").and_then(Value::as_str) {
            Some("add") => Action::Add(given),
            Some("replace") => Action::Replace(given),
            Some("remove") => Action::Remove,
            Some("move") => Action::Move(from?),
            Some("copy") => Action::Copy(from?),
            Some("test") => Action::Test(given),
            _ => return Err("op is not add, remove, replace, move, copy or test".to_owned()),
        };
        Ok(Self { action, path })
    }

    fn run(&self, root: &mut Value, copied: &mut usize) -> Result<(), FieldProblem> {
        let path = &self.path;
        match &self.action {
            Action::Add(value) => add(root, path, value.share()),
            Action::Remove => remove(root, path).map(drop),
            Action::Replace(value) if path.tokens.is_empty() => {
                *root = value.share();
                Ok(())
            }
            Action::Replace(value) => {
                check_depth(path, value)?;
                replace(root, path, value.share())
            }
            Action::Move(from) => {
                let value = remove(root, from)?;
                add(root, path, value)
            }
            Action::Copy(from) => {
                let (container, key) = container(root, from)?;
                let value = get(container, from, key)?.map_or(Value::Null, Value::share);
                *copied += count(&value);
                if *copied > MAX_COPIED_VALUES {
                    return Err(
                        path.problem(format!("the patch copies more than {MAX_COPIED_VALUES} values"))
                    );
                }
                add(root, path, value)
            }
            Action::Test(wanted) => {
                let found = if path.tokens.is_empty() {
                    Some(&*root)
                } else {
                    let (container, key) = container(root, path)?;
                    get(container, path, key)?
                };
                test(path, found.unwrap_or(&Value::Null), wanted)
            }
        }
    }
}

/// The map or list that holds what a pointer points to, and the last token.
fn container<'v, 'p>(
    root: &'v mut Value,
    path: &'p Pointer,
) -> Result<(&'v mut Value, &'p str), FieldProblem> {
    let Some((key, tokens)) = path.tokens.split_last() else {
        return Err(path.problem("the whole object can only be replaced or tested"));
    };
    let mut value = root;
    for token in tokens {
        value = match value {
            Value::Mapping(map) => map.get_mut(token),
            Value::Sequence(items) => {
                let index = index(token, items.len()).ok_or_else(|| path.missing())?;
                items.get_mut(index)
            }
            _ => None,
        }
        .ok_or_else(|| path.missing())?;
    }
    match value {
        Value::Mapping(_) | Value::Sequence(_) => Ok((value, key)),
        _ => Err(path.missing()),
    }
}

/// What is at a key, if it is there, or at an index, which has to be.
fn get<'v>(container: &'v Value, path: &Pointer, key: &str) -> Result<Option<&'v Value>, FieldProblem> {
    match container {
        Value::Mapping(map) => Ok(map.get(key)),
        Value::Sequence(items) => index(key, items.len())
            .and_then(|index| items.get(index))
            .map(Some)
            .ok_or_else(|| path.missing()),
        _ => Err(path.missing()),
    }
}

fn add(root: &mut Value, path: &Pointer, value: Value) -> Result<(), FieldProblem> {
    check_depth(path, &value)?;
    match container(root, path)? {
        (Value::Mapping(map), key) => {
            map.insert(key, value);
        }
        (Value::Sequence(items), "-") => items.push(value),
        (Value::Sequence(items), key) => {
            let index = index(key, items.len() + 1).ok_or_else(|| path.problem("the list is shorter"))?;
            items.insert(index, value);
        }
        _ => return Err(path.missing()),
    }
    Ok(())
}

/// Of a map, a key that is not there is added, as kustomize does.
fn replace(root: &mut Value, path: &Pointer, value: Value) -> Result<(), FieldProblem> {
    match container(root, path)? {
        (Value::Mapping(map), key) => {
            map.insert(key, value);
        }
        (Value::Sequence(items), key) => {
            let place = index(key, items.len()).and_then(|index| items.get_mut(index));
            *place.ok_or_else(|| path.missing())? = value;
        }
        _ => return Err(path.missing()),
    }
    Ok(())
}

fn remove(root: &mut Value, path: &Pointer) -> Result<Value, FieldProblem> {
    match container(root, path)? {
        (Value::Mapping(map), key) => map.remove(key).ok_or_else(|| path.missing()),
        (Value::Sequence(items), key) => match index(key, items.len()) {
            Some(index) => Ok(items.remove(index)),
            None => Err(path.missing()),
        },
        _ => Err(path.missing()),
    }
}

/// An index below a length as Go reads it; one below zero counts from the end.
fn index(token: &str, length: usize) -> Option<usize> {
    let number: i64 = token.parse().ok()?;
    let index = match usize::try_from(number) {
        Ok(index) => index,
        Err(_) => length.checked_sub(usize::try_from(number.unsigned_abs()).ok()?)?,
    };
    (index < length).then_some(index)
}

fn test(path: &Pointer, found: &Value, wanted: &Value) -> Result<(), FieldProblem> {
    if found.is_sensitive() || wanted.is_sensitive() {
        return Err(path.problem("the test would read a sensitive scalar"));
    }
    if is_equal(found, wanted) {
        return Ok(());
    }
    Err(path.problem("the test fails"))
}

fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(other)) => one == other,
        (Value::Number(one), Value::Number(other)) => one == other,
        (Value::String(one), Value::String(other)) => one == other,
        (Value::Sequence(one), Value::Sequence(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_equal(one, other))
        }
        (Value::Mapping(one), Value::Mapping(other)) => {
            let is_there =
                |(key, value): (&str, &Value)| other.get(key).is_some_and(|other| is_equal(value, other));
            one.len() == other.len() && one.iter().all(is_there)
        }
        _ => false,
    }
}

fn check_depth(path: &Pointer, value: &Value) -> Result<(), FieldProblem> {
    if path.tokens.len() + depth(value) > MAX_PATCHED_DEPTH {
        return Err(path.problem(format!("the object would be deeper than {MAX_PATCHED_DEPTH}")));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Sequence(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Mapping(map) => 1 + map.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn count(value: &Value) -> usize {
    match value {
        Value::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Mapping(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}

/// Refuses annotations that kustomize would spell otherwise than they are written.
fn check_annotations(object: &Mapping) -> Result<(), FieldProblem> {
    let metadata = object.get("metadata").and_then(Value::as_mapping);
    let annotations = metadata.and_then(|metadata| metadata.get("annotations")?.as_mapping());
    for (key, value) in annotations.into_iter().flat_map(Mapping::iter) {
        let is_spelt_otherwise = match value {
            Value::Number(Number::Integer(number)) => number.unsigned_abs() >= EXPONENT_FROM,
            Value::Number(_) => true,
            _ => false,
        };
        if is_spelt_otherwise {
            return Err(FieldProblem::new(
                &format!("metadata.annotations.{key}"),
                "is a number that kustomize would spell otherwise; put it in quotes",
            ));
        }
    }
    Ok(())
}
