//! Messages that are not delivered yet, and what was told before: on disk, so that neither is lost.
//!
//! ```text
//! <state-dir>/outbox/<sequence>-<id>.json        one message
//! <state-dir>/outbox/told/<notifier+object>.json what a Notifier was told of an object
//! ```
//! Files are written whole: to a temporary name, fsynced, renamed. A message carries what was told with it, so
//! that a crash between the two writes neither repeats nor loses it. No file holds a credential.
#![expect(
    clippy::disallowed_methods,
    reason = "messages are made of text that is public by type"
)]

mod files;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::dedup::{News, Track};
use super::event::{Event, digest};
use super::selection::Interest;
use crate::name::{Key, ObjectName};
use files::{
    FILE_ENDING, MAX_FILE_BYTES, SCHEMA, Versioned, file_error, files, make_directory, read_or_set_aside,
    set_aside, sync_directory, write,
};

/// The most messages that wait. Beyond it the oldest one of the longest queue is dropped, those that only inform
/// before those that alarm.
pub const MAX_MESSAGES: usize = 1_000;
/// How long a message is worth delivering.
pub const MAX_AGE: Duration = Duration::from_hours(24);

/// The name of a message, and the transaction id under which it is sent: the same at every try.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct MessageId(String);

impl MessageId {
    const CHARS: usize = 32;

    fn new(notifier: &Key, event: &Event, track: &Track) -> Self {
        let (notifier, told) = (notifier.to_string(), track.told.to_string());
        let fingerprint = event.fingerprint();
        let mut id = digest([notifier.as_str(), told.as_str(), fingerprint.as_str()]);
        id.truncate(Self::CHARS);
        Self(id)
    }

    /// Its hexadecimal digits.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StoredMessage {
    schema: u32,
    pub(super) id: MessageId,
    pub(super) notifier: Key,
    pub(super) event: Event,
    pub(super) news: News,
    /// What the Notifier has been told once this message is on its way.
    track: Track,
    queued: Timestamp,
    attempts: u32,
    due: Timestamp,
}

/// What was told, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StoredTrack {
    schema: u32,
    notifier: Key,
    object: ObjectName,
    track: Track,
}

/// What is kept in memory of a message that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Its place in the order of all messages.
    pub(super) sequence: u64,
    pub(super) id: MessageId,
    pub(super) notifier: Key,
    pub(super) attempts: u32,
    pub(super) due: Timestamp,
    object: ObjectName,
    queued: Timestamp,
    informs: bool,
}

impl Waiting {
    fn new(sequence: u64, message: &StoredMessage) -> Self {
        Self {
            sequence,
            id: message.id.clone(),
            notifier: message.notifier.clone(),
            attempts: message.attempts,
            due: message.due,
            object: message.event.object.clone(),
            queued: message.queued,
            informs: message.news == News::NewRevision,
        }
    }

    fn file_name(&self) -> String {
        format!("{:020}-{}.{FILE_ENDING}", self.sequence, self.id.as_str())
    }
}

/// Why the outbox can not be used.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// A file operation failed.
    #[error("failed to {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A message can not be written as JSON, or is none.
    #[error("failed to read or write {} as JSON", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A file with another schema number.
    #[error("{} has not the schema {SCHEMA}", path.display())]
    Schema {
        /// Which file.
        path: PathBuf,
    },
    /// A file larger than any that is written here.
    #[error("{} has more than {MAX_FILE_BYTES} bytes", path.display())]
    TooLarge {
        /// Which file.
        path: PathBuf,
    },
    /// The process is stopping.
    #[error("failed to reach the outbox: the process is stopping")]
    Stopping,
}

/// Messages that are not delivered yet, and what was told before.
#[derive(Debug)]
pub(super) struct Outbox {
    messages: PathBuf,
    told: PathBuf,
    waiting: BTreeMap<u64, Waiting>,
    tracks: BTreeMap<(Key, ObjectName), Track>,
    next_sequence: u64,
    dropped: u64,
}

impl Outbox {
    /// Opens the outbox of a state directory, and makes it if it is not there. What can not be read is set aside
    /// with a warning: one bad file must not silence all others.
    pub(super) fn open(state_dir: &Path) -> Result<Self, OutboxError> {
        let messages = state_dir.join("outbox");
        let told = messages.join("told");
        for directory in [state_dir, &messages, &told] {
            make_directory(directory)?;
        }
        let mut outbox = Self {
            messages,
            told,
            waiting: BTreeMap::new(),
            tracks: BTreeMap::new(),
            next_sequence: 0,
            dropped: 0,
        };
        for path in files(&outbox.told)? {
            if let Some(stored) = read_or_set_aside::<StoredTrack>(&path)? {
                outbox
                    .tracks
                    .insert((stored.notifier, stored.object), stored.track);
            }
        }
        for path in files(&outbox.messages)? {
            if let Some(message) = read_or_set_aside::<StoredMessage>(&path)? {
                outbox.adopt(&path, &message)?;
            }
        }
        Ok(outbox)
    }

