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

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::dedup::{News, Track};
use super::event::{Event, digest};
use super::selection::Interest;
use crate::name::{Key, ObjectName};

/// The schema of the files; another one is set aside, not guessed at.
const SCHEMA: u32 = 1;
/// The most messages that wait. Beyond it the oldest one of the longest queue is dropped, those that only inform
/// before those that alarm.
pub const MAX_MESSAGES: usize = 1_000;
/// How long a message is worth delivering.
pub const MAX_AGE: Duration = Duration::from_hours(24);
/// The most bytes of a file; the limits of an event keep it far below.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

const FILE_ENDING: &str = "json";
const TEMPORARY_ENDING: &str = "tmp";
const UNREADABLE_ENDING: &str = "unreadable";

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

/// A stored content that says by which schema it was written.
trait Versioned {
    fn schema(&self) -> u32;
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

/// The content of a file; one that is no good is set aside and `None`.
fn read_or_set_aside<T: DeserializeOwned + Versioned>(path: &Path) -> Result<Option<T>, OutboxError> {
    match read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error @ OutboxError::File { .. }) => Err(error),
        Err(error) => {
            set_aside(path, &error.to_string())?;
            Ok(None)
        }
    }
}

fn set_aside(path: &Path, why: &str) -> Result<(), OutboxError> {
    tracing::warn!(file = %path.display(), why, "set a file of the outbox aside that can not be read");
    fs::rename(path, path.with_extension(UNREADABLE_ENDING)).map_err(file_error("set aside", path))
}

fn read<T: DeserializeOwned + Versioned>(path: &Path) -> Result<T, OutboxError> {
    let file = File::open(path).map_err(file_error("open", path))?;
    let mut bytes = Vec::new();
    (file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)).map_err(file_error("read", path))?;
    let path = path.to_owned();
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(OutboxError::TooLarge { path });
    }
    match serde_json::from_slice::<T>(&bytes) {
        Ok(content) if content.schema() == SCHEMA => Ok(content),
        Ok(_) => Err(OutboxError::Schema { path }),
        Err(source) => Err(OutboxError::Json { path, source }),
    }
}

/// Writes a file whole: after a crash there is the old content or the new one, never a part.
fn write(path: &Path, content: &impl Serialize) -> Result<(), OutboxError> {
    let bytes = serde_json::to_vec(content).map_err(|source| OutboxError::Json {
        path: path.to_owned(),
        source,
    })?;
    let temporary = path.with_extension(TEMPORARY_ENDING);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .map_err(file_error("create", &temporary))?;
    file.write_all(&bytes).map_err(file_error("write", &temporary))?;
    file.sync_all().map_err(file_error("sync", &temporary))?;
    fs::rename(&temporary, path).map_err(file_error("rename", &temporary))?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(directory: &Path) -> Result<(), OutboxError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(file_error("sync", directory))
}

fn make_directory(directory: &Path) -> Result<(), OutboxError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(file_error("create", directory))
}

