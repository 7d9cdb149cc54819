//! Which kinds the API server knows, asked for once for all sessions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{Resource, Scope};

/// How long an answer is good for. Kinds that come with a commit are asked for anew once they are applied, and so are
/// those that an answer does not have.
pub(super) const KEPT: Duration = Duration::from_secs(30);

/// The kinds of a version of an API group.
#[derive(Deserialize, Default)]
pub(super) struct ResourceList {
    resources: Vec<ResourceEntry>,
}

#[derive(Deserialize)]
struct ResourceEntry {
    name: String,
    kind: String,
    namespaced: bool,
}

impl ResourceList {
    /// How a kind is addressed; nothing if it is not among them.
    pub(super) fn find(&self, kind: &str) -> Option<Resource> {
        let is_it = |entry: &&ResourceEntry| entry.kind == kind && !entry.name.contains('/');
        let entry = self.resources.iter().find(is_it)?;
        Some(Resource {
            plural: entry.name.clone(),
            scope: if entry.namespaced {
                Scope::Namespaced
            } else {
                Scope::Cluster
            },
        })
    }
}

/// What was answered, by `group/version`.
#[derive(Clone, Default)]
pub(super) struct Discovery(Arc<Mutex<Answers>>);

type Answers = HashMap<String, Answer>;

struct Answer {
    asked: Instant,
    list: Arc<ResourceList>,
}

impl Discovery {
    /// An answer that is still good.
    pub(super) fn get(&self, api_version: &str, now: Instant) -> Option<Arc<ResourceList>> {
        let known = self.known();
        let answer = known.get(api_version)?;
        (now.saturating_duration_since(answer.asked) < KEPT).then(|| Arc::clone(&answer.list))
    }

    /// Keeps an answer.
    pub(super) fn keep(&self, api_version: String, list: Arc<ResourceList>, now: Instant) {
        self.known().insert(api_version, Answer { asked: now, list });
    }

    /// Forgets all answers.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    /// A thread that panicked left the map whole.
    fn known(&self) -> MutexGuard<'_, Answers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_good_for_a_while() {
        let (discovery, now) = (Discovery::default(), Instant::now());
        assert!(discovery.get("v1", now).is_none());
        let list = r#"{"resources": [{"name": "pods/status", "kind": "Pod", "namespaced": true},
            {"name": "pods", "kind": "Pod", "namespaced": true}]}"#;
        discovery.keep(
            "v1".to_owned(),
            Arc::new(serde_json::from_str(list).unwrap()),
            now,
        );
        let found = discovery.get("v1", now).unwrap();
        assert_eq!(found.find("Pod").unwrap().plural, "pods");
        assert!(found.find("Node").is_none());
        assert!(discovery.get("v1", now + KEPT).is_none());
        discovery.forget();
        assert!(discovery.get("v1", now).is_none());
    }
}
