//! Metadata-only watches of the objects that bear our label.
//!
//! Of a Secret nothing is sent that is secret. Kubernetes has no permission for metadata alone, so the right to watch
//! Secrets is needed all the same: that of the Delivery's service account is used.

use std::collections::HashSet;

use futures::{Stream, StreamExt as _};
use http::{HeaderName, HeaderValue, StatusCode};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::runtime::{WatchStreamExt as _, watcher};

use super::{Actor, Cluster, ClusterError, Metadata, Resource, Scope};
use crate::name::{DELIVERY_LABEL, Key, ObjectRef, api_version};

/// Objects of one kind in one namespace, or without any, as one actor sees them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// As whom they are seen.
    pub actor: Actor,
    group: String,
    version: String,
    kind: String,
    plural: String,
    namespace: Option<String>,
}

/// What a watch saw.
#[derive(Debug)]
pub enum Sight {
    /// An object is there, or is other than before.
    There(ObjectRef, Box<Metadata>),
    /// An object is gone, or lost our label. The metadata is that of its end.
    Gone(ObjectRef, Box<Metadata>),
    /// All were listed, as at the start or after an interruption; what is not among them is gone.
    Listed(HashSet<ObjectRef>),
    /// The connection was lost; it is made again.
    Interrupted,
    /// The API server does not let this actor watch this kind, or nobody.
    Refused(StatusCode),
}

impl Place {
    /// Where an object is.
    pub fn of(actor: &Actor, object: &ObjectRef, resource: &Resource) -> Self {
        Self {
            actor: actor.clone(),
            group: object.group.clone(),
            version: object.version.clone(),
            kind: object.kind.clone(),
            plural: resource.plural.clone(),
            namespace: match resource.scope {
                Scope::Namespaced => object.namespace.clone(),
                Scope::Cluster => None,
            },
        }
    }

    /// Whether an object is here.
    pub fn has(&self, object: &ObjectRef) -> bool {
        (&self.kind, &self.group, &self.namespace) == (&object.kind, &object.group, &object.namespace)
    }

    pub(super) fn object(&self, name: &str) -> ObjectRef {
        ObjectRef {
            group: self.group.clone(),
            version: self.version.clone(),
            kind: self.kind.clone(),
            namespace: self.namespace.clone(),
            name: name.to_owned(),
        }
    }

    /// How the objects here are addressed.
    pub(super) fn path(&self) -> String {
        let group = super::group_path(&api_version(&self.group, &self.version));
        match &self.namespace {
            Some(namespace) => format!("{group}/namespaces/{namespace}/{}", self.plural),
            None => format!("{group}/{}", self.plural),
        }
    }

    /// Watches the objects here that bear our label. The stream ends only with its reader.
    pub fn watch(&self, client: kube::Client) -> impl Stream<Item = Sight> + Send + use<> {
        let kind = GroupVersionKind::gvk(&self.group, &self.version, &self.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &self.plural);
        let api: kube::Api<PartialObjectMeta<DynamicObject>> = match &self.namespace {
            Some(namespace) => kube::Api::namespaced_with(client, namespace, &resource),
            None => kube::Api::all_with(client, &resource),
        };
        let place = self.clone();
        let mut listing = HashSet::new();
        watcher(api, watcher::Config::default().labels(DELIVERY_LABEL))
            .default_backoff()
            .filter_map(move |event| std::future::ready(sight(&place, event, &mut listing)))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} ({})",
            self.plural,
            api_version(&self.group, &self.version)
        )?;
        match &self.namespace {
            Some(namespace) => write!(formatter, " in {namespace}"),
            None => Ok(()),
        }
    }
}

fn sight(
    place: &Place,
    event: Result<watcher::Event<PartialObjectMeta<DynamicObject>>, watcher::Error>,
    listing: &mut HashSet<ObjectRef>,
) -> Option<Sight> {
    let read = |object: PartialObjectMeta<DynamicObject>| {
        let json = serde_json::to_value(object.metadata).ok()?;
        let metadata: Metadata = serde_json::from_value(json).ok()?;
        Some((place.object(&metadata.name), Box::new(metadata)))
    };
    match event {
        Ok(watcher::Event::Init) => {
            listing.clear();
            None
        }
        Ok(watcher::Event::InitApply(object)) => {
            let (object, metadata) = read(object)?;
            listing.insert(object.clone());
            Some(Sight::There(object, metadata))
        }
        Ok(watcher::Event::InitDone) => Some(Sight::Listed(std::mem::take(listing))),
        Ok(watcher::Event::Apply(object)) => {
            read(object).map(|(object, metadata)| Sight::There(object, metadata))
        }
        Ok(watcher::Event::Delete(object)) => {
            read(object).map(|(object, metadata)| Sight::Gone(object, metadata))
        }
        Err(error) => Some(match refusal(&error) {
            Some(status) => Sight::Refused(status),
            None => Sight::Interrupted,
        }),
    }
}

/// The status with which a watch is refused for good, as far as anybody can tell: forbidden, or not there.
fn refusal(error: &watcher::Error) -> Option<StatusCode> {
    let (watcher::Error::InitialListFailed(error)
    | watcher::Error::WatchStartFailed(error)
    | watcher::Error::WatchFailed(error)) = error
    else {
        return None;
    };
    let kube::Error::Api(status) = error else {
        return None;
    };
    let status = StatusCode::from_u16(status.code).ok()?;
    let is_final = matches!(
        status,
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
    );
    is_final.then_some(status)
}

impl Cluster {
    /// A client of kube's own for watches as somebody; nothing secret may pass through it.
    pub fn client_as(&self, actor: &Actor) -> Result<kube::Client, ClusterError> {
        let mut config = kube::Config::clone(&self.config);
        if let Actor::ServiceAccount(Key { namespace, name }) = actor {
            let user = format!("system:serviceaccount:{namespace}:{name}");
            let user = HeaderValue::from_str(&user).map_err(|_| ClusterError::Unaddressable)?;
            config
                .headers
                .push((HeaderName::from_static("impersonate-user"), user));
        }
        kube::Client::try_from(config).map_err(ClusterError::client)
    }
}
