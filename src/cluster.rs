//! The only file that speaks to the API server.
//!
//! Requests are made by hand on kube's client and its connections: a body that may hold secrets is bytes that
//! were written for this one request, and a reply never becomes part of an error without passing through
//! [`Refusal`], which keeps the server's words apart from what may be shown.

mod connection;
mod discovery;
mod error;
mod events;
mod list;
mod refusal;
mod retry;
mod watch;
mod wording;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::time::Instant;
use zeroize::Zeroizing;

use discovery::{Discovery, ResourceList};
pub use error::ClusterError;
pub use events::{Event, MAX_EVENTS, REPORTING_CONTROLLER, Regarding};
pub use refusal::{Cause, Refusal, Sensitivity};
pub use watch::{Place, Sight};
pub use wording::Wording;

use crate::name::{FIELD_MANAGER, Key, ObjectRef};

/// How long the API server may take for one request, all its tries together.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// How large a reply may be. The API server's own objects are bound by etcd at 1.5 MiB; lists are paged.
pub const MAX_REPLY_BYTES: usize = 32 * 1024 * 1024;

/// Asks for metadata only: of a Secret, nothing comes back that is secret.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// What a cluster is called by default where there is no kubeconfig with a context.
pub const IN_CLUSTER: &str = "in-cluster";
const JSON: &str = "application/json";

/// Which cluster, and as whom.
#[derive(Debug, Clone, Default)]
pub struct ClusterOptions {
    /// A kubeconfig file; the usual places when absent.
    pub kubeconfig: Option<std::path::PathBuf>,
    /// A context in it; its current one when absent.
    pub context: Option<String>,
}

/// A cluster that can be reached.
#[derive(Clone)]
pub struct Cluster {
    config: Arc<kube::Config>,
    name: Arc<str>,
    discovery: Discovery,
}

/// As whom requests are made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// As the user of the kubeconfig, or the pod's own service account.
    Itself,
    /// As a service account that is impersonated.
    ServiceAccount(Key),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Itself => formatter.write_str("fluxops itself"),
            Self::ServiceAccount(key) => write!(formatter, "the service account {key}"),
        }
    }
}

/// Connections to the API server. When it is dropped they are closed, and the buffers that carried secrets are
/// freed and, by the allocator, wiped.
pub struct Session {
    client: kube::Client,
    actor: Actor,
    discovery: Discovery,
}

/// How a kind is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The plural in the path.
    pub plural: String,
    /// Whether its objects live in namespaces.
    pub scope: Scope,
}

/// Whether objects live in namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// They do.
    Namespaced,
    /// They do not.
    Cluster,
}

/// Whether an apply is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyMode {
    /// The server says what it would do.
    DryRun,
    /// The server does it.
    Persist,
}

/// What has to be as it was seen for an object to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    /// The object, whatever became of it.
    Object {
        /// Its identity over its life.
        uid: &'a str,
    },
    /// The object in one state.
    State {
        /// Its identity over its life.
        uid: &'a str,
        /// Its resource version.
        version: &'a str,
    },
}

/// What a server says of an object without saying what is in it.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The identity over its life.
    pub uid: String,
    /// Which state of the object it is; it stays when a write changes nothing.
    pub resource_version: String,
    /// The labels.
    pub labels: HashMap<String, String>,
    /// The annotations.
    pub annotations: HashMap<String, String>,
    /// Who owns which field.
    pub managed_fields: Json,
    /// When its deletion was asked for.
    pub deletion_timestamp: Option<String>,
    /// Who has to agree before it goes.
    pub finalizers: Vec<String>,
}

/// What came back, whatever it says.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Zeroizing<Vec<u8>>,
}

#[derive(Deserialize)]
struct MetadataReply {
    metadata: Metadata,
}

