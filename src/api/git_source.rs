//! `GitSource`: where manifests come from, and whose signatures make them worth applying.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Conditions, GoDuration, Interval, LocalReference, SignerStatus};

/// A Git repository that is followed and whose commits are verified.
#[derive(Debug, Clone, PartialEq, Eq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fluxops.dev",
    version = "v1alpha1",
    kind = "GitSource",
    namespaced,
    status = "GitSourceStatus",
    shortname = "gs",
    category = "fluxops",
    printcolumn = r#"{"name":"URL","type":"string","jsonPath":".spec.url"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"Revision","type":"string","jsonPath":".status.revision"}"#,
    printcolumn = r#"{"name":"Signer","type":"string","jsonPath":".status.signer.identity"}"#,
    printcolumn = r#"{"name":"Status","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].message","priority":1}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitSourceSpec {
    /// `https://…` or `ssh://…`; `http://…` without credentials only; `file://…` only with `--config`.
    pub url: String,
    /// What is followed; the branch `master` when absent, as in Flux.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<GitReference>,
    /// How often the remote is asked.
    pub interval: Interval,
    /// How long one network step may take; 60 s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// Which commits are trusted. Required: opting out has to be visible.
    pub verify: Verify,
    /// A Secret with the credentials: `username`/`password`, `bearerToken`, `identity`/`known_hosts`/`password`,
    /// `ca.crt`, `tls.crt`/`tls.key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// A Secret with the proxy: `address`, `username`, `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// No fetching while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// What is followed. Of several fields the first of commit, name, semver, tag, branch counts, as in Flux.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GitReference {
    /// A branch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// A tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The newest tag in a range, for example `>=1.2.0 <2.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub semver: Option<String>,
    /// Any reference by its full name, for example `refs/pull/420/head`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A commit by its full id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// Which commits are trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Verify {
    /// What has to be signed; History when absent.
    #[serde(default)]
    pub mode: VerificationMode,
    /// The keys that are trusted; required unless the mode is None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_ref: Option<TrustReference>,
    /// In mode History the commit, by its full id, that is taken as trusted and whose descendants have to be signed. When
    /// absent, the first revision that is seen has to verify, and history begins with it. Another value begins anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_from: Option<String>,
    /// Whose key counts for merges that a forge makes. Not for the modes Tag and None.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forge: Option<Forge>,
    /// How old the newest commit may be, by its committer's time. A source whose head is older is reported as stale, and
    /// goes on; somebody may be holding back what is pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<GoDuration>,
    /// Whose commits are taken, of those that are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<AllowedPeople>,
    /// Who has to have signed what stands at certain paths. All rules have to hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
}

/// Who has to have signed what stands at certain paths. For a state of a path there count who signed the commit that made
/// it, and who signed a tag `approvals/PATH/NAME` of it (`git tag -s approvals/clusters/prod/ada HEAD:clusters/prod`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Folders or files from the root of the repository: `clusters/prod`, or `clusters/prod/**` for the same; `**` is
    /// everything. Other patterns are refused.
    pub paths: Vec<String>,
    /// Whose signatures count, by e-mail address (`*` and `?` stand for any characters and for one) or by the fingerprint
    /// of the key; everybody's who is trusted when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<String>,
    /// How many different people have to have signed; 1 when absent, 16 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<u32>,
}

/// A forge that merges by a button, and signs that with its own key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Forge {
    /// The forge's keys. They count for one thing alone: a merge of two commits that are trusted, whose tree is exactly
    /// the merge of theirs, without a conflict and without a rename on one side of what the other changed. A key that is
    /// in both places counts as the forge's.
    pub trust_ref: TrustReference,
}

/// People by their e-mail addresses, in which `*` and `?` stand for any characters and for one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AllowedPeople {
    /// Committers; anybody when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub committers: Vec<String>,
    /// Authors; anybody when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authors: Vec<String>,
}

/// What has to be signed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum VerificationMode {
    /// Every commit since the last trusted one, over all parents; a new head has to descend from it.
    #[default]
    History,
    /// The commit that is applied.
    Head,
    /// The annotated tag that leads to it.
    Tag,
    /// Both.
    TagAndHead,
    /// Nothing. Every apply is then audited as waived.
    None,
}

/// Where the trusted keys are. Keys: `allowed_signers`, `*.sshpub`, `*.asc`, `revoked_keys`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustReference {
    /// Secret or `ConfigMap`.
    pub kind: TrustKind,
    /// Its name, in the namespace of the `GitSource`.
    pub name: String,
}

/// The kinds that can hold trusted keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrustKind {
    /// A Secret.
    Secret,
    /// A `ConfigMap`; public keys are no secrets.
    ConfigMap,
}

/// What is known of the source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitSourceStatus {
    /// The generation of the spec that this speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, `SourceVerified`, Stale, Reconciling, Stalled.
    #[serde(default)]
    pub conditions: Conditions,
    /// The last verified revision, as `main@sha1:<id>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Who signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<SignerStatus>,
    /// In mode History the full id of the commit that new ones have to descend from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_trusted: Option<String>,
    /// The value of the annotation `fluxops.dev/requestedAt` that was last acted on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}
