//! The pipeline, once: which commit, who signed it, what it says, what would change, what changed.

mod approval;
mod failure;
mod inputs;
mod rollback;
mod source;
mod variables;
mod waits;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::api::{
    ConditionType, DeletionPolicy, DeliverySpec, DeliveryStatus, DriftMode, InventoryEntry, Remedy,
};
use crate::apply::{self, Change};
pub use crate::audit::Trigger;
use crate::audit::{AuditLog, Event, Subject};
use crate::cluster::{Actor, Cluster, Session};
use crate::files::{Files, Keys, Reads};
use crate::name::{Key, Kind, Name, ObjectName, ObjectRef};
use crate::notify::Step;
use crate::observe::{Drifted, Known, Left, LeftObject, Treatment, observe};
use crate::operations::Metrics;
use crate::plan::{EmptySource, ObjectFailure, Plan, Prune, plan};
use crate::receive::Receivers;
use crate::render::{RenderError, Rendered, Rendering, render};
use crate::store::{Definition, Status, Store};
use crate::verify::VerifiedRevision;
use crate::{health, name};

pub use failure::{Failure, SUPERSEDED};
pub use inputs::Inputs;
pub use rollback::{Back, deliver};
pub use source::{Held, Sourced, reconcile_source};
pub use waits::{Waiting, Waits};

/// The least that one reconcile of a Delivery may take, as in Flux.
pub const MIN_DELIVERY_TIMEOUT: Duration = Duration::from_secs(30);

/// What every reconcile needs.
pub struct Context {
    /// Where things are applied.
    pub cluster: Cluster,
    /// Where specs, secrets and statuses are.
    pub store: Store,
    /// Where it is recorded.
    pub audit: AuditLog,
    /// Where the bare repositories are.
    pub state_dir: PathBuf,
    /// Identities from `--age-key-file`, for Deliveries that name none. Only with `--config`: whoever may make a
    /// Delivery in a cluster could have files opened that are not theirs.
    pub age_keys: Option<Zeroizing<String>>,
    /// The service account, in its own namespace, of a Delivery that names none; fluxops itself when absent.
    pub default_service_account: Option<Name>,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
    /// Which runs only wait.
    pub waits: Waits,
    /// How runs left their objects, for the watches of them.
    pub left: Left,
    /// The webhooks that wake sources.
    pub receivers: Arc<Receivers>,
}

/// What became of a Delivery.
pub struct Delivered {
    /// What was done, or why not all of it.
    pub result: Result<(), Failure>,
    /// What was changed.
    pub changes: Vec<Change>,
    /// What is in the cluster now; absent when nothing was tried.
    pub inventory: Option<Vec<InventoryEntry>>,
    /// What it was made of; absent when it failed.
    pub inputs: Option<Inputs>,
    /// What it was to be made of, where it failed after that was known.
    pub tried: Option<Inputs>,
    /// The older revision that was applied in place of the newest.
    pub back: Option<Back>,
    /// What was found changed although no commit and nobody of ours asked for it.
    pub drift: Drift,
}

impl Delivered {
    /// Nothing was tried.
    pub fn refused(failure: Failure) -> Self {
        Self {
            result: Err(failure),
            changes: Vec::new(),
            inventory: None,
            inputs: None,
            tried: None,
            back: None,
            drift: Drift::None,
        }
    }
}

/// What somebody else made of the objects of a Delivery.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Drift {
    /// Nothing that was seen.
    #[default]
    None,
    /// These were not as they should be, and are again.
    Corrected(Vec<Drifted>),
    /// These are not as they should be, and stay so: `spec.drift` is `Detect`.
    Detected(Vec<Drifted>),
}

/// Applies a Delivery's folder of a verified revision.
pub async fn reconcile_delivery(
    context: &Context,
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
    revision: &Arc<VerifiedRevision>,
    trigger: Trigger,
) -> Delivered {
    let mut delivered = Delivered {
        result: Ok(()),
        changes: Vec::new(),
        inventory: None,
        inputs: None,
        tried: None,
        back: None,
        drift: Drift::None,
    };
    context.store.forget_references(&delivery_name(&delivery.key));
    let deadline = Instant::now() + delivery_timeout(&delivery.spec);
    let run = run(context, delivery, revision, trigger, deadline, &mut delivered);
    if let Err(failure) = run.await {
        let subject = subject(&delivery.key, revision, trigger);
        if delivered.inventory.is_none() {
            refused(
                context,
                subject,
                &failure,
                delivery.status.conditions.get(ConditionType::Ready),
            );
        }
        delivered.result = Err(failure);
        delivered.tried = delivered.inputs.take();
    }
    delivered
}

