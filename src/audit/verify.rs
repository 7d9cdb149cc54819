//! Reading the log, and checking that nobody changed it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::file::files;
use super::line::{BadLine, GENESIS, from_line, sha256};
use super::{Event, MAX_LINE_BYTES, Record};
use crate::name::ObjectName;

/// What an unbroken chain amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The number of the newest record, which is how many there are.
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

/// A chain, what its last writer left undone, and what the next one has to know.
pub(super) struct Chain {
    pub(super) verified: Verified,
    /// The numbers of intents without an outcome.
    pub(super) open_intents: BTreeSet<u64>,
    /// The digest of the trust material that each source was last verified with.
    pub(super) trust: BTreeMap<ObjectName, String>,
}

/// A line with its place.
struct Line {
    path: PathBuf,
    number: u64,
    bytes: Vec<u8>,
    end: End,
}

/// How a line ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With a newline.
    Newline,
    /// With the file.
    File,
}

/// Checks a state directory's whole chain, or one file's, from its first record on.
pub fn verify_chain(path: &Path) -> Result<Verified, ChainBreak> {
    scan(path).map(|chain| chain.verified)
}

/// Checks a chain, and finds the intents that are open at its end and the trust material in use.
pub(super) fn scan(path: &Path) -> Result<Chain, ChainBreak> {
    let mut open_intents = BTreeSet::new();
    let mut trust = BTreeMap::new();
    let verified = walk(path, |record| match record.event {
        Event::Intent { .. } => drop(open_intents.insert(record.sequence)),
        Event::Outcome { intent, .. } | Event::Interrupted { intent } => drop(open_intents.remove(&intent)),
        Event::TrustChanged { subject, digest } => drop(trust.insert(subject.object, digest)),
        Event::Started { .. }
        | Event::Refused { .. }
        | Event::TrustAnchored { .. }
        | Event::RolledBack { .. }
        | Event::Torn { .. } => {}
    })?;
    Ok(Chain {
        verified,
        open_intents,
        trust,
    })
}

/// All records in order, as far as the chain is one.
pub fn read(path: &Path) -> Result<Vec<Record>, ChainBreak> {
    let mut records = Vec::new();
    walk(path, |record| records.push(record))?;
    Ok(records)
}

/// Visits the records of a chain in order, each only once it is known to follow the one before.
fn walk(path: &Path, mut visit: impl FnMut(Record)) -> Result<Verified, ChainBreak> {
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
        match lines.peek() {
            Some(Ok(next)) if accounts_for(next, &line) => continue,
            None if line.end == End::File => {
                verified.torn_tail = Some(line.bytes);
                break;
            }
            _ => {}
        }
        let (record, hash) = from_line(&line.bytes).map_err(|bad| line.broken(bad))?;
        let follows =
            verified.records.checked_add(1) == Some(record.sequence) && record.previous == verified.head;
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
        visit(record);
    }
    Ok(verified)
}

/// Whether a line is the record that accounts for the torn line before it.
fn accounts_for(line: &Line, torn: &Line) -> bool {
    // Few lines are as short, and only they are parsed twice.
    const LONGEST: usize = 512;
    if line.bytes.len() > LONGEST || torn.end == End::File {
        return false;
    }
    match from_line(&line.bytes) {
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

impl Line {
    fn broken(&self, bad: BadLine) -> ChainBreak {
        let (path, line) = (self.path.clone(), self.number);
        match bad {
            BadLine::NotARecord => ChainBreak::NotARecord { path, line },
            BadLine::Changed { sequence } => ChainBreak::Changed { path, line, sequence },
            BadLine::NewerSchema(schema) => ChainBreak::NewerSchema { path, line, schema },
        }
    }
}

/// The lines of a log, oldest first, one at a time.
fn lines(path: &Path) -> Result<impl Iterator<Item = Result<Line, ChainBreak>>, ChainBreak> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| ChainBreak::Io { path, source }
    };
    let paths = if path.is_dir() {
        files(path).map_err(failed(path))?
    } else {
        vec![path.to_owned()]
    };
    let mut readers = Vec::with_capacity(paths.len());
    for path in paths {
        let file = File::open(&path).map_err(failed(&path))?;
        readers.push((path, BufReader::new(file)));
    }
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
    let read = reader
        .by_ref()
        .take(MAX_LINE_BYTES as u64 + 1)
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
    let end = if bytes.last() == Some(&b'\n') {
        End::Newline
    } else {
        End::File
    };
    if end == End::Newline {
        bytes.pop();
    }
    Ok((read > 0).then(|| Line {
        path: path.to_owned(),
        number,
        bytes,
        end,
    }))
}
