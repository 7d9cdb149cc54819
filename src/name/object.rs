//! The name of any object in a cluster.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::api::InventoryEntry;

/// An object by group, version, kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The API group; empty for the core group.
    pub group: String,
    /// The version in the group.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The namespace; absent for what has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// What makes two references mean one object: everything but the version.
pub type Identity<'a> = (&'a str, &'a str, Option<&'a str>, &'a str);

impl ObjectRef {
    /// What it has in common with every other reference to the same object.
    pub fn identity(&self) -> Identity<'_> {
        (&self.group, &self.kind, self.namespace.as_deref(), &self.name)
    }

    /// `group/version`, or the version alone in the core group.
    pub fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// As an inventory has it.
    pub fn to_inventory_entry(&self) -> InventoryEntry {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        InventoryEntry {
            id: format!("{namespace}_{}_{}_{}", self.name, self.group, self.kind),
            v: self.version.clone(),
        }
    }

    /// From an inventory; nothing if it is none of ours. Neither namespaces, groups nor kinds contain `_`.
    pub fn from_inventory_entry(entry: &InventoryEntry) -> Option<Self> {
        let (namespace, rest) = entry.id.split_once('_')?;
        let (rest, kind) = rest.rsplit_once('_')?;
        let (name, group) = rest.rsplit_once('_')?;
        Some(Self {
            group: group.to_owned(),
            version: entry.v.clone(),
            kind: kind.to_owned(),
            namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
            name: name.to_owned(),
        })
    }

    /// Whether it is a Secret, whose data is secret by definition.
    pub fn is_secret(&self) -> bool {
        self.group.is_empty() && self.kind == "Secret"
    }
}

/// `group/version`, or the version alone in the core group.
pub fn api_version(group: &str, version: &str) -> String {
    if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    }
}

/// `Kind/namespace/name`, as Flux writes it.
impl fmt::Display for ObjectRef {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(formatter, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(formatter, "{}/{}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inventory_entry_is_read_back() {
        for (namespace, name, group, kind) in [
            (Some("default"), "web", "apps", "Deployment"),
            (
                None,
                "system:node_a__b",
                "rbac.authorization.k8s.io",
                "ClusterRole",
            ),
            (Some("a"), "b", "", "Secret"),
        ] {
            let object = ObjectRef {
                group: group.into(),
                version: "v1".into(),
                kind: kind.into(),
                namespace: namespace.map(Into::into),
                name: name.into(),
            };
            assert_eq!(
                ObjectRef::from_inventory_entry(&object.to_inventory_entry()),
                Some(object)
            );
        }
        let foreign = InventoryEntry {
            id: "nonsense".into(),
            v: "v1".into(),
        };
        assert_eq!(ObjectRef::from_inventory_entry(&foreign), None);
    }
}
