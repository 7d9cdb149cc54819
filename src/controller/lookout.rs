//! Watches of what Deliveries applied: begun and ended as the objects come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::cluster::{Actor, Place, Sight};
use crate::name::Key;
use crate::observe::Imprint;
use crate::reconcile::Context;

/// The most watches at a time. Each has a connection of its own; what is beyond is looked at at the interval.
pub const MAX_WATCHES: usize = 256;
/// How long until a watch that the API server refused is tried again: rights are given and kinds are installed.
const REFUSED_RETRY: Duration = Duration::from_mins(10);
/// How many notices may wait while the controller is busy.
const PENDING_NOTICES: usize = 64;

/// That objects are not watched, why, and whose they are.
pub(super) struct Unwatched {
    pub(super) deliveries: BTreeSet<Key>,
    pub(super) message: String,
}

/// Watches what was left in the cluster until it is told to stop; the [record](crate::observe::Left) is told what is
/// seen. What cannot be watched comes back.
pub(super) fn look_out(context: &Arc<Context>, stop: CancellationToken) -> mpsc::Receiver<Unwatched> {
    let (sender, unwatched) = mpsc::channel(PENDING_NOTICES);
    let mut lookout = Lookout {
        context: Arc::clone(context),
        clients: BTreeMap::new(),
        watches: JoinSet::new(),
        places: BTreeMap::new(),
        sender,
    };
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            lookout.follow().await;
            lookout.context.left.moved().await;
        }
    }));
    unwatched
}

struct Lookout {
    context: Arc<Context>,
    /// One client for each actor that has watches.
    clients: BTreeMap<Actor, kube::Client>,
    watches: JoinSet<()>,
    places: BTreeMap<Place, AbortHandle>,
    sender: mpsc::Sender<Unwatched>,
}

impl Lookout {
    /// Begins the watches that are missing, and ends those that nothing is left for.
    async fn follow(&mut self) {
        while self.watches.try_join_next().is_some() {}
        let wanted = self.context.left.places();
        self.places.retain(|place, watch| {
            let stays = wanted.contains_key(place);
            if !stays {
                watch.abort();
            }
            stays
        });
        self.clients
            .retain(|actor, _| wanted.keys().any(|place| place.actor == *actor));
        for (place, deliveries) in wanted {
            if self.places.contains_key(&place) {
                continue;
            }
            let begun = if self.places.len() < MAX_WATCHES {
                self.begin(&place)
            } else {
                Err(format!("there are {MAX_WATCHES} watches already"))
            };
            if let Err(reason) = begun {
                tell(&self.sender, &place, deliveries, &reason).await;
            }
        }
    }

    fn begin(&mut self, place: &Place) -> Result<(), String> {
        let client = if let Some(client) = self.clients.get(&place.actor) {
            client.clone()
        } else {
            let client = self.context.cluster.client_as(&place.actor);
            let client = client.map_err(|error| error.to_string())?;
            self.clients.insert(place.actor.clone(), client.clone());
            client
        };
        let (context, sender) = (Arc::clone(&self.context), self.sender.clone());
        let watch = watch(context, place.clone(), client, sender);
        self.places.insert(place.clone(), self.watches.spawn(watch));
        Ok(())
    }
}

/// Watches one place on and on.
async fn watch(context: Arc<Context>, place: Place, client: kube::Client, sender: mpsc::Sender<Unwatched>) {
    let left = &context.left;
    loop {
        let mut sights = std::pin::pin!(place.watch(client.clone()));
        while let Some(sight) = sights.next().await {
            match sight {
                Sight::There(object, metadata) => left.there(&object, Imprint::of(&metadata)),
                Sight::Gone(object, metadata) => left.gone(&object, Imprint::of(&metadata)),
                Sight::Listed(there) => left.listed(&place, &there),
                Sight::Interrupted => tracing::debug!(%place, "a watch was interrupted; it begins anew"),
                Sight::Refused(status) => {
                    let deliveries = left.places().remove(&place).unwrap_or_default();
                    let reason = format!(
                        "the API server refused to let {} watch them: {status}",
                        place.actor
                    );
                    tell(&sender, &place, deliveries, &reason).await;
                    break;
                }
            }
        }
        tokio::time::sleep(REFUSED_RETRY).await;
    }
}

async fn tell(sender: &mpsc::Sender<Unwatched>, place: &Place, deliveries: BTreeSet<Key>, reason: &str) {
    let message =
        format!("{place} are not watched, so what others do to them is corrected at the interval: {reason}");
    // Nobody listens any more when the controller stops.
    let _ = sender.send(Unwatched { deliveries, message }).await;
}
