//! What a watch saw, taken into what is known.

use tokio::time::Instant;

use super::{Change, Controller, DeliveryDefinition};
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::Trigger;
use crate::store::{Deletion, Parsed};

impl Controller {
    /// Takes in what a watch saw.
    pub(super) async fn take(&mut self, change: Change) {
        match change {
            Change::Set(parsed) => self.take_definition(*parsed).await,
            Change::Invalid(invalid) => {
                self.reporter.invalid(&invalid).await;
                self.definitions.insert_invalid(invalid);
            }
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
        match name.kind {
            Kind::GitSource => drop(self.revisions.remove(&name.key)),
            Kind::Notifier => {
                if let Err(error) = self.notifications.remove_notifier(&name.key).await {
                    tracing::warn!(error = %crate::chain(&error), "the messages of a notifier could not be dropped");
                }
            }
            Kind::Delivery => {}
        }
    }

    pub(super) async fn take_definition(&mut self, parsed: Parsed) {
        let name = parsed.name();
        let asks_for = self.what_it_asks_for(&parsed);
        self.definitions.insert(self.with_known_status(parsed));
        let Some(trigger) = asks_for else { return };
        match name.kind {
            Kind::Notifier => self.set_notifier(&name.key).await,
            Kind::GitSource | Kind::Delivery => {
                self.failures.remove(&name);
                self.schedule.ask(name, trigger, Instant::now());
            }
        }
    }

    /// What has to be done because an object is as it is now: nothing if it is as before.
    fn what_it_asks_for(&self, parsed: &Parsed) -> Option<Trigger> {
        let (is_other, is_requested) = match parsed {
            Parsed::GitSource(new) => {
                let old = self.definitions.sources.get(&new.key);
                (
                    old.is_none_or(|old| old.spec != new.spec),
                    old.is_some_and(|old| old.requested_at != new.requested_at),
                )
            }
            Parsed::Delivery(new) => {
                let old = self.definitions.deliveries.get(&new.key);
                let is_leaving = |old: &DeliveryDefinition| {
                    new.deletion == Deletion::Asked && old.deletion != Deletion::Asked
                };
                (
                    old.is_none_or(|old| old.spec != new.spec || is_leaving(old)),
                    old.is_some_and(|old| old.requested_at != new.requested_at),
                )
            }
            Parsed::Notifier(new) => {
                let old = self.definitions.notifiers.get(&new.key);
                (old.is_none_or(|old| old.spec != new.spec), false)
            }
        };
        match (is_other, is_requested) {
            (true, _) => Some(Trigger::Change),
            (false, true) => Some(Trigger::Request),
            (false, false) => None,
        }
    }

    /// What this process has published is newer than what a watch brings back of it.
    pub(super) fn with_known_status(&self, mut parsed: Parsed) -> Parsed {
        match &mut parsed {
            Parsed::GitSource(new) => {
                if let Some(old) = self.definitions.sources.get(&new.key) {
                    new.status = old.status.clone();
                }
            }
            Parsed::Delivery(new) => {
                if let Some(old) = self.definitions.deliveries.get(&new.key) {
                    new.status = old.status.clone();
                }
            }
            Parsed::Notifier(_) => {}
        }
        parsed
    }

    pub(super) async fn set_notifier(&self, key: &Key) {
        let Some(definition) = self.definitions.notifiers.get(key) else {
            return;
        };
        let spec = definition.spec.clone();
        let secret = match spec
            .secret_ref
            .as_ref()
            .map(|reference| Key::new(&key.namespace, &reference.name))
        {
            Some(Ok(secret)) => match self.context.store.secret(&secret).await {
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
