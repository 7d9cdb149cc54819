//! `.sops.yaml`: found as sops finds it, from the current folder upwards.

use std::fs;
use std::path::{Component, Path, PathBuf};

use manifest_yaml::Limits;
use sops::creation_rules::{CreationRule, CreationRules, FILE_NAME};

use super::file::{FileError, Source};
use crate::cli::{CommandError, Console, Exit};

/// Creation rules and the folder that their paths are relative to.
pub(super) struct Config {
    path: PathBuf,
    folder: PathBuf,
    rules: CreationRules,
}

/// A name that sops warns of: it is not looked at.
const OTHER_NAME: &str = ".sops.yml";

impl Config {
    /// The given config, or the nearest one; `None` if there is none, or it has no creation rules.
    ///
    /// Like sops, and unlike git, this starts in the current folder, wherever the files are (`LookupConfigFile`).
    pub(super) fn find(
        given: Option<&Path>,
        console: &mut Console<'_>,
    ) -> Result<Option<Self>, CommandError> {
        let unusable = |error: FileError| CommandError::new(Exit::Unusable, error.to_string());
        let path = match given {
            Some(path) => absolute(path).map_err(unusable)?,
            None => match nearest(&absolute(Path::new(".")).map_err(unusable)?, console)? {
                Some(path) => path,
                None => return Ok(None),
            },
        };
        let text = Source::File(&path).read_text().map_err(unusable)?;
        let rules = CreationRules::parse(&text, &Limits::default())
            .map_err(|error| unusable(FileError::new(&path, crate::chain(&error))))?;
        if rules.is_empty() {
            return Ok(None);
        }
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Some(Self { path, folder, rules }))
    }

    /// The first rule whose `path_regex` matches a file; `None` if there is none.
    pub(super) fn rule_if_any(&self, file: &Path) -> Result<Option<&CreationRule>, FileError> {
        let absolute = absolute(file)?;
        let relative = absolute.strip_prefix(&self.folder).unwrap_or(&absolute);
        let name = relative
            .to_str()
            .ok_or_else(|| FileError::new(file, "its path is not UTF-8"))?;
        self.rules.find(name).map_err(|error| {
            FileError::new(file, format!("{}: {}", self.path.display(), crate::chain(&error)))
        })
    }

    /// The same for a file that is to be sealed. sops refuses one that no rule matches, and so do we: sealing it for
    /// other recipients would go against what the config says.
    pub(super) fn rule_for(&self, file: &Path) -> Result<&CreationRule, FileError> {
        self.rule_if_any(file)?.ok_or_else(|| {
            FileError::new(
                file,
                format!("no creation rule of {} matches it", self.path.display()),
            )
        })
    }
}

fn nearest(folder: &Path, console: &mut Console<'_>) -> Result<Option<PathBuf>, CommandError> {
    let is_there = |path: &PathBuf| fs::metadata(path).is_ok();
    let found = |name: &str| folder.ancestors().map(|folder| folder.join(name)).find(is_there);
    let nearest = found(FILE_NAME);
    if let Some(other) = found(OTHER_NAME)
        && nearest
            .as_ref()
            .is_none_or(|path| other.components().count() >= path.components().count())
    {
        writeln!(
            console.errors,
            "fluxops: {} is not looked at: it has to be called {FILE_NAME}",
            other.display()
        )?;
    }
    Ok(nearest)
}

/// A config above a file that is not above the current folder, where the search starts.
pub(super) fn overlooked(file: &Path) -> Option<PathBuf> {
    let here = absolute(Path::new(".")).ok()?;
    let file = absolute(file).ok()?;
    file.ancestors()
        .skip(1)
        .filter(|folder| !here.starts_with(folder))
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
