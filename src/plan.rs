//! Step 5: what would change. Pure: the same cluster and the same commit make the same plan.

use std::collections::BTreeSet;
use std::fmt;

use crate::api::{InventoryEntry, Remedy};
use crate::audit::{ActionRecord, RecordedAction};
use crate::name::ObjectRef;
use crate::observe::{Consent, Departure, Drifted, LeftObject, Observed, State, Target, Treatment};

/// What is about to be done, stage by stage. It is not a permission to do it: that is an
/// [`Intended`](crate::audit::Intended).
///
/// ```compile_fail,E0308
/// use fluxops::{apply::{Applied, apply}, cluster::Session, name::Key, plan::Plan};
/// async fn rush(session: &Session, plan: Plan, owner: &Key) -> Applied {
///     apply(session, plan, owner).await
/// }
/// ```
pub struct Plan {
    pub(crate) stages: Vec<Vec<Target>>,
    pub(crate) prune: Vec<ObjectRef>,
    pub(crate) inventory: Vec<ObjectRef>,
    pub(crate) treatment: Treatment,
}

/// Whether objects that left the source are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// They are.
    Stale,
    /// They stay, and are no longer ours.
    Nothing,
}

/// Whether a source without objects may prune everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmptySource {
    /// It may.
    Allowed,
    /// It is taken for a mistake.
    Refused,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is made.
    Create,
    /// It is changed.
    Configure,
    /// It is deleted and made anew, since it differs in a field that cannot be changed.
    Recreate,
    /// It is as it should be.
    None,
    /// It is deleted.
    Delete,
}

/// Why an object cannot be as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFailure {
    /// Which object.
    pub object: ObjectRef,
    /// Why, in one word.
    pub reason: String,
    /// Why, in words that hold no secret.
    pub message: String,
    /// What it takes until it can be.
    pub remedy: Remedy,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Some objects would fail. All of them are named, and none is applied.
    #[error("failed to plan: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Refused(Vec<ObjectFailure>),
    /// Everything would be deleted.
    #[error(
        "failed to plan: the source has no objects, and pruning would delete all {0} that are there; if that is meant, set spec.allowEmpty"
    )]
    WouldPruneEverything(usize),
}

/// The last stage that is always run.
const STAGES: usize = 4;

/// Makes the plan.
pub fn plan(
    observed: Observed,
    inventory: &[InventoryEntry],
    prune: Prune,
    empty: EmptySource,
) -> Result<Plan, PlanError> {
    let inventory: Vec<ObjectRef> = inventory
        .iter()
        .filter_map(ObjectRef::from_inventory_entry)
        .collect();
    if observed.targets.is_empty()
        && !inventory.is_empty()
        && prune == Prune::Stale
        && empty == EmptySource::Refused
    {
        return Err(PlanError::WouldPruneEverything(inventory.len()));
    }
    let failures: Vec<ObjectFailure> = observed.targets.iter().filter_map(failure).collect();
    if !failures.is_empty() {
        return Err(PlanError::Refused(failures));
    }
    let wanted: BTreeSet<_> = observed
        .targets
        .iter()
        .map(|target| target.manifest.object().identity())
        .collect();
    let mut stale = Vec::new();
    if prune == Prune::Stale {
        stale.extend(
            inventory
                .iter()
                .filter(|object| !wanted.contains(&object.identity()))
                .cloned(),
        );
        stale.sort_by(|one, other| order(other).cmp(&order(one)));
    }
    drop(wanted);

    let mut stages: Vec<Vec<Target>> = std::iter::repeat_with(Vec::new).take(STAGES).collect();
    for target in observed.targets {
        if let Some(stage) = stages.get_mut(stage(target.manifest.object())) {
            stage.push(target);
        }
    }
    for stage in &mut stages {
        stage.sort_by(|one, other| order(one.manifest.object()).cmp(&order(other.manifest.object())));
    }
    Ok(Plan {
        stages,
        prune: stale,
        inventory,
        treatment: observed.treatment,
    })
}

