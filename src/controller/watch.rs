//! What changes in the cluster, as changes to our definitions.

use std::collections::BTreeSet;

use futures::{StreamExt as _, stream};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::api::{GROUP, VERSION};
use crate::name::{Key, Kind, NamespaceName, ObjectName};
use crate::store::{Definitions, InvalidDefinition, Parsed};

/// What a watch saw.
#[derive(Debug)]
pub enum Change {
    /// An object is there, or is another than before.
    Set(Box<Parsed>),
    /// An object is there and cannot be read.
    Invalid(InvalidDefinition),
    /// An object is gone.
    Gone(ObjectName),
    /// All objects of a kind were listed, as at the start or after the watch was interrupted; what is not among
    /// them is gone.
    Listed(Kind, BTreeSet<Key>),
}

/// Whose objects are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Everybody's.
    Cluster,
    /// Those of one namespace. What they name in others is not seen.
    Namespace(NamespaceName),
}

impl Reach {
    fn api(&self, client: &kube::Client, kind: Kind, plural: &str) -> kube::Api<DynamicObject> {
        let resource =
            ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, kind.as_str()), plural);
        match self {
            Self::Cluster => kube::Api::all_with(client.clone(), &resource),
            Self::Namespace(name) => kube::Api::namespaced_with(client.clone(), name.as_str(), &resource),
        }
    }
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::GitSource, "gitsources"),
    (Kind::Delivery, "deliveries"),
    (Kind::Notifier, "notifiers"),
    (Kind::Receiver, "receivers"),
];

/// Lists our objects once, for a single run.
pub async fn list(client: &kube::Client, reach: &Reach) -> Result<Definitions, kube::Error> {
    let mut definitions = Definitions::default();
    for (kind, plural) in KINDS {
        let api = reach.api(client, kind, plural);
        for object in api.list(&kube::api::ListParams::default()).await? {
            match read(kind, object) {
                Change::Set(parsed) => definitions.insert(*parsed),
                Change::Invalid(invalid) => definitions.insert_invalid(invalid),
                Change::Gone(_) | Change::Listed(..) => {}
            }
        }
    }
    Ok(definitions)
}

/// Watches our objects and sends what changes, until it is told to stop.
pub async fn watch(
    client: kube::Client,
    reach: Reach,
    changes: mpsc::Sender<Change>,
    stop: CancellationToken,
) {
    let watches = KINDS.map(|(kind, plural)| {
        let api = reach.api(&client, kind, plural);
        let mut listing = BTreeSet::new();
        watcher(api, watcher::Config::default())
            .default_backoff()
            .filter_map(move |event| std::future::ready(change(kind, event, &mut listing)))
            .boxed()
    });
    let mut all = stream::select_all(watches);
    while let Some(Some(change)) = stop.run_until_cancelled(all.next()).await {
        if changes.send(change).await.is_err() {
            return;
        }
    }
}

fn change(
    kind: Kind,
    event: Result<watcher::Event<DynamicObject>, watcher::Error>,
    listing: &mut BTreeSet<Key>,
) -> Option<Change> {
    match event {
        Ok(watcher::Event::Init) => {
            listing.clear();
            None
        }
        Ok(watcher::Event::InitApply(object)) => {
            listing.extend(key(&object));
            Some(read(kind, object))
        }
        Ok(watcher::Event::InitDone) => Some(Change::Listed(kind, std::mem::take(listing))),
        Ok(watcher::Event::Apply(object)) => Some(read(kind, object)),
        Ok(watcher::Event::Delete(object)) => Some(Change::Gone(ObjectName {
            kind,
            key: key(&object)?,
        })),
        Err(_) => {
            // The error may quote a reply; that it happened is all there is to say. The watch begins anew.
            tracing::warn!(%kind, "the watch of our own objects was interrupted; is the API server there, and are the CRDs installed?");
            None
        }
    }
}

fn key(object: &DynamicObject) -> Option<Key> {
    Key::new(
        object.metadata.namespace.as_deref()?,
        object.metadata.name.as_deref()?,
    )
    .ok()
}

fn read(kind: Kind, object: DynamicObject) -> Change {
    match Parsed::read(kind, serde_json::to_value(object).unwrap_or_default()) {
        Ok(parsed) => Change::Set(Box::new(parsed)),
        Err(invalid) => Change::Invalid(invalid),
    }
}
