//! Which fields of which kinds a transformation works on.

use manifest_yaml::{Mapping, Value};

use crate::resource::{Id, KindSelector};

/// What to do where a field is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Create it, and what leads to it.
    Create,
    /// Leave the object as it is.
    Skip,
}

/// What a created field is before it is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A map.
    Map,
    /// A scalar.
    Scalar,
    /// The transformation never creates a field, whatever the field spec says.
    Never,
}

/// A field of some kinds: kustomize's `FieldSpec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) kinds: KindSelector,
    /// The path as it is written, `/`-separated. Lists on the way are walked through; a segment may end in `[]` to
    /// say that it is one; `\/` is a slash in a key.
    pub(crate) path: String,
    pub(crate) missing: Missing,
}

/// A value that a transformation cannot work on.
#[derive(Debug)]
pub(crate) struct FieldProblem {
    /// The path to it, dotted.
    pub(crate) path: String,
    pub(crate) problem: String,
}

impl FieldProblem {
    pub(crate) fn new(path: &str, problem: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn type_error(path: &str, expected: &str, found: &Value) -> Self {
        Self::new(
            path,
            format!("{expected} is expected, and it is {}", found.kind_name()),
        )
    }
}

/// What is done to a field; it is told the field's path.
pub(crate) type Set<'a> = dyn FnMut(&mut Value, &str) -> Result<(), FieldProblem> + 'a;

impl FieldSpec {
    pub(crate) fn new(kinds: KindSelector, path: &str, missing: Missing) -> Self {
        Self {
            kinds,
            path: path.to_owned(),
            missing,
        }
    }

    /// Runs `set` on every field of an object that the path leads to (kustomize's fieldspec.go). Whether the object
    /// is of the right kind has been looked at.
    pub(crate) fn visit(
        &self,
        object: &mut Mapping,
        shape: Shape,
        set: &mut Set<'_>,
    ) -> Result<(), FieldProblem> {
        let segments = split(&self.path);
        let create = match self.missing {
            Missing::Create => shape,
            Missing::Skip => Shape::Never,
        };
        visit_map(object, &segments, create, &mut Vec::new(), set)
    }

    /// Whether this spec and another say the same of some kinds.
    fn covers(&self, other: &Self) -> bool {
        let id = Id {
            group: self.kinds.group.clone(),
            version: self.kinds.version.clone(),
            kind: self.kinds.kind.clone(),
            name: String::new(),
            namespace: None,
        };
        other.kinds.selects(&id) && self.path == other.path
    }
}

/// Adds specs to a list, leaving out what is there already; two that differ in what to do with a missing field are an
/// error (`MergeAll` of kustomize's fieldspec.go).
pub(crate) fn merge<'a>(
    specs: &mut Vec<FieldSpec>,
    more: impl IntoIterator<Item = &'a FieldSpec>,
) -> Result<(), String> {
    for spec in more {
        match specs.iter().find(|known| known.covers(spec)) {
            None => specs.push(spec.clone()),
            Some(known) if known.missing == spec.missing => {}
            Some(_) => return Err(spec.path.clone()),
        }
    }
    Ok(())
}

/// The keys of a path (`PathSplitter` of kyaml).
fn split(path: &str) -> Vec<String> {
    let mut segments: Vec<String> = Vec::new();
    let path = match path.strip_prefix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => path,
    };
    for part in path.split('/') {
        match segments.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push('/');
                last.push_str(part);
            }
            _ => segments.push(part.to_owned()),
        }
    }
    segments
}

fn visit(
    node: &mut Value,
    segments: &[String],
    create: Shape,
    walked: &mut Vec<String>,
    set: &mut Set<'_>,
) -> Result<(), FieldProblem> {
    if segments.is_empty() {
        return set(node, &walked.join("."));
    }
    match node {
        Value::Null => Ok(()),
        Value::Sequence(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walked.push(index.to_string());
                visit(item, segments, create, walked, set)?;
                walked.pop();
            }
            Ok(())
        }
        Value::Mapping(mapping) => visit_map(mapping, segments, create, walked, set),
        other => Err(FieldProblem::type_error(
            &walked.join("."),
            "a map or a list",
            other,
        )),
    }
}

fn visit_map(
    mapping: &mut Mapping,
    segments: &[String],
    create: Shape,
    walked: &mut Vec<String>,
    set: &mut Set<'_>,
) -> Result<(), FieldProblem> {
    let Some((segment, rest)) = segments.split_first() else {
        return Ok(());
    };
    let (key, is_list) = match segment.strip_suffix("[]") {
        Some(key) => (key, true),
        None => (segment.as_str(), false),
    };
    let create_as = match create {
        _ if is_list => Shape::Never,
        Shape::Never => Shape::Never,
        last if rest.is_empty() => last,
        _ => Shape::Map,
    };
    if create_as != Shape::Never {
        mapping.get_or_insert_with(key, || Value::Null);
    }
    let Some(field) = mapping.get_mut(key) else {
        return Ok(());
    };
    if matches!(field, Value::Null) {
        match create_as {
            Shape::Map => *field = Mapping::new().into(),
            Shape::Never if is_list => *field = Vec::new().into(),
            Shape::Scalar | Shape::Never => {}
        }
    }
    walked.push(key.to_owned());
    visit(field, rest, create, walked, set)?;
    walked.pop();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(entries: [(&str, Value); N]) -> Mapping {
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    fn mark(spec: &FieldSpec, object: &mut Mapping, shape: Shape) -> Result<(), FieldProblem> {
        spec.visit(object, shape, &mut |field, _| {
            *field = "set".into();
            Ok(())
        })
    }

    #[test]
    fn creates_what_leads_to_a_field() {
        let spec = FieldSpec::new(KindSelector::default(), "a/b", Missing::Create);
        let mut object = Mapping::new();
        mark(&spec, &mut object, Shape::Scalar).unwrap();
        assert_eq!(format!("{object:?}"), r#"{"a": {"b": "set"}}"#);
        let mut object = Mapping::new();
        mark(&spec, &mut object, Shape::Never).unwrap();
        assert!(object.is_empty());
    }

    #[test]
    fn walks_through_lists() {
        let spec = FieldSpec::new(KindSelector::default(), "a/b", Missing::Skip);
        let items = vec![
            map([("b", 1.into())]).into(),
            Value::Null,
            map([("c", 1.into())]).into(),
        ];
        let mut object = map([("a", Value::Sequence(items))]);
        mark(&spec, &mut object, Shape::Scalar).unwrap();
        assert_eq!(
            format!("{object:?}"),
            r#"{"a": [{"b": "set"}, null, {"c": Integer(1)}]}"#
        );
    }

    #[test]
    fn refuses_to_walk_through_scalars() {
        let spec = FieldSpec::new(KindSelector::default(), "a/b/c", Missing::Skip);
        let mut object = map([("a", map([("b", "text".into())]).into())]);
        let problem = mark(&spec, &mut object, Shape::Scalar).unwrap_err();
        assert_eq!(problem.path, "a.b");
    }

    #[test]
    fn a_slash_can_be_escaped() {
        assert_eq!(
            split(r"metadata/annotations/example.com\/key"),
            ["metadata", "annotations", "example.com/key"]
        );
    }

    #[test]
    fn merging_finds_conflicts() {
        let spec = |missing| FieldSpec::new(KindSelector::default(), "a", missing);
        let mut specs = vec![spec(Missing::Create)];
        merge(&mut specs, &[spec(Missing::Create)]).unwrap();
        assert_eq!(specs.len(), 1);
        assert_eq!(merge(&mut specs, &[spec(Missing::Skip)]), Err("a".to_owned()));
    }
}