impl Cluster {
    /// Finds the cluster: the given kubeconfig, the usual one, or the one this runs in.
    pub async fn find(options: &ClusterOptions) -> Result<Self, ClusterError> {
        let chosen = KubeConfigOptions {
            context: options.context.clone(),
            ..KubeConfigOptions::default()
        };
        let config = match &options.kubeconfig {
            Some(path) => {
                let file = Kubeconfig::read_from(path).map_err(ClusterError::kubeconfig)?;
                kube::Config::from_custom_kubeconfig(file, &chosen)
                    .await
                    .map_err(ClusterError::kubeconfig)?
            }
            None if options.context.is_some() => kube::Config::from_kubeconfig(&chosen)
                .await
                .map_err(ClusterError::kubeconfig)?,
            None => kube::Config::infer().await.map_err(ClusterError::infer)?,
        };
        let context = options.context.clone().or_else(|| current_context(options));
        let name = context.as_deref().unwrap_or(IN_CLUSTER).into();
        Ok(Self {
            config: Arc::new(config),
            name,
            discovery: Discovery::default(),
        })
    }

    /// The same cluster by the name that its operator gives it.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self {
            name: name.into(),
            ..self
        }
    }

    /// What people call it: the context of the kubeconfig, or [`IN_CLUSTER`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The namespace that the kubeconfig or the pod is in.
    pub fn default_namespace(&self) -> &str {
        &self.config.default_namespace
    }

    /// A client of kube's own, for watches of our kinds and events; nothing secret may pass through it.
    pub fn client(&self) -> Result<kube::Client, ClusterError> {
        kube::Client::try_from(kube::Config::clone(&self.config)).map_err(ClusterError::client)
    }

    /// New connections, as somebody.
    pub fn session(&self, actor: Actor) -> Result<Session, ClusterError> {
        let config = kube::Config::clone(&self.config);
        Ok(Session {
            client: connection::client(config).map_err(ClusterError::client)?,
            actor,
            discovery: self.discovery.clone(),
        })
    }
}

/// The context that a kubeconfig makes current; nothing in a pod, which has no kubeconfig.
fn current_context(options: &ClusterOptions) -> Option<String> {
    let read = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    read.ok()?.current_context
}

impl Session {
    /// As whom its requests are made.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// How the kind of an object is addressed; nothing if the server does not know it.
    pub async fn resource(&self, object: &ObjectRef) -> Result<Option<Resource>, ClusterError> {
        let api_version = object.api_version();
        let now = std::time::Instant::now();
        if let Some(known) = self.discovery.get(&api_version, now)
            && let Some(resource) = known.find(&object.kind)
        {
            return Ok(Some(resource));
        }
        let reply: Option<ResourceList> = absent_as_none(self.get(&group_path(&api_version), JSON).await)?;
        let Some(list) = reply.map(Arc::new) else {
            return Ok(None);
        };
        let resource = list.find(&object.kind);
        self.discovery.keep(api_version, list, now);
        Ok(resource)
    }

    /// Forgets which kinds there are, after `CustomResourceDefinitions` were applied.
    pub fn forget_resources(&self) {
        self.discovery.forget();
    }

    /// What the server has under this name, without its content.
    pub async fn metadata(
        &self,
        object: &ObjectRef,
        resource: &Resource,
    ) -> Result<Option<Metadata>, ClusterError> {
        let reply: Option<MetadataReply> =
            absent_as_none(self.get(&object_path(object, resource), METADATA_ONLY).await)?;
        Ok(reply.map(|reply| reply.metadata))
    }

    /// Applies an object, or asks what applying would do. The reply has metadata only.
    pub async fn apply(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        body: Zeroizing<Vec<u8>>,
        mode: ApplyMode,
    ) -> Result<Metadata, ClusterError> {
        let dry_run = match mode {
            ApplyMode::DryRun => "&dryRun=All",
            ApplyMode::Persist => "",
        };
        let uri = format!(
            "{}?fieldManager={FIELD_MANAGER}&force=true&fieldValidation=Strict{dry_run}",
            object_path(object, resource)
        );
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(uri)
            .header(header::ACCEPT, METADATA_ONLY)
            .header(header::CONTENT_TYPE, "application/apply-patch+yaml");
        let reply: MetadataReply = self.send(request, body).await?;
        Ok(reply.metadata)
    }

