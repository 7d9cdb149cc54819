//! Field specs, as `labels` and transformer configurations list them.

use super::fields::Fields;
use crate::BuildError;
use crate::field_spec::{FieldSpec, Missing};
use crate::resource::KindSelector;

/// Takes a list of field specs.
pub(crate) fn read_field_specs(fields: &mut Fields<'_>, field: &str) -> Result<Vec<FieldSpec>, BuildError> {
    let mut specs = Vec::new();
    for mut entry in fields.maps(field)? {
        let part = |value: Option<String>| value.unwrap_or_default();
        let kinds = KindSelector {
            group: part(entry.string("group")?),
            version: part(entry.string("version")?),
            kind: part(entry.string("kind")?),
        };
        let path = part(entry.string("path")?);
        if path.strip_prefix('/').unwrap_or(&path).split('/').any(is_special) {
            return Err(entry.value_error("path", "has a segment that is empty or would select in a list"));
        }
        let missing = if entry.flag("create")? {
            Missing::Create
        } else {
            Missing::Skip
        };
        entry.finish()?;
        specs.push(FieldSpec { kinds, path, missing });
    }
    Ok(specs)
}

/// Segments that kyaml takes for something else than a key.
fn is_special(segment: &str) -> bool {
    let key = segment.strip_suffix("[]").unwrap_or(segment);
    matches!(key, "" | "-" | "*") || key.starts_with('[') || key.chars().all(|digit| digit.is_ascii_digit())
}
