//! What a watch saw, taken into what is known.

use tokio::time::Instant;

use super::{Change, Controller, DeliveryDefinition};
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::Trigger;
use crate::store::{Definition, Definitions, Deletion, InvalidDefinition, Parsed};

impl Controller {
    /// Takes in what a watch saw.
    pub(super) async fn take(&mut self, change: Change) {
        match change {
            Change::Set(parsed) => self.take_definition(*parsed).await,
            Change::Invalid(invalid) => self.take_invalid(invalid).await,
            Change::Gone(name) => self.take_leave(&name).await,
            Change::Listed(kind, there) => {
                let gone: Vec<ObjectName> = self
                    .definitions
                    .names(kind)
                    .filter(|name| !there.contains(&name.key))
                    .collect();
                for name in gone {
                    self.take_leave(&name).await;
                }
            }
        }
    }

    /// Forgets an object that is gone.
    pub(super) async fn take_leave(&mut self, name: &ObjectName) {
        self.definitions.remove(name);
        self.schedule.forget(name);
        self.failures.remove(name);
        self.context.store.forget_references(name);
        self.context.metrics.forget(name);
        match name.kind {
            Kind::GitSource => drop(self.revisions.remove(&name.key)),
            Kind::Notifier => {
                if let Err(error) = self.notifications.remove_notifier(&name.key).await {
                    tracing::warn!(error = %crate::chain(&error), "the messages of a notifier could not be dropped");
                }
            }
            Kind::Receiver => self.context.receivers.remove(&name.key),
            Kind::Delivery => {
                self.forget_inputs(&name.key);
                self.fights.forget(&name.key);
                self.drifted.remove(&name.key);
                self.context.left.forget(&name.key);
                self.context.waits.end(&name.key);
            }
        }
    }

    pub(super) async fn take_definition(&mut self, parsed: Parsed) {
        let name = parsed.name();
        match standing(&self.definitions, &parsed) {
            Standing::Older => return,
            Standing::Other => self.take_leave(&name).await,
            Standing::New | Standing::Known => {}
        }
        let parsed = with_what_is_known(&self.definitions, parsed);
        let asks_for = what_it_asks_for(&self.definitions, &parsed);
        self.definitions.insert(parsed);
        let Some(trigger) = asks_for else { return };
        match name.kind {
            Kind::Notifier => self.set_notifier(&name.key).await,
            Kind::Receiver => self.set_receiver(&name.key).await,
            Kind::GitSource | Kind::Delivery => {
                self.failures.remove(&name);
                if name.kind == Kind::Delivery {
                    self.context.waits.end(&name.key);
                }
                self.schedule.ask(name, trigger, Instant::now());
            }
        }
    }

    /// Takes in an object that cannot be read, and says so once: each write of its status is seen here again.
    async fn take_invalid(&mut self, invalid: InvalidDefinition) {
        if let InvalidDefinition::Spec(new) = &invalid
            && let Some(InvalidDefinition::Spec(known)) = self.definitions.invalid.get(&new.object)
            && (&known.uid, known.generation, known.deletion) == (&new.uid, new.generation, new.deletion)
        {
            return;
        }
        if let InvalidDefinition::Spec(unreadable) = &invalid
            && unreadable.object.kind == Kind::Receiver
        {
            self.context.receivers.remove(&unreadable.object.key);
        }
        self.reporter.invalid(&invalid).await;
        self.definitions.insert_invalid(invalid);
    }

    pub(super) async fn set_notifier(&self, key: &Key) {
        let Some(definition) = self.definitions.notifiers.get(key) else {
            return;
        };
        let spec = definition.spec.clone();
        let name = ObjectName {
            kind: Kind::Notifier,
            key: key.clone(),
        };
        self.context.store.forget_references(&name);
        let secret = match spec
            .secret_ref
            .as_ref()
            .map(|reference| Key::new(&key.namespace, &reference.name))
        {
            Some(Ok(secret)) => match self.context.store.secret(&name, &secret).await {
                Ok(data) => Some(data),
                Err(error) => {
                    tracing::error!(notifier = %key, error = %crate::chain(&error), "the notifier waits for its Secret");
                    None
                }
            },
            Some(Err(error)) => {
                tracing::error!(notifier = %key, %error, "the notifier names no Secret");
                None
            }
            None => None,
        };
        if let Err(error) = self
            .notifications
            .set_notifier(key.clone(), spec, secret.as_ref())
            .await
        {
            tracing::error!(notifier = %key, error = %crate::chain(&error), "the notifier cannot be used");
        }
    }
}

/// What an object that was seen is to the one that is known by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// None is known.
    New,
    /// It is the same, as it is now.
    Known,
    /// It is the same, as it was before: a watch that begins anew may be told the past first.
    Older,
    /// It is another one, which took the name.
    Other,
}

impl Standing {
    fn of<Spec, Status>(new: &Definition<Spec, Status>, known: Option<&Definition<Spec, Status>>) -> Self {
        match known {
            None => Self::New,
            Some(known) if known.uid != new.uid => Self::Other,
            Some(known) if new.generation < known.generation => Self::Older,
            Some(_) => Self::Known,
        }
    }
}

fn standing(definitions: &Definitions, parsed: &Parsed) -> Standing {
    match parsed {
        Parsed::GitSource(new) => Standing::of(new, definitions.sources.get(&new.key)),
        Parsed::Delivery(new) => Standing::of(new, definitions.deliveries.get(&new.key)),
        Parsed::Notifier(new) => Standing::of(new, definitions.notifiers.get(&new.key)),
        Parsed::Receiver(new) => Standing::of(new, definitions.receivers.get(&new.key)),
    }
}

