//! What setting and taking out mean, on values (`set` and `unset` in sops.go).

use manifest_yaml::{Mapping, Value};

use super::TreeEditError;
use crate::key_path::{KeyPath, PathStep};

pub(super) fn set(root: &mut Value, path: &KeyPath, value: &Value) -> Result<(), TreeEditError> {
    set_at(root, path, 0, value)
}

fn set_at(branch: &mut Value, path: &KeyPath, depth: usize, value: &Value) -> Result<(), TreeEditError> {
    let Some(step) = path.steps().get(depth) else {
        *branch = value.share();
        return Ok(());
    };
    let rest = path.steps().get(depth + 1..).unwrap_or_default();
    match (branch, step) {
        (Value::Mapping(entries), PathStep::Key(key)) => {
            if let Some(inner) = entries.get_mut(key) {
                return set_at(inner, path, depth + 1, value);
            }
            entries.insert(key.clone(), nested(rest, value));
            Ok(())
        }
        (Value::Sequence(items), PathStep::Index(index)) => {
            if let Some(inner) = items.get_mut(*index) {
                return set_at(inner, path, depth + 1, value);
            }
            items.push(nested(rest, value));
            Ok(())
        }
        (Value::Mapping(_) | Value::Sequence(_), _) => Err(TreeEditError::WrongStep {
            path: up_to(path, depth),
        }),
        (scalar, _) => {
            *scalar = nested(path.steps().get(depth..).unwrap_or_default(), value);
            Ok(())
        }
    }
}

/// A value inside the maps and lists that steps lead through (`valueFromPathAndLeaf`).
pub(super) fn nested(steps: &[PathStep], value: &Value) -> Value {
    let Some((step, rest)) = steps.split_first() else {
        return value.share();
    };
    let inner = nested(rest, value);
    match step {
        PathStep::Index(_) => Value::from(vec![inner]),
        PathStep::Key(key) => Value::from(Mapping::from_iter([(key.clone(), inner)])),
    }
}

pub(super) fn unset(root: &mut Value, path: &KeyPath) -> Result<(), TreeEditError> {
    unset_at(root, path, 0)
}

fn unset_at(branch: &mut Value, path: &KeyPath, depth: usize) -> Result<(), TreeEditError> {
    let not_found = || TreeEditError::NotFound {
        path: up_to(path, depth),
    };
    let is_last = depth + 1 == path.steps().len();
    match (branch, path.steps().get(depth)) {
        (Value::Mapping(entries), Some(PathStep::Key(key))) if is_last => {
            entries.remove(key).map(drop).ok_or_else(not_found)
        }
        (Value::Mapping(entries), Some(PathStep::Key(key))) => {
            unset_at(entries.get_mut(key).ok_or_else(not_found)?, path, depth + 1)
        }
        (Value::Sequence(items), Some(PathStep::Index(index))) if *index < items.len() => {
            if is_last {
                items.remove(*index);
                return Ok(());
            }
            unset_at(items.get_mut(*index).ok_or_else(not_found)?, path, depth + 1)
        }
        (Value::Mapping(_), Some(PathStep::Index(_))) | (Value::Sequence(_), Some(PathStep::Key(_))) => {
            Err(TreeEditError::WrongStep {
                path: up_to(path, depth),
            })
        }
        _ => Err(not_found()),
    }
}

/// The path up to a step, which is included.
pub(super) fn up_to(path: &KeyPath, depth: usize) -> KeyPath {
    path.steps().iter().take(depth + 1).cloned().collect()
}
