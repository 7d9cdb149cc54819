//! How one object names another.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// What a reference to a Secret leads to: its data by key, decoded, wiped when it is dropped.
pub type SecretData = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// An object of the same namespace, its kind given by the field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LocalReference {
    /// Its name.
    pub name: String,
}

/// The kinds a Delivery can take its files from. Other kinds of source will be added here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourceKind {
    /// A Git repository.
    #[default]
    GitSource,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceReference {
    /// Its kind; `GitSource` when absent.
    #[serde(default)]
    pub kind: SourceKind,
    /// Its name, in the same namespace.
    pub name: String,
}
