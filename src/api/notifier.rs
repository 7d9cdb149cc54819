//! `Notifier`: who is told, and of what.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;
use crate::name::Kind;

/// A place that is told when a reconcile succeeds or fails.
#[derive(Debug, Clone, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fluxops.dev",
    version = "v1alpha1",
    kind = "Notifier",
    namespaced,
    category = "fluxops",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Severity","type":"string","jsonPath":".spec.severity"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NotifierSpec {
    /// What it speaks.
    #[serde(rename = "type")]
    pub type_: NotifierType,
    /// Slack: `https://slack.com/api/chat.postMessage` when absent and a token is given. Matrix: the homeserver.
    /// Https, or http to loopback. A Slack webhook address is a secret: put it into the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Slack: the channel. Matrix: the room, `!id:server` or `#alias:server`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// A Secret with `address`, `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// What is told of; everything in the Notifier's namespace when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceSelector>,
    /// `info`: successes and failures; `error`: failures and recoveries.
    #[serde(default)]
    pub severity: Severity,
    /// Nothing is sent while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What a Notifier speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NotifierType {
    /// Slack: an incoming webhook, or a bot token and a channel.
    Slack,
    /// Matrix: a homeserver, an access token and a room.
    Matrix,
}

/// How bad it has to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Everything.
    #[default]
    Info,
    /// Failures, and that they are over.
    Error,
}

/// Objects that a Notifier tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SourceSelector {
    /// `GitSource` or Delivery.
    pub kind: Kind,
    /// A name, or `*`.
    pub name: String,
    /// Their namespace; the Notifier's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Labels that they must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
}
