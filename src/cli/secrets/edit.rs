//! `fluxops secrets edit`: a sealed file in the user's editor, its plaintext in memory only.

mod editor;
mod private_file;

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use manifest_yaml::Limits;
use sops::{ChangeOptions, EncryptOptions, Format};
use zeroize::Zeroizing;

use self::editor::{Editor, EditorError, Signals};
use self::private_file::PrivateFile;
use super::file::{FileError, Source, Type, format_of};
use super::identities::{self, KeyArguments};
use super::sealing::{Random, Sealing, SealingArguments};
use super::sops_only::IgnoreMac;
use super::write::{NewFile, write};
use crate::cli::{CommandError, Console, Exit};
use crate::files::Keys;

#[derive(Args)]
pub(super) struct Arguments {
    /// The file; a new one is made if it is not there
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    keys: KeyArguments,
    /// The format of the file [default: by its extension]
    #[arg(long, value_name = "TYPE", value_enum)]
    input_type: Option<Type>,
    #[command(flatten, next_help_heading = "For a new file")]
    sealing: SealingArguments,
    #[command(flatten)]
    ignore_mac: IgnoreMac,
}

/// What is edited.
enum Subject {
    /// A sealed file: what is not changed stays as it is.
    Sealed {
        text: Zeroizing<String>,
        identities: Keys,
    },
    /// A file that is to be.
    New(Box<EncryptOptions>),
}

pub(super) async fn run(
    arguments: &Arguments,
    config: Option<&Path>,
    console: &mut Console<'_>,
) -> Result<Exit, CommandError> {
    arguments.ignore_mac.refuse()?;
    let path = arguments.file.as_path();
    let name = path.file_name().ok_or_else(|| {
        CommandError::new(
            Exit::Unusable,
            format!("{} is no name for a file", path.display()),
        )
    })?;
    let format = arguments.input_type.map_or_else(|| format_of(path), Into::into);
    let failed = |error: FileError| CommandError::new(Exit::Negative, error.to_string());
    let (subject, plain) = if path.exists() {
        Subject::open(path, format, identities::all(&arguments.keys)?).map_err(failed)?
    } else {
        let sealing = Sealing::read(&arguments.sealing, config, console)?;
        sealing.check(path)?;
        let options = sealing.options(path).map_err(failed)?;
        (
            Subject::New(Box::new(options)),
            Zeroizing::new(example(format).to_vec()),
        )
    };
    let editor = Editor::find().map_err(CommandError::unusable)?;
    // Before there is a file to leave behind.
    let mut signals = Signals::listen().map_err(CommandError::unusable)?;
    let file = PrivateFile::create(name, &plain).map_err(CommandError::unusable)?;
    let sealed = loop {
        editor
            .edit(&file, &mut signals)
            .await
            .map_err(|error| failed(unedited(path, &error)))?;
        let edited = file
            .read()
            .map_err(|error| failed(FileError::new(path, crate::chain(&error))))?;
        if *edited == *plain {
            writeln!(console.errors, "fluxops: {} has not changed", path.display())?;
            return Ok(Exit::Success);
        }
        match subject.seal(path, format, &edited) {
            Ok(sealed) => break sealed,
            Err(error) => {
                writeln!(
                    console.errors,
                    "fluxops: {error}\nPress Enter to return to the editor, or Ctrl+C to give up."
                )?;
                enter(&mut signals)
                    .await
                    .map_err(|error| failed(unedited(path, &error)))?;
            }
        }
    };
    drop(file);
    write(path, sealed.as_bytes(), NewFile::Shared).map_err(failed)?;
    Ok(Exit::Success)
}

fn unedited(path: &Path, error: &EditorError) -> FileError {
    FileError::new(path, format!("{}; the file is as it was", crate::chain(error)))
}

impl Subject {
    /// A sealed file and its plaintext.
    fn open(path: &Path, format: Format, identities: Keys) -> Result<(Self, Zeroizing<Vec<u8>>), FileError> {
        let text = Source::File(path).read_text()?;
        let plain = sops::decrypt_bytes(&text, format, &identities, &Limits::default())
            .map_err(|error| FileError::new(path, crate::chain(&error)))?;
        Ok((Self::Sealed { text, identities }, plain))
    }

    /// The edited text, sealed.
    fn seal(&self, path: &Path, format: Format, edited: &[u8]) -> Result<String, FileError> {
        let mut random = Random::new();
        let sealed = match self {
            Self::New(options) => {
                sops::encrypt_bytes(edited, format, options, Timestamp::now(), &mut |bytes| {
                    random.fill(bytes);
                })
                .map_err(|error| FileError::new(path, crate::chain(&error)))
            }
            Self::Sealed { text, identities } => {
                let options = ChangeOptions {
                    format,
                    keys: identities,
                    limits: &Limits::default(),
                    now: Timestamp::now(),
                };
                sops::edit(text, edited, &options, &mut |bytes| {
                    random.fill(bytes);
                })
                .map_err(|error| FileError::new(path, crate::chain(&error)))
            }
        };
        random.check(path)?;
        sealed
    }
}

/// Waits for Enter. Where nobody can press it there is nothing to return to.
async fn enter(signals: &mut Signals) -> Result<(), EditorError> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line)
    });
    tokio::select! {
        read = line => match read.map_err(io::Error::other).flatten() {
            Ok(0) => Err(EditorError::Stopped),
            Ok(_) => Ok(()),
            Err(error) => Err(EditorError::Wait(error)),
        },
        _ = signals.next() => Err(EditorError::Stopped),
    }
}

/// What a new file starts with.
fn example(format: Format) -> &'static [u8] {
    match format {
        Format::Yaml => b"# Replace this by what is to be sealed.\nkey: value\n",
        Format::Json => b"{\n\t\"key\": \"value\"\n}\n",
        Format::Dotenv => b"# Replace this by what is to be sealed.\nKEY=value\n",
        Format::Ini => b"; Replace this by what is to be sealed.\n[section]\nkey = value\n",
        Format::Binary => b"Replace this by what is to be sealed.\n",
    }
}
