use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;

use super::super::{CURRENT_FILE, RecordedAction, Trigger, read, verify_chain};
use super::*;
use crate::name::{Key, Kind, ObjectName};
use crate::notify::Step;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

/// A state directory that goes away with its test.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fluxops-audit-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn open(&self) -> AuditLog {
        AuditLog::open(&self.0, NOW).unwrap()
    }

    fn current(&self) -> PathBuf {
        self.0.join(CURRENT_FILE)
    }

    fn content(&self) -> Vec<u8> {
        fs::read(self.current()).unwrap()
    }

    fn write(&self, content: impl AsRef<[u8]>) {
        fs::write(self.current(), content).unwrap();
    }

    fn events(&self) -> Vec<Event> {
        read(&self.0)
            .unwrap()
            .into_iter()
            .map(|record| record.event)
            .collect()
    }

    fn verified(&self) -> Result<u64, ChainBreak> {
        verify_chain(&self.0).map(|verified| verified.records)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn subject() -> Subject {
    let key = Key::new("apps", "web").unwrap();
    Subject {
        object: ObjectName {
            kind: Kind::Delivery,
            key,
        },
        trigger: Trigger::Request,
        commit: None,
        signer: None,
    }
}

fn refused(message: &str) -> Event {
    Event::Refused {
        subject: subject(),
        step: Step::Verify,
        reason: "Unsigned".to_owned(),
        message: message.to_owned(),
    }
}

/// A log of four records: the start, two refusals, an intent.
fn four_records() -> Directory {
    let directory = Directory::new();
    let log = directory.open();
    log.note(refused("one"), NOW).unwrap();
    log.note(refused("two \u{1f512} \" \\ \n"), NOW).unwrap();
    log.note(
        Event::Intent {
            subject: subject(),
            actions: Vec::new(),
        },
        NOW,
    )
    .unwrap();
    directory
}

#[test]
fn the_chain_holds_and_goes_on_after_a_restart() {
    let directory = four_records();
    let head = directory.open().head();
    let verified = verify_chain(&directory.0).unwrap();
    assert_eq!(
        (verified.records, verified.head, verified.torn_tail),
        (6, head, None)
    );
}

#[test]
fn an_open_intent_is_closed_by_the_next_start_and_only_by_it() {
    let directory = four_records();
    drop(directory.open());
    assert_eq!(directory.events().last(), Some(&Event::Interrupted { intent: 4 }));
    drop(directory.open());
    assert!(matches!(directory.events().last(), Some(Event::Started { .. })));
}

#[test]
fn an_intent_with_an_outcome_is_not_interrupted() {
    let directory = four_records();
    let log = directory.open();
    let failed = ActionRecord {
        object: "Pod/a/b".to_owned(),
        action: RecordedAction::Failed,
        error: Some("Conflict".to_owned()),
    };
    for (actions, result) in [(Vec::new(), Ending::Applied), (vec![failed], Ending::Failed)] {
        let sequence = log
            .state()
            .append(
                Event::Intent {
                    subject: subject(),
                    actions: Vec::new(),
                },
                NOW,
            )
            .unwrap();
        log.complete(
            Intent {
                sequence,
                subject: subject(),
            },
            actions.clone(),
            NOW,
        )
        .unwrap();
        let outcome = Event::Outcome {
            intent: sequence,
            subject: subject(),
            result,
            actions,
        };
        assert_eq!(directory.events().last(), Some(&outcome));
    }
    drop(log);
    drop(directory.open());
    assert!(matches!(directory.events().last(), Some(Event::Started { .. })));
}

#[test]
fn every_single_byte_change_is_found() {
    let directory = four_records();
    let original = directory.content();
    // Without the last newline the last line is a torn one, which is another test.
    for at in 0..original.len() - 1 {
        for other in [original[at] ^ 0x01, original[at] ^ 0x20, b'\n', b' ', b'"'] {
            if other == original[at] {
                continue;
            }
            let mut changed = original.clone();
            changed[at] = other;
            directory.write(&changed);
            assert!(directory.verified().is_err(), "byte {at} changed to {other}");
        }
    }
    directory.write(&original);
    assert_eq!(directory.verified().unwrap(), 4);
}

#[test]
fn removed_swapped_doubled_and_inserted_lines_are_found() {
    let directory = four_records();
    let original = directory.content();
    let lines: Vec<&[u8]> = original.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(at);
        // A cut tail does not show in the file alone: that is what the published head is for.
        let is_tail = at == lines.len() - 1;
        directory.write(removed.concat());
        assert_eq!(directory.verified().is_ok(), is_tail, "line {at} removed");
        for insert in [lines[at], b"\n", b"{}\n"] {
            let mut inserted = lines.clone();
            inserted.insert(at, insert);
            directory.write(inserted.concat());
            assert!(
                directory.verified().is_err(),
                "{insert:?} inserted before line {at}"
            );
        }
        for other in at + 1..lines.len() {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            directory.write(swapped.concat());
            assert!(directory.verified().is_err(), "lines {at} and {other} swapped");
        }
    }
}