/// What the cluster's word on an object means for the plan.
pub(crate) fn failure(target: &Target) -> Option<ObjectFailure> {
    let object = target.manifest.object().clone();
    let (reason, message, remedy) = match &target.state {
        State::Refused(error) => (
            error.reason().to_owned(),
            error.describe(target.manifest.sensitivity()),
            error.remedy(),
        ),
        State::Unforced { refusal, consent } => (
            "ImmutableField".to_owned(),
            format!(
                "{}; {}",
                refusal.describe(target.manifest.sensitivity()),
                match consent {
                    Consent::Delivery =>
                        "with spec.force, or the annotation fluxops.dev/force: Enabled, it is deleted and made anew",
                    Consent::Object =>
                        "with the annotation fluxops.dev/force: Enabled it is deleted, with all that it holds, and made anew",
                }
            ),
            Remedy::Change,
        ),
        State::Irreplaceable(error) => (
            error.reason().to_owned(),
            format!(
                "it cannot be changed, and was not deleted, since it could not be made anew: {}",
                error.describe(target.manifest.sensitivity())
            ),
            error.remedy(),
        ),
        State::UnknownKind => (
            "UnknownKind".to_owned(),
            format!(
                "the cluster has no {} in {}; install its CustomResourceDefinition first",
                object.kind,
                object.api_version()
            ),
            Remedy::Retry,
        ),
        State::NoNamespace(namespace) => (
            "NamespaceNotFound".to_owned(),
            format!("the namespace {namespace:?} does not exist; add it to the source or create it"),
            Remedy::Retry,
        ),
        State::Missing
        | State::Same
        | State::Different(_)
        | State::Ownership
        | State::Immutable(_)
        | State::Fresh
        | State::Waiting
        | State::Left => return None,
    };
    Some(ObjectFailure {
        object,
        reason,
        message,
        remedy,
    })
}

/// The action that a state asks for; nothing for what is left alone.
pub(crate) fn action(state: &State) -> Option<Action> {
    match state {
        State::Missing | State::Waiting => Some(Action::Create),
        State::Different(_) | State::Ownership | State::Fresh => Some(Action::Configure),
        State::Immutable(_) => Some(Action::Recreate),
        State::Same => Some(Action::None),
        State::Left
        | State::Unforced { .. }
        | State::Irreplaceable(_)
        | State::Refused(_)
        | State::UnknownKind
        | State::NoNamespace(_) => None,
    }
}

/// Which stage an object belongs to: what others need comes first, what intercepts others comes last.
fn stage(object: &ObjectRef) -> usize {
    match (object.group.as_str(), object.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") | ("", "Namespace") => 0,
        ("rbac.authorization.k8s.io", "ClusterRole") => 1,
        (
            "admissionregistration.k8s.io",
            "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration",
        ) => 3,
        (_, kind) if kind.ends_with("Class") => 1,
        _ => 2,
    }
}

/// The order within a stage, which is Flux's (fluxcd/pkg `ssa/sort.go`): what is referred to before what refers.
fn order(object: &ObjectRef) -> (usize, usize, &str, &str, Option<&str>, &str) {
    const FIRST: [&str; 15] = [
        "CustomResourceDefinition",
        "Namespace",
        "ClusterRoleBinding",
        "ResourceQuota",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "ConfigMap",
        "Secret",
        "Service",
        "LimitRange",
        "Deployment",
        "StatefulSet",
        "CronJob",
        "PodDisruptionBudget",
    ];
    let rank = FIRST
        .iter()
        .position(|kind| *kind == object.kind)
        .unwrap_or(FIRST.len());
    (
        stage(object),
        rank,
        &object.group,
        &object.kind,
        object.namespace.as_deref(),
        &object.name,
    )
}

impl Plan {
    /// Whether carrying it out would write nothing.
    pub fn is_empty(&self) -> bool {
        let idle = |target: &Target| matches!(action(&target.state), None | Some(Action::None));
        self.prune.is_empty() && self.stages.iter().flatten().all(idle)
    }

