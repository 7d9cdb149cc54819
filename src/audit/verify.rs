//! Reading the log, and checking that nobody changed it.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use ring::digest;

use super::log::GENESIS;
use super::{CURRENT_FILE, Event, MAX_LINE_BYTES, Record, SCHEMA};
use crate::name::hex;

/// What an unbroken chain amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many records there are.
    pub records: u64,
    /// The hash of the newest; compare it with the one in a status or a message.
    pub head: String,
    /// The bytes of a last line that was cut off, if there is one.
    pub torn_tail: Option<Vec<u8>>,
}

/// The first place where the chain does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ChainBreak {
    /// A file cannot be read.
    #[error("failed to read {}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no record.
    #[error("{}:{line}: this is not a record", .path.display())]
    NotARecord {
        /// In which file.
        path: PathBuf,
        /// At which line, from 1.
        line: u64,
    },
    /// A record is not the one that was written.
    #[error("{}:{line}: record {sequence} was changed: its hash is not that of its content", .path.display())]
    Changed {
        /// In which file.
        path: PathBuf,
        /// At which line, from 1.
        line: u64,
        /// The number it carries.
        sequence: u64,
    },
    /// A record does not follow the one before it.
    #[error("{}:{line}: record {sequence} does not follow the one before it: records were removed, added or moved", .path.display())]
    OutOfOrder {
        /// In which file.
        path: PathBuf,
        /// At which line, from 1.
        line: u64,
        /// The number it carries.
        sequence: u64,
    },
    /// A newer fluxops wrote it.
    #[error("{}:{line}: record format {schema} is newer than this fluxops reads; use a newer one", .path.display())]
    NewerSchema {
        /// In which file.
        path: PathBuf,
        /// At which line, from 1.
        line: u64,
        /// The format's number.
        schema: u32,
    },
}

/// A line with its place.
struct Line {
    path: PathBuf,
    number: u64,
    bytes: Vec<u8>,
    complete: bool,
}

/// Checks a state directory's whole chain, or one file's, from its first record on.
pub fn verify_chain(path: &Path) -> Result<Verified, ChainBreak> {
    let mut verified = Verified {
        records: 0,
        head: GENESIS.to_owned(),
        torn_tail: None,
    };
    // A single file may begin in the middle of a chain: its first record is then taken as it is.
    let mut anchored = path.is_dir();
    let mut lines = lines(path)?.peekable();
    while let Some(line) = lines.next() {
        let line = line?;
        if matches!(lines.peek(), Some(Ok(next)) if closes(next, &line)) {
            continue;
        }
        if !line.complete && lines.peek().is_none() {
            verified.torn_tail = Some(line.bytes);
            break;
        }
        let (record, hash) = checked(&line)?;
        let follows = record.previous == verified.head && record.sequence == verified.records + 1;
        if anchored && !follows {
            return Err(ChainBreak::OutOfOrder {
                path: line.path,
                line: line.number,
                sequence: record.sequence,
            });
        }
        anchored = true;
        verified.records = record.sequence;
        verified.head = hash;
    }
    Ok(verified)
}

/// All records in order, each checked for itself.
pub fn read(path: &Path) -> Result<Vec<Record>, ChainBreak> {
    let mut records = Vec::new();
    let mut lines = lines(path)?.peekable();
    while let Some(line) = lines.next() {
        let line = line?;
        let torn = match lines.peek() {
            Some(Ok(next)) => closes(next, &line),
            Some(Err(_)) => false,
            None => !line.complete,
        };
        if !torn {
            records.push(checked(&line)?.0);
        }
    }
    Ok(records)
}

/// Whether a line is the record that accounts for the torn line before it.
fn closes(line: &Line, torn: &Line) -> bool {
    match checked(line) {
        Ok((
            Record {
                event: Event::Torn { bytes, digest },
                ..
            },
            _,
        )) => bytes == torn.bytes.len() as u64 && digest == sha256(&torn.bytes),
        _ => false,
    }
}

fn checked(line: &Line) -> Result<(Record, String), ChainBreak> {
    let not_a_record = || ChainBreak::NotARecord {
        path: line.path.clone(),
        line: line.number,
    };
    let (body, hash) = split_hash(&line.bytes).ok_or_else(not_a_record)?;
    let schema = serde_json::from_slice::<SchemaOnly>(&body)
        .map_err(|_| not_a_record())?
        .schema;
    if schema > SCHEMA {
        return Err(ChainBreak::NewerSchema {
            path: line.path.clone(),
            line: line.number,
            schema,
        });
    }
    let record: Record = serde_json::from_slice(&body).map_err(|_| not_a_record())?;
    if sha256(&body) == hash {
        Ok((record, hash))
    } else {
        Err(ChainBreak::Changed {
            path: line.path.clone(),
            line: line.number,
            sequence: record.sequence,
        })
    }
}

#[derive(serde::Deserialize)]
struct SchemaOnly {
    schema: u32,
}

/// A line as the bytes that were hashed, and the hash it carries.
fn split_hash(line: &[u8]) -> Option<(Vec<u8>, String)> {
    const MEMBER: &[u8] = b",\"hash\":\"";
    const HASH: usize = 64;
    let without_end = line.strip_suffix(b"\"}")?;
    let (rest, hash) = without_end.split_at_checked(without_end.len().checked_sub(HASH)?)?;
    let mut body = rest.strip_suffix(MEMBER)?.to_vec();
    body.push(b'}');
    let hash = std::str::from_utf8(hash).ok()?;
    let lower_hex = hash
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    lower_hex.then(|| (body, hash.to_owned()))
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The lines of a log, oldest first, one at a time.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<Line, ChainBreak>>, ChainBreak> {
    let files = if path.is_dir() {
        files(path)?
    } else {
        vec![path.to_owned()]
    };
    let readers = files.into_iter().map(|path| match File::open(&path) {
        Ok(file) => Ok((path, BufReader::new(file))),
        Err(source) => Err(ChainBreak::Io { path, source }),
    });
    let readers: Vec<_> = readers.collect::<Result<_, _>>()?;
    Ok(readers.into_iter().flat_map(|(path, mut reader)| {
        let mut number = 0;
        std::iter::from_fn(move || {
            number += 1;
            next_line(&mut reader, &path, number).transpose()
        })
    }))
}

fn next_line(reader: &mut BufReader<File>, path: &Path, number: u64) -> Result<Option<Line>, ChainBreak> {
    let mut bytes = Vec::new();
    let limit = MAX_LINE_BYTES as u64 + 1;
    let read = reader
        .by_ref()
        .take(limit)
        .read_until(b'\n', &mut bytes)
        .map_err(|source| ChainBreak::Io {
            path: path.to_owned(),
            source,
        })?;
    if read > MAX_LINE_BYTES {
        return Err(ChainBreak::NotARecord {
            path: path.to_owned(),
            line: number,
        });
    }
    let complete = bytes.last() == Some(&b'\n');
    if complete {
        bytes.pop();
    }
    Ok((read > 0).then(|| Line {
        path: path.to_owned(),
        number,
        bytes,
        complete,
    }))
}

/// The files of a log, oldest first.
fn files(directory: &Path) -> Result<Vec<PathBuf>, ChainBreak> {
    let failed = |source| ChainBreak::Io {
        path: directory.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("audit-") && name.ends_with(".jsonl"))
        {
            files.push(directory.join(name));
        }
    }
    files.sort();
    let current = directory.join(CURRENT_FILE);
    if current.exists() {
        files.push(current);
    }
    Ok(files)
}
