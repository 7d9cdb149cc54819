//! Following objects that were renamed, or moved to another namespace, in the fields that refer to them.

use std::collections::{HashMap, HashSet};

use manifest_yaml::{Mapping, Value};

use crate::BuildError;
use crate::configuration::{Configuration, References};
use crate::field_spec::{FieldProblem, Shape};
use crate::resource::{KindSelector, Resource};
use crate::resources::Resources;

/// A field that leads here names the kind of what it refers to beside it.
const ROLE_REFERENCE: &str = "roleRef/name";

/// Writes the current name, and where a field has one the namespace, of what every reference refers to
/// (kustomize's namereferencetransformer.go and filters/nameref/nameref.go).
pub(crate) fn follow_renames(
    configuration: &Configuration,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    let names = Names::new(resources);
    for index in 0..resources.len() {
        let edits = match resources.get(index) {
            Some(referrer) => followed(referrer, configuration, resources, &names)?,
            None => None,
        };
        if let (Some(value), Some(referrer)) = (edits, resources.get_mut(index)) {
            *referrer.value_mut() = value;
        }
    }
    Ok(())
}

/// The referrer as it should be; nothing if it refers to nothing that could have changed.
fn followed(
    referrer: &Resource,
    configuration: &Configuration,
    resources: &Resources,
    names: &Names,
) -> Result<Option<Mapping>, BuildError> {
    let original = referrer.original_id();
    let mut reach = None;
    let mut edited: Option<Mapping> = None;
    for References { target, referrers } in &configuration.references {
        for spec in referrers.iter().filter(|spec| spec.kinds.selects(&original)) {
            let reach = match &reach {
                Some(reach) => reach,
                None => reach.insert(Reach::of(referrer)?),
            };
            let search = Search {
                referrer,
                target,
                is_role_reference: spec.path.ends_with(ROLE_REFERENCE),
                reach,
                resources,
                names,
            };
            let mut ambiguous = None;
            let object = edited.get_or_insert_with(|| referrer.value().share());
            spec.visit(object, Shape::Never, &mut |field, path| {
                search.follow(field, path).map_err(|failure| match failure {
                    Failure::Field(problem) => problem,
                    Failure::Ambiguous(candidates) => {
                        ambiguous = Some(candidates);
                        FieldProblem::new(path, "")
                    }
                })
            })
            .map_err(|problem| match ambiguous {
                Some(candidates) => BuildError::AmbiguousReference {
                    object: referrer.id().to_string(),
                    path: problem.path,
                    candidates,
                },
                None => BuildError::Reference {
                    object: referrer.id().to_string(),
                    path: problem.path,
                    problem: problem.problem,
                },
            })?;
        }
    }
    Ok(edited)
}

/// Where objects are by what they were once called; what it tells does not change while references are followed.
struct Names {
    /// The objects that once had a name.
    by_name: HashMap<String, Namesakes>,
    /// The objects that were in a namespace when they were loaded.
    by_namespace: HashMap<String, Vec<usize>>,
}

impl Names {
    fn new(resources: &Resources) -> Self {
        let mut names = Self {
            by_name: HashMap::new(),
            by_namespace: HashMap::new(),
        };
        for (index, resource) in resources.iter().enumerate() {
            for id in &resource.previous {
                let namesakes = names.by_name.entry(id.name.clone()).or_default();
                namesakes.add(index, resource);
            }
            if let Some(namespace) = resource.original_id().namespace {
                names.by_namespace.entry(namespace).or_default().push(index);
            }
        }
        names
    }
}

/// The objects that once had one name, by where they are: a hundred bases may each have their `web`.
#[derive(Default)]
struct Namesakes {
    all: Vec<usize>,
    cluster_scoped: Vec<usize>,
    by_effective_namespace: HashMap<Option<String>, Vec<usize>>,
    by_written_namespace: HashMap<String, Vec<usize>>,
}

impl Namesakes {
    fn add(&mut self, index: usize, resource: &Resource) {
        if self.all.last() == Some(&index) {
            return;
        }
        self.all.push(index);
        if resource.is_cluster_scoped() {
            self.cluster_scoped.push(index);
        }
        let effective = resource.effective_namespace().map(str::to_owned);
        self.by_effective_namespace
            .entry(effective)
            .or_default()
            .push(index);
        let written = resource.namespace().to_owned();
        self.by_written_namespace.entry(written).or_default().push(index);
    }

