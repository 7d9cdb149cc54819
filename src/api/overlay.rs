//! What a Delivery adds to the kustomization of its folder.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A patch, and the objects that it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Patch {
    /// A strategic merge patch, or a list of JSON patch operations; YAML or JSON.
    pub patch: String,
    /// The objects that it is for; those that a strategic merge patch names when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<PatchTarget>,
}

/// Which objects a patch is for. Group, version, kind, name and namespace are regular expressions for the whole text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchTarget {
    /// The group of the API.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// The version of the API.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The kind.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// A selector of annotations, written like one of labels.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub annotation_selector: String,
    /// A selector of labels, as kubectl's.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label_selector: String,
}

/// What becomes of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Image {
    /// Its name, without tag or digest.
    pub name: String,
    /// Another name for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub new_name: String,
    /// The tag that it gets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub new_tag: String,
    /// The digest that it gets.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
}
