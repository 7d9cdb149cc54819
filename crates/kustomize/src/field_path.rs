//! Paths to fields as replacements and vars write them: `spec.containers.[name=web].image`.

use manifest_yaml::{Mapping, Value};

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// The value of a key.
    Key(String),
    /// The item at an index.
    Index(usize),
    /// The last item: `-`.
    Last,
    /// Every item: `*`.
    Every,
    /// The items whose field has a value, or which are the value where there is no field: `[name=web]`, `[=web]`.
    Matching { field: String, value: String },
}

/// Reads a path. Dots separate its parts, but not in brackets nor after a backslash; brackets without `=` only hold a
/// key together (`SmarterPathSplitter` of kyaml's pathsplitter.go).
pub(crate) fn parse(path: &str) -> Result<Vec<Part>, String> {
    split(path).iter().map(|part| parse_part(part)).collect()
}

/// As [`parse`], where `name[0]` also means an item (`GetFieldValue` of kyaml's rnode.go).
pub(crate) fn parse_with_subscripts(path: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for part in split(path) {
        match subscript(&part) {
            Some((key, index)) => parts.extend([Part::Key(key.to_owned()), Part::Index(index)]),
            None => parts.push(parse_part(&part)?),
        }
    }
    Ok(parts)
}

fn subscript(part: &str) -> Option<(&str, usize)> {
    let (key, index) = part.strip_suffix(']')?.split_once('[')?;
    Some((key, index.parse().ok()?)).filter(|(key, _)| !key.is_empty())
}

fn parse_part(part: &str) -> Result<Part, String> {
    let trimmed = part.trim();
    if trimmed.is_empty() {
        return Err("has an empty part".to_owned());
    }
    if let Ok(index) = trimmed.parse::<i64>() {
        return usize::try_from(index)
            .map(Part::Index)
            .map_err(|_| format!("has the negative index {index}"));
    }
    Ok(match trimmed {
        "-" => Part::Last,
        "*" => Part::Every,
        _ => match trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            None => Part::Key(trimmed.to_owned()),
            Some(inside) => {
                let (field, value) = inside
                    .split_once('=')
                    .ok_or_else(|| format!("has {trimmed:?}, which does not say what to look for"))?;
                Part::Matching {
                    field: field.to_owned(),
                    value: value.to_owned(),
                }
            }
        },
    })
}

fn split(path: &str) -> Vec<String> {
    let mut unescaped: Vec<String> = Vec::new();
    let path = match path.strip_prefix('.') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    };
    for piece in path.split('.') {
        match unescaped.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('.');
                last.push_str(piece);
            }
            _ => unescaped.push(piece.to_owned()),
        }
    }
    let mut parts = Vec::new();
    let mut pieces = unescaped.into_iter();
    while let Some(mut part) = pieces.next() {
        if part.starts_with('[') && !part.ends_with(']') {
            for piece in pieces.by_ref() {
                part.push('.');
                part.push_str(&piece);
                if piece.ends_with(']') {
                    break;
                }
            }
            if !part.contains('=') {
                parts.push(part.trim_matches(['[', ']']).to_owned());
                continue;
            }
        }
        parts.push(part);
    }
    parts
}

/// The field that a path leads to, if it is there (kyaml's `PathGetter`).
pub(crate) fn lookup<'a>(object: &'a Mapping, parts: &[Part]) -> Result<Option<&'a Value>, String> {
    let Some((first, rest)) = parts.split_first() else {
        return Err("is empty".to_owned());
    };
    let Part::Key(key) = first else {
        return Err("begins with a list, where the object is a map".to_owned());
    };
    let Some(mut found) = object.get(key) else {
        return Ok(None);
    };
    for part in rest {
        match step(found, part)? {
            None => return Ok(None),
            Some(next) => found = next,
        }
    }
    Ok(Some(found))
}

fn step<'a>(value: &'a Value, part: &Part) -> Result<Option<&'a Value>, String> {
    let expected = match part {
        Part::Key(_) => "a map",
        _ => "a list",
    };
    match (part, value) {
        (Part::Key(_), Value::Null) => Ok(None),
        (Part::Key(key), Value::Mapping(map)) => Ok(map.get(key)),
        (Part::Index(index), Value::Sequence(items)) => Ok(items.get(*index)),
        (Part::Last, Value::Sequence(items)) => Ok(items.last()),
        (Part::Every, _) => Err("has a wildcard, where one field is meant".to_owned()),
        (Part::Matching { field, value }, Value::Sequence(items)) => {
            for item in items {
                if is_match(item, field, value)? {
                    return Ok(Some(item));
                }
            }
            Ok(None)
        }
        (_, other) => Err(format!("expects {expected} where there is {}", other.kind_name())),
    }
}

fn is_match(item: &Value, field: &str, wanted: &str) -> Result<bool, String> {
    let found = match (field, item) {
        ("", scalar) => scalar,
        (field, Value::Mapping(map)) => match map.get(field) {
            Some(found) => found,
            None => return Ok(false),
        },
        _ => return Ok(false),
    };
    Ok(readable(found)?.as_deref() == Some(wanted))
}

/// The text of a scalar in a list that is searched; nothing if it is no scalar.
pub(crate) fn readable(value: &Value) -> Result<Option<String>, String> {
    match value {
        Value::Sensitive(_) => Err("would have to read a sensitive scalar".to_owned()),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(value) => Ok(Some(value.to_string())),
        Value::Number(number) => Ok(Some(number_text(*number))),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => Ok(None),
    }
}

/// A number as it is usually written.
pub(crate) fn number_text(number: manifest_yaml::Number) -> String {
    match number {
        manifest_yaml::Number::Integer(value) => value.to_string(),
        manifest_yaml::Number::Unsigned(value) => value.to_string(),
        manifest_yaml::Number::Float(value) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Part {
        Part::Key(text.to_owned())
    }

    fn matching(field: &str, value: &str) -> Part {
        Part::Matching {
            field: field.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn reads_paths() {
        for (path, expected) in [
            ("a.b", vec![key("a"), key("b")]),
            (r"a.b\.c", vec![key("a"), key("b.c")]),
            ("a.[b.c/d].e", vec![key("a"), key("b.c/d"), key("e")]),
            (
                "a.[name=x.y].b",
                vec![key("a"), matching("name", "x.y"), key("b")],
            ),
            ("a.[=x]", vec![key("a"), matching("", "x")]),
            ("a.0.*.-", vec![key("a"), Part::Index(0), Part::Every, Part::Last]),
        ] {
            assert_eq!(parse(path), Ok(expected), "{path}");
        }
        assert!(parse("a..b").is_err());
        assert!(parse("a.-1").is_err());
        assert!(parse("a.[b]").is_err());
    }

    #[test]
    fn reads_subscripts() {
        assert_eq!(
            parse_with_subscripts("spec.ports[1].port"),
            Ok(vec![key("spec"), key("ports"), Part::Index(1), key("port")])
        );
    }
}
