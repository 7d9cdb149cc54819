//! What the cluster has, seen without reading a single secret.
//!
//! A server-side apply that is a dry run answers with metadata; its `managedFields` are those of the live object
//! exactly when the apply would change nothing. Neither request brings back what an object holds.

mod concession;
mod ignore;
mod immutable;
mod known;
mod left;
mod ownership;
mod takeover;
mod treatment;

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use manifest_yaml::Value;
use serde_json::Value as Json;

use crate::cluster::{ApplyMode, ClusterError, Metadata, Refusal, Resource, Scope, Session};
use crate::name::{Directive, FIELD_MANAGER, ObjectRef};
use crate::render::{Manifest, Rendered};

pub use ignore::InvalidIgnore;
pub use immutable::{Consent, immutable_fields};
pub use known::{Content, Known};
pub use left::{Left, LeftObject, Writing};
pub use ownership::{Departure, Drifted, Imprint, MAX_NAMED_FIELDS};
use treatment::Force;
pub use treatment::Treatment;

/// How many objects are asked for at a time.
pub const CONCURRENCY: usize = 8;

/// The objects of a revision, each with what the cluster says of it.
pub struct Observed {
    pub(crate) targets: Vec<Target>,
    pub(crate) treatment: Treatment,
}

/// An object as it should be, how it is addressed, and what the cluster says of it.
pub(crate) struct Target {
    pub(crate) manifest: Manifest,
    pub(crate) resource: Option<Resource>,
    pub(crate) state: State,
    /// What is sent of it, where some of its fields are left to others.
    conceded: Option<Value>,
    /// What is there, where it was asked for and is there.
    pub(crate) live: Option<Live>,
}

/// An object that is there.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) uid: String,
    /// Its resource version.
    pub(crate) version: String,
    /// What it bears of us.
    pub(crate) imprint: Imprint,
    /// Its `managedFields` once fields are taken over, where there are some to take.
    pub(crate) taken_over: Option<Json>,
}

impl Live {
    fn of(metadata: Metadata, taken_over: Option<Json>) -> Self {
        Self {
            taken_over,
            imprint: Imprint::of(&metadata),
            uid: metadata.uid,
            version: metadata.resource_version,
        }
    }
}

impl Target {
    /// How the object is left if nothing is done to it; nothing where it is not ours to look after.
    pub(crate) fn left(&self) -> Option<LeftObject> {
        let imprint = match &self.state {
            State::Same | State::Fresh | State::Different(_) | State::Ownership | State::Immutable(_) => {
                self.live.as_ref().map(|live| live.imprint)
            }
            State::Missing => None,
            _ => return None,
        };
        Some(LeftObject {
            object: self.manifest.object().clone(),
            resource: self.resource.clone()?,
            imprint,
            content: match self.state {
                State::Same => Content::of(&manifest_yaml::to_json_exposed(self.body())),
                _ => None,
            },
        })
    }

    /// One that was seen in a state, for tests of the steps that follow.
    #[cfg(test)]
    pub(crate) fn for_tests(manifest: Manifest, state: State) -> Self {
        Self {
            manifest,
            resource: None,
            state,
            conceded: None,
            live: None,
        }
    }

    /// What is sent of it.
    pub(crate) fn body(&self) -> &Value {
        self.conceded.as_ref().unwrap_or_else(|| self.manifest.body())
    }

    /// Notes that it is no longer there: nobody has any of it.
    pub(crate) fn forget_live(&mut self) {
        self.conceded = None;
        self.live = None;
    }

