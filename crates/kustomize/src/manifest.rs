//! Reading manifests as kustomize reads them and prints them again.

mod folded;
mod merge;

use manifest_yaml::syntax::{Content, Document, Node, ScalarStyle, Stream, parse_yaml};
use manifest_yaml::{Limits, ParseError, Schema, Value, from_yaml, resolve};

/// The documents of a YAML manifest, as a [`Tree`](crate::Tree) has to give them.
///
/// They are resolved as go-yaml v3 does: a plain `yes` is a string. Merge keys are merged. Folded texts (`>`) get the
/// line breaks that kustomize adds where a line is indented more than the one before it, since it writes them and
/// reads them again.
pub fn read_manifest(bytes: &[u8], limits: &Limits) -> Result<Vec<Value>, ParseError> {
    let documents = match std::str::from_utf8(bytes) {
        Ok(text) => {
            let mut documents = parse_yaml(text, limits)?.into_documents();
            documents.iter_mut().for_each(refold);
            resolve(&Stream::from_documents(documents), Schema::GoYamlV3)?
        }
        // For the error, or for a byte order mark.
        Err(_) => from_yaml(bytes, Schema::GoYamlV3, limits)?,
    };
    let merged = |document: manifest_yaml::Document| {
        let mut value = document.value;
        merge::merge_keys(&mut value);
        value
    };
    Ok(documents.into_iter().map(merged).collect())
}

fn refold(document: &mut Document) {
    if let Some(root) = &mut document.root {
        refold_within(root);
    }
}

fn refold_within(node: &mut Node) {
    match &mut node.content {
        Content::Scalar {
            text,
            style: ScalarStyle::Folded,
        } => {
            if let Some(changed) = folded::written_and_read(text) {
                *text = changed;
            }
        }
        Content::Sequence { items, .. } => items.iter_mut().for_each(refold_within),
        Content::Mapping { entries, .. } => {
            for (key, value) in entries {
                refold_within(key);
                refold_within(value);
            }
        }
        Content::Scalar { .. } | Content::Alias(_) => {}
    }
}
