//! What is due when. Pure, but for the clock it is given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::Instant;

use crate::name::{Kind, ObjectName};
use crate::reconcile::Trigger;

/// How far an interval is stretched at most, in percent, so that a hundred sources do not ask at once.
const JITTER_PERCENT: u32 = 5;

/// When each object is reconciled next.
#[derive(Default)]
pub(super) struct Schedule {
    entries: BTreeMap<ObjectName, Entry>,
    /// For a single run: the objects whose turn it is. What asks for others meanwhile is not heard.
    batch: Option<BTreeSet<ObjectName>>,
    done: BTreeSet<ObjectName>,
}

struct Entry {
    due: Instant,
    trigger: Trigger,
    running: bool,
    /// What was asked for while it ran.
    again: Option<Trigger>,
}

impl Schedule {
    /// Asks for a reconcile. The earlier of two requests counts, and of two that are due the one that is not a new
    /// revision: that alone may be answered without a run.
    pub(super) fn ask(&mut self, name: ObjectName, trigger: Trigger, due: Instant) {
        if self.batch.as_ref().is_some_and(|batch| !batch.contains(&name)) {
            return;
        }
        match self.entries.get_mut(&name) {
            Some(entry) if entry.running => {
                entry.again = Some(entry.again.map_or(trigger, |again| stronger(again, trigger)));
            }
            Some(entry) if due <= Instant::now() && entry.due <= due => {
                entry.trigger = stronger(entry.trigger, trigger);
            }
            Some(entry) if entry.due <= due => {}
            Some(entry) => (entry.due, entry.trigger) = (due, trigger),
            None => drop(self.entries.insert(
                name,
                Entry {
                    due,
                    trigger,
                    running: false,
                    again: None,
                },
            )),
        }
    }

    /// Takes what is due, sources first. It counts as running until it is [finished](Self::finished).
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(ObjectName, Trigger)> {
        let ready = |(_, entry): &(&ObjectName, &mut Entry)| !entry.running && entry.due <= now;
        let earliest = |(name, entry): &(&ObjectName, &mut Entry)| (name.kind != Kind::GitSource, entry.due);
        let (name, entry) = self.entries.iter_mut().filter(ready).min_by_key(earliest)?;
        entry.running = true;
        Some((name.clone(), entry.trigger))
    }

    /// Whether an object is being worked on.
    pub(super) fn is_running(&self, name: &ObjectName) -> bool {
        self.entries.get(name).is_some_and(|entry| entry.running)
    }

    /// When something is due next; nothing while nothing is asked for.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.entries
            .values()
            .filter(|entry| !entry.running)
            .map(|entry| entry.due)
            .min()
    }

    /// A reconcile came to its end. What was asked for meanwhile is due now.
    pub(super) fn finished(&mut self, name: &ObjectName) {
        if let Some(entry) = self.entries.remove(name)
            && let Some(trigger) = entry.again
        {
            self.ask(name.clone(), trigger, Instant::now());
        }
    }

    /// Forgets an object that is gone. Work on it that is running still counts as such until it is
    /// [finished](Self::finished): another object may take its name, and two are never worked on at once.
    pub(super) fn forget(&mut self, name: &ObjectName) {
        match self.entries.get_mut(name) {
            Some(entry) if entry.running => entry.again = None,
            _ => drop(self.entries.remove(name)),
        }
    }

    /// For a single run: nothing but these, all of them now, and each of them once.
    pub(super) fn begin_batch(&mut self, batch: BTreeSet<ObjectName>) {
        self.entries.clear();
        for name in &batch {
            self.batch = None;
            self.ask(name.clone(), Trigger::Start, Instant::now());
        }
        self.batch = Some(BTreeSet::new());
        self.done.extend(batch);
    }

    /// For a single run: what is done.
    pub(super) fn done(&self) -> &BTreeSet<ObjectName> {
        &self.done
    }
}

/// The trigger of two that may not be answered without a run; the former if that is so of both.
fn stronger(former: Trigger, other: Trigger) -> Trigger {
    if former == Trigger::Revision {
        other
    } else {
        former
    }
}