    /// Looks at it again, after what it waited for was applied, or before it is made anew.
    pub(crate) async fn look_again(
        &mut self,
        session: &Session,
        treatment: &Treatment,
        now: Timestamp,
    ) -> Result<(), ClusterError> {
        if self.resource.is_none() {
            self.resource = session.resource(self.manifest.object()).await?;
        }
        let world = World {
            treatment,
            coming: &Coming::default(),
            known: &Known::default(),
            listed: &HashMap::new(),
            now,
        };
        self.look(session, &world).await
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
    /// Applying it would change nothing but whose some fields are: left to others, or taken over.
    Ownership,
    /// It differs in fields that cannot be changed, and may be deleted and made anew.
    Immutable(Departure),
    /// It differs in fields that cannot be changed, and nobody whose word it takes asked for it to be made anew.
    Unforced {
        /// What the API server says.
        refusal: Refusal,
        /// Whose word it takes.
        consent: Consent,
    },
    /// It differs in fields that cannot be changed, and the API server would not want it anew.
    Irreplaceable(ClusterError),
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
    treatment: Treatment,
    known: &Known,
    now: Timestamp,
) -> Result<Observed, ClusterError> {
    let (mut manifests, target_namespace) = rendered.into_parts();
    let coming = Coming::of(&manifests);
    let mut addressed = Vec::with_capacity(manifests.len());
    for manifest in manifests.drain(..) {
        let resource = session.resource(manifest.object()).await?;
        addressed.push(placed(manifest, resource, &coming, target_namespace.as_deref()));
    }
    let listed = known.list(session, &addressed).await;
    let world = World {
        treatment: &treatment,
        coming: &coming,
        known,
        listed: &listed,
        now,
    };
    let targets = stream::iter(addressed)
        .map(async |mut target| {
            target.look(session, &world).await?;
            Ok(target)
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    Ok(Observed { targets, treatment })
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
) -> Target {
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
    Target {
        manifest,
        resource,
        state: State::Waiting,
        conceded: None,
        live: None,
    }
}

impl Target {
    async fn look(&mut self, session: &Session, world: &World<'_>) -> Result<(), ClusterError> {
        let seen = match &self.resource {
            None if world.coming.scope(self.manifest.object()).is_some() => Sight::of(State::Waiting),
            None => Sight::of(State::UnknownKind),
            Some(resource) => {
                let look = Look {
                    session,
                    manifest: &self.manifest,
                    resource,
                    world,
                };
                match look.see().await {
                    Ok(seen) => seen,
                    // The server being away is no verdict on the object.
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => Sight::of(State::Refused(error)),
                }
            }
        };
        self.state = seen.state;
        self.conceded = seen.conceded;
        let taken_over = seen.taken_over;
        self.live = seen.live.map(|live| Live::of(live, taken_over));
        Ok(())
    }
}

/// What a look at an object brings.
struct Sight {
    state: State,
    live: Option<Metadata>,
    conceded: Option<Value>,
    taken_over: Option<Json>,
}

impl Sight {
    fn of(state: State) -> Self {
        Self {
            state,
            live: None,
            conceded: None,
            taken_over: None,
        }
    }
}

/// What every look at an object needs.
struct World<'a> {
    treatment: &'a Treatment,
    coming: &'a Coming,
    known: &'a Known,
    /// What lists showed already.
    listed: &'a HashMap<ObjectRef, Metadata>,
    now: Timestamp,
}

/// A look at one object.
struct Look<'a> {
    session: &'a Session,
    manifest: &'a Manifest,
    resource: &'a Resource,
    world: &'a World<'a>,
}

impl Look<'_> {
    async fn see(&self) -> Result<Sight, ClusterError> {
        let object = self.manifest.object();
        if self.says(Directive::Reconcile, "disabled") || self.says(Directive::Ssa, "ignore") {
            return Ok(Sight::of(State::Left));
        }
        let live = match self.world.listed.get(object) {
            Some(listed) => Some(listed.clone()),
            None => self.session.metadata(object, self.resource).await?,
        };
        if live.is_some() && self.says(Directive::Ssa, "ifnotpresent") {
            return Ok(Sight {
                live,
                ..Sight::of(State::Left)
            });
        }
        let conceded = live
            .as_ref()
            .and_then(|live| self.world.treatment.conceded(self.manifest, live));
        // What is left to kubectl is not taken from it.
        let taken_over = live
            .as_ref()
            .filter(|_| conceded.is_none() && !self.says(Directive::Ssa, "merge"))
            .and_then(takeover::taken_over);
        let body = manifest_yaml::to_json_exposed(conceded.as_ref().unwrap_or_else(|| self.manifest.body()));
        if let Some(seen) = live.as_ref().filter(|_| taken_over.is_none())
            && !is_fresh(seen, self.world.now)
            && self.world.known.is_settled(object, seen, &body)
        {
            return Ok(Sight {
                live,
                conceded,
                ..Sight::of(State::Same)
            });
        }
        let dry_run = self.session.apply(object, self.resource, body, ApplyMode::DryRun);
        let state = match (dry_run.await, &live) {
            (Ok(_), None) => State::Missing,
            (Ok(wanted), Some(live)) if live.managed_fields != wanted.managed_fields => {
                let departure = Departure::between(live, &wanted);
                if conceded.is_some() && departure.is_of_no_field() {
                    State::Ownership
                } else {
                    State::Different(departure)
                }
            }
            (Ok(_), Some(_)) if taken_over.is_some() => State::Ownership,
            (Ok(_), Some(live)) if is_fresh(live, self.world.now) => State::Fresh,
            (Ok(_), Some(_)) => State::Same,
            (Err(ClusterError::Refused(refusal)), _) if refusal.status() == StatusCode::NOT_FOUND => {
                // A 404 for an apply, which creates what is missing, is about the namespace.
                return Ok(Sight::of(without_namespace(object, self.world.coming)));
            }
            (Err(ClusterError::Refused(refusal)), Some(live)) => self.refused(refusal, live).await?,
            (Err(error), _) => return Err(error),
        };
        Ok(Sight {
            state,
            live,
            conceded,
            taken_over,
        })
    }

    /// What it means that an object that is there cannot be changed as it should be.
    async fn refused(&self, refusal: Refusal, live: &Metadata) -> Result<State, ClusterError> {
        let Some(consent) = immutable::consent(self.manifest.object(), &refusal, live) else {
            return Ok(State::Refused(ClusterError::Refused(refusal)));
        };
        let is_asked_for = self.says(Directive::Force, "enabled")
            || (consent == Consent::Delivery && self.world.treatment.force == Force::Everything);
        if !is_asked_for {
            return Ok(State::Unforced { refusal, consent });
        }
        match self.rehearse(live).await {
            Err(error) if error.is_transient() => Err(error),
            Err(error) => Ok(State::Irreplaceable(error)),
            Ok(()) => Ok(State::Immutable(Departure::refused(&refusal))),
        }
    }

    /// Asks whether the object could be made if it were not there, by making it under another name in a dry run. What
    /// the server would refuse to make must not be deleted first.
    async fn rehearse(&self, live: &Metadata) -> Result<(), ClusterError> {
        if !immutable::can_be_rehearsed(self.manifest.object()) {
            return Ok(());
        }
        let manifest = self.manifest.renamed(&format!("fluxops-{}", live.uid));
        let body = manifest_yaml::to_json_exposed(manifest.body());
        let dry_run = self
            .session
            .apply(manifest.object(), self.resource, body, ApplyMode::DryRun);
        dry_run.await.map(drop)
    }

    fn says(&self, directive: Directive, value: &str) -> bool {
        directive.says(value, |key| self.manifest.annotation(key))
    }
}

fn without_namespace(object: &ObjectRef, coming: &Coming) -> State {
    let namespace = object.namespace.clone().unwrap_or_default();
    if coming.namespaces.contains(&namespace) {
        State::Waiting
    } else {
        State::NoNamespace(namespace)
    }
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
