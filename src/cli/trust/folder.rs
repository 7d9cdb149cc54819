//! The files of a trust folder.

use std::path::Path;

use crate::cli::{CommandError, Exit};
use crate::verify::TrustMaterial;

/// All files of a folder, or the one file that is named.
pub(in crate::cli) fn read_either(path: &Path) -> Result<TrustMaterial, CommandError> {
    let name = match path.file_name() {
        Some(name) if path.is_file() => name.to_string_lossy().into_owned(),
        _ => return read(path),
    };
    let bytes = std::fs::read(path).map_err(|error| failed(path, &error))?;
    Ok(TrustMaterial::from([(name, bytes)]))
}

/// All files of a folder: one that is no key makes the folder unusable, it is not passed over.
pub(in crate::cli) fn read(path: &Path) -> Result<TrustMaterial, CommandError> {
    let mut material = TrustMaterial::new();
    for entry in std::fs::read_dir(path).map_err(|error| failed(path, &error))? {
        let file = entry.map_err(|error| failed(path, &error))?;
        let name = file.file_name().to_string_lossy().into_owned();
        let bytes = std::fs::read(file.path()).map_err(|error| failed(&file.path(), &error))?;
        material.insert(name, bytes);
    }
    Ok(material)
}

fn failed(path: &Path, error: &std::io::Error) -> CommandError {
    let message = format!("failed to read the trust folder: {}: {error}", path.display());
    CommandError::new(Exit::Unusable, message)
}
