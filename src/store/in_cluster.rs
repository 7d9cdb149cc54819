//! The home of custom resources.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures::{StreamExt as _, stream};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::references::{Reference, ReferenceKind, References, Version};
use super::{Status, StoreError};
use crate::api::{Conditions, GROUP, SecretData, VERSION};
use crate::cluster::{Actor, Cluster, ClusterError, Metadata, Resource, Scope, Session};
use crate::name::{FINALIZER, Key, Kind, ObjectName, ObjectRef};

/// Custom resources in a cluster.
pub struct InCluster {
    cluster: Cluster,
    references: References,
}

/// How many of the objects that were read are looked at at a time.
const CONCURRENCY: usize = 4;

#[derive(Deserialize)]
struct SecretReply {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMapReply {
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl InCluster {
    /// The custom resources of a cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            references: References::default(),
        }
    }

    /// Whether a service account is there.
    pub async fn has_service_account(&self, key: &Key) -> Result<bool, StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("find the service account", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let (account, resource) = (core("ServiceAccount", key), resource("serviceaccounts"));
        let found = session.metadata(&account, &resource).await.map_err(failed)?;
        Ok(found.is_some())
    }

    /// Reads a Secret that fluxops itself needs, for one of our objects. The connection is closed with its buffers
    /// afterwards.
    pub(super) async fn secret(&self, reader: &ObjectName, key: &Key) -> Result<SecretData, StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("read the Secret", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let reply: Option<SecretReply> = session
            .read(&core("Secret", key), &resource("secrets"))
            .await
            .map_err(failed)?;
        let metadata = reply.as_ref().map(|reply| &reply.metadata);
        self.note(reader, ReferenceKind::Secret, key, metadata);
        let missing = || StoreError::NotFound {
            kind: "Secret",
            key: key.clone(),
        };
        let decoded = reply.ok_or_else(missing)?.data.into_iter().map(|(name, text)| {
            let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
            bytes.map(|bytes| (name, bytes)).map_err(|_| missing())
        });
        decoded.collect()
    }

    /// Reads a `ConfigMap`, for one of our objects.
    pub(super) async fn config_map(
        &self,
        reader: &ObjectName,
        key: &Key,
    ) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("read the ConfigMap", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let reply: Option<ConfigMapReply> = session
            .read(&core("ConfigMap", key), &resource("configmaps"))
            .await
            .map_err(failed)?;
        let metadata = reply.as_ref().map(|reply| &reply.metadata);
        self.note(reader, ReferenceKind::ConfigMap, key, metadata);
        let reply = reply.ok_or_else(|| StoreError::NotFound {
            kind: "ConfigMap",
            key: key.clone(),
        })?;
        Ok(reply
            .data
            .into_iter()
            .map(|(name, text)| (name, text.into_bytes()))
            .collect())
    }

    fn note(&self, reader: &ObjectName, kind: ReferenceKind, key: &Key, metadata: Option<&Metadata>) {
        let key = key.clone();
        self.references
            .note(reader, Reference { kind, key }, version(metadata));
    }

    /// Forgets what was read for an object: it is gone, or reads anew.
    pub(super) fn forget_references(&self, reader: &ObjectName) {
        self.references.forget(reader);
    }

    /// Those for whom a Secret or `ConfigMap` was read that is another now, by its metadata alone. What cannot be looked
    /// at is taken for unchanged, until it can be.
    pub async fn changed_references(&self) -> BTreeSet<ObjectName> {
        let all = self.references.all();
        if all.is_empty() {
            return BTreeSet::new();
        }
        let Ok(session) = self.cluster.session(Actor::Itself) else {
            return BTreeSet::new();
        };
        let looks = all.into_iter().map(|reference| look(&session, reference));
        let now: BTreeMap<Reference, Version> = stream::iter(looks)
            .buffer_unordered(CONCURRENCY)
            .filter_map(std::future::ready)
            .collect()
            .await;
        self.references.changed(&now)
    }