async fn run(
    context: &Context,
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
    revision: &Arc<VerifiedRevision>,
    trigger: Trigger,
    deadline: Instant,
    delivered: &mut Delivered,
) -> Result<(), Failure> {
    let Definition {
        key, spec, status, ..
    } = delivery;
    let rules = approval::rules(spec)?;
    if let Some(rules) = &rules {
        approval::check(delivery, rules, revision).await?;
    }
    let treatment = Treatment::of(spec)?;
    let (rendered, reads) = tokio::time::timeout_at(deadline, prepare(context, key, spec, revision))
        .await
        .map_err(|_| Failure::late(Step::Render))??;
    if let Some(rules) = &rules {
        approval::covers(rules, &reads)?;
    }
    delivered.inputs = Some(Inputs::new(spec.clone(), reads));
    let mode = spec.drift.unwrap_or_default();
    let is_settled = is_settled(delivery, revision, trigger);
    if mode == DriftMode::Ignore {
        context.left.forget(key);
        if is_settled {
            return Ok(());
        }
    }

    let session = context
        .cluster
        .session(actor(context, key, spec)?)
        .map_err(|error| Failure::cluster(Step::Plan, &error))?;
    let former = context.store.inventory(&context.cluster, key, status).await?;
    let writing = context.left.begin(key);
    // Whoever asks for a reconcile wants each object looked at.
    let known = match trigger {
        Trigger::Request => Known::default(),
        _ => context.left.known(key),
    };
    let observing = observe(&session, rendered, treatment, &known, Timestamp::now());
    let observed = tokio::time::timeout_at(deadline, observing)
        .await
        .map_err(|_| Failure::late(Step::Plan))?
        .map_err(|error| Failure::cluster(Step::Plan, &error))?;
    let prune = if spec.prune { Prune::Stale } else { Prune::Nothing };
    let empty = if spec.allow_empty {
        EmptySource::Allowed
    } else {
        EmptySource::Refused
    };
    let plan = plan(observed, &former, prune, empty)?;
    let drifted = if is_settled { plan.departures() } else { Vec::new() };
    if mode == DriftMode::Detect && !drifted.is_empty() {
        writing.record(session.actor(), plan.left());
        delivered.inventory = Some(former);
        delivered.drift = Drift::Detected(drifted);
    } else {
        let subject = subject(key, revision, trigger);
        let (left, failures) =
            carry_out(context, delivery, &session, plan, &former, subject, delivered).await?;
        match mode {
            DriftMode::Ignore => drop(writing),
            DriftMode::Correct | DriftMode::Detect => writing.record(session.actor(), left),
        }
        if !failures.is_empty() {
            return Err(Failure::objects(Step::Apply, failures));
        }
        if !drifted.is_empty() {
            delivered.drift = Drift::Corrected(drifted);
        }
    }
    if spec.wait {
        let inventory = delivered.inventory.as_deref().unwrap_or_default();
        let wait = context.waits.begin(key);
        tokio::select! {
            waited = health::wait(&session, inventory, deadline) => {
                waited.map_err(|failures| Failure::objects(Step::Health, failures))?;
            }
            () = wait.over() => return Err(Failure::superseded(revision)),
        }
    }
    Ok(())
}

/// Does what was planned. How the objects are left comes back, and which could not be done; the others are as they
/// should be all the same.
async fn carry_out(
    context: &Context,
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
    session: &Session,
    plan: Plan,
    former: &[InventoryEntry],
    subject: Subject,
    delivered: &mut Delivered,
) -> Result<(Vec<LeftObject>, Vec<ObjectFailure>), Failure> {
    let Definition { key, status, .. } = delivery;
    // What is about to be made is in the inventory before it is in the cluster: if this process dies in between,
    // nothing is there that nobody knows of.
    let expected = plan.expected_inventory();
    if expected != former {
        keep_inventory(context, key, status, &expected).await?;
    }
    delivered.inventory = Some(expected.clone());
    if plan.is_empty() {
        return Ok((plan.left(), Vec::new()));
    }
    let intended = context.audit.record(plan, subject, Timestamp::now())?;
    let applied = apply::apply(session, intended, key).await;
    let records = applied.to_records();
    let apply::Applied {
        intent,
        changes,
        failures,
        inventory,
        left,
    } = applied;
    context.audit.complete(intent, records, Timestamp::now())?;
    delivered.changes = changes;
    if inventory != expected {
        keep_inventory(context, key, status, &inventory).await?;
    }
    delivered.inventory = Some(inventory);
    Ok((left, failures))
}

