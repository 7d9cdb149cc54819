//! Kubernetes Events: what happened, for `kubectl describe`.

use jiff::Timestamp;

use super::report::Reporter;
use crate::api::{API_VERSION, ConditionStatus, ConditionType, Conditions};
use crate::cluster::{Actor, REPORTING_CONTROLLER, Resource, Scope};
use crate::name::{ObjectName, ObjectRef};
use crate::notify::STALE;
use crate::store::Store;

/// The longest note of a Kubernetes Event, in bytes (`events.k8s.io/v1`).
const MAX_NOTE_BYTES: usize = 1024;

/// How an Event is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventType {
    /// All is well.
    Normal,
    /// Somebody should look.
    Warning,
}

impl EventType {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

impl Reporter {
    /// Writes an Event when Ready turned, or turned bad for another reason, and when a source became stale.
    pub(super) async fn transition(
        &self,
        name: &ObjectName,
        uid: Option<&str>,
        before: &Conditions,
        after: &Conditions,
    ) {
        if let (None, Some(stale)) = (before.get(ConditionType::Stale), after.get(ConditionType::Stale)) {
            tracing::warn!(object = %name, "{}", stale.message);
            self.event(name, uid, EventType::Warning, STALE, &stale.message)
                .await;
        }
        let Some(ready) = after.get(ConditionType::Ready) else {
            return;
        };
        let former = before.get(ConditionType::Ready);
        if former.is_some_and(|former| {
            former.status == ready.status && former.reason == ready.reason && former.message == ready.message
        }) {
            return;
        }
        let type_ = if ready.status == ConditionStatus::True {
            EventType::Normal
        } else {
            EventType::Warning
        };
        self.event(name, uid, type_, &ready.reason, &ready.message).await;
    }

    /// Writes an Event about one of our objects. There are none with `--config`.
    pub(super) async fn event(
        &self,
        name: &ObjectName,
        uid: Option<&str>,
        type_: EventType,
        reason: &str,
        note: &str,
    ) {
        let (Store::InCluster(_), Some(uid)) = (&self.context.store, uid) else {
            return;
        };
        let now = Timestamp::now();
        let object = ObjectRef {
            group: "events.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "Event".to_owned(),
            namespace: Some(name.key.namespace.clone()),
            name: format!("{}.{:x}", name.key.name, now.as_nanosecond()),
        };
        let event = serde_json::json!({
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": object.name, "namespace": object.namespace},
            "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string(),
            "reportingController": REPORTING_CONTROLLER,
            "reportingInstance": "fluxops",
            "action": "Reconcile",
            "reason": reason,
            "type": type_.as_str(),
            "note": cut(note, MAX_NOTE_BYTES),
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": name.kind.as_str(),
                "namespace": name.key.namespace,
                "name": name.key.name,
                "uid": uid,
            },
        });
        let resource = Resource {
            plural: "events".to_owned(),
            scope: Scope::Namespaced,
        };
        let written = match self.context.cluster.session(Actor::Itself) {
            Ok(session) => session.create(&object, &resource, &event).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(object = %name, %error, "its event could not be written");
        }
    }
}

/// The start of a text, in whole characters, of at most so many bytes.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        let long = "ä".repeat(MAX_NOTE_BYTES);
        assert_eq!(cut(&long, MAX_NOTE_BYTES).len(), MAX_NOTE_BYTES);
        assert_eq!(cut(&long, MAX_NOTE_BYTES - 1).len(), MAX_NOTE_BYTES - 2);
        assert_eq!(cut("short", MAX_NOTE_BYTES), "short");
    }
}
