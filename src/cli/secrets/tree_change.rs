//! One value of a sealed file, set or taken out: opened, changed where it is written, and sealed again.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::{Limits, Value};
use sops::{ChangeOptions, Format, KeyPath, TreeEditError, set_value, unset_value};
use zeroize::Zeroizing;

use super::file::{FileError, Source, Type, format_of};
use super::identities::{self, KeyArguments};
use super::sealing::Random;
use super::sops_only::IgnoreMac;
use super::tree_path;
use super::write::{NewFile, write};
use crate::cli::{CommandError, Exit};
use crate::files::Keys;

/// Which value of which file.
#[derive(Args)]
pub(super) struct Place {
    /// The sealed file; it is written back
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The way to the value, as in `'["data"]["items"][0]'`
    #[arg(value_name = "PATH")]
    path: String,
    /// The format of the file [default: by the extension of its name]
    #[arg(long, value_name = "TYPE", value_enum)]
    input_type: Option<Type>,
    #[command(flatten)]
    keys: KeyArguments,
    #[command(flatten)]
    ignore_mac: IgnoreMac,
}

/// What becomes of the value.
pub(super) enum Change {
    Set(Value),
    Unset,
}

/// What is done where the file already is as it should be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unchanged {
    /// It is written anew, or, where there was nothing to take out, refused.
    AsAnyOther,
    /// It is left alone, and that is no error.
    Kept,
}

/// `--idempotent`
#[derive(Args)]
pub(super) struct Idempotent {
    /// Do nothing where the file is like this already
    #[arg(long)]
    idempotent: bool,
}

impl From<&Idempotent> for Unchanged {
    fn from(flag: &Idempotent) -> Self {
        if flag.idempotent {
            Self::Kept
        } else {
            Self::AsAnyOther
        }
    }
}

/// Changes the file, all of it or nothing.
pub(super) fn run(place: &Place, change: &Change, unchanged: Unchanged) -> Result<Exit, CommandError> {
    place.ignore_mac.refuse()?;
    let path = tree_path::parse(&place.path).map_err(CommandError::unusable)?;
    let identities = identities::all(&place.keys)?;
    let refused = |error: FileError| CommandError::new(Exit::Negative, error.to_string());
    if let Some(sealed) = changed(place, &path, change, unchanged, &identities).map_err(refused)? {
        write(&place.file, sealed.as_bytes(), NewFile::Shared).map_err(refused)?;
    }
    Ok(Exit::Success)
}

/// The file as it is to be written, if it is.
fn changed(
    place: &Place,
    path: &KeyPath,
    change: &Change,
    unchanged: Unchanged,
    identities: &Keys,
) -> Result<Option<String>, FileError> {
    let source = Source::File(&place.file);
    let format = place
        .input_type
        .map_or_else(|| format_of(&place.file), Format::from);
    let limits = Limits::default();
    let sealed = source.read_text()?;
    let plain = sops::decrypt_bytes(&sealed, format, identities, &limits)
        .map_err(|error| source.error(crate::chain(&error)))?;
    let plain = str::from_utf8(&plain).map_err(|_| source.error("what is sealed in it is not text"))?;
    let edited = match change {
        Change::Set(value) => set_value(plain, format, path, value, &limits),
        Change::Unset => unset_value(plain, format, path, &limits),
    };
    let edited = match (edited, unchanged) {
        (Err(TreeEditError::NotFound { .. }), Unchanged::Kept) => return Ok(None),
        (Ok(edited), Unchanged::Kept) if is_same(plain, &edited, format, &limits) => return Ok(None),
        (edited, _) => edited.map_err(|error| source.error(crate::chain(&error)))?,
    };
    let options = ChangeOptions {
        format,
        keys: identities,
        limits: &limits,
        now: Timestamp::now(),
    };
    let mut random = Random::new();
    let sealed = sops::edit(&sealed, edited.as_bytes(), &options, &mut |bytes| {
        random.fill(bytes);
    });
    random.check(&place.file)?;
    sealed
        .map(Some)
        .map_err(|error| source.error(crate::chain(&error)))
}

/// Whether two texts of a format hold the same values.
fn is_same(left: &str, right: &str, format: Format, limits: &Limits) -> bool {
    let values = |text: &str| -> Option<Vec<Zeroizing<Vec<u8>>>> {
        let opened = sops::read_plain(text.as_bytes(), format, limits).ok()?;
        Some(
            opened
                .documents
                .iter()
                .map(manifest_yaml::to_json_exposed)
                .collect(),
        )
    };
    left == right || values(left).is_some_and(|left| Some(left) == values(right))
}
