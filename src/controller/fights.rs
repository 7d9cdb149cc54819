//! Objects that somebody else changes as often as they are corrected. Pure, but for the clock it is given.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::schedule::backoff;
use crate::name::{Key, ObjectRef};
use crate::observe::Drifted;

/// How often the same manager may change the same object within [`FIGHT_WINDOW`] before that counts as a fight.
pub const FIGHT_REPAIRS: usize = 5;
/// Within how long these are counted.
pub const FIGHT_WINDOW: Duration = Duration::from_mins(10);
/// How long an object that is fought over is left alone at first; doubled each time, up to the Delivery's interval.
pub const FIRST_TRUCE: Duration = Duration::from_mins(1);

/// What was corrected lately, and what is fought over.
#[derive(Default)]
pub(super) struct Fights(BTreeMap<Key, BTreeMap<ObjectRef, Fight>>);

/// What was corrected of one object.
#[derive(Default)]
struct Fight {
    /// Who changed it, as far as that is known: the same each time.
    managers: BTreeSet<String>,
    corrected: VecDeque<Instant>,
    /// How often it was corrected since it is a fight.
    rounds: u32,
}

impl Fights {
    /// Takes in what was corrected.
    pub(super) fn corrected(&mut self, delivery: &Key, drifted: &[Drifted], now: Instant) {
        let objects = self.0.entry(delivery.clone()).or_default();
        for Drifted { object, departure } in drifted {
            let managers: BTreeSet<String> = departure.managers().map(str::to_owned).collect();
            let fight = objects.entry(object.clone()).or_default();
            let is_over = fight
                .corrected
                .back()
                .is_some_and(|last| now > *last + fight.memory());
            if fight.managers != managers || is_over {
                *fight = Fight {
                    managers,
                    ..Fight::default()
                };
            }
            fight.corrected.push_back(now);
            while fight
                .corrected
                .front()
                .is_some_and(|first| now > *first + FIGHT_WINDOW)
            {
                fight.corrected.pop_front();
            }
            if fight.rounds > 0 || fight.corrected.len() > FIGHT_REPAIRS {
                fight.rounds = fight.rounds.saturating_add(1);
            }
        }
        objects.retain(|_, fight| {
            fight
                .corrected
                .back()
                .is_some_and(|last| now <= *last + fight.memory())
        });
    }

    /// When objects that drifted are to be corrected: at once, but for those that are fought over.
    pub(super) fn truce(
        &self,
        delivery: &Key,
        objects: &BTreeSet<ObjectRef>,
        longest: Duration,
        now: Instant,
    ) -> Instant {
        let end = |object| {
            let fight = self.0.get(delivery)?.get(object)?;
            Some(*fight.corrected.back()? + fight.truce()?.min(longest))
        };
        let ends = objects.iter().map(|object| end(object).unwrap_or(now).max(now));
        ends.min().unwrap_or(now)
    }

    /// What is fought over, in a sentence; nothing while nothing is.
    pub(super) fn message(&self, delivery: &Key) -> Option<String> {
        let told = |(object, fight): (&ObjectRef, &Fight)| {
            let truce = fight.truce()?;
            let managers: Vec<&str> = fight.managers.iter().map(String::as_str).collect();
            let who = if managers.is_empty() {
                "somebody".to_owned()
            } else {
                managers.join(", ")
            };
            Some(format!(
                "{who} changes {object} as often as it is corrected; it is left alone for {} s after each time: let only one of the two have its fields, or set spec.drift",
                truce.as_secs()
            ))
        };
        let fights: Vec<String> = self.0.get(delivery)?.iter().filter_map(told).collect();
        (!fights.is_empty()).then(|| fights.join("; "))
    }

    /// Forgets a Delivery that is gone, or asks to be left alone.
    pub(super) fn forget(&mut self, delivery: &Key) {
        self.0.remove(delivery);
    }
}

impl Fight {
    /// For how long it is left alone; nothing while it is no fight.
    fn truce(&self) -> Option<Duration> {
        let rounds = self.rounds.checked_sub(1)?;
        Some(backoff(rounds, FIRST_TRUCE, Duration::from_hours(24)))
    }

    /// How long after its last correction it still counts.
    fn memory(&self) -> Duration {
        FIGHT_WINDOW + self.truce().unwrap_or_default() * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Departure;

    fn object(name: &str) -> ObjectRef {
        ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("apps".into()),
            name: name.into(),
        }
    }

    fn changed(name: &str, manager: &str) -> Vec<Drifted> {
        vec![Drifted {
            object: object(name),
            departure: Departure::Changed {
                fields: vec!["data.a".into()],
                managers: [manager.to_owned()].into(),
            },
        }]
    }

    #[test]
    fn who_changes_an_object_again_and_again_is_named_and_waited_for_longer_each_time() {
        let (web, start, hour) = (
            Key::new("apps", "web").unwrap(),
            Instant::now(),
            Duration::from_hours(1),
        );
        let mut fights = Fights::default();
        let objects: BTreeSet<ObjectRef> = [object("a")].into();
        for index in 0..FIGHT_REPAIRS {
            let now = start + Duration::from_secs(u64::try_from(index).unwrap());
            fights.corrected(&web, &changed("a", "scaler"), now);
            assert_eq!(fights.truce(&web, &objects, hour, now), now);
        }
        assert_eq!(fights.message(&web), None);
        let mut now = start + Duration::from_secs(9);
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            fights.corrected(&web, &changed("a", "scaler"), now);
            let end = fights.truce(&web, &objects, hour, now);
            assert_eq!(end, now + Duration::from_mins(minutes));
            now = end;
        }
        let message = fights.message(&web).unwrap();
        assert!(
            message.starts_with("scaler changes ConfigMap/apps/a"),
            "{message}"
        );
        // Another object of the Delivery is corrected at once.
        let both = [object("a"), object("b")].into();
        assert_eq!(fights.truce(&web, &both, hour, start), start);
        // Another manager begins from the start, and so does everything that rested.
        fights.corrected(&web, &changed("a", "other"), now);
        assert_eq!(fights.message(&web), None);
        fights.corrected(&web, &changed("b", "other"), now + hour);
        assert_eq!(fights.0.get(&web).unwrap().len(), 1);
        fights.forget(&web);
        assert!(fights.0.is_empty());
    }
}
