//! Keys that a kustomization file has twice.

use manifest_yaml::syntax::{Content, Document, Node};

/// Leaves of every key its last entry, as kustomize does with a kustomization file.
pub(crate) fn keep_last(document: &mut Document) {
    if let Some(root) = &mut document.root {
        keep_last_within(root);
    }
}

fn keep_last_within(node: &mut Node) {
    match &mut node.content {
        Content::Sequence { items, .. } => items.iter_mut().for_each(keep_last_within),
        Content::Mapping { entries, .. } => {
            let keys: Vec<Option<String>> = entries
                .iter()
                .map(|(key, _)| key.as_scalar().map(str::to_owned))
                .collect();
            let mut index = 0;
            entries.retain(|_| {
                index += 1;
                match keys.get(index - 1) {
                    Some(Some(key)) => {
                        let is_same = |later: &Option<String>| later.as_ref() == Some(key);
                        key == MERGE_KEY || !keys.iter().skip(index).any(is_same)
                    }
                    _ => true,
                }
            });
            for (_, value) in entries {
                keep_last_within(value);
            }
        }
        Content::Scalar { .. } | Content::Alias(_) => {}
    }
}

/// It may stand in a map more than once.
const MERGE_KEY: &str = "<<";
