//! `.sops.yaml`: found as sops finds it, from the folder of a file upwards.

use std::fs;
use std::path::{Component, Path, PathBuf};

use manifest_yaml::Limits;
use sops::creation_rules::{CreationRule, CreationRules, FILE_NAME};

use super::file::{FileError, read};

/// Creation rules and the folder that their paths are relative to.
pub(super) struct Config {
    path: PathBuf,
    folder: PathBuf,
    rules: CreationRules,
}

impl Config {
    /// The given config, or the nearest one; `None` if there is none, or it has no creation
    /// rules.
    pub(super) fn find(file: &Path, given: Option<&Path>) -> Result<Option<Self>, FileError> {
        let path = match given {
            Some(path) => absolute(path)?,
            None => match nearest(&absolute(file)?) {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        let rules = CreationRules::parse(&read(&path)?, &Limits::default())
            .map_err(|error| FileError::new(&path, crate::chain(&error)))?;
        if rules.is_empty() {
            return Ok(None);
        }
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Some(Self { path, folder, rules }))
    }

    /// The first rule whose `path_regex` matches a file. sops refuses a file that none matches, and so do we: sealing
    /// it for other recipients would go against what the config says.
    pub(super) fn rule_for(&self, file: &Path) -> Result<&CreationRule, FileError> {
        let absolute = absolute(file)?;
        let relative = absolute.strip_prefix(&self.folder).unwrap_or(&absolute);
        let name = relative
            .to_str()
            .ok_or_else(|| FileError::new(file, "its path is not UTF-8"))?;
        self.rules.find(name).ok_or_else(|| {
            FileError::new(
                file,
                format!("no creation rule of {} matches it", self.path.display()),
            )
        })
    }
}

fn nearest(file: &Path) -> Option<PathBuf> {
    file.ancestors()
        .skip(1)
        .map(|folder| folder.join(FILE_NAME))
        .find(|path| fs::metadata(path).is_ok())
}

/// A path from the root without `.` and `..`, by its text alone, as Go's `filepath.Abs` has it.
fn absolute(path: &Path) -> Result<PathBuf, FileError> {
    let path = std::path::absolute(path).map_err(|error| FileError::new(path, error))?;
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                clean.pop();
            }
            component => clean.push(component),
        }
    }
    Ok(clean)
}
