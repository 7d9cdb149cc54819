//! Labels and annotations that all objects get, and what may not stand among them.

use manifest_yaml::{Mapping, Value};

use super::{Manifest, RenderError, Rendering};
use crate::api::CommonMetadata;
use crate::name::{DELIVERY_LABEL, Key, NAMESPACE_LABEL, label_value};

/// Adds common metadata and our labels; ours cannot be overridden.
pub(super) fn add_metadata(manifest: &mut Manifest, rendering: &Rendering) -> Result<(), RenderError> {
    let place = manifest.object.to_string();
    let wrong = |reason| RenderError::NotAnObject {
        place: place.clone(),
        reason,
    };
    let metadata = manifest
        .body
        .as_mapping_mut()
        .and_then(|body| body.get_mut("metadata"));
    let metadata = metadata
        .and_then(Value::as_mapping_mut)
        .ok_or_else(|| wrong("metadata is not a map"))?;
    let CommonMetadata { labels, annotations } = &rendering.common_metadata;
    let mut add = |field: &'static str, entries: Vec<(&str, String)>| {
        if entries.is_empty() {
            return Ok(());
        }
        if matches!(metadata.get(field), Some(Value::Null)) {
            metadata.remove(field);
        }
        let map = metadata.get_or_insert_with(field, || Mapping::new().into());
        let map = map
            .as_mapping_mut()
            .ok_or_else(|| wrong("metadata.labels or metadata.annotations is not a map"))?;
        for (key, value) in entries {
            map.insert(key, value.into());
        }
        Ok::<_, RenderError>(())
    };
    let mut labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    if let Some(Key { namespace, name }) = &rendering.owner {
        labels.push((DELIVERY_LABEL, label_value(name)));
        labels.push((NAMESPACE_LABEL, label_value(namespace)));
    }
    add("labels", labels)?;
    add(
        "annotations",
        annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect(),
    )
}

/// Labels are shown everywhere: in lists, metrics, events. None may come from a sealed value.
pub(super) fn refuse_sensitive_names(manifest: &Manifest) -> Result<(), RenderError> {
    let labels = manifest
        .body
        .get_path(&["metadata", "labels"])
        .and_then(Value::as_mapping);
    for (key, value) in labels.into_iter().flat_map(Mapping::iter) {
        if value.is_sensitive() {
            let path = format!("metadata.labels[{key}]");
            return Err(RenderError::SensitiveName {
                place: manifest.object.to_string(),
                path,
            });
        }
    }
    Ok(())
}
