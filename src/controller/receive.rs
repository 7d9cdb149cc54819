//! Receivers are served as their specs and Secrets are, and what calls them has their sources fetched.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::{Controller, ReceiverDefinition};
use crate::api::Remedy;
use crate::name::{Key, Kind, ObjectName};
use crate::notify::Step;
use crate::receive::{InvalidReceiver, InvalidToken, Pushed};
use crate::reconcile::{Context, Failure, Trigger};

impl Controller {
    /// Serves all Receivers that are known.
    pub(super) async fn set_receivers(&mut self) {
        let keys: Vec<Key> = self.definitions.receivers.keys().cloned().collect();
        for key in keys {
            self.set_receiver(&key).await;
        }
    }

    /// Serves a Receiver as it is now, and says so in its status.
    pub(super) async fn set_receiver(&mut self, key: &Key) {
        let Some(receiver) = self.definitions.receivers.get(key).cloned() else {
            return;
        };
        let result = serve(&self.context, &receiver).await;
        let status = self.reporter.receiver(&receiver, &result).await;
        if let Some(current) = self.definitions.receivers.get_mut(key) {
            current.status = status;
        }
    }

    /// Has the sources fetched of Receivers that were called, but for those that follow something else than what was pushed.
    pub(super) fn take_calls(&mut self, calls: BTreeMap<Key, Pushed>) {
        for (key, pushed) in calls {
            let Some(receiver) = self.definitions.receivers.get(&key) else {
                continue;
            };
            for source in &receiver.spec.sources {
                let key = Key {
                    namespace: key.namespace.clone(),
                    name: source.name.clone(),
                };
                let name = ObjectName {
                    kind: Kind::GitSource,
                    key,
                };
                match self.definitions.sources.get(&name.key) {
                    Some(source) if pushed.concerns(source.spec.reference.as_ref()) => {
                        self.schedule.ask(name, Trigger::Webhook, Instant::now());
                    }
                    Some(_) => tracing::debug!(object = %name, "what was pushed is not what it follows"),
                    None => tracing::warn!(receiver = %receiver.key, "there is no {name}, which it names"),
                }
            }
        }
    }
}

/// Serves a Receiver as its spec and its Secret say; its path comes back.
async fn serve(context: &Arc<Context>, receiver: &ReceiverDefinition) -> Result<String, Failure> {
    let (key, spec) = (&receiver.key, &receiver.spec);
    let name = ObjectName {
        kind: Kind::Receiver,
        key: key.clone(),
    };
    context.store.forget_references(&name);
    let secret = match Key::new(&key.namespace, &spec.secret_ref.name) {
        Ok(secret) => context.store.secret(&name, &secret).await.map_err(Failure::from),
        Err(error) => Err(error.into()),
    };
    let secret = secret.inspect_err(|_| context.receivers.remove(key))?;
    let served = context
        .receivers
        .set(key, spec, &secret, std::time::Instant::now());
    served.map_err(|error| {
        // What is missing may come without a change of the spec.
        let remedy = match error {
            InvalidReceiver::NotServed | InvalidReceiver::Token(InvalidToken::Random) => Remedy::Retry,
            InvalidReceiver::NoSources | InvalidReceiver::Events | InvalidReceiver::Token(_) => {
                Remedy::Change
            }
        };
        Failure::said(Step::Configure, error.reason(), crate::chain(&error), remedy)
    })
}