    /// Deletes an object if it still is what was seen; 409 if it is not.
    pub async fn delete(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        seen: Seen<'_>,
    ) -> Result<(), ClusterError> {
        let preconditions = match seen {
            Seen::Object { uid } => serde_json::json!({ "uid": uid }),
            Seen::State { uid, version } => serde_json::json!({ "uid": uid, "resourceVersion": version }),
        };
        let options = serde_json::json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        });
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(object_path(object, resource))
            .header(header::ACCEPT, METADATA_ONLY)
            .header(header::CONTENT_TYPE, JSON);
        absent_as_none(self.send::<Json>(request, json_body(&options)).await).map(drop)
    }

    /// A whole object. Not for Secrets, but for those that are read on purpose.
    pub async fn read<T: DeserializeOwned>(
        &self,
        object: &ObjectRef,
        resource: &Resource,
    ) -> Result<Option<T>, ClusterError> {
        absent_as_none(self.get(&object_path(object, resource), JSON).await)
    }

    /// Writes the status of one of our own objects, under a field manager of its own.
    pub async fn apply_status(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        status: &Json,
    ) -> Result<(), ClusterError> {
        let body = serde_json::json!({
            "apiVersion": object.api_version(),
            "kind": object.kind,
            "metadata": {"name": object.name, "namespace": object.namespace},
            "status": status,
        });
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!(
                "{}/status?fieldManager=fluxops-status&force=true",
                object_path(object, resource)
            ))
            .header(header::ACCEPT, METADATA_ONLY)
            .header(header::CONTENT_TYPE, "application/apply-patch+yaml");
        self.send::<Json>(request, json_body(&body)).await.map(drop)
    }

    /// Changes an object with a JSON merge patch (RFC 7386).
    pub async fn merge(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        patch: &Json,
    ) -> Result<(), ClusterError> {
        let uri = format!("{}?fieldManager={FIELD_MANAGER}", object_path(object, resource));
        self.merge_at(uri, patch).await
    }

    /// Changes the status of one of our own objects with a JSON merge patch: what the patch leaves out stays.
    pub async fn merge_status(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        patch: &Json,
    ) -> Result<(), ClusterError> {
        let uri = format!(
            "{}/status?fieldManager=fluxops-status",
            object_path(object, resource)
        );
        self.merge_at(uri, patch).await
    }

    async fn merge_at(&self, uri: String, patch: &Json) -> Result<(), ClusterError> {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(uri)
            .header(header::ACCEPT, METADATA_ONLY)
            .header(header::CONTENT_TYPE, "application/merge-patch+json");
        self.send::<Json>(request, json_body(patch)).await.map(drop)
    }

    /// Changes who owns the fields of an object, if it still is in the state that was seen; 409 if it is not.
    pub async fn replace_managed_fields(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        version: &str,
        managed_fields: &Json,
    ) -> Result<(), ClusterError> {
        let patch = serde_json::json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": managed_fields},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        ]);
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!(
                "{}?fieldManager={FIELD_MANAGER}",
                object_path(object, resource)
            ))
            .header(header::ACCEPT, METADATA_ONLY)
            .header(header::CONTENT_TYPE, "application/json-patch+json");
        self.send::<Json>(request, json_body(&patch)).await.map(drop)
    }

    /// Creates an object whose content is no secret.
    pub async fn create(
        &self,
        object: &ObjectRef,
        resource: &Resource,
        body: &Json,
    ) -> Result<(), ClusterError> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!(
                "{}?fieldManager={FIELD_MANAGER}",
                collection_path(object, resource)
            ))
            .header(header::ACCEPT, METADATA_ONLY)
            .header(header::CONTENT_TYPE, JSON);
        self.send::<Json>(request, json_body(body)).await.map(drop)
    }

    /// As whom requests are made, by the API server's own account (`SelfSubjectReview`).
    pub async fn whoami(&self) -> Result<String, ClusterError> {
        #[derive(Deserialize)]
        struct Review {
            status: ReviewStatus,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct ReviewStatus {
            user_info: UserInfo,
        }
        #[derive(Deserialize)]
        struct UserInfo {
            username: String,
        }
        let review =
            serde_json::json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
        let request = Request::builder()
            .method(Method::POST)
            .uri("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .header(header::ACCEPT, JSON)
            .header(header::CONTENT_TYPE, JSON);
        let reply: Review = self.send(request, json_body(&review)).await?;
        Ok(reply.status.user_info.username)
    }

    async fn get<T: DeserializeOwned>(&self, uri: &str, accept: &str) -> Result<T, ClusterError> {
        let request = Request::builder()
            .method(Method::GET)
            .uri(uri)
            .header(header::ACCEPT, accept);
        self.send(request, Zeroizing::default()).await
    }

    /// Sends a request, and again while the server asks for patience and there is time.
    async fn send<T: DeserializeOwned>(
        &self,
        mut request: http::request::Builder,
        body: Zeroizing<Vec<u8>>,
    ) -> Result<T, ClusterError> {
        if let Actor::ServiceAccount(Key { namespace, name }) = &self.actor {
            // Without groups the API server adds those of the service account itself. Naming them here would need
            // the right to impersonate groups, and RBAC cannot grant some of them without granting all.
            let user = format!("system:serviceaccount:{namespace}:{name}");
            request = request.header("Impersonate-User", user);
        }
        let request = request.body(()).map_err(|_| ClusterError::Unaddressable)?;
        let (head, ()) = request.into_parts();
        let deadline = Instant::now() + REQUEST_TIMEOUT;
        let mut tries = 1;
        loop {
            let request = Request::from_parts(head.clone(), Body::from(body.to_vec()));
            let answer = tokio::time::timeout_at(deadline, self.exchange(request))
                .await
                .map_err(|_| ClusterError::Timeout(REQUEST_TIMEOUT))??;
            if answer.status.is_success() {
                return serde_json::from_slice(&answer.body)
                    .map_err(|_| ClusterError::Unintelligible(answer.status));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(pause) = retry::pause(answer.status, &answer.headers, tries, left) else {
                return Err(ClusterError::Refused(Refusal::read(answer.status, &answer.body)));
            };
            tokio::time::sleep(pause).await;
            tries += 1;
        }
    }

    /// One request and its whole answer.
    async fn exchange(&self, request: Request<Body>) -> Result<Answer, ClusterError> {
        let response = self.client.send(request).await.map_err(ClusterError::transport)?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_REPLY_BYTES)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<LengthLimitError>() {
                    ClusterError::ReplyTooLarge
                } else {
                    ClusterError::Cut
                }
            })?;
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body: Zeroizing::new(body.to_bytes().to_vec()),
        })
    }
}

