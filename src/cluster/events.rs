//! The Events that fluxops wrote of its objects.

use serde::Deserialize;

use super::{ClusterError, Session, escape};

/// Who writes Events, as they name their writer.
pub const REPORTING_CONTROLLER: &str = "fluxops.dev/controller";
/// How many Events are asked for at a time.
const PAGE: usize = 500;
/// The most Events that are read: the API server keeps them for an hour.
pub const MAX_EVENTS: usize = 10_000;

/// An Event (`events.k8s.io/v1`), as far as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When, RFC 3339.
    #[serde(default)]
    pub event_time: Option<String>,
    /// `Normal` or `Warning`.
    #[serde(rename = "type", default)]
    pub type_: String,
    /// Why, in one word.
    #[serde(default)]
    pub reason: String,
    /// Why, in a sentence.
    #[serde(default)]
    pub note: String,
    /// What it is about.
    pub regarding: Regarding,
    #[serde(default, skip_serializing)]
    reporting_controller: String,
}

/// What an Event is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Regarding {
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    metadata: ReplyMetadata,
    items: Vec<Event>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReplyMetadata {
    #[serde(rename = "continue")]
    next: String,
}

impl Session {
    /// The Events that fluxops wrote, of one namespace or of all, the oldest first.
    pub async fn events(&self, namespace: Option<&str>) -> Result<Vec<Event>, ClusterError> {
        let path = match namespace {
            Some(namespace) => format!("/apis/events.k8s.io/v1/namespaces/{}/events", escape(namespace)),
            None => "/apis/events.k8s.io/v1/events".to_owned(),
        };
        let selector = escape(&format!("reportingController={REPORTING_CONTROLLER}"));
        let mut found = Vec::new();
        let mut next = String::new();
        loop {
            let uri = format!(
                "{path}?fieldSelector={selector}&limit={PAGE}&continue={}",
                escape(&next)
            );
            let reply: Reply = self.get(&uri, "application/json").await?;
            // An older API server may not know the selector's field.
            let ours = |event: &Event| event.reporting_controller == REPORTING_CONTROLLER;
            found.extend(reply.items.into_iter().filter(ours));
            if reply.metadata.next.is_empty() || found.len() >= MAX_EVENTS {
                found.sort_by(|one, other| one.event_time.cmp(&other.event_time));
                return Ok(found);
            }
            next = reply.metadata.next;
        }
    }
}