/// An interval with jitter; `random` is evenly spread over all of `u32`.
pub(super) fn jittered(interval: Duration, random: u32) -> Duration {
    let most = interval * JITTER_PERCENT / 100;
    interval + most.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// How long to wait after so many failures in a row: doubled each time, never over `longest`.
pub(super) fn backoff(failures: u32, first: Duration, longest: Duration) -> Duration {
    first
        .saturating_mul(2_u32.saturating_pow(failures.min(20)))
        .min(longest)
}

/// A random number for jitter. Without one, there is none.
pub(super) fn random() -> u32 {
    let mut bytes = [0; 4];
    match SystemRandom::new().fill(&mut bytes) {
        Ok(()) => u32::from_ne_bytes(bytes),
        Err(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Key;

    fn name(kind: Kind, name: &str) -> ObjectName {
        ObjectName {
            kind,
            key: Key::new("default", name).unwrap(),
        }
    }

    #[test]
    fn sources_come_before_deliveries_and_early_before_late() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        schedule.ask(name(Kind::Delivery, "a"), Trigger::Start, now);
        schedule.ask(
            name(Kind::GitSource, "b"),
            Trigger::Start,
            now + Duration::from_millis(1),
        );
        schedule.ask(
            name(Kind::GitSource, "c"),
            Trigger::Start,
            now + Duration::from_mins(1),
        );
        let later = now + Duration::from_secs(1);
        let order: Vec<_> = std::iter::from_fn(|| schedule.take_due(later))
            .map(|(name, _)| name.key.name)
            .collect();
        assert_eq!(order, ["b", "a"]);
        assert_eq!(schedule.next_due(), Some(now + Duration::from_mins(1)));
    }

    #[test]
    fn what_is_asked_for_while_it_runs_runs_again() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let web = name(Kind::Delivery, "web");
        schedule.ask(web.clone(), Trigger::Start, now);
        assert!(schedule.take_due(now).is_some());
        schedule.ask(web.clone(), Trigger::Revision, now);
        assert!(schedule.take_due(now).is_none(), "never twice at once");
        schedule.finished(&web);
        assert_eq!(schedule.take_due(Instant::now()), Some((web, Trigger::Revision)));
    }

    #[test]
    fn a_new_revision_does_not_hide_what_else_asks_for_a_run() {
        let now = Instant::now();
        let web = name(Kind::Delivery, "web");
        for (first, second) in [
            (Trigger::Revision, Trigger::Change),
            (Trigger::Change, Trigger::Revision),
        ] {
            let mut schedule = Schedule::default();
            schedule.ask(web.clone(), first, now);
            schedule.ask(web.clone(), second, now);
            assert_eq!(schedule.take_due(now), Some((web.clone(), Trigger::Change)));
            schedule.ask(web.clone(), first, now);
            schedule.ask(web.clone(), second, now);
            schedule.finished(&web);
            assert_eq!(
                schedule.take_due(Instant::now()),
                Some((web.clone(), Trigger::Change))
            );
        }
    }

    #[test]
    fn what_takes_the_name_of_an_object_that_is_gone_waits_for_its_work_to_end() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let web = name(Kind::Delivery, "web");
        schedule.ask(web.clone(), Trigger::Start, now);
        assert!(schedule.take_due(now).is_some());
        schedule.ask(web.clone(), Trigger::Request, now);
        schedule.forget(&web);
        schedule.ask(web.clone(), Trigger::Change, now);
        assert!(schedule.take_due(now).is_none(), "never twice at once");
        schedule.finished(&web);
        assert_eq!(
            schedule.take_due(Instant::now()),
            Some((web.clone(), Trigger::Change))
        );
        schedule.finished(&web);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn the_earlier_request_counts() {
        let now = Instant::now();
        let mut schedule = Schedule::default();
        let web = name(Kind::Delivery, "web");
        schedule.ask(web.clone(), Trigger::Interval, now + Duration::from_mins(10));
        schedule.ask(web.clone(), Trigger::Revision, now);
        schedule.ask(web.clone(), Trigger::Interval, now + Duration::from_mins(10));
        assert_eq!(schedule.take_due(now), Some((web, Trigger::Revision)));
    }

    #[test]
    fn jitter_and_backoff_keep_their_bounds() {
        let minute = Duration::from_mins(1);
        assert_eq!(jittered(minute, 0), minute);
        assert_eq!(jittered(minute, u32::MAX), Duration::from_secs(63));
        let waits: Vec<_> = (0..5)
            .map(|n| backoff(n, Duration::from_secs(5), minute).as_secs())
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 60]);
        assert_eq!(backoff(u32::MAX, Duration::from_secs(5), minute), minute);
    }
}