    pub(super) async fn publish(&self, key: &Key, status: &Status<'_>) -> Result<(), StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("write the status of", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let (object, resource) = in_our_group(status.kind(), key);
        session
            .apply_status(&object, &resource, &status.to_json())
            .await
            .map_err(failed)
    }

    pub(super) async fn publish_conditions(
        &self,
        object: &ObjectName,
        conditions: &Conditions,
    ) -> Result<(), StoreError> {
        let key = &object.key;
        let failed = |error: ClusterError| StoreError::cluster("write the conditions of", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let (object, resource) = in_our_group(object.kind, key);
        let patch = serde_json::json!({"status": {"conditions": conditions}});
        session
            .merge_status(&object, &resource, &patch)
            .await
            .map_err(failed)
    }

    /// Puts our finalizer on a Delivery, or takes it off. It is done to the object of this `uid` alone; that another one
    /// has its name now is an error only where it was to be guarded.
    pub async fn set_finalizer(
        &self,
        key: &Key,
        uid: Option<&str>,
        finalizer: Finalizer,
    ) -> Result<(), StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("set the finalizer of", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let (object, resource) = in_our_group(Kind::Delivery, key);
        let live: Option<serde_json::Value> = session.read(&object, &resource).await.map_err(failed)?;
        let Some(live) = live else { return Ok(()) };
        let live_uid = live.pointer("/metadata/uid").and_then(serde_json::Value::as_str);
        if live_uid != uid {
            return match finalizer {
                Finalizer::On => Err(StoreError::Replaced(key.clone())),
                Finalizer::Off => Ok(()),
            };
        }
        let listed = live
            .pointer("/metadata/finalizers")
            .and_then(serde_json::Value::as_array);
        let mut finalizers: Vec<_> = listed.cloned().unwrap_or_default();
        finalizers.retain(|entry| entry.as_str() != Some(FINALIZER));
        if finalizer == Finalizer::On {
            finalizers.push(FINALIZER.into());
        }
        let version = live
            .pointer("/metadata/resourceVersion")
            .cloned()
            .unwrap_or_default();
        let patch = serde_json::json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
        session.merge(&object, &resource, &patch).await.map_err(failed)
    }
}

/// In which state an object is that is referred to; nothing if that cannot be found out.
async fn look(session: &Session, reference: Reference) -> Option<(Reference, Version)> {
    let (kind, plural) = match reference.kind {
        ReferenceKind::Secret => ("Secret", "secrets"),
        ReferenceKind::ConfigMap => ("ConfigMap", "configmaps"),
    };
    let metadata = session
        .metadata(&core(kind, &reference.key), &resource(plural))
        .await;
    let version = version(metadata.ok()?.as_ref());
    Some((reference, version))
}

fn version(metadata: Option<&Metadata>) -> Version {
    metadata.map_or(Version::Absent, |metadata| Version::Present {
        uid: metadata.uid.clone(),
        resource_version: metadata.resource_version.clone(),
    })
}

/// Whether our finalizer is on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalizer {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// How one of our own objects is addressed.
pub(crate) fn in_our_group(kind: Kind, key: &Key) -> (ObjectRef, Resource) {
    let plural = match kind {
        Kind::GitSource => "gitsources",
        Kind::Delivery => "deliveries",
        Kind::Notifier => "notifiers",
        Kind::Receiver => "receivers",
    };
    let object = ObjectRef {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        kind: kind.as_str().to_owned(),
        namespace: Some(key.namespace.clone()),
        name: key.name.clone(),
    };
    (object, resource(plural))
}

fn core(kind: &str, key: &Key) -> ObjectRef {
    ObjectRef {
        group: String::new(),
        version: "v1".to_owned(),
        kind: kind.to_owned(),
        namespace: Some(key.namespace.clone()),
        name: key.name.clone(),
    }
}

fn resource(plural: &str) -> Resource {
    Resource {
        plural: plural.to_owned(),
        scope: Scope::Namespaced,
    }
}