    /// What will be in the cluster while it is carried out: all that is there and all that is to come. Sorted.
    pub fn expected_inventory(&self) -> Vec<InventoryEntry> {
        let coming = self
            .stages
            .iter()
            .flatten()
            .filter(|target| action(&target.state).is_some());
        let coming = coming.map(|target| target.manifest.object());
        let left = self
            .stages
            .iter()
            .flatten()
            .filter(|target| action(&target.state).is_none());
        let left = left.map(|target| target.manifest.object());
        let kept = left.filter(|object| {
            self.inventory
                .iter()
                .any(|known| known.identity() == object.identity())
        });
        let all: BTreeSet<&ObjectRef> = coming.chain(kept).chain(&self.prune).collect();
        all.into_iter().map(ObjectRef::to_inventory_entry).collect()
    }

    /// The objects that are not as they are wanted. Where the same was applied before, somebody else made them so.
    pub fn departures(&self) -> Vec<Drifted> {
        let departure = |target: &Target| {
            let departure = match &target.state {
                State::Missing => Departure::Gone,
                State::Different(departure) | State::Immutable(departure) => departure.clone(),
                _ => return None,
            };
            Some(Drifted {
                object: target.manifest.object().clone(),
                departure,
            })
        };
        self.stages.iter().flatten().filter_map(departure).collect()
    }

    /// How the objects are left if it is not carried out.
    pub fn left(&self) -> Vec<LeftObject> {
        self.stages.iter().flatten().filter_map(Target::left).collect()
    }

    /// How many objects it speaks of.
    pub fn len(&self) -> usize {
        self.stages.iter().map(Vec::len).sum::<usize>() + self.prune.len()
    }

    /// What is about to be done, for the log: everything but what stays as it is.
    pub fn to_records(&self) -> Vec<ActionRecord> {
        let applied = self.stages.iter().flatten();
        let applied = applied.filter_map(|target| Some((target.manifest.object(), action(&target.state)?)));
        let pruned = self.prune.iter().map(|object| (object, Action::Delete));
        let record = |(object, action): (&ObjectRef, Action)| {
            let action = RecordedAction::of(action)?;
            Some(ActionRecord {
                object: object.to_string(),
                action,
                error: None,
            })
        };
        applied.chain(pruned).filter_map(record).collect()
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Configure => "configure",
            Self::Recreate => "recreate",
            Self::None => "none",
            Self::Delete => "delete",
        })
    }
}

impl fmt::Display for ObjectFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.object, self.message)
    }
}

