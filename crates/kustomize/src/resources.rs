//! The objects of a kustomization, in order, each id once.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use manifest_yaml::{Exposed, Mapping, Sensitive, Value};

use crate::BuildError;
use crate::encoding::base64_lines;
use crate::resource::{Behavior, ContentHash, Id, Resource};

/// Objects in the order in which they came in (kustomize's `resWrangler`).
#[derive(Default)]
pub(crate) struct Resources {
    resources: Vec<Resource>,
    /// Where each id is; nothing once somebody could have changed them.
    places: Option<HashMap<Id, usize>>,
}

impl Resources {
    pub(crate) fn len(&self) -> usize {
        self.resources.len()
    }

    /// A copy to try something on.
    pub(crate) fn share(&self) -> Self {
        Self {
            resources: self.resources.iter().map(Resource::share).collect(),
            places: None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.resources.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Resource> {
        self.places = None;
        self.resources.iter_mut()
    }

    pub(crate) fn into_vec(self) -> Vec<Resource> {
        self.resources
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Resource> {
        self.resources.get(index)
    }

    pub(crate) fn get_mut(&mut self, index: usize) -> Option<&mut Resource> {
        self.places = None;
        self.resources.get_mut(index)
    }

    /// How many are called that now.
    pub(crate) fn count(&self, id: &Id) -> usize {
        self.resources
            .iter()
            .filter(|resource| is_called(resource, id))
            .count()
    }

    /// An id that several have now, if there is one.
    pub(crate) fn shared_id(&self) -> Option<Id> {
        let mut ids = HashSet::new();
        self.resources
            .iter()
            .map(Resource::id)
            .find(|id| !ids.insert(id.clone()))
    }

    /// Adds an object that must be new.
    pub(crate) fn append(&mut self, resource: Resource) -> Result<(), BuildError> {
        let places = self.places.get_or_insert_with(|| {
            let ids = self.resources.iter().map(Resource::id);
            ids.enumerate().map(|(place, id)| (id, place)).collect()
        });
        let place = self.resources.len();
        match places.entry(resource.id()) {
            Entry::Occupied(occupied) => Err(BuildError::Duplicate {
                file: resource.file,
                object: occupied.key().to_string(),
                other: self
                    .resources
                    .get(*occupied.get())
                    .map(|other| other.file.clone())
                    .unwrap_or_default(),
            }),
            Entry::Vacant(vacant) => {
                vacant.insert(place);
                self.resources.push(resource);
                Ok(())
            }
        }
    }

    /// Adds the objects of a base, which must be new.
    pub(crate) fn append_all(&mut self, others: Self) -> Result<(), BuildError> {
        others
            .resources
            .into_iter()
            .try_for_each(|resource| self.append(resource))
    }

    /// Takes out the objects that a patch left nothing of.
    pub(crate) fn drop_deleted(&mut self) {
        self.places = None;
        self.resources.retain(|resource| !resource.is_deleted());
    }

    /// Adds an object that the generator at `field` made, as its behavior says (`appendReplaceOrMerge` of kustomize's
    /// reswrangler.go).
    pub(crate) fn absorb(&mut self, mut generated: Resource, field: &str) -> Result<(), BuildError> {
        let id = generated.id();
        let file = generated.file.clone();
        let refuse = |problem: &str| BuildError::FieldValue {
            file: file.clone(),
            field: format!("{field}.behavior"),
            problem: problem.to_owned(),
        };
        self.places = None;
        let mut matches = self
            .resources
            .iter_mut()
            .filter(|resource| resource.was_called(&id));
        match (matches.next(), matches.next(), generated.behavior) {
            (Some(_), Some(_), _) => Err(refuse(&format!(
                "could mean several objects, all called {id} at some time"
            ))),
            (None, _, Behavior::Create) => self.append(generated),
            (None, _, _) => Err(refuse(&format!(
                "needs an object {id} to merge or replace, and there is none"
            ))),
            (Some(old), None, Behavior::Create) => Err(BuildError::Duplicate {
                file: generated.file,
                object: id.to_string(),
                other: old.file.clone(),
            }),
            (Some(old), None, Behavior::Replace) => {
                inherit_metadata(&mut generated, old);
                generated.provenance.transformations = std::mem::take(&mut old.provenance.transformations);
                *old = generated;
                Ok(())
            }
            (Some(old), None, Behavior::Merge) => {
                merge_data(&mut generated, old).map_err(|problem| refuse(&problem))?;
                inherit_metadata(&mut generated, old);
                generated.provenance = std::mem::take(&mut old.provenance);
                *old = generated;
                Ok(())
            }
        }
    }
}

fn is_called(resource: &Resource, id: &Id) -> bool {
    resource.name() == id.name && resource.kind() == id.kind && resource.id() == *id
}

/// Labels and annotations of both, the new ones winning; name, namespace and history of the old one
/// (`CopyMergeMetaDataFieldsFrom` of kustomize's resource.go).
fn inherit_metadata(new: &mut Resource, old: &Resource) {
    for field in ["labels", "annotations"] {
        let from = |resource: &Resource| {
            let entries = resource.metadata().and_then(|metadata| metadata.get(field));
            entries.and_then(Value::as_mapping).map(Mapping::share)
        };
        let mut merged = from(old).unwrap_or_default();
        for (key, value) in from(new).unwrap_or_default() {
            merged.insert(key, value);
        }
        if !merged.is_empty()
            && let Some(Value::Mapping(metadata)) = new.value_mut().get_mut("metadata")
        {
            metadata.insert(field, merged.into());
        }
    }
    new.set_name(old.name().to_owned());
    if !old.namespace().is_empty() {
        new.set_namespace(old.namespace().to_owned());
    } else if let Some(Value::Mapping(metadata)) = new.value_mut().get_mut("metadata") {
        metadata.remove("namespace");
    }
    new.previous.clone_from(&old.previous);
    new.prefixes.clone_from(&old.prefixes);
    new.suffixes.clone_from(&old.suffixes);
    new.behavior = old.behavior;
    new.variables.clone_from(&old.variables);
    if old.content_hash == ContentHash::Omit {
        new.content_hash = ContentHash::Omit;
    }
}

/// The data of both, the new one winning key by key.
fn merge_data(new: &mut Resource, old: &Resource) -> Result<(), String> {
    let is_secret = new.kind() == "Secret";
    for field in ["data", "binaryData"] {
        let mut merged = strings(old.value(), field)?;
        if is_secret && field == "data" {
            for (key, value) in strings(old.value(), "stringData")? {
                merged.insert(key, encoded(&value));
            }
        }
        for (key, value) in strings(new.value(), field)? {
            merged.insert(key, value);
        }
        if merged.is_empty() {
            new.value_mut().remove(field);
        } else {
            new.value_mut().insert(field, merged.into());
        }
    }
    Ok(())
}

fn strings(object: &Mapping, field: &str) -> Result<Mapping, String> {
    let entries = match object.get(field) {
        None | Some(Value::Null) => return Ok(Mapping::new()),
        Some(Value::Mapping(entries)) => entries,
        Some(_) => return Err(format!("finds {field} that is not a map")),
    };
    let is_text = |value: &Value| match value {
        Value::String(_) => true,
        Value::Sensitive(scalar) => matches!(scalar.expose(), Exposed::String(_)),
        _ => false,
    };
    match entries.iter().find(|(_, value)| !is_text(value)) {
        Some((key, _)) => Err(format!("finds {field}.{key} that is not a string")),
        None => Ok(entries.share()),
    }
}

/// The value as the API server stores it when it takes it out of `stringData`.
fn encoded(value: &Value) -> Value {
    let encode = |text: &str| Value::Sensitive(Sensitive::string(base64_lines(text.as_bytes())));
    match value {
        Value::String(text) => encode(text),
        Value::Sensitive(scalar) => match scalar.expose() {
            Exposed::String(text) => encode(text),
            Exposed::Bool(_) | Exposed::Number(_) => Value::Sensitive(scalar.share()),
        },
        other => other.share(),
    }
}