    /// Takes a message that an earlier process left behind, and what it told with it.
    fn adopt(&mut self, path: &Path, message: &StoredMessage) -> Result<(), OutboxError> {
        let sequence =
            (path.file_name()).and_then(|name| name.to_str()?.split_once('-')?.0.parse::<u64>().ok());
        let Some(sequence) = sequence else {
            return set_aside(path, "its name has no sequence number");
        };
        self.next_sequence = self.next_sequence.max(sequence.saturating_add(1));
        self.waiting.insert(sequence, Waiting::new(sequence, message));
        let track = self.track(&message.notifier, &message.event.object);
        if track.told < message.track.told {
            self.remember(&message.notifier, &message.event.object, message.track.clone())?;
        }
        Ok(())
    }

    /// Queues a message for a Notifier if the event is news to it; whether it was.
    pub(super) fn tell(
        &mut self,
        notifier: &Key,
        event: &Event,
        interest: Interest,
        now: Timestamp,
    ) -> Result<bool, OutboxError> {
        let track = self.track(notifier, &event.object);
        let (news, next) = track.judge(event, interest);
        let is_news = news.is_some();
        if let Some(news) = news {
            let message = StoredMessage {
                schema: SCHEMA,
                id: MessageId::new(notifier, event, &next),
                notifier: notifier.clone(),
                event: event.clone(),
                news,
                track: next.clone(),
                queued: now,
                attempts: 0,
                due: now,
            };
            self.make_room();
            let waiting = Waiting::new(self.next_sequence, &message);
            write(&self.messages.join(waiting.file_name()), &message)?;
            self.waiting.insert(self.next_sequence, waiting);
            self.next_sequence += 1;
        }
        if next != track {
            self.remember(notifier, &event.object, next)?;
        }
        Ok(is_news)
    }

    /// The queue of each Notifier, oldest first.
    pub(super) fn lanes(&self) -> BTreeMap<Key, Vec<Waiting>> {
        let mut lanes: BTreeMap<Key, Vec<Waiting>> = BTreeMap::new();
        for waiting in self.waiting.values() {
            lanes
                .entry(waiting.notifier.clone())
                .or_default()
                .push(waiting.clone());
        }
        lanes
    }

