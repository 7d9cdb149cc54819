//! What the cluster has, seen without reading a single secret.
//!
//! A server-side apply that is a dry run answers with metadata; its `managedFields` are those of the live object
//! exactly when the apply would change nothing. Neither request brings back what an object holds.

mod left;
mod ownership;

use std::collections::BTreeSet;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;

use crate::cluster::{ApplyMode, ClusterError, Metadata, Resource, Scope, Session};
use crate::name::{Directive, FIELD_MANAGER, ObjectRef};
use crate::render::{Manifest, Rendered};

pub use left::{Left, LeftObject, Writing};
pub use ownership::{Departure, Drifted, Imprint, MAX_NAMED_FIELDS};

/// How many objects are asked for at a time.
pub const CONCURRENCY: usize = 8;

/// The objects of a revision, each with what the cluster says of it.
pub struct Observed {
    pub(crate) targets: Vec<Target>,
}

/// An object as it should be, how it is addressed, and what the cluster says of it.
pub(crate) struct Target {
    pub(crate) manifest: Manifest,
    pub(crate) resource: Option<Resource>,
    pub(crate) state: State,
    /// The live object's resource version, where it is there.
    pub(crate) version: Option<String>,
    /// What the live object bears of us.
    pub(crate) imprint: Option<Imprint>,
}

impl Target {
    /// How the object is left if nothing is done to it; nothing where it is not ours to look after.
    pub(crate) fn left(&self) -> Option<LeftObject> {
        let imprint = match &self.state {
            State::Same | State::Fresh | State::Different(_) => self.imprint,
            State::Missing => None,
            _ => return None,
        };
        Some(LeftObject {
            object: self.manifest.object().clone(),
            resource: self.resource.clone()?,
            imprint,
        })
    }
}

/// What the cluster says of an object.
#[derive(Debug)]
pub(crate) enum State {
    /// It is not there.
    Missing,
    /// Applying it would change nothing.
    Same,
    /// Applying it would change it.
    Different(Departure),
    /// It was applied so lately that a change since then might not show.
    Fresh,
    /// Its kind or its namespace comes with this revision; it is looked at after that is there.
    Waiting,
    /// It is there and the user asked to leave it.
    Left,
    /// The API server does not want it.
    Refused(ClusterError),
    /// Nobody knows its kind.
    UnknownKind,
    /// Its namespace is not there.
    NoNamespace(String),
}

/// Asks the cluster about every object of a revision.
pub async fn observe(
    session: &Session,
    rendered: Rendered,
    now: Timestamp,
) -> Result<Observed, ClusterError> {
    let (mut manifests, target_namespace) = rendered.into_parts();
    let coming = Coming::of(&manifests);
    let mut addressed = Vec::with_capacity(manifests.len());
    for manifest in manifests.drain(..) {
        let resource = session.resource(manifest.object()).await?;
        addressed.push(placed(manifest, resource, &coming, target_namespace.as_deref()));
    }
    let targets = stream::iter(addressed)
        .map(|(manifest, resource)| look(session, manifest, resource, &coming, now))
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(Observed { targets })
}

/// Looks at one object again, after what it waited for was applied.
pub(crate) async fn look_again(
    session: &Session,
    target: Target,
    now: Timestamp,
) -> Result<Target, ClusterError> {
    let Target {
        manifest, resource, ..
    } = target;
    let resource = match resource {
        Some(resource) => Some(resource),
        None => session.resource(manifest.object()).await?,
    };
    look(session, manifest, resource, &Coming::default(), now).await
}

/// What this revision brings that others of its objects need.
#[derive(Default)]
struct Coming {
    namespaces: BTreeSet<String>,
    kinds: Vec<(String, String, Scope)>,
}

impl Coming {
    fn of(manifests: &[Manifest]) -> Self {
        let mut coming = Self::default();
        for manifest in manifests {
            let object = manifest.object();
            match (object.group.as_str(), object.kind.as_str()) {
                ("", "Namespace") => drop(coming.namespaces.insert(object.name.clone())),
                ("apiextensions.k8s.io", "CustomResourceDefinition") => {
                    let text =
                        |path: &[&str]| manifest.body().get_path(path).and_then(|value| value.as_str());
                    if let (Some(group), Some(kind), Some(scope)) = (
                        text(&["spec", "group"]),
                        text(&["spec", "names", "kind"]),
                        text(&["spec", "scope"]),
                    ) {
                        let scope = if scope == "Cluster" {
                            Scope::Cluster
                        } else {
                            Scope::Namespaced
                        };
                        coming.kinds.push((group.to_owned(), kind.to_owned(), scope));
                    }
                }
                _ => {}
            }
        }
        coming
    }

