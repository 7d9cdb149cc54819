//! Which calls were taken already.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::Authentic;

/// How long a call is remembered. What is sent again later has a source fetched once more, and nothing else.
pub const REPLAY_WINDOW: Duration = Duration::from_hours(1);
/// The most that is remembered of the calls of one Receiver; each call may be known by two marks. The oldest go first.
pub const MAX_REMEMBERED: usize = 4_096;

type Mark = [u8; SHA256_OUTPUT_LEN];

/// The calls that were taken, by digests.
#[derive(Debug, Default)]
pub struct Remembered {
    marks: HashSet<Mark>,
    ages: VecDeque<(Instant, Mark)>,
}

impl Remembered {
    /// Takes note of a call; false if it was taken already, by its id or by what was signed: who has caught a call can give
    /// it another id, but nothing else that is signed.
    #[must_use]
    pub fn note(&mut self, id: Option<&[u8]>, authentic: &Authentic, body: &[u8], now: Instant) -> bool {
        while self
            .ages
            .front()
            .is_some_and(|(then, _)| now.saturating_duration_since(*then) >= REPLAY_WINDOW)
        {
            self.drop_oldest();
        }
        let by_id = id.map(|id| mark(b"id", id));
        let by_body = match authentic.signed() {
            Some(signed) => Some(mark(b"signed", &signed)),
            // Whoever shows the token could send any body; without an id there is nothing else to go by.
            None if id.is_none() => Some(mark(b"body", body)),
            None => None,
        };
        let marks: Vec<Mark> = [by_id, by_body].into_iter().flatten().collect();
        if marks.iter().any(|mark| self.marks.contains(mark)) {
            return false;
        }
        for mark in marks {
            if self.ages.len() >= MAX_REMEMBERED {
                self.drop_oldest();
            }
            self.marks.insert(mark);
            self.ages.push_back((now, mark));
        }
        true
    }

    fn drop_oldest(&mut self) {
        if let Some((_, mark)) = self.ages.pop_front() {
            self.marks.remove(&mark);
        }
    }
}

fn mark(kind: &[u8], what: &[u8]) -> Mark {
    let mut context = Context::new(&SHA256);
    context.update(kind);
    context.update(b"\0");
    context.update(what);
    let mut mark = Mark::default();
    mark.copy_from_slice(context.finish().as_ref());
    mark
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ReceiverType;
    use crate::receive::Authenticity;

    /// What a check of a body by this type of forge comes to.
    fn authentic(type_: ReceiverType, body: &[u8]) -> Authentic {
        let token = b"0123456789abcdef0123456789abcdef";
        let mut headers = http::HeaderMap::new();
        let (name, value) = if type_ == ReceiverType::GitLab {
            ("x-gitlab-token", String::from_utf8(token.to_vec()).unwrap())
        } else {
            let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, token);
            let tag = ring::hmac::sign(&key, body);
            ("x-gitea-signature", crate::name::hex(tag.as_ref()))
        };
        headers.insert(name, value.parse().unwrap());
        let authenticity = Authenticity::new(type_, token).unwrap();
        authenticity
            .check(&headers, body, jiff::Timestamp::UNIX_EPOCH)
            .unwrap()
    }

    #[test]
    fn a_call_is_taken_once_by_its_id_and_by_what_was_signed() {
        let now = Instant::now();
        let mut remembered = Remembered::default();
        let (one, two) = (
            authentic(ReceiverType::Gitea, b"one"),
            authentic(ReceiverType::Gitea, b"two"),
        );
        assert!(remembered.note(Some(b"1"), &one, b"one", now));
        assert!(!remembered.note(Some(b"1"), &one, b"one", now));
        assert!(
            !remembered.note(Some(b"2"), &one, b"one", now),
            "another id is put on easily"
        );
        assert!(!remembered.note(None, &one, b"one", now));
        assert!(!remembered.note(Some(b"1"), &two, b"two", now));
        assert!(remembered.note(Some(b"2"), &two, b"two", now));
    }

    #[test]
    fn where_only_a_token_is_shown_the_id_counts_and_the_body_where_there_is_none() {
        let now = Instant::now();
        let mut remembered = Remembered::default();
        let shown = authentic(ReceiverType::GitLab, b"");
        assert!(remembered.note(Some(b"1"), &shown, b"same", now));
        assert!(remembered.note(Some(b"2"), &shown, b"same", now));
        assert!(!remembered.note(Some(b"2"), &shown, b"same", now));
        assert!(remembered.note(None, &shown, b"same", now));
        assert!(!remembered.note(None, &shown, b"same", now));
    }

    #[test]
    fn it_is_forgotten_after_a_time_and_the_oldest_first_where_there_are_too_many() {
        let start = Instant::now();
        let mut remembered = Remembered::default();
        let shown = authentic(ReceiverType::GitLab, b"");
        let mut note = |id: usize, now| remembered.note(Some(&id.to_be_bytes()), &shown, b"", now);
        assert!(note(0, start));
        assert!(!note(
            0,
            start + REPLAY_WINDOW.saturating_sub(Duration::from_secs(1))
        ));
        assert!(note(0, start + REPLAY_WINDOW));
        for id in 1..MAX_REMEMBERED {
            assert!(note(id, start + REPLAY_WINDOW));
        }
        assert!(!note(0, start + REPLAY_WINDOW));
        assert!(note(MAX_REMEMBERED, start + REPLAY_WINDOW));
        assert!(note(0, start + REPLAY_WINDOW), "one too many");
        assert!(!note(2, start + REPLAY_WINDOW));
        assert_eq!(remembered.ages.len(), MAX_REMEMBERED);
        assert_eq!(remembered.marks.len(), MAX_REMEMBERED);
    }
}