/// The files that were written whole, in the order of their names; what a crash left half-written is removed.
fn files(directory: &Path) -> Result<Vec<PathBuf>, OutboxError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(file_error("list", directory))? {
        let path = entry.map_err(file_error("list", directory))?.path();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some(FILE_ENDING) => files.push(path),
            Some(TEMPORARY_ENDING) => fs::remove_file(&path).map_err(file_error("remove", &path))?,
            _ => {}
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OutboxError {
    let path = path.to_owned();
    move |source| OutboxError::File { action, path, source }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{ID, NEXT_ID, applied, at, notifier, refused, succeeded};
    use super::*;

    /// A state directory that is gone with the test.
    struct StateDir(PathBuf);

    impl StateDir {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("fluxops-outbox-{}-{name}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Self(path)
        }

        fn open(&self) -> Outbox {
            Outbox::open(&self.0).unwrap()
        }

        fn messages(&self) -> Vec<PathBuf> {
            files(&self.0.join("outbox")).unwrap()
        }
    }

    impl Drop for StateDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn tell(outbox: &mut Outbox, event: &Event) -> bool {
        outbox
            .tell(&notifier(), event, Interest::Everything, at(0))
            .unwrap()
    }

    fn queue(outbox: &Outbox) -> Vec<Waiting> {
        outbox.lanes().remove(&notifier()).unwrap_or_default()
    }

    #[test]
    fn a_message_survives_and_is_not_repeated() {
        let state = StateDir::new("survives");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        let queued = queue(&outbox);
        drop(outbox);

        let mut outbox = state.open();
        assert_eq!(queue(&outbox), queued);
        assert_eq!(outbox.load(&queued[0]).unwrap().unwrap().event, refused());
        assert!(!tell(&mut outbox, &refused()));
    }

    #[test]
    fn what_was_told_is_remembered_after_delivery() {
        let state = StateDir::new("remembered");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &applied()));
        outbox.remove(0).unwrap();
        assert_eq!(state.messages(), Vec::<PathBuf>::new());
        drop(outbox);

        let mut outbox = state.open();
        assert_eq!(outbox.len(), 0);
        assert!(!tell(&mut outbox, &applied()));
        assert!(tell(&mut outbox, &refused()));
    }

    #[test]
    fn a_crash_before_it_is_remembered_repeats_nothing() {
        let state = StateDir::new("crash");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        drop(outbox);
        // As if the process had died after the message was written, and before what it told was.
        fs::remove_dir_all(state.0.join("outbox/told")).unwrap();

        let mut outbox = state.open();
        assert_eq!(outbox.len(), 1);
        assert!(!tell(&mut outbox, &refused()));
        drop(outbox);
        assert_eq!(files(&state.0.join("outbox/told")).unwrap().len(), 1);
    }

    #[test]
    fn a_message_keeps_its_id_and_its_tries_until_it_is_delivered() {
        let state = StateDir::new("id");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        let before = queue(&outbox);
        let message = outbox.load(&before[0]).unwrap().unwrap();
        outbox.postpone(&message, before[0].sequence, at(60)).unwrap();
        drop(outbox);

        let mut outbox = state.open();
        let after = queue(&outbox);
        assert_eq!(
            (&after[0].id, after[0].attempts, after[0].due),
            (&before[0].id, 1, at(60))
        );
        outbox.hurry(&notifier(), at(5));
        assert_eq!(queue(&outbox)[0].due, at(5));
    }

    #[test]
    fn the_same_failure_after_a_recovery_has_another_id() {
        let state = StateDir::new("again");
        let mut outbox = state.open();
        for event in [refused(), applied(), refused()] {
            assert!(tell(&mut outbox, &event));
        }
        let ids: Vec<MessageId> = queue(&outbox).into_iter().map(|waiting| waiting.id).collect();
        assert!(ids[0] != ids[2] && ids.iter().all(|id| id.as_str().len() == MessageId::CHARS));
    }

    #[test]
    fn messages_keep_their_order_over_a_restart() {
        let state = StateDir::new("order");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        drop(outbox);
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &applied()));
        drop(outbox);
        let sequences: Vec<u64> = queue(&state.open())
            .iter()
            .map(|waiting| waiting.sequence)
            .collect();
        assert_eq!(sequences, [0, 1]);
    }

    #[test]
    fn a_file_that_can_not_be_read_is_set_aside() {
        let state = StateDir::new("unreadable");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        assert!(tell(&mut outbox, &applied()));
        assert!(tell(&mut outbox, &succeeded(NEXT_ID, &[])));
        drop(outbox);
        let files = state.messages();
        fs::write(&files[0], "{\"schema\":").unwrap();
        let future = fs::read_to_string(&files[1])
            .unwrap()
            .replacen("\"schema\":1", "\"schema\":2", 1);
        fs::write(&files[1], future).unwrap();
        fs::write(files[0].with_file_name("half.tmp"), "{").unwrap();
        fs::write(
            files[0].with_file_name("99999999999999999999-large.json"),
            vec![b' '; 3 << 20],
        )
        .unwrap();

        let outbox = state.open();
        assert_eq!(
            queue(&outbox)
                .iter()
                .map(|waiting| waiting.sequence)
                .collect::<Vec<_>>(),
            [2]
        );
        let mut endings: Vec<String> = fs::read_dir(state.0.join("outbox"))
            .unwrap()
            .filter_map(|entry| Some(entry.unwrap().path().extension()?.to_str()?.to_owned()))
            .collect();
        endings.sort();
        assert_eq!(endings, ["json", "unreadable", "unreadable", "unreadable"]);
    }

    #[test]
    fn a_message_that_vanished_is_counted_as_dropped() {
        let state = StateDir::new("vanished");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        fs::remove_file(&state.messages()[0]).unwrap();
        let waiting = queue(&outbox);
        assert_eq!(outbox.load(&waiting[0]).unwrap(), None);
        assert_eq!((outbox.len(), outbox.dropped()), (0, 1));
    }

    #[test]
    fn only_so_many_messages_wait_and_alarms_are_kept_longest() {
        let state = StateDir::new("full");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        assert!(tell(&mut outbox, &applied()));
        // Each revision is news; written to memory only, since a thousand fsyncs prove nothing more.
        let informs = queue(&outbox)[1].clone();
        for sequence in 2..MAX_MESSAGES as u64 {
            outbox.waiting.insert(
                sequence,
                Waiting {
                    sequence,
                    informs: true,
                    ..informs.clone()
                },
            );
        }
        outbox.next_sequence = MAX_MESSAGES as u64;
        assert!(tell(&mut outbox, &succeeded(NEXT_ID, &[])));
        let sequences: Vec<u64> = queue(&outbox).iter().map(|waiting| waiting.sequence).collect();
        assert_eq!(
            (sequences.len(), sequences[0], sequences[1]),
            (MAX_MESSAGES, 0, 1)
        );
        assert_eq!(outbox.dropped(), 1);
        assert!(
            !sequences.contains(&2),
            "the oldest that only informs goes; a recovery does more than that"
        );
    }

    #[test]
    fn a_message_is_given_up_after_a_day() {
        let state = StateDir::new("old");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &refused()));
        let day = i64::try_from(MAX_AGE.as_secs()).unwrap();
        outbox.expire(at(day)).unwrap();
        assert_eq!(outbox.len(), 1);
        outbox.expire(at(day + 1)).unwrap();
        assert_eq!((outbox.len(), outbox.dropped()), (0, 1));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let state = StateDir::new("gone");
        let mut outbox = state.open();
        assert!(tell(&mut outbox, &applied()));
        outbox.forget_object(&applied().object).unwrap();
        assert!(tell(&mut outbox, &applied()), "an object made anew is news");
        outbox.forget_notifier(&notifier()).unwrap();
        assert_eq!((outbox.len(), state.messages().len()), (0, 0));
        assert_eq!(
            files(&state.0.join("outbox/told")).unwrap(),
            Vec::<PathBuf>::new()
        );
    }

    #[test]
    fn only_the_owner_reads_the_outbox() {
        use std::os::unix::fs::PermissionsExt as _;
        let state = StateDir::new("mode");
        tell(&mut state.open(), &succeeded(ID, &[]));
        tell(&mut state.open(), &refused());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&state.0.join("outbox")), mode(&state.messages()[0])),
            (0o700, 0o600)
        );
    }
}
