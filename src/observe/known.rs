//! What is known of a Delivery's objects without asking for each of them.
//!
//! How a run left an object is kept: a digest of what it bore of us, and one of what was sent. Where a list of the
//! objects that bear our label shows the same of an object, and the same would be sent, applying it would change nothing:
//! whoever changes one of our fields takes it from our entry (ADR 16).

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use futures::{StreamExt as _, stream};
use ring::digest::SHA256_OUTPUT_LEN;
use ring::hmac;
use ring::rand::SystemRandom;

use super::{CONCURRENCY, Imprint, Target};
use crate::cluster::{Metadata, Place, Session};
use crate::name::{Key, ObjectRef};

/// What is known of a Delivery's objects.
#[derive(Default)]
pub struct Known {
    pub(super) owner: Option<Key>,
    pub(super) left: HashMap<ObjectRef, (Imprint, Content)>,
}

/// What was sent of an object, as a digest with a key of this process: what it is of may be secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content([u8; SHA256_OUTPUT_LEN]);

/// The key, where the system has randomness.
static KEY: LazyLock<Option<hmac::Key>> =
    LazyLock::new(|| hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).ok());

impl Content {
    /// Of the body of a request; nothing where there is no randomness for a key.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let tag = hmac::sign(KEY.as_ref()?, body);
        Some(Self(tag.as_ref().try_into().ok()?))
    }
}

impl Known {
    /// Whether an object is as it was left, and the same would be sent of it.
    pub(super) fn is_settled(&self, object: &ObjectRef, live: &Metadata, body: &[u8]) -> bool {
        let Some((imprint, content)) = self.left.get(object) else {
            return false;
        };
        imprint.is_same(&Imprint::of(live)) && Content::of(body).as_ref() == Some(content)
    }

    /// The objects that may be as they were left, as lists of those that bear our label show them: one list for each kind
    /// and namespace. What may not be listed is asked for one by one.
    pub(super) async fn list(&self, session: &Session, targets: &[Target]) -> HashMap<ObjectRef, Metadata> {
        let Some(owner) = &self.owner else {
            return HashMap::new();
        };
        let known = targets.iter().filter_map(|target| {
            let object = target.manifest.object();
            let resource = target
                .resource
                .as_ref()
                .filter(|_| self.left.contains_key(object))?;
            Some(Place::of(session.actor(), object, resource))
        });
        let places: BTreeSet<Place> = known.collect();
        let lists = stream::iter(places)
            .map(async |place| session.list(&place, owner).await.unwrap_or_default())
            .buffer_unordered(CONCURRENCY);
        lists.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_is_settled_as_it_was_left_if_the_same_would_be_sent() {
        let live = |version: &str, field: &str| Metadata {
            resource_version: version.to_owned(),
            managed_fields: json!([{"manager": "fluxops", "operation": "Apply", "fieldsV1": {field: {}}}]),
            ..Metadata::default()
        };
        let object = |name: &str| ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("apps".into()),
            name: name.into(),
        };
        let left = (Imprint::of(&live("1", "f:a")), Content::of(b"a").unwrap());
        let known = Known {
            owner: None,
            left: HashMap::from([(object("a"), left)]),
        };
        assert!(
            known.is_settled(&object("a"), &live("2", "f:a"), b"a"),
            "its status may change"
        );
        assert!(!known.is_settled(&object("a"), &live("2", "f:b"), b"a"));
        assert!(!known.is_settled(&object("a"), &live("2", "f:a"), b"b"));
        assert!(!known.is_settled(&object("b"), &live("2", "f:a"), b"a"));
    }
}