    /// Those in reach, in their order.
    fn within(&self, reach: &Reach<'_>) -> Vec<usize> {
        let (namespace, bound) = match reach {
            Reach::Everything => return self.all.clone(),
            Reach::Some { namespace, bound } => (namespace, bound),
        };
        let near = self.by_effective_namespace.get(&namespace.map(str::to_owned));
        let bound = bound
            .iter()
            .filter_map(|namespace| self.by_written_namespace.get(*namespace));
        let mut places: Vec<usize> = bound.chain(near).flatten().copied().collect();
        places.extend(&self.cluster_scoped);
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Which objects one may refer to: those of its namespace, those without one, and the namespaces of the service
/// accounts that a `RoleBinding` names (`SubsetThatCouldBeReferencedByResource`).
enum Reach<'a> {
    Everything,
    Some {
        namespace: Option<&'a str>,
        bound: HashSet<&'a str>,
    },
}

impl<'a> Reach<'a> {
    fn of(referrer: &'a Resource) -> Result<Self, BuildError> {
        if referrer.is_cluster_scoped() {
            return Ok(Self::Everything);
        }
        let bound = bound_namespaces(referrer).map_err(|problem| BuildError::Reference {
            object: referrer.id().to_string(),
            path: problem.path,
            problem: problem.problem,
        })?;
        Ok(Self::Some {
            namespace: referrer.effective_namespace(),
            bound,
        })
    }

    fn includes(&self, other: &Resource) -> bool {
        match self {
            Self::Everything => true,
            Self::Some { namespace, bound } => {
                other.is_cluster_scoped()
                    || other.effective_namespace() == *namespace
                    || bound.contains(other.namespace())
            }
        }
    }
}

/// The namespaces that the subjects of a `RoleBinding` name (`getNamespacesForRoleBinding`).
fn bound_namespaces(referrer: &Resource) -> Result<HashSet<&str>, FieldProblem> {
    let mut namespaces = HashSet::new();
    if referrer.kind() != "RoleBinding" {
        return Ok(namespaces);
    }
    let subjects = referrer
        .value()
        .get("subjects")
        .and_then(Value::as_sequence)
        .unwrap_or_default();
    for (index, subject) in subjects.iter().enumerate() {
        let path = format!("subjects.{index}");
        let Value::Mapping(subject) = subject else {
            return Err(FieldProblem::type_error(&path, "a map", subject));
        };
        match (subject.get("kind"), subject.get("namespace")) {
            (Some(Value::String(kind)), Some(namespace)) if kind == "ServiceAccount" => {
                let Some(namespace) = namespace.as_str() else {
                    return Err(FieldProblem::type_error(
                        &format!("{path}.namespace"),
                        "a string",
                        namespace,
                    ));
                };
                namespaces.insert(namespace);
            }
            (None | Some(Value::String(_)), _) | (_, None) => {}
            (Some(kind), _) => {
                return Err(FieldProblem::type_error(
                    &format!("{path}.kind"),
                    "a string",
                    kind,
                ));
            }
        }
    }
    Ok(namespaces)
}

enum Failure {
    Field(FieldProblem),
    Ambiguous(Vec<String>),
}

impl From<FieldProblem> for Failure {
    fn from(problem: FieldProblem) -> Self {
        Self::Field(problem)
    }
}

/// What one field of one object could refer to.
struct Search<'a> {
    referrer: &'a Resource,
    target: &'a KindSelector,
    is_role_reference: bool,
    reach: &'a Reach<'a>,
    resources: &'a Resources,
    names: &'a Names,
}

