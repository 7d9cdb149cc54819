//! Metrics, in the text format of `OpenMetrics`. docs/metrics.md says what each means.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::name::ObjectName;

/// The upper ends of the ranges that reconciles are counted in, in seconds.
const DURATIONS: [f64; 11] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0];

/// What is counted and measured. It holds names and numbers, and nothing of what objects say.
pub struct Metrics {
    registry: Registry,
    durations: Family<Reconcile, Histogram>,
    ready: Family<Object, Gauge>,
    commit_times: Family<Object, Gauge>,
    changes: Family<Change, Counter>,
    moved: Counter,
    verifications: Counter,
    calls: Family<Call, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    trigger: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Object {
    kind: &'static str,
    namespace: String,
    name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Change {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Call {
    outcome: &'static str,
}

impl Object {
    fn of(name: &ObjectName) -> Self {
        Self {
            kind: name.kind.as_str(),
            namespace: name.key.namespace.clone(),
            name: name.key.name.clone(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("fluxops");
        let durations = Family::<Reconcile, Histogram>::new_with_constructor(|| Histogram::new(DURATIONS));
        let (ready, changes, moved) = (Family::default(), Family::default(), Counter::default());
        let commit_times = Family::default();
        let verifications = Counter::default();
        registry.register(
            "build",
            "The version that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took, by kind, trigger and outcome",
            Unit::Seconds,
            durations.clone(),
        );
        registry.register(
            "object_ready",
            "Whether an object is Ready: 1 or 0",
            Family::clone(&ready),
        );
        registry.register_with_unit(
            "source_commit_timestamp",
            "When the verified commit of a source was made, since 1970, by its committer's account",
            Unit::Seconds,
            Family::clone(&commit_times),
        );
        registry.register(
            "source_verifications",
            "Revisions that were held against their policy; a poll that finds nothing new needs none",
            verifications.clone(),
        );
        registry.register(
            "objects_changed",
            "Objects in the cluster that were created, configured or deleted",
            Family::clone(&changes),
        );
        registry.register(
            "deliveries_moved",
            "Deliveries that moved to a revision which changes nothing of them",
            moved.clone(),
        );
        let calls = Family::default();
        registry.register(
            "webhook_calls",
            "Calls of webhooks, by what came of them",
            Family::clone(&calls),
        );
        Self {
            registry,
            durations,
            ready,
            commit_times,
            changes,
            moved,
            verifications,
            calls,
        }
    }
}

/// How a reconcile ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The object is Ready.
    Ready,
    /// It is not.
    Failed,
}

impl Ended {
    /// How it ended, by its result.
    pub fn of<T, E>(result: &Result<T, E>) -> Self {
        if result.is_ok() { Self::Ready } else { Self::Failed }
    }
}

impl Metrics {
    /// A reconcile ended.
    pub fn reconciled(&self, name: &ObjectName, trigger: &'static str, ended: Ended, took: Duration) {
        let reconcile = Reconcile {
            kind: name.kind.as_str(),
            trigger,
            outcome: match ended {
                Ended::Ready => "ready",
                Ended::Failed => "failed",
            },
        };
        self.durations
            .get_or_create(&reconcile)
            .observe(took.as_secs_f64());
        self.settled(name, ended);
    }

    /// An object is Ready, or it is not.
    pub fn settled(&self, name: &ObjectName, ended: Ended) {
        let ready = i64::from(ended == Ended::Ready);
        self.ready.get_or_create(&Object::of(name)).set(ready);
    }

    /// A source has this commit, made at this time.
    pub fn verified(&self, source: &ObjectName, committed: Timestamp) {
        let seconds = committed.as_second();
        self.commit_times.get_or_create(&Object::of(source)).set(seconds);
    }

    /// So many objects were created, configured or deleted.
    pub fn changed(&self, action: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.changes.get_or_create(&Change { action }).inc_by(count);
    }

    /// A Delivery moved to a revision that changes nothing of it.
    pub fn moved(&self) {
        self.moved.inc();
    }

    /// A revision was held against a policy.
    pub fn judged(&self) {
        self.verifications.inc();
    }

    /// A webhook was called, and this came of it.
    pub fn called(&self, outcome: &'static str) {
        self.calls.get_or_create(&Call { outcome }).inc();
    }

    /// An object is gone.
    pub fn forget(&self, name: &ObjectName) {
        self.ready.remove(&Object::of(name));
        self.commit_times.remove(&Object::of(name));
    }

    /// All of it as text.
    pub fn to_text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{Key, Kind};

    #[test]
    fn what_happened_is_counted_and_what_is_gone_is_not_shown() {
        let metrics = Metrics::default();
        let web = ObjectName {
            kind: Kind::Delivery,
            key: Key::new("shop", "web").unwrap(),
        };
        metrics.reconciled(&web, "revision", Ended::Failed, Duration::from_millis(20));
        metrics.changed("create", 3);
        metrics.verified(&web, Timestamp::from_second(1_700_000_000).unwrap());
        metrics.moved();
        metrics.judged();
        metrics.called("replayed");
        let text = metrics.to_text().unwrap();
        for line in [
            r#"fluxops_object_ready{kind="Delivery",namespace="shop",name="web"} 0"#,
            r#"fluxops_reconcile_duration_seconds_count{kind="Delivery",trigger="revision",outcome="failed"} 1"#,
            r#"fluxops_objects_changed_total{action="create"} 3"#,
            r#"fluxops_source_commit_timestamp_seconds{kind="Delivery",namespace="shop",name="web"} 1700000000"#,
            "fluxops_deliveries_moved_total 1",
            "fluxops_source_verifications_total 1",
            r#"fluxops_webhook_calls_total{outcome="replayed"} 1"#,
            "# EOF",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        metrics.forget(&web);
        assert!(!metrics.to_text().unwrap().contains("object_ready{"));
    }
}
