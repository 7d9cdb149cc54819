//! What a strategic merge patch says beside values: the keys that start with a dollar sign.
//!
//! kustomize knows `$patch` alone and prints the others as fields, which no API server takes; here they mean what they
//! mean to Kubernetes (strategic-merge-patch.md of its API machinery).

use manifest_yaml::{Mapping, Value};

pub(super) const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_SCALARS: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// What `$patch` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Directive {
    Merge,
    Replace,
    Delete,
}

impl Directive {
    pub(super) fn read(value: &Value) -> Result<Self, &'static str> {
        match value.as_str() {
            Some("merge") => Ok(Self::Merge),
            Some("replace") => Ok(Self::Replace),
            Some("delete") => Ok(Self::Delete),
            _ => Err("$patch is not merge, replace or delete"),
        }
    }
}

/// The directives of a map.
pub(super) struct Directives<'p> {
    pub(super) patch: Directive,
    /// The fields that are kept; all of them if it does not say.
    retained: Option<&'p [Value]>,
    /// The scalars that are taken out of lists, by field.
    pub(super) deletions: Vec<(&'p str, &'p [Value])>,
    /// The order of the elements of lists, by field.
    pub(super) orders: Vec<(&'p str, &'p [Value])>,
}

impl<'p> Directives<'p> {
    pub(super) fn of_map(map: &'p Mapping) -> Result<Self, String> {
        let mut directives = Self {
            patch: Directive::Merge,
            retained: None,
            deletions: Vec::new(),
            orders: Vec::new(),
        };
        for (key, value) in map.iter() {
            let items = || value.as_sequence().ok_or_else(|| format!("{key} is not a list"));
            if key == PATCH {
                directives.patch = Directive::read(value)?;
            } else if key == RETAIN_KEYS {
                directives.retained = Some(items()?);
            } else if let Some(field) = key.strip_prefix(DELETE_SCALARS) {
                directives.deletions.push((field, items()?));
            } else if let Some(field) = key.strip_prefix(ORDER) {
                directives.orders.push((field, items()?));
            }
        }
        Ok(directives)
    }

    /// Whether a field that the patch does not speak of stays.
    pub(super) fn retains(&self, field: &str) -> bool {
        self.retained
            .is_none_or(|retained| retained.iter().any(|kept| kept.as_str() == Some(field)))
    }
}

/// The fields of a map, without directives.
pub(super) fn fields(map: &Mapping) -> impl Iterator<Item = (&str, &Value)> {
    map.iter().filter(|(key, _)| !is_directive(key))
}

fn is_directive(key: &str) -> bool {
    key == PATCH || key == RETAIN_KEYS || key.starts_with(DELETE_SCALARS) || key.starts_with(ORDER)
}

/// The directive that a list has as an element of its own, and its other elements. A `$patch` beside other fields is one
/// of that element (`determineSequenceNodePatchStrategy` of kyaml's smpdirective.go).
pub(super) fn of_list(items: &[Value]) -> Result<(Directive, Vec<&Value>), &'static str> {
    let (alone, others): (Vec<&Value>, Vec<&Value>) = items.iter().partition(|item| stands_alone(item));
    let is_directed = |item: &&Value| item.get_path(&[PATCH]).is_some();
    match alone.as_slice() {
        [] => Ok((Directive::Merge, others)),
        [one] if !others.iter().any(is_directed) => match one.get_path(&[PATCH]) {
            Some(value) => Ok((Directive::read(value)?, others)),
            None => Ok((Directive::Merge, others)),
        },
        _ => Err("a $patch for the list stands beside another one"),
    }
}

/// Whether an element of a list is nothing but a directive for the list.
pub(super) fn stands_alone(item: &Value) -> bool {
    item.as_mapping()
        .is_some_and(|map| map.len() == 1 && map.contains_key(PATCH))
}
