//! The cluster that `KUBECONFIG` names, by the paths of its API.

use std::sync::OnceLock;

use http::{Method, Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use serde_json::{Value as Json, json};

use super::{eventually, random_hex};

/// An API server, as an administrator.
#[derive(Clone)]
pub(crate) struct ApiServer {
    client: kube::Client,
}

/// One runtime for all tests: a client of kube's has tasks on the one that it was made on.
fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    })
}

impl ApiServer {
    /// The cluster of the tests.
    pub(crate) fn connect() -> Self {
        assert!(
            std::env::var_os("KUBECONFIG").is_some(),
            "KUBECONFIG is not set: run `make test`, or `make cluster` and export what it prints"
        );
        let client = runtime().block_on(async {
            let config = kube::Config::from_kubeconfig(&kube::config::KubeConfigOptions::default()).await;
            kube::Client::try_from(config.unwrap()).unwrap()
        });
        Self { client }
    }

    fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Json>,
    ) -> (StatusCode, Json) {
        self.send_text(method, path, content_type, body.map(Json::to_string))
    }

    fn send_text(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<String>,
    ) -> (StatusCode, Json) {
        let body = body.map_or_else(Body::empty, |body| Body::from(body.into_bytes()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type);
        let request = request.header("accept", "application/json").body(body).unwrap();
        runtime().block_on(async {
            let response = self.client.send(request).await.unwrap();
            let status = response.status();
            let bytes = http_body_util::BodyExt::collect(response.into_body())
                .await
                .unwrap()
                .to_bytes();
            (status, serde_json::from_slice(&bytes).unwrap_or_default())
        })
    }

    /// What is at a path; nothing for 404.
    pub(crate) fn get(&self, path: &str) -> Option<Json> {
        let (status, body) = self.send(Method::GET, path, "application/json", None);
        assert!(
            status.is_success() || status == StatusCode::NOT_FOUND,
            "GET {path}: {status} {body}"
        );
        status.is_success().then_some(body)
    }

    /// What appears at a path and satisfies a condition.
    pub(crate) fn wait_for(&self, path: &str, condition: impl Fn(&Json) -> bool) -> Json {
        eventually(path, || self.get(path).filter(|object| condition(object)))
    }

    pub(crate) fn wait_until_gone(&self, path: &str) {
        eventually(&format!("the end of {path}"), || {
            self.get(path).is_none().then_some(())
        });
    }

    /// Waits until the last write of an object is so long ago that a later one would show in the times of its
    /// `managedFields`, which have whole seconds.
    pub(crate) fn wait_until_settled(&self, path: &str) {
        const RESOLUTION: SignedDuration = SignedDuration::from_secs(2);
        let object = self.get(path).unwrap();
        let entries = object["metadata"]["managedFields"].as_array().unwrap();
        let written = entries
            .iter()
            .map(|entry| entry["time"].as_str().unwrap().parse::<Timestamp>().unwrap());
        let written = written.max().unwrap();
        eventually(&format!("{path} to settle"), || {
            (Timestamp::now().duration_since(written) >= RESOLUTION).then_some(())
        });
    }

    /// Creates an object in a collection; what the server made of it comes back.
    pub(crate) fn create(&self, collection: &str, object: &Json) -> Json {
        let (status, body) = self.send(Method::POST, collection, "application/json", Some(object));
        assert!(status.is_success(), "POST {collection}: {status} {body}");
        body
    }

    /// Whether the server would refuse to create an object.
    pub(crate) fn is_refused(&self, collection: &str, object: &Json) -> bool {
        let dry_run = format!("{collection}?dryRun=All");
        let (status, _) = self.send(Method::POST, &dry_run, "application/json", Some(object));
        status.is_client_error()
    }

    /// What the server says when it refuses to create an object.
    pub(crate) fn refused(&self, collection: &str, object: &Json) -> String {
        let (status, body) = self.send(Method::POST, collection, "application/json", Some(object));
        assert!(status.is_client_error(), "POST {collection}: {status} {body}");
        body["message"].as_str().unwrap_or_default().to_owned()
    }

    /// Changes an object with a merge patch, as a person with kubectl would.
    pub(crate) fn merge(&self, path: &str, patch: &Json) {
        let by_hand = format!("{path}?fieldManager=by-hand");
        let (status, body) = self.send(
            Method::PATCH,
            &by_hand,
            "application/merge-patch+json",
            Some(patch),
        );
        assert!(status.is_success(), "PATCH {path}: {status} {body}");
    }

    /// Applies an object, as an installer would.
    pub(crate) fn apply(&self, path: &str, object: &Json) {
        self.apply_yaml(path, &object.to_string());
    }

    /// The same with a document as it stands in a file.
    pub(crate) fn apply_yaml(&self, path: &str, document: &str) {
        let path = format!("{path}?fieldManager=installer&force=true");
        let (status, body) = self.send_text(
            Method::PATCH,
            &path,
            "application/apply-patch+yaml",
            Some(document.to_owned()),
        );
        assert!(status.is_success(), "apply {path}: {status} {body}");
    }

    pub(crate) fn delete(&self, path: &str) {
        let (status, body) = self.send(Method::DELETE, path, "application/json", None);
        assert!(
            status.is_success() || status == StatusCode::NOT_FOUND,
            "DELETE {path}: {status} {body}"
        );
    }

    /// A namespace of its own, gone with its owner.
    pub(crate) fn namespace(&self) -> Namespace {
        let name = format!("t-{}", random_hex(5));
        self.create("/api/v1/namespaces", &json!({"metadata": {"name": name}}));
        // Objects cannot be made in it before its service account is there on a real cluster, either.
        self.wait_for(
            &format!("/api/v1/namespaces/{name}/serviceaccounts/default"),
            |_| true,
        );
        Namespace {
            name,
            api: self.clone(),
        }
    }
}

/// A namespace that is deleted with its owner.
pub(crate) struct Namespace {
    pub(crate) name: String,
    api: ApiServer,
}

impl Namespace {
    /// The path of an object of the core group in it.
    pub(crate) fn core(&self, plural: &str, name: &str) -> String {
        format!("/api/v1/namespaces/{}/{plural}/{name}", self.name)
    }

    /// The path of an object of another group in it.
    pub(crate) fn path(&self, group_version: &str, plural: &str, name: &str) -> String {
        format!("/apis/{group_version}/namespaces/{}/{plural}/{name}", self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.api.delete(&format!("/api/v1/namespaces/{}", self.name));
        }
    }
}
