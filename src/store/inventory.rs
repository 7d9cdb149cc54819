//! Inventories of `--config` mode: Secrets in the target cluster, so that a lost state directory loses no object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use super::StoreError;
use crate::api::InventoryEntry;
use crate::cluster::{Actor, ApplyMode, Cluster, ClusterError, Resource, Scope, Session};
use crate::name::{Key, ObjectRef};

/// The number of the format.
const SCHEMA: u32 = 1;
/// How much of an inventory goes into one Secret, in bytes before base64: safely below etcd's 1.5 MiB and the API
/// server's 1 MiB for Secrets.
const MAX_PART_BYTES: usize = 600 * 1024;
/// The most Secrets that one inventory may take.
const MAX_PARTS: usize = 16;

#[derive(Serialize, Deserialize)]
struct Part {
    schema: u32,
    /// How many parts there are; what lies beyond is left over from a larger inventory.
    parts: usize,
    entries: Vec<InventoryEntry>,
}

/// Reads an inventory; empty where there is none yet.
pub(super) async fn read(cluster: &Cluster, delivery: &Key) -> Result<Vec<InventoryEntry>, StoreError> {
    let failed = |error: ClusterError| StoreError::cluster("read the inventory of", delivery, error);
    let session = cluster.session(Actor::Itself).map_err(failed)?;
    let mut entries = Vec::new();
    let mut parts = 1;
    let mut index = 0;
    while index < parts.min(MAX_PARTS) {
        let Some(secret) = session
            .read::<Json>(&object(delivery, index), &secrets())
            .await
            .map_err(failed)?
        else {
            if index == 0 {
                return Ok(entries);
            }
            return Err(StoreError::Inventory(delivery.clone()));
        };
        let part = decode(&secret).ok_or_else(|| StoreError::Inventory(delivery.clone()))?;
        parts = part.parts;
        entries.extend(part.entries);
        index += 1;
    }
    Ok(entries)
}

/// Writes an inventory.
pub(super) async fn write(
    cluster: &Cluster,
    delivery: &Key,
    entries: &[InventoryEntry],
) -> Result<(), StoreError> {
    let failed = |error: ClusterError| StoreError::cluster("write the inventory of", delivery, error);
    let session = cluster.session(Actor::Itself).map_err(failed)?;
    let parts = split(entries);
    if parts.len() > MAX_PARTS {
        return Err(StoreError::Inventory(delivery.clone()));
    }
    for (index, entries) in parts.iter().enumerate() {
        let part = Part {
            schema: SCHEMA,
            parts: parts.len(),
            entries: entries.to_vec(),
        };
        write_part(&session, &object(delivery, index), &part)
            .await
            .map_err(failed)?;
    }
    Ok(())
}

async fn write_part(session: &Session, object: &ObjectRef, part: &Part) -> Result<(), ClusterError> {
    let json = serde_json::to_vec(part).unwrap_or_default();
    let body = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "fluxops.dev/inventory",
        "metadata": {"name": object.name, "namespace": object.namespace},
        "data": {"inventory": BASE64.encode(json)},
    });
    let body = Zeroizing::new(body.to_string().into_bytes());
    session
        .apply(object, &secrets(), body, ApplyMode::Persist)
        .await
        .map(drop)
}

fn split(entries: &[InventoryEntry]) -> Vec<&[InventoryEntry]> {
    const ENTRY_OVERHEAD: usize = 16;
    let mut parts = Vec::new();
    let mut rest = entries;
    loop {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|entry| {
            bytes += entry.id.len() + entry.v.len() + ENTRY_OVERHEAD;
            bytes <= MAX_PART_BYTES
        });
        let count = fits.count().max(1).min(rest.len());
        let (part, tail) = rest.split_at(count);
        parts.push(part);
        rest = tail;
        if rest.is_empty() {
            return parts;
        }
    }
}

fn decode(secret: &Json) -> Option<Part> {
    let text = secret.pointer("/data/inventory")?.as_str()?;
    let part: Part = serde_json::from_slice(&BASE64.decode(text).ok()?).ok()?;
    (part.schema == SCHEMA).then_some(part)
}

fn object(delivery: &Key, index: usize) -> ObjectRef {
    let base = format!("fluxops-inventory-{}", delivery.name);
    ObjectRef {
        group: String::new(),
        version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        namespace: Some(delivery.namespace.clone()),
        name: if index == 0 {
            base
        } else {
            format!("{base}-{index}")
        },
    }
}

fn secrets() -> Resource {
    Resource {
        plural: "secrets".to_owned(),
        scope: Scope::Namespaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory_is_split_below_the_limit_and_loses_nothing() {
        let entry = |index: usize| InventoryEntry {
            id: format!("{}_{index}", "n".repeat(300)),
            v: "v1".into(),
        };
        let entries: Vec<_> = (0..5_000).map(entry).collect();
        let parts = split(&entries);
        assert!(parts.len() > 1 && parts.len() <= MAX_PARTS, "{}", parts.len());
        for part in &parts {
            let part = Part {
                schema: SCHEMA,
                parts: parts.len(),
                entries: part.to_vec(),
            };
            assert!(serde_json::to_vec(&part).unwrap().len() < MAX_PART_BYTES * 11 / 10);
        }
        assert_eq!(parts.concat(), entries);
        assert_eq!(split(&[]).len(), 1);
    }
}