#[test]
fn a_last_line_cut_anywhere_is_accounted_for_by_the_next_start() {
    let directory = four_records();
    let original = directory.content();
    let last = original[..original.len() - 1]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .unwrap()
        + 1;
    for length in last + 1..original.len() {
        directory.write(&original[..length]);
        let torn = &original[last..length];
        assert_eq!(
            verify_chain(&directory.0).unwrap().torn_tail.as_deref(),
            Some(torn)
        );
        drop(directory.open());
        let expected = Event::Torn {
            bytes: torn.len() as u64,
            digest: sha256(torn),
        };
        let events = directory.events();
        assert_eq!(events[3], expected, "cut to {} bytes", torn.len());
        assert!(matches!(events[4], Event::Started { .. }));
        assert_eq!(events.len(), 5);
        assert!(
            directory.content().starts_with(&original[..length]),
            "what is left of the line is kept"
        );
        // Twice torn is accounted for twice.
        let mut content = directory.content();
        content.truncate(content.len() - 1);
        directory.write(&content);
        drop(directory.open());
        assert_eq!(directory.verified().unwrap(), 6);
    }
}

#[test]
fn a_torn_line_that_is_accounted_for_cannot_be_changed() {
    let directory = four_records();
    let original = directory.content();
    directory.write(&original[..original.len() - 20]);
    drop(directory.open());
    let recovered = directory.content();
    for at in 0..recovered.len() - 1 {
        let mut changed = recovered.clone();
        changed[at] ^= 0x01;
        directory.write(&changed);
        assert!(directory.verified().is_err(), "byte {at}");
    }
}

#[test]
fn a_write_that_fails_leaves_the_chain_where_the_disk_is() {
    let directory = four_records();
    let log = directory.open();
    let head = log.head();
    log.state().file.make_read_only();
    // Neither the write nor its undoing is possible on such a file.
    assert!(matches!(
        log.note(refused("lost"), NOW),
        Err(AuditError::Io { action: "write", .. })
    ));
    assert!(matches!(
        log.note(refused("lost"), NOW),
        Err(AuditError::Unusable(_))
    ));
    assert_eq!(log.head(), head);
    assert_eq!(verify_chain(&directory.0).unwrap().head, head);
}

#[test]
fn a_record_that_nobody_could_read_is_refused() {
    let directory = four_records();
    let log = directory.open();
    let empty = log.state().file.bytes();
    log.note(refused(""), NOW).unwrap();
    let frame = usize::try_from(log.state().file.bytes() - empty).unwrap();
    let longest = "x".repeat(MAX_LINE_BYTES - frame);
    log.note(refused(&longest), NOW).unwrap();
    let head = log.head();
    // The sequence number has as many digits as before.
    let refusal = log.note(refused(&format!("{longest}x")), NOW);
    assert!(
        matches!(refusal, Err(AuditError::TooLong { bytes }) if bytes == MAX_LINE_BYTES + 1),
        "{refusal:?}"
    );
    assert_eq!(verify_chain(&directory.0).unwrap().head, head);
}

#[test]
fn a_line_beyond_the_limit_is_a_broken_chain() {
    let directory = four_records();
    let mut content = directory.content();
    content.extend(std::iter::repeat_n(b'x', MAX_LINE_BYTES + 1));
    directory.write(&content);
    assert!(matches!(
        directory.verified(),
        Err(ChainBreak::NotARecord { line: 5, .. })
    ));
}

