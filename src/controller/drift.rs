//! What is done about objects that somebody else changed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::event::EventType;
use super::lookout::Unwatched;
use super::report::Reporter;
use super::{Controller, DeliveryDefinition};
use crate::api::{ConditionStatus, ConditionType, Conditions, Remedy};
use crate::name::{Key, Kind, ObjectName, ObjectRef};
use crate::notify::Step;
use crate::observe::Drifted;
use crate::reconcile::{Delivered, Drift, Failure, Trigger};

/// How long after a change others are waited for: what changes one object often changes the next.
pub const DEBOUNCE: Duration = Duration::from_millis(100);

/// What a run found of drift, and what is to be said of it.
pub(super) enum DriftNews {
    /// It did not get that far.
    Unknown,
    /// All is as it was left.
    Nothing,
    /// Something was not, and is again.
    Corrected(String),
    /// Something is not, and stays so for now.
    Standing(Failure),
}

impl Controller {
    /// Takes in what watches saw.
    pub(super) fn take_drifted(&mut self, drifted: BTreeMap<Key, BTreeSet<ObjectRef>>) {
        for (key, objects) in drifted {
            self.drifted.entry(key.clone()).or_default().extend(objects);
            self.wake_drifted(&key);
        }
    }

    /// Asks for a run of a Delivery whose objects drifted, when its time has come. What is seen while one runs waits
    /// for its end, since a fight may come of it.
    pub(super) fn wake_drifted(&mut self, key: &Key) {
        let name = ObjectName {
            kind: Kind::Delivery,
            key: key.clone(),
        };
        if self.schedule.is_running(&name) {
            return;
        }
        let Some(objects) = self.drifted.remove(key) else {
            return;
        };
        let Some(delivery) = self.definitions.deliveries.get(key) else {
            return;
        };
        let now = Instant::now();
        let longest = delivery.spec.interval.duration();
        let due = self.fights.truce(key, &objects, longest, now).max(now + DEBOUNCE);
        let names: Vec<String> = objects.iter().map(ToString::to_string).collect();
        tracing::info!(object = %name, drifted = names.join(", "), "something that it applied was changed");
        self.schedule.ask(name, Trigger::Drift, due);
    }

    /// Says of Deliveries that their objects are not watched.
    pub(super) async fn take_unwatched(&self, unwatched: Unwatched) {
        tracing::warn!("{}", unwatched.message);
        for key in unwatched.deliveries {
            let delivery = self.definitions.deliveries.get(&key);
            let uid = delivery.and_then(|delivery| delivery.uid.as_deref());
            let name = ObjectName {
                kind: Kind::Delivery,
                key: key.clone(),
            };
            let (type_, reason) = (EventType::Warning, "DriftNotWatched");
            self.reporter
                .event(&name, uid, type_, reason, &unwatched.message)
                .await;
        }
    }

    /// Takes in what a run found.
    pub(super) fn drift_news(&mut self, delivery: &DeliveryDefinition, delivered: &Delivered) -> DriftNews {
        if delivered.result.is_err() {
            return DriftNews::Unknown;
        }
        let key = &delivery.key;
        match &delivered.drift {
            Drift::Detected(drifted) => {
                self.fights.forget(key);
                let message = format!(
                    "not as applied, and not corrected, since spec.drift is Detect: {}",
                    listed(drifted)
                );
                return DriftNews::Standing(standing("DriftDetected", message));
            }
            Drift::Corrected(drifted) => self.fights.corrected(key, drifted, Instant::now()),
            Drift::None => {}
        }
        match (self.fights.message(key), &delivered.drift) {
            (Some(message), Drift::Corrected(_)) => DriftNews::Standing(standing("DriftFight", message)),
            (_, Drift::Corrected(drifted)) => DriftNews::Corrected(format!("corrected {}", listed(drifted))),
            _ => DriftNews::Nothing,
        }
    }
}

impl Reporter {
    /// Writes an Event about drift that is news.
    pub(super) async fn drift(&self, name: &ObjectName, delivery: &DeliveryDefinition, news: &DriftNews) {
        let uid = delivery.uid.as_deref();
        match news {
            DriftNews::Unknown | DriftNews::Nothing => {}
            DriftNews::Corrected(message) => {
                tracing::info!(object = %name, "{message}");
                self.event(name, uid, EventType::Normal, "DriftCorrected", message)
                    .await;
            }
            DriftNews::Standing(failure) => {
                tracing::warn!(object = %name, reason = failure.reason, "{}", failure.message);
                let former = delivery.status.conditions.get(ConditionType::Drifted);
                if former.is_none_or(|former| former.message != failure.message) {
                    let (reason, note) = (&failure.reason, &failure.message);
                    self.event(name, uid, EventType::Warning, reason, note).await;
                }
            }
        }
    }
}

impl DriftNews {
    /// Shows in the conditions what stands.
    pub(super) fn show(&self, conditions: &mut Conditions, generation: Option<i64>, now: Timestamp) {
        match self {
            Self::Unknown => {}
            Self::Nothing | Self::Corrected(_) => conditions.remove(ConditionType::Drifted),
            Self::Standing(failure) => conditions.set(
                ConditionType::Drifted,
                ConditionStatus::True,
                &failure.reason,
                &failure.message,
                generation,
                now,
            ),
        }
    }
}

fn standing(reason: &str, message: String) -> Failure {
    Failure::said(Step::Plan, reason, message, Remedy::Change)
}

fn listed(drifted: &[Drifted]) -> String {
    let all: Vec<String> = drifted.iter().map(ToString::to_string).collect();
    all.join("; ")
}
