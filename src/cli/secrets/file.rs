//! What a command on sealed files reads: a file or standard input, within a limit, and in which format.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sops::Format;
use zeroize::Zeroizing;

use crate::cli::{CommandError, Exit};
use crate::files::MAX_FILE_BYTES;

/// How errors call standard input.
const STANDARD_INPUT: &str = "standard input";

/// A format by the name that sops gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Type {
    Yaml,
    Json,
    Dotenv,
    Ini,
    Binary,
}

impl From<Type> for Format {
    fn from(given: Type) -> Self {
        match given {
            Type::Yaml => Self::Yaml,
            Type::Json => Self::Json,
            Type::Dotenv => Self::Dotenv,
            Type::Ini => Self::Ini,
            Type::Binary => Self::Binary,
        }
    }
}

/// Which files, and where the results go.
#[derive(Args)]
pub(super) struct Files {
    /// The files [default: standard input]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write each result back to its file
    #[arg(short, long, conflicts_with = "output")]
    in_place: bool,
    /// Write the result to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Take this name instead of the file's for its format and its creation rule
    #[arg(long, value_name = "NAME")]
    filename_override: Option<PathBuf>,
    /// The format of what is read [default: by the extension of the name]
    #[arg(long, value_name = "TYPE", value_enum)]
    input_type: Option<Type>,
    /// The format of what is written [default: by the extension of the name]
    #[arg(long, value_name = "TYPE", value_enum)]
    output_type: Option<Type>,
}

/// Where a result goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// To standard output.
    Print,
    /// Over the file it was made from.
    InPlace,
    /// To this file.
    File(&'a Path),
}

/// What one result is made from.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    StandardInput,
    File(&'a Path),
}

impl Files {
    /// What is to be read; arguments that contradict each other are refused here.
    pub(super) fn sources(&self) -> Result<Vec<Source<'_>>, CommandError> {
        match self.files.as_slice() {
            [] if self.in_place => Err(unusable("--in-place needs a file, not standard input")),
            [] => Ok(vec![Source::StandardInput]),
            [file] => Ok(vec![Source::File(file)]),
            _ if self.output.is_some() => Err(unusable("--output takes the result of one file")),
            files => Ok(files.iter().map(|file| Source::File(file)).collect()),
        }
    }

    pub(super) fn target(&self) -> Target<'_> {
        match &self.output {
            _ if self.in_place => Target::InPlace,
            Some(path) => Target::File(path),
            None => Target::Print,
        }
    }

    /// The name that a source goes by; empty for standard input without `--filename-override`.
    pub(super) fn name<'a>(&'a self, source: Source<'a>) -> &'a Path {
        match (&self.filename_override, source) {
            (Some(name), _) => name,
            (None, Source::File(path)) => path,
            (None, Source::StandardInput) => Path::new(""),
        }
    }

    pub(super) fn input_format(&self, source: Source<'_>) -> Format {
        self.input_type
            .map_or_else(|| format_of(self.name(source)), Into::into)
    }

    /// As sops has it; but a name that says nothing leaves the format as it is, where sops takes it for binary.
    pub(super) fn output_format(&self, source: Source<'_>) -> Format {
        match (self.output_type, format_of(self.name(source))) {
            (Some(given), _) => given.into(),
            (None, Format::Binary) => self.input_format(source),
            (None, by_name) => by_name,
        }
    }
}

fn unusable(message: &str) -> CommandError {
    CommandError::new(Exit::Unusable, message)
}

/// The format of a file with this name.
pub(super) fn format_of(name: &Path) -> Format {
    name.to_str().map_or(Format::Binary, Format::of_path)
}

impl Source<'_> {
    /// All that it holds; it is wiped with the buffer.
    pub(super) fn read(self) -> Result<Zeroizing<Vec<u8>>, FileError> {
        match self {
            Self::StandardInput => read_to_limit(io::stdin().lock(), 0),
            Self::File(path) => open(path).and_then(|(file, length)| read_to_limit(file, length)),
        }
        .map_err(|error| self.error(error))
    }

    /// The same, where it has to be text, as every sealed file is.
    pub(super) fn read_text(self) -> Result<Zeroizing<String>, FileError> {
        let bytes = self.read()?;
        let text = str::from_utf8(&bytes).map_err(|_| self.error("it is not UTF-8"))?;
        Ok(Zeroizing::new(text.to_owned()))
    }

    /// Why it could not be used.
    pub(super) fn error(self, reason: impl fmt::Display) -> FileError {
        let path = match self {
            Self::StandardInput => Path::new(STANDARD_INPUT),
            Self::File(path) => path,
        };
        FileError::new(path, reason)
    }
}

fn open(path: &Path) -> io::Result<(fs::File, u64)> {
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder; name its files",
        ));
    }
    Ok((file, metadata.len()))
}

/// The length, as far as it is known, spares the buffer from growing.
fn read_to_limit(reader: impl io::Read, length: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = MAX_FILE_BYTES as u64;
    let expected = usize::try_from(length.min(limit)).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected + 1));
    reader.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than the {MAX_FILE_BYTES} bytes that are read"),
        ));
    }
    Ok(bytes)
}

/// Why a file was left as it was.
#[derive(Debug)]
pub(super) struct FileError {
    path: PathBuf,
    reason: String,
}

impl FileError {
    pub(super) fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// What is wrong with it.
    pub(super) fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.display(), self.reason)
    }
}