#[test]
fn a_newer_format_is_refused_by_its_number() {
    let directory = four_records();
    let mut record = read(&directory.0).unwrap().remove(0);
    record.schema = SCHEMA + 1;
    directory.write(to_line(&record).unwrap().0);
    assert!(
        matches!(directory.verified(), Err(ChainBreak::NewerSchema { schema, line: 1, .. }) if schema == SCHEMA + 1)
    );
    assert!(matches!(
        AuditLog::open(&directory.0, NOW),
        Err(AuditError::Broken(ChainBreak::NewerSchema { .. }))
    ));
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let directory = Directory::new();
    let log = directory.open();
    assert!(matches!(
        AuditLog::open(&directory.0, NOW),
        Err(AuditError::Locked(_))
    ));
    drop(log);
    drop(directory.open());
}

#[test]
fn only_the_owner_reads_the_log() {
    let directory = four_records();
    let content = directory.content();
    directory.write(&content[..content.len() - 1]);
    drop(AuditLog::open_rotating(&directory.0, NOW, 0).unwrap());
    for entry in fs::read_dir(&directory.0).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.file_name()
        );
    }
}

#[test]
fn files_set_aside_are_part_of_the_chain() {
    let directory = Directory::new();
    let log = AuditLog::open_rotating(&directory.0, NOW, 0).unwrap();
    for number in 0..12 {
        log.note(refused(&number.to_string()), NOW).unwrap();
    }
    let files = super::super::file::files(&directory.0).unwrap();
    assert_eq!(files.len(), 13);
    assert_eq!(directory.verified().unwrap(), 13);
    // One file alone is checked from its first record on.
    assert_eq!(verify_chain(&files[7]).unwrap().records, 8);
    fs::remove_file(&files[7]).unwrap();
    assert!(matches!(
        directory.verified(),
        Err(ChainBreak::OutOfOrder {
            sequence: 9,
            line: 1,
            ..
        })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_appended_across_restarts_and_rotations_is_read_back(
        runs in prop::collection::vec(prop::collection::vec(any::<String>(), 0..6), 1..4),
        rotate_at in 0_u64..4096,
    ) {
        let directory = Directory::new();
        let mut head = String::new();
        for run in &runs {
            let log = AuditLog::open_rotating(&directory.0, NOW, rotate_at).unwrap();
            for message in run {
                log.note(refused(message), NOW).unwrap();
            }
            head = log.head();
        }
        let messages: Vec<String> = directory.events().into_iter().filter_map(|event| match event {
            Event::Refused { message, .. } => Some(message),
            _ => None,
        }).collect();
        prop_assert_eq!(messages, runs.concat());
        prop_assert_eq!(verify_chain(&directory.0).unwrap().head, head);
    }
}

#[test]
fn trust_material_is_recorded_when_it_is_another_than_before_even_before_a_restart() {
    let directory = Directory::new();
    let subject = |name: &str| Subject {
        object: ObjectName {
            kind: Kind::GitSource,
            key: Key::new("apps", name).unwrap(),
        },
        trigger: Trigger::Start,
        commit: None,
        signer: None,
    };
    let recorded = || -> Vec<(String, String)> {
        let records = read(&directory.0).unwrap().into_iter();
        records
            .filter_map(|record| match record.event {
                Event::TrustChanged { subject, digest } => Some((subject.object.key.name, digest)),
                _ => None,
            })
            .collect()
    };
    let trust = |log: &AuditLog, name: &str, digest: &str| {
        log.trust(subject(name), digest.to_owned(), NOW).unwrap();
    };
    let log = directory.open();
    trust(&log, "one", "a");
    trust(&log, "one", "a");
    trust(&log, "two", "a");
    drop(log);
    let log = directory.open();
    trust(&log, "one", "a");
    trust(&log, "one", "b");
    trust(&log, "one", "a");
    let expected = [("one", "a"), ("two", "a"), ("one", "b"), ("one", "a")];
    let expected = expected.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    assert_eq!(recorded(), expected);
}