/// Whether the same revision of the same spec was applied before and nothing of ours asks for it again: what is other
/// than it was then was made so by somebody else. A person who asks for a reconcile wants it applied.
fn is_settled(
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
    revision: &VerifiedRevision,
    trigger: Trigger,
) -> bool {
    let status = &delivery.status;
    let is_asked_for = !matches!(
        trigger,
        Trigger::Start | Trigger::Interval | Trigger::Revision | Trigger::Drift
    );
    !is_asked_for
        && status.conditions.holds(ConditionType::Ready)
        && status.observed_generation == delivery.generation
        && status.last_applied_revision.as_deref() == Some(revision.name())
}

/// Opens and renders; in a thread of its own, since it reads from disk and does the work of ciphers.
async fn prepare(
    context: &Context,
    key: &Key,
    spec: &DeliverySpec,
    revision: &Arc<VerifiedRevision>,
) -> Result<(Rendered, Reads), Failure> {
    let keys = keys(context, key, spec).await?;
    let substitution = variables::substitution(context, key, spec).await?;
    let rendering = Rendering::of(key, spec, substitution).map_err(RenderError::Files)?;
    let revision = Arc::clone(revision);
    let rendered = tokio::task::spawn_blocking(move || {
        let files = Files::new(revision.tree(), &keys).map_err(RenderError::Files)?;
        let rendered = render(&files, &rendering)?;
        Ok::<_, RenderError>((rendered, files.into_reads()))
    });
    Ok(rendered
        .await
        .map_err(|error| Failure::internal(Step::Render, &error))??)
}

async fn keys(context: &Context, key: &Key, spec: &DeliverySpec) -> Result<Keys, Failure> {
    let reference = spec
        .decryption
        .as_ref()
        .and_then(|decryption| decryption.secret_ref.as_ref());
    match (reference, &context.age_keys) {
        (Some(reference), _) => {
            let data = context
                .store
                .secret(&delivery_name(key), &sibling(key, &reference.name)?)
                .await?;
            let entries = data.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
            Ok(Keys::parse_entries(entries)?)
        }
        (None, Some(text)) => Ok(Keys::parse_age(text)?),
        (None, None) => Ok(Keys::default()),
    }
}

/// As whom a Delivery is applied.
fn actor(context: &Context, key: &Key, spec: &DeliverySpec) -> Result<Actor, name::InvalidName> {
    Ok(account(context, key, spec)?.map_or(Actor::Itself, Actor::ServiceAccount))
}

/// The service account that a Delivery is applied as; nothing where it is applied with the rights of fluxops.
pub fn account(context: &Context, key: &Key, spec: &DeliverySpec) -> Result<Option<Key>, name::InvalidName> {
    let default = context.default_service_account.as_ref().map(Name::as_str);
    match spec.service_account_name.as_deref().or(default) {
        Some(name) => Ok(Some(sibling(key, name)?)),
        None => Ok(None),
    }
}

async fn keep_inventory(
    context: &Context,
    key: &Key,
    status: &DeliveryStatus,
    inventory: &[InventoryEntry],
) -> Result<(), Failure> {
    match &context.store {
        Store::InCluster(_) => {
            let status = DeliveryStatus {
                inventory: inventory.to_vec(),
                ..status.clone()
            };
            context.store.publish(key, Status::Delivery(&status)).await?;
        }
        Store::Folder(_) => {
            context
                .store
                .keep_inventory(&context.cluster, key, inventory)
                .await?;
        }
    }
    Ok(())
}