    /// The message that waits; `None` if it is gone or can not be read any more.
    pub(super) fn load(&mut self, waiting: &Waiting) -> Result<Option<StoredMessage>, OutboxError> {
        let path = self.messages.join(waiting.file_name());
        let message = match read_or_set_aside(&path) {
            Err(OutboxError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
            read => read?,
        };
        if message.is_none() && self.waiting.remove(&waiting.sequence).is_some() {
            self.dropped += 1;
        }
        Ok(message)
    }

    /// Puts a message off.
    pub(super) fn postpone(
        &mut self,
        message: &StoredMessage,
        sequence: u64,
        due: Timestamp,
    ) -> Result<(), OutboxError> {
        let Some(waiting) = self.waiting.get_mut(&sequence) else {
            return Ok(());
        };
        waiting.attempts = waiting.attempts.saturating_add(1);
        waiting.due = due;
        let message = StoredMessage {
            attempts: waiting.attempts,
            due,
            ..message.clone()
        };
        let path = self.messages.join(waiting.file_name());
        write(&path, &message)
    }

    /// Makes everything due that waits for a Notifier: something about it was changed.
    pub(super) fn hurry(&mut self, notifier: &Key, now: Timestamp) {
        let of_notifier = self
            .waiting
            .values_mut()
            .filter(|waiting| waiting.notifier == *notifier);
        for waiting in of_notifier {
            waiting.due = waiting.due.min(now);
        }
    }

    /// Takes a message out: it was delivered.
    pub(super) fn remove(&mut self, sequence: u64) -> Result<(), OutboxError> {
        let Some(waiting) = self.waiting.remove(&sequence) else {
            return Ok(());
        };
        let path = self.messages.join(waiting.file_name());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error("remove", &path)(error)),
            _ => sync_directory(&self.messages),
        }
    }

    /// Takes a message out that will not be delivered, and counts it.
    pub(super) fn drop_undelivered(&mut self, sequence: u64) -> Result<(), OutboxError> {
        self.dropped += u64::from(self.waiting.contains_key(&sequence));
        self.remove(sequence)
    }

    /// Drops what is older than [`MAX_AGE`].
    pub(super) fn expire(&mut self, now: Timestamp) -> Result<(), OutboxError> {
        let is_old = |waiting: &&Waiting| {
            Duration::try_from(now.duration_since(waiting.queued)).is_ok_and(|age| age > MAX_AGE)
        };
        let old: Vec<Waiting> = self.waiting.values().filter(is_old).cloned().collect();
        for waiting in old {
            tracing::warn!(
                notifier = %waiting.notifier, object = %waiting.object, message = waiting.id.as_str(),
                attempts = waiting.attempts, "dropped a message that could not be delivered for a day"
            );
            self.drop_undelivered(waiting.sequence)?;
        }
        Ok(())
    }

    /// Forgets a Notifier that is gone, and its messages.
    pub(super) fn forget_notifier(&mut self, notifier: &Key) -> Result<(), OutboxError> {
        let orphaned: Vec<u64> = (self.waiting.values())
            .filter(|waiting| waiting.notifier == *notifier)
            .map(|waiting| waiting.sequence)
            .collect();
        if !orphaned.is_empty() {
            tracing::warn!(%notifier, messages = orphaned.len(), "dropped the messages of a Notifier that is gone");
        }
        for sequence in orphaned {
            self.drop_undelivered(sequence)?;
        }
        self.forget(|(of, _)| of == notifier)
    }

    /// Forgets what was told of an object that is gone. Messages about it are still delivered.
    pub(super) fn forget_object(&mut self, object: &ObjectName) -> Result<(), OutboxError> {
        self.forget(|(_, of)| of == object)
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// How many messages were dropped undelivered since the outbox was opened.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    fn track(&self, notifier: &Key, object: &ObjectName) -> Track {
        let key = (notifier.clone(), object.clone());
        self.tracks.get(&key).cloned().unwrap_or_default()
    }

    fn remember(&mut self, notifier: &Key, object: &ObjectName, track: Track) -> Result<(), OutboxError> {
        let stored = StoredTrack {
            schema: SCHEMA,
            notifier: notifier.clone(),
            object: object.clone(),
            track,
        };
        write(&self.track_path(notifier, object), &stored)?;
        self.tracks.insert((stored.notifier, stored.object), stored.track);
        Ok(())
    }

    fn forget(&mut self, is_gone: impl Fn(&(Key, ObjectName)) -> bool) -> Result<(), OutboxError> {
        let gone: Vec<(Key, ObjectName)> = self.tracks.keys().filter(|key| is_gone(key)).cloned().collect();
        for (notifier, object) in gone {
            let path = self.track_path(&notifier, &object);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(file_error("remove", &path)(error));
                }
                _ => self.tracks.remove(&(notifier, object)),
            };
        }
        Ok(())
    }

    fn track_path(&self, notifier: &Key, object: &ObjectName) -> PathBuf {
        let name = digest([notifier.to_string().as_str(), object.to_string().as_str()]);
        self.told.join(format!("{name}.{FILE_ENDING}"))
    }

    /// Makes room for one more message.
    fn make_room(&mut self) {
        while self.waiting.len() >= MAX_MESSAGES {
            let Some(victim) = self.least_missed() else {
                return;
            };
            tracing::warn!(
                notifier = %victim.notifier, object = %victim.object, message = victim.id.as_str(),
                waiting = self.waiting.len(), "dropped a message: too many wait to be delivered"
            );
            if let Err(error) = self.drop_undelivered(victim.sequence) {
                tracing::warn!(%error, "failed to remove a dropped message");
            }
        }
    }

    /// Of the longest queue the oldest message that only informs, or the oldest one.
    fn least_missed(&self) -> Option<Waiting> {
        let lanes = self.lanes();
        let longest = lanes.values().max_by_key(|lane| lane.len())?;
        longest
            .iter()
            .find(|waiting| waiting.informs)
            .or(longest.first())
            .cloned()
    }
}

impl Versioned for StoredMessage {
    fn schema(&self) -> u32 {
        self.schema
    }
}

impl Versioned for StoredTrack {
    fn schema(&self) -> u32 {
        self.schema
    }
}

#[cfg(test)]
mod tests;