    /// The scope of a kind that comes with this revision.
    fn scope(&self, object: &ObjectRef) -> Option<Scope> {
        let found = self
            .kinds
            .iter()
            .find(|(group, kind, _)| *group == object.group && *kind == object.kind);
        found.map(|(_, _, scope)| *scope)
    }
}

/// Gives an object the namespace that its kind asks for, as kubectl does.
fn placed(
    mut manifest: Manifest,
    resource: Option<Resource>,
    coming: &Coming,
    target_namespace: Option<&str>,
) -> (Manifest, Option<Resource>) {
    let scope = resource
        .as_ref()
        .map(|resource| resource.scope)
        .or_else(|| coming.scope(manifest.object()));
    match scope {
        Some(Scope::Namespaced) => {
            let own = manifest.object().namespace.clone();
            let namespace = target_namespace
                .or(own.as_deref())
                .unwrap_or("default")
                .to_owned();
            manifest.set_namespace(Some(&namespace));
        }
        Some(Scope::Cluster) => manifest.set_namespace(None),
        None => {}
    }
    (manifest, resource)
}

async fn look(
    session: &Session,
    manifest: Manifest,
    resource: Option<Resource>,
    coming: &Coming,
    now: Timestamp,
) -> Result<Target, ClusterError> {
    let (state, live) = match &resource {
        None if coming.scope(manifest.object()).is_some() => (State::Waiting, None),
        None => (State::UnknownKind, None),
        Some(resource) => match state(session, &manifest, resource, coming, now).await {
            Ok(seen) => seen,
            // The server being away is no verdict on the object.
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => (State::Refused(error), None),
        },
    };
    Ok(Target {
        manifest,
        resource,
        state,
        imprint: live.as_ref().map(Imprint::of),
        version: live.map(|live| live.resource_version),
    })
}

async fn state(
    session: &Session,
    manifest: &Manifest,
    resource: &Resource,
    coming: &Coming,
    now: Timestamp,
) -> Result<(State, Option<Metadata>), ClusterError> {
    let object = manifest.object();
    let says = |directive: Directive, value: &str| directive.says(value, |key| manifest.annotation(key));
    if says(Directive::Reconcile, "disabled") || says(Directive::Ssa, "ignore") {
        return Ok((State::Left, None));
    }
    let live = session.metadata(object, resource).await?;
    if live.is_some() && says(Directive::Ssa, "ifnotpresent") {
        return Ok((State::Left, live));
    }
    let body = manifest_yaml::to_json_exposed(manifest.body());
    let wanted = match session.apply(object, resource, body, ApplyMode::DryRun).await {
        Ok(wanted) => wanted,
        Err(ClusterError::Refused(refusal)) if refusal.status() == http::StatusCode::NOT_FOUND => {
            // A 404 for an apply, which creates what is missing, is about the namespace.
            let namespace = object.namespace.clone().unwrap_or_default();
            let comes = coming.namespaces.contains(&namespace);
            return Ok((
                if comes {
                    State::Waiting
                } else {
                    State::NoNamespace(namespace)
                },
                None,
            ));
        }
        Err(error) => return Err(error),
    };
    let state = match &live {
        None => State::Missing,
        Some(live) if live.managed_fields != wanted.managed_fields => {
            State::Different(Departure::between(live, &wanted))
        }
        Some(live) if is_fresh(live, now) => State::Fresh,
        Some(_) => State::Same,
    };
    Ok((state, live))
}

/// Whether an object was applied so lately that a change since then would not show: the times have whole seconds.
fn is_fresh(live: &Metadata, now: Timestamp) -> bool {
    const RESOLUTION: SignedDuration = SignedDuration::from_secs(2);
    let entries = live
        .managed_fields
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let ours = entries
        .iter()
        .filter(|entry| entry.get("manager").and_then(Json::as_str) == Some(FIELD_MANAGER));
    let times = ours.filter_map(|entry| entry.get("time")?.as_str()?.parse::<Timestamp>().ok());
    times
        .max()
        .is_some_and(|applied| now.duration_since(applied) < RESOLUTION)
}