/// Deletes everything that a Delivery applied, and waits until it is gone where the policy says so.
pub async fn prune_all(
    context: &Context,
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
) -> Result<Vec<Change>, Failure> {
    let Definition {
        key, spec, status, ..
    } = delivery;
    let former = context.store.inventory(&context.cluster, key, status).await?;
    let session = context
        .cluster
        .session(actor(context, key, spec)?)
        .map_err(|error| Failure::cluster(Step::Plan, &error))?;
    let nothing = observe(
        &session,
        Rendered::nothing(),
        Treatment::default(),
        &Known::default(),
        Timestamp::now(),
    )
    .await
    .map_err(|error| Failure::cluster(Step::Plan, &error))?;
    let plan = plan(nothing, &former, Prune::Stale, EmptySource::Allowed)?;
    let subject = Subject {
        object: delivery_name(key),
        trigger: Trigger::Deletion,
        commit: None,
        signer: None,
    };
    let intended = context.audit.record(plan, subject, Timestamp::now())?;
    let applied = apply::apply(&session, intended, key).await;
    let records = applied.to_records();
    context
        .audit
        .complete(applied.intent, records, Timestamp::now())?;
    if !applied.failures.is_empty() {
        return Err(Failure::objects(Step::Apply, applied.failures));
    }
    if spec.deletion_policy == Some(DeletionPolicy::WaitForTermination) {
        let deadline = Instant::now() + delivery_timeout(spec);
        let left = apply::wait_for_termination(&session, &applied.changes, deadline)
            .await
            .map_err(|error| Failure::cluster(Step::Apply, &error))?;
        // As in Flux: it is let go all the same.
        if !left.is_empty() {
            let names: Vec<String> = left.iter().map(ToString::to_string).collect();
            tracing::warn!(object = %delivery_name(key), left = names.join(", "), "some of what it applied was deleted and is not gone");
        }
    }
    Ok(applied.changes)
}

/// Puts on record that what a Delivery applied stays, since nobody may delete it: its service account is gone. What is
/// said of it comes back.
pub fn leave_behind(
    context: &Context,
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
    account: &Key,
) -> Result<Failure, Failure> {
    let objects = delivery.status.inventory.iter();
    let left: Vec<String> = objects
        .filter_map(ObjectRef::from_inventory_entry)
        .map(|object| object.to_string())
        .collect();
    let message = format!(
        "the service account {account} that it was applied as is gone, so what it applied was left behind: {}",
        left.join(", ")
    );
    let failure = Failure::said(Step::Apply, "ServiceAccountNotFound", message, Remedy::Change);
    let event = Event::Refused {
        subject: Subject {
            object: delivery_name(&delivery.key),
            trigger: Trigger::Deletion,
            commit: None,
            signer: None,
        },
        step: failure.step,
        reason: failure.reason.clone(),
        message: failure.message.clone(),
    };
    context.audit.note(event, Timestamp::now())?;
    Ok(failure)
}

/// How long one reconcile may take: as the spec says, or the interval less 30 s, and never under 30 s.
fn delivery_timeout(spec: &DeliverySpec) -> Duration {
    let from_interval = || {
        spec.interval
            .duration()
            .saturating_sub(MIN_DELIVERY_TIMEOUT)
            .max(MIN_DELIVERY_TIMEOUT)
    };
    spec.timeout.map_or_else(from_interval, |timeout| timeout.0)
}

fn subject(key: &Key, revision: &VerifiedRevision, trigger: Trigger) -> Subject {
    Subject {
        object: delivery_name(key),
        trigger,
        commit: Some(revision.commit().id.clone()),
        signer: Some(revision.verification().to_string()),
    }
}

/// Records a refusal when it is news; the same one at every interval would bury the rest.
fn refused(context: &Context, subject: Subject, failure: &Failure, ready: Option<&crate::api::Condition>) {
    if ready.is_some_and(|ready| ready.reason == failure.reason && ready.message == failure.message) {
        return;
    }
    let event = Event::Refused {
        subject,
        step: failure.step,
        reason: failure.reason.clone(),
        message: failure.message.clone(),
    };
    if let Err(error) = context.audit.note(event, Timestamp::now()) {
        tracing::error!(error = %crate::chain(&error), "a refusal could not be recorded");
    }
}

fn delivery_name(key: &Key) -> ObjectName {
    ObjectName {
        kind: Kind::Delivery,
        key: key.clone(),
    }
}

/// An object of the same namespace.
fn sibling(key: &Key, name: &str) -> Result<Key, name::InvalidName> {
    Key::new(&key.namespace, name)
}
