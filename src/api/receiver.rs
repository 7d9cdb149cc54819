//! `Receiver`: which webhooks of a forge wake which sources.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Conditions, LocalReference, SourceReference};

/// A webhook that has sources fetched at once, not at their interval.
#[derive(Debug, Clone, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fluxops.dev",
    version = "v1alpha1",
    kind = "Receiver",
    namespaced,
    status = "ReceiverStatus",
    category = "fluxops",
    printcolumn = r#"{"name":"Type","type":"string","jsonPath":".spec.type"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Path","type":"string","jsonPath":".status.webhookPath"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiverSpec {
    /// Who calls, which says how a call proves where it comes from.
    #[serde(rename = "type")]
    pub type_: ReceiverType,
    /// A Secret with `token`, at least 16 bytes: what the forge calls the secret of the webhook.
    pub secret_ref: LocalReference,
    /// Which of the forge's events count, in its words (`push`, `Push Hook`, `repo:push`), in any case; all when absent. Not
    /// for generic-hmac, whose calls name none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// The sources that are fetched, at least one. A source that follows another branch or tag than those that were pushed
    /// is left alone where the call says so beyond doubt.
    pub sources: Vec<SourceReference>,
    /// Nothing is received while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ReceiverType {
    /// GitHub: an HMAC with SHA-256 in `X-Hub-Signature-256`.
    #[serde(rename = "github")]
    GitHub,
    /// GitLab: the token itself in `X-Gitlab-Token`.
    #[serde(rename = "gitlab")]
    GitLab,
    /// Gitea: an HMAC with SHA-256 in `X-Gitea-Signature`.
    #[serde(rename = "gitea")]
    Gitea,
    /// Forgejo: an HMAC with SHA-256 in `X-Forgejo-Signature`.
    #[serde(rename = "forgejo")]
    Forgejo,
    /// Bitbucket Cloud and Data Center: an HMAC with SHA-256 in `X-Hub-Signature`.
    #[serde(rename = "bitbucket")]
    Bitbucket,
    /// Anybody: an HMAC with SHA-256 or SHA-512 in `X-Signature`, as in Flux.
    #[serde(rename = "generic-hmac")]
    GenericHmac,
}

/// What is known of the webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
    /// The generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Stalled.
    #[serde(default)]
    pub conditions: Conditions,
    /// The path that the forge has to call, behind the address under which it reaches fluxops. Another token makes another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_path: Option<String>,
}
