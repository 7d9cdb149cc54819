//! Step 6: what changed. It takes an [`Intended`], so whatever is done here is on record already.

mod error;
mod recreate;
mod termination;

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::time::Instant;

use crate::api::{InventoryEntry, Remedy};
use crate::audit::{ActionRecord, Intended, Intent, RecordedAction};
use crate::cluster::{ApplyMode, ClusterError, Metadata, Resource, Seen, Sensitivity, Session};
use crate::name::{DELIVERY_LABEL, Directive, Key, NAMESPACE_LABEL, ObjectRef, label_value};
use crate::observe::{CONCURRENCY, Content, Imprint, LeftObject, State, Target, Treatment};
use crate::plan::{Action, ObjectFailure, Plan, action, failure};
use error::ApplyError;
pub use recreate::{DELETION_TIMEOUT, MAX_LOOKS};
pub use termination::wait_for_termination;

/// How long `CustomResourceDefinitions` and Namespaces of a commit may take to be usable, as in Flux.
pub const ESTABLISH_TIMEOUT: Duration = Duration::from_mins(1);
/// How often that is looked at.
const ESTABLISH_POLL: Duration = Duration::from_millis(100);

/// What really was done, and what is there now.
#[must_use = "its intent has to be completed in the audit log"]
pub struct Applied {
    /// What has to be told to the audit log.
    pub intent: Intent,
    /// What was done to which object.
    pub changes: Vec<Change>,
    /// What could not be done.
    pub failures: Vec<ObjectFailure>,
    /// Everything of ours that is in the cluster now, as far as is known.
    pub inventory: Vec<InventoryEntry>,
    /// How the objects were left that are as they should be.
    pub left: Vec<LeftObject>,
}

/// One object and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Which object.
    pub object: ObjectRef,
    /// What was done.
    pub action: Action,
}

/// Carries out what was intended. The first stage that fails is the last that runs.
pub async fn apply(session: &Session, intended: Intended, owner: &Key) -> Applied {
    let (plan, intent) = intended.into_parts();
    let Plan {
        stages,
        prune,
        inventory: former,
        treatment,
    } = plan;
    let mut work = Work {
        session,
        treatment,
        owner,
        changes: Vec::new(),
        failures: Vec::new(),
        present: BTreeSet::new(),
        left: Vec::new(),
    };
    let kept = former.iter().filter(|object| prune.contains(object));
    work.present.extend(kept.cloned());
    let mut stages = stages.into_iter();
    for stage in stages.by_ref() {
        work.run_stage(stage, &former).await;
        if !work.failures.is_empty() {
            break;
        }
    }
    // What was not reached is still what it was.
    for target in stages.flatten() {
        work.keep(target.manifest.object(), &former);
    }
    if work.failures.is_empty() {
        for object in prune {
            work.prune(object).await;
        }
    }
    let Work {
        changes,
        failures,
        present,
        left,
        ..
    } = work;
    let inventory = present.iter().map(ObjectRef::to_inventory_entry).collect();
    Applied {
        intent,
        changes,
        failures,
        inventory,
        left,
    }
}

struct Work<'a> {
    session: &'a Session,
    treatment: Treatment,
    owner: &'a Key,
    changes: Vec<Change>,
    failures: Vec<ObjectFailure>,
    present: BTreeSet<ObjectRef>,
    left: Vec<LeftObject>,
}

