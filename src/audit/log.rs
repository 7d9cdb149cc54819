//! Writing the log.
#![expect(
    clippy::disallowed_methods,
    reason = "the lock of the log is a file; nothing secret is in it"
)]

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::file::{CurrentFile, io_error, private};
use super::line::{sha256, to_line};
use super::verify::{Chain, scan};
use super::{
    ActionRecord, ChainBreak, Ending, Event, Intended, Intent, MAX_FILE_BYTES, MAX_LINE_BYTES, Record,
    SCHEMA, Subject,
};
use crate::name::ObjectName;
use crate::plan::Plan;

/// The file whose lock says that a process writes the log.
const LOCK_FILE: &str = "audit.lock";

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
    /// An earlier write failed in a way that leaves open what is on disk.
    #[error("failed to write the audit log {}: an earlier write to it failed and could not be undone; look after the disk, then restart fluxops", .0.display())]
    Unusable(PathBuf),
    /// A record that is no JSON.
    #[error("failed to write the audit log: a record cannot be written as JSON")]
    NotWritable(#[source] serde_json::Error),
    /// A record that no reader would accept.
    #[error(
        "failed to write the audit log: a record of {bytes} bytes is longer than the {MAX_LINE_BYTES} that are read; use several Deliveries"
    )]
    TooLong {
        /// The length of its line.
        bytes: usize,
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
    state: Mutex<State>,
    // Held for its lock.
    _lock: File,
}

struct State {
    file: CurrentFile,
    /// The number of the newest record.
    sequence: u64,
    /// Its hash.
    head: String,
    /// The digest of the trust material that each source was last verified with.
    trust: BTreeMap<ObjectName, String>,
    /// From which length on the file is set aside, in bytes.
    rotate_at: u64,
}

impl AuditLog {
    /// Opens or begins the log in an existing directory: checks the chain, closes what the last process left open.
    pub fn open(directory: &Path, now: Timestamp) -> Result<Self, AuditError> {
        Self::open_rotating(directory, now, MAX_FILE_BYTES)
    }

    pub(super) fn open_rotating(
        directory: &Path,
        now: Timestamp,
        rotate_at: u64,
    ) -> Result<Self, AuditError> {
        let lock = lock(directory)?;
        let Chain {
            verified,
            open_intents,
            trust,
        } = scan(directory).map_err(AuditError::Broken)?;
        let file = CurrentFile::open(directory)?;
        let mut state = State {
            file,
            sequence: verified.records,
            head: verified.head,
            trust,
            rotate_at,
        };
        if let Some(torn) = verified.torn_tail {
            let event = Event::Torn {
                bytes: torn.len() as u64,
                digest: sha256(&torn),
            };
            state.write(event, now, CurrentFile::close_torn_line)?;
        }
        state.append(
            Event::Started {
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            now,
        )?;
        for intent in open_intents {
            tracing::warn!(
                intent,
                "the last process died between an intent and its outcome; reconciling will converge"
            );
            state.append(Event::Interrupted { intent }, now)?;
        }
        Ok(Self {
            state: Mutex::new(state),
            _lock: lock,
        })
    }

    /// Puts a plan on record; what comes back is the permission to apply it.
    pub fn record(&self, plan: Plan, subject: Subject, now: Timestamp) -> Result<Intended, AuditError> {
        let event = Event::Intent {
            subject: subject.clone(),
            actions: plan.to_records(),
        };
        let sequence = self.state().append(event, now)?;
        Ok(Intended {
            plan,
            intent: Intent { sequence, subject },
        })
    }

    /// Records how an intent ended: it failed if any of its actions did.
    pub fn complete(
        &self,
        intent: Intent,
        actions: Vec<ActionRecord>,
        now: Timestamp,
    ) -> Result<(), AuditError> {
        let Intent { sequence, subject } = intent;
        let event = Event::Outcome {
            intent: sequence,
            subject,
            result: Ending::of(&actions),
            actions,
        };
        self.state().append(event, now).map(drop)
    }

    /// Records the trust material that a source is verified with from now on, unless it is what its last record says.
    /// It is on disk when this returns; material that is not must not be used.
    pub fn trust(&self, subject: Subject, digest: String, now: Timestamp) -> Result<(), AuditError> {
        let mut state = self.state();
        if state.trust.get(&subject.object) == Some(&digest) {
            return Ok(());
        }
        let source = subject.object.clone();
        let event = Event::TrustChanged {
            subject,
            digest: digest.clone(),
        };
        state.append(event, now)?;
        tracing::info!(object = %source, digest, "the trust material is another one than before");
        state.trust.insert(source, digest);
        Ok(())
    }

    /// Records something that is neither an intent nor its outcome.
    pub fn note(&self, event: Event, now: Timestamp) -> Result<(), AuditError> {
        self.state().append(event, now).map(drop)
    }

    /// The hash of the newest record.
    pub fn head(&self) -> String {
        self.state().head.clone()
    }

    /// A thread that panicked left the state usable: it is changed after the disk is, and the file knows what it has.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Appends a record, in a new file if this one is full, and waits until it is on disk. Its number comes back.
    fn append(&mut self, event: Event, now: Timestamp) -> Result<u64, AuditError> {
        if self.file.bytes() > self.rotate_at {
            self.file.rotate(self.sequence)?;
        }
        self.write(event, now, CurrentFile::append)
    }

    /// Writes the next record; the chain goes on from it only when it is on disk.
    fn write(
        &mut self,
        event: Event,
        now: Timestamp,
        write: fn(&mut CurrentFile, &[u8]) -> Result<(), AuditError>,
    ) -> Result<u64, AuditError> {
        let sequence = self.sequence + 1;
        let record = Record {
            schema: SCHEMA,
            sequence,
            time: now,
            previous: self.head.clone(),
            event,
        };
        let (line, hash) = to_line(&record).map_err(AuditError::NotWritable)?;
        if line.len() > MAX_LINE_BYTES {
            return Err(AuditError::TooLong { bytes: line.len() });
        }
        write(&mut self.file, &line)?;
        self.sequence = sequence;
        self.head = hash;
        Ok(sequence)
    }
}

fn lock(directory: &Path) -> Result<File, AuditError> {
    let path = directory.join(LOCK_FILE);
    let file = private()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io_error("lock", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(AuditError::Locked(path)),
        Err(TryLockError::Error(source)) => Err(io_error("lock", &path)(source)),
    }
}

#[cfg(test)]
mod tests;
