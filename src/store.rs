//! Where specs, secrets, inventories and statuses live: in the cluster, or in a folder with `--config`.

mod definition;
mod folder;
mod in_cluster;
mod inventory;
mod last_trusted;
mod references;

pub(crate) use definition::our_kind;
pub use definition::{
    ACCEPT_REWIND, Definition, Definitions, Deletion, HELD_AT, HELD_BY, HELD_REVISION, Hold,
    InvalidDefinition, Parsed, REQUESTED_AT, Unreadable,
};
pub use folder::{ConfigError, Folder};
pub(crate) use in_cluster::in_our_group;
pub use in_cluster::{Finalizer, InCluster};
pub use last_trusted::{LastTrusted, LastTrustedError};

use std::collections::BTreeMap;

use crate::api::{
    Conditions, DeliveryStatus, GitSourceStatus, InventoryEntry, ReceiverStatus, Remedy, SecretData,
    TrustKind,
};
use crate::cluster::{Cluster, ClusterError};
use crate::name::{Key, Kind, ObjectName};
use crate::verify::TrustMaterial;

/// One of the two homes.
pub enum Store {
    /// Custom resources.
    InCluster(InCluster),
    /// A file or folder of the same documents.
    Folder(Folder),
}

/// Why something that a spec refers to, or a status, cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// What is referred to is not there.
    #[error("failed to find the {kind} {key}, which the spec refers to")]
    NotFound {
        /// Secret or `ConfigMap`.
        kind: &'static str,
        /// Which.
        key: Key,
    },
    /// The API server.
    #[error("failed to {action} {key}")]
    Cluster {
        /// What was tried.
        action: &'static str,
        /// On which object.
        key: Key,
        /// What came of it. Its `Display` has none of the server's words: this is about Secrets more often than not.
        source: Box<ClusterError>,
    },
    /// Another object has its name now.
    #[error("failed to set the finalizer of {0}: another object has taken its name")]
    Replaced(Key),
    /// What is there is not what fluxops wrote.
    #[error("failed to read the inventory of {0}: it is not one that this fluxops reads")]
    Inventory(Key),
    /// The state directory.
    #[error("failed to write the status of {key} to the state directory: {message}")]
    Status {
        /// Whose status.
        key: Key,
        /// Why.
        message: String,
    },
}

impl StoreError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &str {
        match self {
            Self::NotFound { .. } => "ReferenceNotFound",
            Self::Cluster { source, .. } => source.reason(),
            Self::Replaced(_) => "Replaced",
            Self::Inventory(_) => "InvalidInventory",
            Self::Status { .. } => "StateDirectory",
        }
    }

    /// What it takes until it works. Somebody may make what is missing at any time.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Cluster { source, .. } => source.remedy(),
            Self::Inventory(_) => Remedy::Change,
            Self::NotFound { .. } | Self::Replaced(_) | Self::Status { .. } => Remedy::Retry,
        }
    }

    fn cluster(action: &'static str, key: &Key, source: ClusterError) -> Self {
        Self::Cluster {
            action,
            key: key.clone(),
            source: Box::new(source),
        }
    }
}

/// A status of one of our kinds.
pub enum Status<'a> {
    /// Of a `GitSource`.
    GitSource(&'a GitSourceStatus),
    /// Of a Delivery.
    Delivery(&'a DeliveryStatus),
    /// Of a Receiver.
    Receiver(&'a ReceiverStatus),
}

impl Status<'_> {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::GitSource(_) => Kind::GitSource,
            Self::Delivery(_) => Kind::Delivery,
            Self::Receiver(_) => Kind::Receiver,
        }
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        let json = match self {
            Self::GitSource(status) => serde_json::to_value(status),
            Self::Delivery(status) => serde_json::to_value(status),
            Self::Receiver(status) => serde_json::to_value(status),
        };
        json.unwrap_or_default()
    }
}

impl Store {
    /// The data of a Secret, read for one of our objects.
    pub async fn secret(&self, reader: &ObjectName, key: &Key) -> Result<SecretData, StoreError> {
        match self {
            Self::InCluster(store) => store.secret(reader, key).await,
            Self::Folder(folder) => folder.secret(key),
        }
    }

    /// The entries of a `ConfigMap`, read for one of our objects.
    pub async fn config_map(
        &self,
        reader: &ObjectName,
        key: &Key,
    ) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        match self {
            Self::InCluster(store) => store.config_map(reader, key).await,
            Self::Folder(folder) => folder.config_map(key),
        }
    }

    /// Trusted keys, by file name, read for one of our objects.
    pub async fn trust(
        &self,
        reader: &ObjectName,
        kind: TrustKind,
        key: &Key,
    ) -> Result<TrustMaterial, StoreError> {
        match kind {
            TrustKind::Secret => {
                let data = self.secret(reader, key).await?;
                Ok(data
                    .iter()
                    .map(|(name, bytes)| (name.clone(), bytes.to_vec()))
                    .collect())
            }
            TrustKind::ConfigMap => self.config_map(reader, key).await,
        }
    }

    /// Forgets what was read for an object: it is gone, or reads anew.
    pub fn forget_references(&self, reader: &ObjectName) {
        match self {
            Self::InCluster(store) => store.forget_references(reader),
            // Documents do not change while the process runs.
            Self::Folder(_) => {}
        }
    }

    /// What a Delivery has applied so far.
    pub async fn inventory(
        &self,
        cluster: &Cluster,
        delivery: &Key,
        status: &DeliveryStatus,
    ) -> Result<Vec<InventoryEntry>, StoreError> {
        match self {
            Self::InCluster(_) => Ok(status.inventory.clone()),
            Self::Folder(_) => inventory::read(cluster, delivery).await,
        }
    }

    /// Keeps what a Delivery has applied. In the cluster the status does.
    pub async fn keep_inventory(
        &self,
        cluster: &Cluster,
        delivery: &Key,
        entries: &[InventoryEntry],
    ) -> Result<(), StoreError> {
        match self {
            Self::InCluster(_) => Ok(()),
            Self::Folder(_) => inventory::write(cluster, delivery, entries).await,
        }
    }

    /// Publishes the conditions of an object whose spec cannot be read; the rest of its status stays. With `--config`
    /// there is none: such a document stops the start.
    pub async fn publish_conditions(
        &self,
        object: &ObjectName,
        conditions: &Conditions,
    ) -> Result<(), StoreError> {
        match self {
            Self::InCluster(store) => store.publish_conditions(object, conditions).await,
            Self::Folder(_) => Ok(()),
        }
    }

    /// Publishes a status.
    pub async fn publish(&self, key: &Key, status: Status<'_>) -> Result<(), StoreError> {
        match self {
            Self::InCluster(store) => store.publish(key, &status).await,
            Self::Folder(folder) => folder.publish(key, &status),
        }
    }
}
