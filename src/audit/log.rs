//! Writing the log.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use ring::digest;

use super::verify::verify_chain;
use super::{
    ActionRecord, CURRENT_FILE, ChainBreak, Event, Intended, Intent, MAX_FILE_BYTES, Record, SCHEMA, Subject,
};
use crate::name::hex;
use crate::plan::Plan;

/// Why the log cannot be used. Nothing is applied then.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The file system said no.
    #[error("failed to {action} the audit log {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process writes this log.
    #[error("failed to lock {}: another fluxops uses this state directory; give each its own --state-dir", .0.display())]
    Locked(PathBuf),
    /// What is there is not the chain that was written.
    #[error(
        "failed to continue the audit log: its chain is broken; look at it with `fluxops audit verify`, then move it away to start a new one"
    )]
    Broken(#[source] ChainBreak),
}

/// The log of one state directory, open for writing. One process at a time.
pub struct AuditLog {
    directory: PathBuf,
    state: Mutex<State>,
    // Held for its lock.
    _lock: File,
}

struct State {
    file: File,
    bytes: u64,
    sequence: u64,
    head: String,
}

/// The hash before the first record.
pub(super) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

impl AuditLog {
    /// Opens or begins the log: checks the chain, closes what the last process left open.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, AuditError> {
        let lock_path = directory.join("audit.lock");
        let lock = private()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io_error("lock", &lock_path))?;
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| AuditError::Locked(lock_path))?;

        let path = directory.join(CURRENT_FILE);
        let chain = verify_chain(directory).map_err(AuditError::Broken)?;
        let mut file = private()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let bytes = file.metadata().map_err(io_error("open", &path))?.len();
        let torn = chain.torn_tail.as_ref().map(|tail| Event::Torn {
            bytes: tail.len() as u64,
            digest: hex(digest::digest(&digest::SHA256, tail).as_ref()),
        });
        if torn.is_some() {
            file.write_all(b"\n").map_err(io_error("write", &path))?;
        }
        let log = Self {
            directory: directory.to_owned(),
            state: Mutex::new(State {
                file,
                bytes,
                sequence: chain.records,
                head: chain.head,
            }),
            _lock: lock,
        };
        for event in torn.into_iter().chain([Event::Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }]) {
            log.append(event, now)?;
        }
        for intent in open_intents(directory)? {
            tracing::warn!(
                intent,
                "the last process died between an intent and its outcome; reconciling will converge"
            );
            log.append(Event::Interrupted { intent }, now)?;
        }
        Ok(log)
    }

    /// Puts a plan on record; what comes back is the permission to apply it.
    pub fn record(&self, plan: Plan, subject: Subject, now: Timestamp) -> Result<Intended, AuditError> {
        let event = Event::Intent {
            subject: subject.clone(),
            actions: plan.to_records(),
        };
        let sequence = self.append(event, now)?;
        Ok(Intended {
            plan,
            intent: Intent { sequence, subject },
        })
    }

    /// Records how an intent ended.
    pub fn complete(
        &self,
        intent: Intent,
        result: &str,
        actions: Vec<ActionRecord>,
        now: Timestamp,
    ) -> Result<(), AuditError> {
        let Intent { sequence, subject } = intent;
        let event = Event::Outcome {
            intent: sequence,
            subject,
            result: result.to_owned(),
            actions,
        };
        self.append(event, now).map(drop)
    }

    /// Records something that is neither an intent nor its outcome.
    pub fn note(&self, event: Event, now: Timestamp) -> Result<(), AuditError> {
        self.append(event, now).map(drop)
    }

    /// The hash of the newest record.
    pub fn head(&self) -> String {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .head
            .clone()
    }

    /// Appends a record and waits until it is on disk.
    fn append(&self, event: Event, now: Timestamp) -> Result<u64, AuditError> {
        let path = self.directory.join(CURRENT_FILE);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.bytes > MAX_FILE_BYTES {
            self.rotate(&mut state)?;
        }
        let sequence = state.sequence + 1;
        let record = Record {
            schema: SCHEMA,
            sequence,
            time: now.to_string(),
            previous: state.head.clone(),
            event,
        };
        let (line, hash) = to_line(&record).map_err(io_error("write", &path))?;
        state.file.write_all(&line).map_err(io_error("write", &path))?;
        state.file.sync_data().map_err(io_error("sync", &path))?;
        state.bytes += line.len() as u64;
        state.sequence = sequence;
        state.head = hash;
        Ok(sequence)
    }

    fn rotate(&self, state: &mut State) -> Result<(), AuditError> {
        let path = self.directory.join(CURRENT_FILE);
        // The name sorts as the chain runs: by the number of the last record in it.
        let aside = self.directory.join(format!("audit-{:012}.jsonl", state.sequence));
        std::fs::rename(&path, &aside).map_err(io_error("rotate", &aside))?;
        state.file = private()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(io_error("rotate", &path))?;
        state.bytes = 0;
        let directory = File::open(&self.directory).map_err(io_error("rotate", &self.directory))?;
        directory.sync_all().map_err(io_error("rotate", &self.directory))
    }
}

/// The bytes of a record's line, and its hash.
pub(super) fn to_line(record: &Record) -> io::Result<(Vec<u8>, String)> {
    let mut line = serde_json::to_vec(record)?;
    let hash = hex(digest::digest(&digest::SHA256, &line).as_ref());
    line.pop();
    line.extend_from_slice(format!(",\"hash\":\"{hash}\"}}\n").as_bytes());
    Ok((line, hash))
}

/// Intents without an outcome.
fn open_intents(directory: &Path) -> Result<BTreeSet<u64>, AuditError> {
    let mut open = BTreeSet::new();
    for record in super::read(directory).map_err(AuditError::Broken)? {
        match record.event {
            Event::Intent { .. } => drop(open.insert(record.sequence)),
            Event::Outcome { intent, .. } | Event::Interrupted { intent } => drop(open.remove(&intent)),
            _ => {}
        }
    }
    Ok(open)
}

fn private() -> OpenOptions {
    let mut options = File::options();
    options.mode(0o600);
    options
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    let path = path.to_owned();
    move |source| AuditError::Io { action, path, source }
}
