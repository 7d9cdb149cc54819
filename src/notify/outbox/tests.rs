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
