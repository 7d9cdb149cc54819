//! Merge keys: `<<`.

use manifest_yaml::{Mapping, Value};

const MERGE_KEY: &str = "<<";

/// Puts the entries of merged maps into the maps that merge them. A merge key with something else than maps stays, and
/// is refused later.
pub(super) fn merge_keys(value: &mut Value) {
    match value {
        Value::Sequence(items) => items.iter_mut().for_each(merge_keys),
        Value::Mapping(map) => {
            merge(map);
            for (_, value) in map.iter_mut() {
                merge_keys(value);
            }
        }
        _ => {}
    }
}

/// The map's own entries win, and of several merged maps the first. What a merged map merges itself comes last of all,
/// and only that of the first that does (`DeAnchor` of kyaml's rnode.go, which follows aliases to what is not merged
/// yet, and the decoder that reads its output).
fn merge(map: &mut Mapping) {
    let Some(maps) = map.get(MERGE_KEY).and_then(merged_maps) else {
        return;
    };
    map.remove(MERGE_KEY);
    let mut inner = None;
    for mut merged in maps {
        let merges = merged.remove(MERGE_KEY);
        inner = inner.or(merges);
        fill(map, merged);
    }
    if let Some(inner) = inner {
        let mut merged = Mapping::new();
        merged.insert(MERGE_KEY, inner);
        merge(&mut merged);
        fill(map, merged);
    }
}

fn merged_maps(value: &Value) -> Option<Vec<Mapping>> {
    match value {
        Value::Mapping(merged) => Some(vec![merged.share()]),
        Value::Sequence(items) => items
            .iter()
            .map(|item| item.as_mapping().map(Mapping::share))
            .collect(),
        _ => None,
    }
}

/// Adds the entries that are not there.
fn fill(map: &mut Mapping, entries: Mapping) {
    for (key, value) in entries {
        map.get_or_insert_with(&key, || value);
    }
}