impl<'a> Search<'a> {
    fn follow(&self, field: &mut Value, path: &str) -> Result<(), Failure> {
        match field {
            Value::Null => Ok(()),
            Value::Mapping(map) => self.follow_map(map, path),
            Value::Sequence(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let path = format!("{path}.{index}");
                    match item {
                        Value::Null => {}
                        Value::Mapping(map) => self.follow_map(map, &path)?,
                        Value::Sequence(_) => {
                            return Err(FieldProblem::type_error(&path, "a string or a map", item).into());
                        }
                        scalar => self.follow_scalar(scalar, &path)?,
                    }
                }
                Ok(())
            }
            scalar => self.follow_scalar(scalar, path),
        }
    }

    /// A field that holds only a name: of several candidates with one name, any will do.
    fn follow_scalar(&self, field: &mut Value, path: &str) -> Result<(), Failure> {
        let Some(name) = self.readable(field, path)? else {
            return Ok(());
        };
        let same = |first: &Resource, other: &Resource| first.name() == other.name();
        if let Some(found) = self.select(self.once_called(name), same)? {
            *field = found.name().into();
        }
        Ok(())
    }

    /// A field that holds a name and maybe a namespace.
    fn follow_map(&self, map: &mut Mapping, path: &str) -> Result<(), Failure> {
        let Some(name) = map.get("name") else {
            return Err(FieldProblem::new(path, "it has no name").into());
        };
        let Some(name) = self.readable(name, &format!("{path}.name"))? else {
            return Ok(());
        };
        let candidates = match map.get("namespace") {
            None => self.once_called(name),
            Some(namespace) => match self.readable(namespace, &format!("{path}.namespace"))? {
                None => Vec::new(),
                Some(namespace) => self.in_namespace(namespace, name),
            },
        };
        let same = |first: &Resource, other: &Resource| {
            first.name() == other.name() && first.namespace() == other.namespace()
        };
        if let Some(found) = self.select(candidates, same)? {
            map.insert("name", found.name().into());
            if !found.namespace().is_empty() {
                map.insert("namespace", found.namespace().into());
            }
        }
        Ok(())
    }

    /// The text of a reference. Where nothing that it could mean was ever renamed it need not be read.
    fn readable<'b>(&self, field: &'b Value, path: &str) -> Result<Option<&'b str>, FieldProblem> {
        match field {
            Value::String(text) => Ok(Some(text)),
            Value::Null => Ok(None),
            _ if !self
                .resources
                .iter()
                .any(|candidate| was_of_kind(candidate, self.target) && self.reach.includes(candidate)) =>
            {
                Ok(None)
            }
            other => Err(FieldProblem::type_error(path, "a string", other)),
        }
    }

    /// The objects in reach that once had a name.
    fn once_called(&self, name: &str) -> Vec<&'a Resource> {
        let namesakes = self.names.by_name.get(name);
        let places = namesakes.map(|namesakes| namesakes.within(self.reach));
        let places = places.into_iter().flatten();
        places.filter_map(|place| self.resources.get(place)).collect()
    }

    /// Whether an object in reach was in a namespace when it was loaded.
    fn any_was_in(&self, namespace: &str) -> bool {
        let places = self.names.by_namespace.get(namespace);
        places
            .into_iter()
            .flatten()
            .filter_map(|place| self.resources.get(*place))
            .any(|candidate| self.reach.includes(candidate))
    }

    /// Of the objects that once had a name those that were in a namespace when they were loaded; if no object at all
    /// was, those that are in it now.
    fn in_namespace(&self, namespace: &str, name: &str) -> Vec<&'a Resource> {
        let any_was = self.any_was_in(namespace);
        let mut candidates = self.once_called(name);
        candidates.retain(|candidate| {
            let id = if any_was {
                candidate.original_id()
            } else {
                candidate.id()
            };
            id.namespace.as_deref() == Some(namespace)
        });
        candidates
    }

    /// The one object that is meant (`selectReferral`).
    fn select(
        &self,
        mut candidates: Vec<&'a Resource>,
        are_same: impl Fn(&Resource, &Resource) -> bool,
    ) -> Result<Option<&'a Resource>, Failure> {
        candidates.retain(|candidate| was_of_kind(candidate, self.target));
        if let Some(kind) = self.role_kind() {
            candidates.retain(|candidate| was_of_kind(candidate, &kind));
        }
        if !self.referrer.is_cluster_scoped() {
            let namespace = self.referrer.effective_namespace();
            candidates.retain(|candidate| {
                candidate.is_cluster_scoped()
                    || candidate.kind() == "ServiceAccount"
                    || candidate.effective_namespace() == namespace
            });
        }
        if candidates.len() > 1 {
            candidates.retain(|candidate| share_affixes(candidate, self.referrer, Empty::MatchesAnything));
        }
        if candidates.len() > 1 {
            candidates.retain(|candidate| share_affixes(candidate, self.referrer, Empty::MatchesEmpty));
        }
        let Some((first, rest)) = candidates.split_first() else {
            return Ok(None);
        };
        if rest.iter().all(|other| are_same(first, other)) {
            return Ok(Some(first));
        }
        Err(Failure::Ambiguous(
            candidates
                .iter()
                .map(|candidate| candidate.id().to_string())
                .collect(),
        ))
    }

    /// The kind that a role reference names beside the name, if it names one.
    fn role_kind(&self) -> Option<KindSelector> {
        if !self.is_role_reference {
            return None;
        }
        let part = |key| self.referrer.value().get("roleRef")?.get_path(&[key])?.as_str();
        Some(KindSelector::new(part("apiGroup")?, "", part("kind")?))
    }
}

fn was_of_kind(candidate: &Resource, kind: &KindSelector) -> bool {
    candidate.previous.iter().any(|id| kind.selects(id))
}

/// What an object without prefixes or suffixes has in common with one that has some.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Empty {
    MatchesAnything,
    MatchesEmpty,
}

/// Whether two objects were given the same prefixes and suffixes by the outermost kustomizations
/// (`PrefixesSuffixesEquals`).
fn share_affixes(one: &Resource, other: &Resource, empty: Empty) -> bool {
    let same = |one: &[String], other: &[String]| {
        if empty == Empty::MatchesAnything && (one.is_empty() || other.is_empty()) {
            return true;
        }
        one.is_empty() == other.is_empty() && (one.ends_with(other) || other.ends_with(one))
    };
    same(&one.prefixes, &other.prefixes) && same(&one.suffixes, &other.suffixes)
}