/// What this process has published or done is newer than what a watch brings back of it.
fn with_what_is_known(definitions: &Definitions, mut parsed: Parsed) -> Parsed {
    match &mut parsed {
        Parsed::GitSource(new) => {
            if let Some(known) = definitions.sources.get(&new.key) {
                new.status.clone_from(&known.status);
            }
        }
        Parsed::Delivery(new) => {
            if let Some(known) = definitions.deliveries.get(&new.key) {
                new.status.clone_from(&known.status);
                if known.deletion == Deletion::Released {
                    new.deletion = Deletion::Released;
                }
            }
        }
        Parsed::Receiver(new) => {
            if let Some(known) = definitions.receivers.get(&new.key) {
                new.status.clone_from(&known.status);
            }
        }
        Parsed::Notifier(_) => {}
    }
    parsed
}

/// What has to be done because an object is as it is now: nothing if it is as before.
fn what_it_asks_for(definitions: &Definitions, parsed: &Parsed) -> Option<Trigger> {
    let (is_other, is_requested) = match parsed {
        Parsed::GitSource(new) => {
            let old = definitions.sources.get(&new.key);
            (
                old.is_none_or(|old| old.spec != new.spec),
                old.is_some_and(|old| {
                    old.requested_at != new.requested_at || old.accept_rewind != new.accept_rewind
                }),
            )
        }
        Parsed::Delivery(new) => {
            let old = definitions.deliveries.get(&new.key);
            let is_leaving =
                |old: &DeliveryDefinition| new.deletion == Deletion::Asked && old.deletion != Deletion::Asked;
            (
                old.is_none_or(|old| old.spec != new.spec || is_leaving(old)),
                old.is_some_and(|old| old.requested_at != new.requested_at || old.hold != new.hold),
            )
        }
        Parsed::Notifier(new) => {
            let old = definitions.notifiers.get(&new.key);
            (old.is_none_or(|old| old.spec != new.spec), false)
        }
        Parsed::Receiver(new) => {
            let old = definitions.receivers.get(&new.key);
            (old.is_none_or(|old| old.spec != new.spec), false)
        }
    };
    match (is_other, is_requested) {
        (true, _) => Some(Trigger::Change),
        (false, true) => Some(Trigger::Request),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    /// A Delivery as a watch sees it, with changes to its metadata.
    fn seen(interval: &str, metadata: &Json) -> Parsed {
        let mut object = json!({
            "metadata": {"name": "web", "namespace": "apps", "uid": "one", "generation": 2,
                "finalizers": ["fluxops.dev/finalizer"]},
            "spec": {"sourceRef": {"name": "apps"}, "interval": interval, "prune": true},
        });
        for (field, value) in metadata.as_object().unwrap() {
            object["metadata"][field] = value.clone();
        }
        Parsed::read(Kind::Delivery, object).unwrap()
    }

    fn known() -> Definitions {
        let mut definitions = Definitions::default();
        definitions.insert(seen("1m", &json!({})));
        let web = definitions.deliveries.values_mut().next().unwrap();
        web.status.last_applied_revision = Some("main@sha1:1".to_owned());
        definitions
    }

    #[test]
    fn an_older_generation_that_comes_late_is_told_from_another_object_of_the_name() {
        let standing = |metadata: &Json| standing(&known(), &seen("1m", metadata));
        assert_eq!(standing(&json!({})), Standing::Known);
        assert_eq!(standing(&json!({"generation": 1})), Standing::Older);
        assert_eq!(standing(&json!({"generation": 3})), Standing::Known);
        assert_eq!(standing(&json!({"uid": "two", "generation": 1})), Standing::Other);
        assert_eq!(standing(&json!({"name": "other"})), Standing::New);
    }

    #[test]
    fn what_is_published_is_newer_than_what_is_seen() {
        let Parsed::Delivery(web) = with_what_is_known(&known(), seen("2m", &json!({}))) else {
            unreachable!()
        };
        assert_eq!(web.status.last_applied_revision.as_deref(), Some("main@sha1:1"));
    }

    #[test]
    fn a_change_asks_for_a_run_and_an_echo_does_not() {
        let asks_for = |parsed| what_it_asks_for(&known(), &parsed);
        assert_eq!(asks_for(seen("1m", &json!({"labels": {"a": "b"}}))), None);
        assert_eq!(asks_for(seen("2m", &json!({}))), Some(Trigger::Change));
        let requested = json!({"annotations": {"fluxops.dev/requestedAt": "now"}});
        assert_eq!(asks_for(seen("1m", &requested)), Some(Trigger::Request));
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(asks_for(seen("1m", &deleted)), Some(Trigger::Change));
    }

    #[test]
    fn a_delivery_that_was_let_go_is_not_deleted_again() {
        let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        let mut definitions = known();
        definitions.insert(seen("1m", &deleted));
        definitions.deliveries.values_mut().next().unwrap().deletion = Deletion::Released;
        let late = with_what_is_known(&definitions, seen("1m", &deleted));
        assert_eq!(what_it_asks_for(&definitions, &late), None);
        // Somebody else's finalizer keeps it, and ours is off.
        let held = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["example.org/other"]});
        let Parsed::Delivery(held) = seen("1m", &held) else {
            unreachable!()
        };
        assert_eq!(held.deletion, Deletion::Released);
    }
}