impl Work<'_> {
    /// A dry run of what waited for an earlier stage, then, if nothing is wrong with any, the whole stage.
    async fn run_stage(&mut self, targets: Vec<Target>, former: &[ObjectRef]) {
        let mut ready = Vec::with_capacity(targets.len());
        let mut waited = Vec::new();
        for mut target in targets {
            let object = target.manifest.object().clone();
            let looked = match target.state {
                State::Waiting => {
                    let now = Timestamp::now();
                    target.look_again(self.session, &self.treatment, now).await
                }
                _ => Ok(()),
            };
            match looked {
                Ok(()) => match failure(&target).or_else(|| still_waiting(&target)) {
                    Some(failure) => waited.push(failure),
                    None => ready.push(target),
                },
                Err(error) => waited.push(failed(object, &error, Sensitivity::Sensitive)),
            }
        }
        if !waited.is_empty() {
            for object in waited
                .iter()
                .map(|failure| &failure.object)
                .chain(ready.iter().map(|t| t.manifest.object()))
            {
                if former.iter().any(|known| known.identity() == object.identity()) {
                    self.present.insert(object.clone());
                }
            }
            self.failures.append(&mut waited);
            return;
        }
        let (session, treatment) = (self.session, &self.treatment);
        let outcomes: Vec<_> = stream::iter(ready)
            .map(async |mut target| {
                let outcome = apply_one(session, treatment, &mut target).await;
                (target, outcome)
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        let mut established = Vec::new();
        for (target, outcome) in outcomes {
            let object = target.manifest.object().clone();
            match outcome {
                Ok(None) => self.keep(&object, former),
                Ok(Some((action, left))) => {
                    self.present.insert(object.clone());
                    self.left.extend(left);
                    if action != Action::None && needs_establishing(&object) {
                        established.push(object.clone());
                    }
                    self.changes.push(Change { object, action });
                }
                Err(error) => {
                    if error.is_uncertain() {
                        self.present.insert(object.clone());
                    }
                    if error.is_after_deletion() {
                        self.changes.push(Change {
                            object: object.clone(),
                            action: Action::Delete,
                        });
                    }
                    self.keep(&object, former);
                    let sensitivity = target.manifest.sensitivity();
                    self.failures.push(error.into_failure(object, sensitivity));
                }
            }
        }
        self.establish(established).await;
    }

    /// What was ours before and was not touched is ours still.
    fn keep(&mut self, object: &ObjectRef, former: &[ObjectRef]) {
        if former.iter().any(|known| known.identity() == object.identity()) {
            self.present.insert(object.clone());
        }
    }

    /// Waits until new kinds and namespaces can be used.
    async fn establish(&mut self, objects: Vec<ObjectRef>) {
        if objects.is_empty() {
            return;
        }
        let deadline = Instant::now() + ESTABLISH_TIMEOUT;
        for object in objects {
            loop {
                match is_established(self.session, &object).await {
                    Ok(true) => break,
                    Ok(false) if Instant::now() < deadline => tokio::time::sleep(ESTABLISH_POLL).await,
                    Ok(false) => {
                        let message = format!(
                            "it was applied, but is not usable after {} s",
                            ESTABLISH_TIMEOUT.as_secs()
                        );
                        self.failures.push(ObjectFailure {
                            object,
                            reason: "NotEstablished".to_owned(),
                            message,
                            remedy: Remedy::Retry,
                        });
                        break;
                    }
                    Err(error) => {
                        self.failures.push(failed(object, &error, Sensitivity::Clear));
                        break;
                    }
                }
            }
        }
        self.session.forget_resources();
    }

    /// Deletes an object that left the source, if it is there, ours, and not protected.
    async fn prune(&mut self, object: ObjectRef) {
        match prune_one(self.session, &object, self.owner).await {
            Ok(Pruned::Deleted) => {
                self.present.remove(&object);
                self.changes.push(Change {
                    object,
                    action: Action::Delete,
                });
            }
            Ok(Pruned::NotOurs) => {
                tracing::info!(%object, "not pruned: it is gone, protected, or belongs to somebody else");
                self.present.remove(&object);
            }
            Err(error) => self.failures.push(failed(object, &error, Sensitivity::Sensitive)),
        }
    }
}

/// What came of pruning an object.
enum Pruned {
    Deleted,
    NotOurs,
}

/// Does to an object what is to be done, and says what that was and how it is left; nothing for what is left alone.
async fn apply_one(
    session: &Session,
    treatment: &Treatment,
    target: &mut Target,
) -> Result<Option<(Action, Option<LeftObject>)>, ApplyError> {
    let former = target.live.as_ref().map(|live| live.version.clone());
    let (done, now) = match action(&target.state) {
        None => return Ok(None),
        Some(Action::None) => return Ok(Some((Action::None, target.left()))),
        Some(Action::Recreate) => recreate::recreate(session, treatment, target).await?,
        Some(wanted) => {
            let resource = target.resource.as_ref().ok_or(ClusterError::Unaddressable)?;
            (wanted, persist(session, target, resource).await?)
        }
    };
    let resource = target.resource.clone().ok_or(ClusterError::Unaddressable)?;
    // What looked as if it might differ may turn out to be the same.
    let is_unchanged = former.as_ref() == Some(&now.resource_version);
    let left = LeftObject {
        object: target.manifest.object().clone(),
        resource,
        imprint: Some(Imprint::of(&now)),
        content: Content::of(&manifest_yaml::to_json_exposed(target.body())),
    };
    Ok(Some((if is_unchanged { Action::None } else { done }, Some(left))))
}

async fn persist(session: &Session, target: &Target, resource: &Resource) -> Result<Metadata, ClusterError> {
    if let Some(live) = &target.live
        && let Some(fields) = &live.taken_over
    {
        let object = target.manifest.object();
        session
            .replace_managed_fields(object, resource, &live.version, fields)
            .await?;
    }
    let body = manifest_yaml::to_json_exposed(target.body());
    session
        .apply(target.manifest.object(), resource, body, ApplyMode::Persist)
        .await
}

async fn prune_one(session: &Session, object: &ObjectRef, owner: &Key) -> Result<Pruned, ClusterError> {
    let Some(resource) = session.resource(object).await? else {
        return Ok(Pruned::NotOurs);
    };
    let Some(live) = session.metadata(object, &resource).await? else {
        return Ok(Pruned::NotOurs);
    };
    let label = |key: &str, value: &str| {
        live.labels
            .get(key)
            .is_some_and(|found| *found == label_value(value))
    };
    let ours = label(DELIVERY_LABEL, &owner.name) && label(NAMESPACE_LABEL, &owner.namespace);
    let is_told = |directive: Directive, value: &str| {
        directive.says(value, |key| live.annotations.get(key).map(String::as_str))
    };
    let stays = is_told(Directive::Prune, "disabled")
        || is_told(Directive::Reconcile, "disabled")
        || is_told(Directive::Ssa, "ignore");
    if !ours || stays {
        return Ok(Pruned::NotOurs);
    }
    match session
        .delete(object, &resource, Seen::Object { uid: &live.uid })
        .await
    {
        // Somebody made a new object of that name in between: that one is not ours.
        Err(ClusterError::Refused(refusal)) if refusal.status() == StatusCode::CONFLICT => {
            Ok(Pruned::NotOurs)
        }
        other => other.map(|()| Pruned::Deleted),
    }
}

fn needs_establishing(object: &ObjectRef) -> bool {
    matches!(
        (object.group.as_str(), object.kind.as_str()),
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace")
    )
}

async fn is_established(session: &Session, object: &ObjectRef) -> Result<bool, ClusterError> {
    let Some(resource) = session.resource(object).await? else {
        return Ok(false);
    };
    let Some(live) = session.read::<Json>(object, &resource).await? else {
        return Ok(false);
    };
    if object.kind == "Namespace" {
        return Ok(live.pointer("/status/phase").and_then(Json::as_str) == Some("Active"));
    }
    let conditions = live.pointer("/status/conditions").and_then(Json::as_array);
    Ok(conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Json::as_str) == Some("Established")
            && condition.get("status").and_then(Json::as_str) == Some("True")
    }))
}

fn still_waiting(target: &Target) -> Option<ObjectFailure> {
    matches!(target.state, State::Waiting).then(|| ObjectFailure {
        object: target.manifest.object().clone(),
        reason: "UnknownKind".to_owned(),
        message: "its CustomResourceDefinition was applied, but the cluster does not serve it".to_owned(),
        remedy: Remedy::Retry,
    })
}

fn failed(object: ObjectRef, error: &ClusterError, sensitivity: Sensitivity) -> ObjectFailure {
    ObjectFailure {
        object,
        reason: error.reason().to_owned(),
        message: error.describe(sensitivity),
        remedy: error.remedy(),
    }
}

impl Applied {
    /// What was done, for the log.
    pub fn to_records(&self) -> Vec<ActionRecord> {
        let done = self.changes.iter().filter_map(|change| {
            let action = RecordedAction::of(change.action)?;
            Some(ActionRecord {
                object: change.object.to_string(),
                action,
                error: None,
            })
        });
        let failed = self.failures.iter().map(|failure| ActionRecord {
            object: failure.object.to_string(),
            action: RecordedAction::Failed,
            error: Some(failure.reason.clone()),
        });
        done.chain(failed).collect()
    }
}