impl PlanError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &str {
        match self {
            Self::Refused(failures) => failures.first().map_or("Refused", |failure| &failure.reason),
            Self::WouldPruneEverything(_) => "WouldPruneEverything",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::Manifest;

    fn target(kind: &str, name: &str, state: State) -> Target {
        let group = match kind {
            "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
            "Deployment" => "apps/v1",
            "ClusterRole" => "rbac.authorization.k8s.io/v1",
            "ValidatingWebhookConfiguration" => "admissionregistration.k8s.io/v1",
            _ => "v1",
        };
        Target::for_tests(Manifest::parse_for_tests(group, kind, name), state)
    }

    fn entry(kind: &str, name: &str) -> InventoryEntry {
        target(kind, name, State::Same)
            .manifest
            .object()
            .to_inventory_entry()
    }

    fn observed(targets: Vec<Target>) -> Observed {
        Observed {
            targets,
            treatment: Treatment::default(),
        }
    }

    fn planned(targets: Vec<Target>, inventory: &[InventoryEntry]) -> Result<Plan, PlanError> {
        plan(observed(targets), inventory, Prune::Stale, EmptySource::Refused)
    }

    #[test]
    fn what_others_need_comes_first_and_what_intercepts_comes_last() {
        let kinds = [
            "ValidatingWebhookConfiguration",
            "Deployment",
            "Secret",
            "ClusterRole",
            "Namespace",
            "CustomResourceDefinition",
        ];
        let targets = kinds
            .iter()
            .map(|kind| target(kind, "a", State::Missing))
            .collect();
        let plan = planned(targets, &[]).unwrap();
        let order: Vec<Vec<&str>> = plan
            .stages
            .iter()
            .map(|stage| {
                stage
                    .iter()
                    .map(|target| target.manifest.object().kind.as_str())
                    .collect()
            })
            .collect();
        assert_eq!(
            order,
            [
                vec!["CustomResourceDefinition", "Namespace"],
                vec!["ClusterRole"],
                vec!["Secret", "Deployment"],
                vec!["ValidatingWebhookConfiguration"]
            ]
        );
    }

    #[test]
    fn one_bad_object_stops_all_and_every_bad_one_is_named() {
        let targets = vec![
            target("Secret", "a", State::Missing),
            target("Widget", "b", State::UnknownKind),
            target("Secret", "c", State::NoNamespace("x".into())),
        ];
        let Err(PlanError::Refused(failures)) = planned(targets, &[]) else {
            panic!("it should be refused")
        };
        let reasons: Vec<_> = failures.iter().map(|failure| failure.reason.as_str()).collect();
        assert_eq!(reasons, ["UnknownKind", "NamespaceNotFound"]);
    }

    #[test]
    fn an_empty_source_prunes_nothing_unless_it_is_meant() {
        let inventory = [entry("Secret", "a")];
        assert!(matches!(
            planned(vec![], &inventory),
            Err(PlanError::WouldPruneEverything(1))
        ));
        let meant = plan(observed(vec![]), &inventory, Prune::Stale, EmptySource::Allowed).unwrap();
        assert_eq!(meant.prune.len(), 1);
        let kept = plan(observed(vec![]), &inventory, Prune::Nothing, EmptySource::Refused).unwrap();
        assert!(kept.is_empty());
    }

    #[test]
    fn what_is_pruned_goes_in_reverse() {
        let inventory = [
            entry("Namespace", "n"),
            entry("Secret", "s"),
            entry("Deployment", "d"),
        ];
        let plan = planned(vec![target("ConfigMap", "c", State::Same)], &inventory).unwrap();
        let order: Vec<_> = plan.prune.iter().map(|object| object.kind.as_str()).collect();
        assert_eq!(order, ["Deployment", "Secret", "Namespace"]);
    }

    #[test]
    fn a_plan_that_changes_nothing_is_empty() {
        let plan = planned(
            vec![
                target("Secret", "a", State::Same),
                target("Secret", "b", State::Left),
            ],
            &[],
        )
        .unwrap();
        assert!(plan.is_empty() && plan.to_records().is_empty());
    }

    #[test]
    fn what_cannot_be_changed_is_made_anew_in_its_place_and_counts_as_departed() {
        let departure = Departure::Changed {
            fields: vec!["spec.selector".to_owned()],
            managers: BTreeSet::new(),
        };
        let targets = vec![target("Deployment", "web", State::Immutable(departure.clone()))];
        let plan = planned(targets, &[entry("Deployment", "web")]).unwrap();
        assert_eq!(plan.to_records()[0].action, RecordedAction::Recreate);
        assert_eq!(plan.expected_inventory(), [entry("Deployment", "web")]);
        assert_eq!(plan.departures()[0].departure, departure);
        assert!(!plan.is_empty());
    }

    proptest! {
        /// Whatever is in the cluster and in Git: only what we applied before is pruned, nothing that is wanted
        /// is, and whatever comes or is about to go is in the inventory while it happens.
        #[test]
        fn pruning_stays_within_the_inventory(wanted in prop::collection::btree_set(0_u8..12, 1..8), known in prop::collection::btree_set(0_u8..12, 0..8)) {
            let name = |index: &u8| format!("o{index}");
            let targets = wanted.iter().map(|index| target("Secret", &name(index), State::Missing)).collect();
            let inventory: Vec<_> = known.iter().map(|index| entry("Secret", &name(index))).collect();
            let plan = planned(targets, &inventory).unwrap();
            let pruned: BTreeSet<_> = plan.prune.iter().map(|object| object.name.clone()).collect();
            let stale: BTreeSet<_> = known.difference(&wanted).map(name).collect();
            prop_assert_eq!(pruned, stale);
            prop_assert_eq!(plan.expected_inventory().len(), wanted.union(&known).count());
        }
    }
}
