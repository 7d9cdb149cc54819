//! Whom and what a `GitSource` asks for, so that CI and hooks judge as the cluster does.

use std::path::Path;

use manifest_yaml::{Limits, Schema};

use crate::api::GitSourceSpec;
use crate::cli::{CommandError, Exit};
use crate::name::Kind;
use crate::store::{Parsed, our_kind};

/// The most that is read of such a file, in bytes.
const MAX_POLICY: u64 = 1024 * 1024;

/// The one `GitSource` of a file; documents of other kinds may stand beside it.
pub(super) fn read(path: &Path) -> Result<GitSourceSpec, CommandError> {
    let shown = path.display();
    let unusable = |why: String| CommandError::new(Exit::Unusable, format!("failed to read {shown}: {why}"));
    let size = std::fs::metadata(path)
        .map_err(|error| unusable(error.to_string()))?
        .len();
    if size > MAX_POLICY {
        return Err(unusable(format!("it is larger than {MAX_POLICY} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let documents = manifest_yaml::from_yaml(&bytes, Schema::Kubernetes, &Limits::default())
        .map_err(|error| unusable(error.to_string()))?;
    let mut found = Vec::new();
    for document in documents {
        let json = manifest_yaml::to_json_exposed(&document.value);
        let object: serde_json::Value =
            serde_json::from_slice(&json).map_err(|error| unusable(error.to_string()))?;
        let text = |field: &str| {
            object
                .get(field)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        if let Some(Ok(Kind::GitSource)) = our_kind(text("apiVersion"), text("kind")) {
            match Parsed::read(Kind::GitSource, object).map_err(|error| unusable(crate::chain(&error)))? {
                Parsed::GitSource(source) => found.push(source.spec),
                _ => return Err(unusable("it has a GitSource that is none".to_owned())),
            }
        }
    }
    match <[GitSourceSpec; 1]>::try_from(found) {
        Ok([spec]) => Ok(spec),
        Err(found) => Err(unusable(format!(
            "it has {} GitSources, and has to have one",
            found.len()
        ))),
    }
}
