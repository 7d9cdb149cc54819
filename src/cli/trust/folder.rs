//! The files of a trust folder.

use std::path::Path;

use crate::cli::{CommandError, Exit};
use crate::verify::TrustMaterial;

/// All files of a folder: one that is no key makes the folder unusable, it is not passed over.
pub(in crate::cli) fn read(path: &Path) -> Result<TrustMaterial, CommandError> {
    let failed = |error: std::io::Error| {
        CommandError::new(
            Exit::Unusable,
            format!("failed to read the trust folder {}: {error}", path.display()),
        )
    };
    let mut material = TrustMaterial::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        material.insert(
            entry.file_name().to_string_lossy().into_owned(),
            std::fs::read(entry.path()).map_err(failed)?,
        );
    }
    Ok(material)
}
