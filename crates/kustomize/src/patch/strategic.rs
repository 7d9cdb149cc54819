//! Patches that look like the objects they are for.

use manifest_yaml::{Mapping, Value};

use super::{Change, refuse};
use crate::BuildError;
use crate::folder::unroll;
use crate::merge::Merge;
use crate::resource::{Id, Resource};
use crate::scalar::Text;
use crate::schema::Schemas;
use crate::transform::Place;

/// A document to be merged into objects.
pub(crate) struct StrategicPatch {
    value: Mapping,
    /// The object that it names, which is the one it is for, unless its kustomization says otherwise.
    pub(super) id: Id,
    pub(super) name: Change,
    pub(super) kind: Change,
}

/// Whether a patch was found by what it names itself, or put to use for what its kustomization selects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Own,
    Selected,
}

/// What kustomize keeps in annotations while it builds goes with them where a patch clears them all; this one tells
/// whether they are still there.
const MARK: &str = "internal.config.kubernetes.io/kept";

impl StrategicPatch {
    /// Takes documents, each of which names an object by kind and name.
    pub(super) fn read(documents: Vec<Value>, file: &str, field: &str) -> Result<Vec<Self>, BuildError> {
        unroll(documents, file)?
            .into_iter()
            .map(|document| Self::of_document(document, file, field))
            .collect()
    }

    fn of_document(document: Value, file: &str, field: &str) -> Result<Self, BuildError> {
        let Value::Mapping(value) = document else {
            return Err(refuse(
                file,
                field,
                "it is neither an object nor a list of operations",
            ));
        };
        let id = Resource::new(identity(&value).into(), file)?.id();
        Ok(Self {
            value,
            id,
            name: Change::Undone,
            kind: Change::Undone,
        })
    }

    /// Merges it into an object; an object that it deletes has no content afterwards (`ApplySmPatch` of kustomize's
    /// resource.go).
    pub(super) fn apply(
        &self,
        resource: &mut Resource,
        aim: Aim,
        schemas: &Schemas,
        place: &Place,
    ) -> Result<(), BuildError> {
        let patch = self.prepared(resource, aim).map_err(|(path, problem)| {
            place.failed(resource, crate::field_spec::FieldProblem::new(&path, problem))
        })?;
        let (kind, name, namespace) = (
            resource.kind().to_owned(),
            resource.name().to_owned(),
            resource.namespace().to_owned(),
        );
        if self.name == Change::Allowed || self.kind == Change::Allowed {
            resource.remember_id();
        }
        let remembers = resource.remembers();
        if remembers {
            resource.set_metadata_entry("annotations", MARK, String::new());
        }
        let merged = Merge::object(schemas, resource.value().share(), &patch)
            .map_err(|problem| place.failed(resource, problem))?;
        *resource.value_mut() = merged.unwrap_or_default();
        if resource.is_deleted() {
            return Ok(());
        }
        if remembers && !resource.remove_annotation(MARK) {
            resource.forget();
        }
        if self.kind == Change::Undone {
            resource.value_mut().insert("kind", kind.into());
        }
        if self.name == Change::Undone {
            resource.set_name(name);
        }
        resource.restore_namespace(namespace);
        Ok(())
    }

    /// The patch as kustomize merges it. Before it merges one into objects that were selected, it makes strings of labels
    /// and annotations, `null` included, which nobody can want; and a patch for objects of another group is one of theirs.
    fn prepared(&self, resource: &Resource, aim: Aim) -> Result<Mapping, (String, &'static str)> {
        let mut patch = self.value.share();
        let changes = self.name == Change::Allowed || self.kind == Change::Allowed;
        if aim == Aim::Selected {
            patch.insert("apiVersion", resource.api_version().into());
            spell(&mut patch, "labels")?;
        }
        if aim == Aim::Selected || changes {
            spell(&mut patch, "annotations")?;
        }
        Ok(patch)
    }
}

/// What says which object a patch is for.
fn identity(patch: &Mapping) -> Mapping {
    let mut identity = Mapping::new();
    for field in ["apiVersion", "kind"] {
        if let Some(value) = patch.get(field) {
            identity.insert(field, value.share());
        }
    }
    match patch.get("metadata") {
        Some(Value::Mapping(metadata)) => {
            let mut named = Mapping::new();
            for field in ["name", "namespace"] {
                if let Some(value) = metadata.get(field) {
                    named.insert(field, value.share());
                }
            }
            identity.insert("metadata", named.into());
        }
        Some(other) => {
            identity.insert("metadata", other.share());
        }
        None => {}
    }
    identity
}

/// Makes strings of labels or annotations; a map without entries says nothing.
fn spell(patch: &mut Mapping, field: &str) -> Result<(), (String, &'static str)> {
    let Some(Value::Mapping(metadata)) = patch.get_mut("metadata") else {
        return Ok(());
    };
    let refuse = |key: &str, problem| (format!("metadata.{field}{key}"), problem);
    match metadata.get_mut(field) {
        Some(Value::Mapping(entries)) if !entries.is_empty() => {
            for (key, value) in entries.iter_mut() {
                if let Value::Null = value {
                    let problem =
                        "is null, of which kustomize makes a string here; use a JSON patch to remove it";
                    return Err(refuse(&format!(".{key}"), problem));
                }
                if !matches!(value, Value::Sensitive(_)) {
                    *value = Text::of(value)
                        .map_err(|problem| refuse(&format!(".{key}"), problem))?
                        .into_string();
                }
            }
            Ok(())
        }
        None => Ok(()),
        Some(Value::Null | Value::Mapping(_)) => {
            metadata.remove(field);
            Ok(())
        }
        Some(_) => Err(refuse("", "is not a map")),
    }
}
