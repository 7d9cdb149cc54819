//! Lists of the objects of a Delivery, without their content.

use serde::Deserialize;

use super::{ClusterError, Metadata, MetadataReply, Place, Session, escape};
use crate::name::{DELIVERY_LABEL, Key, NAMESPACE_LABEL, ObjectRef, label_value};

/// How many objects are asked for at a time. The metadata of one has some kilobytes.
const PAGE: usize = 500;

/// Asks for metadata only: of a Secret, nothing comes back that is secret.
const METADATA_LIST_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

#[derive(Deserialize)]
struct ListReply {
    metadata: ListMetadata,
    items: Vec<MetadataReply>,
}

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct ListMetadata {
    #[serde(rename = "continue")]
    next: String,
}

impl Session {
    /// The objects in a place that bear the labels of a Delivery.
    pub async fn list(&self, place: &Place, owner: &Key) -> Result<Vec<(ObjectRef, Metadata)>, ClusterError> {
        let labels = format!(
            "{}%3D{}%2C{}%3D{}",
            escape(DELIVERY_LABEL),
            escape(&label_value(&owner.name)),
            escape(NAMESPACE_LABEL),
            escape(&label_value(&owner.namespace)),
        );
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let uri = format!(
                "{}?labelSelector={labels}&limit={PAGE}&continue={}",
                place.path(),
                escape(&next)
            );
            let reply: ListReply = self.get(&uri, METADATA_LIST_ONLY).await?;
            let items = reply.items.into_iter().map(|item| item.metadata);
            found.extend(items.map(|metadata| (place.object(&metadata.name), metadata)));
            if reply.metadata.next.is_empty() {
                return Ok(found);
            }
            next = reply.metadata.next;
        }
    }
}
