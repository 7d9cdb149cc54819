//! Selecting objects by patterns for what they are called, and by labels and annotations.

mod requirements;

use regex::bytes::{Regex, RegexBuilder};

use crate::BuildError;
use crate::kustomization::Fields;
use crate::resource::{Id, Resource};
use requirements::Requirements;

/// What a `target`, `select` or `reject` says (kustomize's `Selector` and `SelectorRegex`). What it does not say it
/// does not mind.
pub(crate) struct Selector {
    group: Pattern,
    version: Pattern,
    kind: Pattern,
    name: Pattern,
    namespace: Pattern,
    labels: Option<Requirements>,
    annotations: Option<Requirements>,
}

/// A regular expression for all of a text; nothing matches everything.
struct Pattern(Option<Regex>);

impl Pattern {
    fn read(fields: &mut Fields<'_>, field: &str) -> Result<Self, BuildError> {
        let text = fields.string(field)?.unwrap_or_default();
        if text.is_empty() {
            return Ok(Self(None));
        }
        // Go's character classes know ASCII only.
        let pattern = RegexBuilder::new(&format!("^(?:{text})$"))
            .unicode(false)
            .build()
            .map_err(|_| fields.value_error(field, "is not a regular expression"))?;
        Ok(Self(Some(pattern)))
    }

    fn matches(&self, text: &str) -> bool {
        self.0
            .as_ref()
            .is_none_or(|pattern| pattern.is_match(text.as_bytes()))
    }
}

impl Selector {
    /// Takes the fields of a selector out of a map.
    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self, BuildError> {
        Ok(Self {
            group: Pattern::read(fields, "group")?,
            version: Pattern::read(fields, "version")?,
            kind: Pattern::read(fields, "kind")?,
            name: Pattern::read(fields, "name")?,
            namespace: Pattern::read(fields, "namespace")?,
            labels: read_requirements(fields, "labelSelector")?,
            annotations: read_requirements(fields, "annotationSelector")?,
        })
    }

    /// Whether it says nothing of what an object is called.
    pub(crate) fn names_nothing(&self) -> bool {
        [
            &self.group,
            &self.version,
            &self.kind,
            &self.name,
            &self.namespace,
        ]
        .iter()
        .all(|pattern| pattern.0.is_none())
    }

    /// Whether it says nothing of labels and annotations.
    pub(crate) fn requires_nothing(&self) -> bool {
        self.labels.is_none() && self.annotations.is_none()
    }

    /// Whether it says what objects are called.
    pub(crate) fn asks_for_a_name(&self) -> bool {
        self.name.0.is_some()
    }

    pub(crate) fn selects_kind(&self, id: &Id) -> bool {
        self.group.matches(&id.group) && self.version.matches(&id.version) && self.kind.matches(&id.kind)
    }

    pub(crate) fn selects_name(&self, name: &str) -> bool {
        self.name.matches(name)
    }

    pub(crate) fn selects_namespace(&self, namespace: &str) -> bool {
        self.namespace.matches(namespace)
    }

    /// Whether the labels and annotations of an object are as asked for.
    pub(crate) fn selects_metadata(&self, resource: &Resource) -> bool {
        self.selects_entries(resource.metadata())
    }

    /// The same of what an object has under `metadata`.
    pub(crate) fn selects_entries(&self, metadata: Option<&manifest_yaml::Mapping>) -> bool {
        let holds = |requirements: &Option<Requirements>, field: &str| {
            let Some(requirements) = requirements else {
                return true;
            };
            let entries = metadata.and_then(|metadata| metadata.get(field));
            requirements.select(entries.and_then(manifest_yaml::Value::as_mapping))
        };
        holds(&self.labels, "labels") && holds(&self.annotations, "annotations")
    }
}

fn read_requirements(fields: &mut Fields<'_>, field: &str) -> Result<Option<Requirements>, BuildError> {
    match fields.string(field)?.unwrap_or_default().as_str() {
        "" => Ok(None),
        text => Requirements::parse(text)
            .map(Some)
            .map_err(|problem| fields.value_error(field, problem)),
    }
}
