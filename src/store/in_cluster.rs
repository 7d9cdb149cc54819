//! The home of custom resources.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Status, StoreError};
use crate::api::{Conditions, GROUP, SecretData, VERSION};
use crate::cluster::{Actor, Cluster, ClusterError, Resource, Scope};
use crate::name::{FINALIZER, Key, Kind, ObjectName, ObjectRef};
use crate::verify::TrustMaterial;

/// Custom resources in a cluster.
pub struct InCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
struct SecretReply {
    #[serde(default)]
    data: BTreeMap<String, Zeroizing<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMapReply {
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl InCluster {
    /// The custom resources of a cluster.
    pub fn new(cluster: Cluster) -> Self {
        Self { cluster }
    }

    /// Whether a service account is there.
    pub async fn has_service_account(&self, key: &Key) -> Result<bool, StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("find the service account", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let (account, resource) = (core("ServiceAccount", key), resource("serviceaccounts"));
        let found = session.metadata(&account, &resource).await.map_err(failed)?;
        Ok(found.is_some())
    }

    /// Reads a Secret that fluxops itself needs. The connection is closed with its buffers afterwards.
    pub(super) async fn secret(&self, key: &Key) -> Result<SecretData, StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("read the Secret", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let reply: Option<SecretReply> = session
            .read(&core("Secret", key), &resource("secrets"))
            .await
            .map_err(failed)?;
        let reply = reply.ok_or_else(|| StoreError::NotFound {
            kind: "Secret",
            key: key.clone(),
        })?;
        let decoded = reply.data.into_iter().map(|(name, text)| {
            let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
            bytes
                .map(|bytes| (name, bytes))
                .map_err(|_| StoreError::NotFound {
                    kind: "Secret",
                    key: key.clone(),
                })
        });
        decoded.collect()
    }

    pub(super) async fn config_map(&self, key: &Key) -> Result<TrustMaterial, StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("read the ConfigMap", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let reply: Option<ConfigMapReply> = session
            .read(&core("ConfigMap", key), &resource("configmaps"))
            .await
            .map_err(failed)?;
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

    pub(super) async fn publish(&self, key: &Key, status: &Status<'_>) -> Result<(), StoreError> {
        let failed = |error: ClusterError| StoreError::cluster("write the status of", key, error);
        let session = self.cluster.session(Actor::Itself).map_err(failed)?;
        let (object, resource) = ours(status.kind(), key);
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
        let (object, resource) = ours(object.kind, key);
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
        let (object, resource) = ours(Kind::Delivery, key);
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

/// Whether our finalizer is on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalizer {
    /// It is.
    On,
    /// It is not.
    Off,
}

/// How one of our own objects is addressed.
pub(crate) fn ours(kind: Kind, key: &Key) -> (ObjectRef, Resource) {
    let plural = match kind {
        Kind::GitSource => "gitsources",
        Kind::Delivery => "deliveries",
        Kind::Notifier => "notifiers",
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