/// What a document of no secret is sent as.
fn json_body(document: &Json) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(document.to_string().into_bytes())
}

fn absent_as_none<T>(answer: Result<T, ClusterError>) -> Result<Option<T>, ClusterError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(ClusterError::Refused(refusal)) if refusal.status() == StatusCode::NOT_FOUND => Ok(None),
        Err(error) => Err(error),
    }
}

fn group_path(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{api_version}")
    } else {
        format!("/api/{api_version}")
    }
}

fn collection_path(object: &ObjectRef, resource: &Resource) -> String {
    let group = group_path(&object.api_version());
    match (resource.scope, &object.namespace) {
        (Scope::Namespaced, Some(namespace)) => format!("{group}/namespaces/{namespace}/{}", resource.plural),
        _ => format!("{group}/{}", resource.plural),
    }
}

fn object_path(object: &ObjectRef, resource: &Resource) -> String {
    format!("{}/{}", collection_path(object, resource), escape(&object.name))
}

/// Percent-encodes what may not stand in a path segment (RFC 3986 §3.3). Names of RBAC objects may have colons.
fn escape(segment: &str) -> String {
    use std::fmt::Write as _;
    segment
        .bytes()
        .fold(String::with_capacity(segment.len()), |mut escaped, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte) {
                escaped.push(char::from(byte));
            } else {
                let _ = write!(escaped, "%{byte:02X}");
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_path() {
        assert_eq!(escape("system:node-1.a"), "system:node-1.a");
        assert_eq!(escape("../x?y#z"), "..%2Fx%3Fy%23z");
    }
}
