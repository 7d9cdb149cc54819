//! An object and what the build remembers of it.

use std::fmt;

use manifest_yaml::{Mapping, Value, to_json_exposed};

use crate::BuildError;
use crate::cluster_scoped::is_cluster_scoped;
use crate::provenance::Provenance;
use crate::scalar::Text;

/// The namespace of namespaced objects that name none.
const DEFAULT_NAMESPACE: &str = "default";

/// Annotations by which kustomize talks to itself. It reads them from its input and drops them from its output; an
/// object that brings one along would be built differently, so it is refused.
const INTERNAL_ANNOTATIONS: &[&str] = &[
    "config.k8s.io/id",
    "config.kubernetes.io/index",
    "config.kubernetes.io/origin",
    "config.kubernetes.io/path",
    "alpha.config.kubernetes.io/transformations",
];
const INTERNAL_ANNOTATION_PREFIX: &str = "internal.config.kubernetes.io/";

/// What tells objects apart: kustomize's `ResId`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Id {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    /// Empty for a list without items.
    pub(crate) name: String,
    /// The namespace that the object is in, `default` if it names none; nothing for cluster-scoped kinds.
    pub(crate) namespace: Option<String>,
}

impl Id {
    /// What kustomize calls the namespace of cluster-scoped objects where it selects by namespace.
    pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";
}

/// Prints as `apps/v1 Deployment shop/web`.
impl fmt::Display for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.group.is_empty() {
            write!(formatter, "{}/", self.group)?;
        }
        write!(formatter, "{} {} ", self.version, self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(formatter, "{namespace}/")?;
        }
        formatter.write_str(&self.name)
    }
}

/// Selects kinds; an empty part selects everything (`IsSelected` of kyaml's gvk.go).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KindSelector {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
}

impl KindSelector {
    pub(crate) fn new(group: &str, version: &str, kind: &str) -> Self {
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
        }
    }

    pub(crate) fn selects(&self, id: &Id) -> bool {
        let part = |wanted: &str, actual: &str| wanted.is_empty() || wanted == actual;
        part(&self.group, &id.group) && part(&self.version, &id.version) && part(&self.kind, &id.kind)
    }
}

/// What a generated object does to one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behavior {
    /// There must be none.
    Create,
    /// It takes its place, and its labels and annotations.
    Replace,
    /// It is merged into it.
    Merge,
}

/// Whether the name of an object ends in a hash of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContentHash {
    /// It does, at the end of the build.
    Append,
    /// It does not.
    Omit,
}

/// An object on its way through a build.
pub(crate) struct Resource {
    value: Mapping,
    /// The file that it comes from, or the kustomization that generated it.
    pub(crate) file: String,
    /// The ids it has had, oldest first.
    pub(crate) previous: Vec<Id>,
    /// The name prefixes it was given, innermost first.
    pub(crate) prefixes: Vec<String>,
    /// The name suffixes it was given, innermost first.
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Behavior,
    pub(crate) content_hash: ContentHash,
    /// The vars that have their values from it.
    pub(crate) variables: Vec<String>,
    /// Where it comes from and what changed it, if that is to be said.
    pub(crate) provenance: Provenance,
}

impl Resource {
    /// Takes a document that is a Kubernetes object: with a kind and a name, and with strings that anybody may read
    /// wherever the engine looks.
    pub(crate) fn new(document: Value, file: &str) -> Result<Self, BuildError> {
        let refuse = |field: &str, problem| BuildError::NotAnObject {
            file: file.to_owned(),
            field: field.to_owned(),
            problem,
        };
        let Value::Mapping(mut value) = document else {
            return Err(refuse("the document", "is not a map"));
        };
        check_identity(&value).map_err(|(field, problem)| refuse(field, problem))?;
        check_annotations(&mut value)
            .map_err(|(key, problem)| refuse(&format!("metadata.annotations.{key}"), problem))?;
        if let Some(path) = merge_key(&value, &mut Vec::new()) {
            return Err(refuse(
                &path,
                "is a merge key with something else than maps, or in a sealed file; write the merged fields out",
            ));
        }
        Ok(Self {
            value,
            file: file.to_owned(),
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            behavior: Behavior::Create,
            content_hash: ContentHash::Omit,
            variables: Vec::new(),
            provenance: Provenance::default(),
        })
    }

    /// A copy to try something on.
    pub(crate) fn share(&self) -> Self {
        Self {
            value: self.value.share(),
            file: self.file.clone(),
            previous: self.previous.clone(),
            prefixes: self.prefixes.clone(),
            suffixes: self.suffixes.clone(),
            behavior: self.behavior,
            content_hash: self.content_hash,
            variables: self.variables.clone(),
            provenance: self.provenance.clone(),
        }
    }

    /// Whether two objects have the same content.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let bytes = |mapping: &Mapping| to_json_exposed(&Value::Mapping(mapping.share()));
        *bytes(&self.value) == *bytes(&other.value)
    }

    pub(crate) fn value(&self) -> &Mapping {
        &self.value
    }

    pub(crate) fn value_mut(&mut self) -> &mut Mapping {
        &mut self.value
    }

    pub(crate) fn into_value(self) -> Value {
        Value::Mapping(self.value)
    }

    pub(crate) fn kind(&self) -> &str {
        text(&self.value, "kind")
    }

    pub(crate) fn api_version(&self) -> &str {
        text(&self.value, "apiVersion")
    }

    pub(crate) fn name(&self) -> &str {
        self.metadata().map_or("", |metadata| text(metadata, "name"))
    }

    pub(crate) fn set_name(&mut self, name: String) {
        self.set_metadata("name", name);
    }

    /// The namespace that is written in the object; empty if there is none.
    pub(crate) fn namespace(&self) -> &str {
        self.metadata().map_or("", |metadata| text(metadata, "namespace"))
    }

    pub(crate) fn set_namespace(&mut self, namespace: String) {
        self.set_metadata("namespace", namespace);
    }

    pub(crate) fn is_cluster_scoped(&self) -> bool {
        is_cluster_scoped(self.api_version(), self.kind())
    }

    pub(crate) fn metadata(&self) -> Option<&Mapping> {
        self.value.get("metadata").and_then(Value::as_mapping)
    }

    pub(crate) fn annotation(&self, key: &str) -> Option<&Value> {
        self.metadata()?.get("annotations")?.as_mapping()?.get(key)
    }

    /// What it is called now.
    pub(crate) fn id(&self) -> Id {
        let api_version = self.api_version();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Id {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: self.kind().to_owned(),
            name: self.name().to_owned(),
            namespace: self.effective_namespace().map(str::to_owned),
        }
    }

    /// The namespace that the object is in; nothing for cluster-scoped kinds.
    pub(crate) fn effective_namespace(&self) -> Option<&str> {
        match self.namespace() {
            _ if self.is_cluster_scoped() => None,
            "" => Some(DEFAULT_NAMESPACE),
            namespace => Some(namespace),
        }
    }

    /// Whether it still has a kind and a name that anybody may read, after something wrote into it; an error is a field
    /// and what is wrong with it.
    pub(crate) fn check_identity(&self) -> Result<(), (&'static str, &'static str)> {
        check_identity(&self.value)
    }

    /// Whether a patch left nothing of it.
    pub(crate) fn is_deleted(&self) -> bool {
        self.value.is_empty()
    }

    /// Whether it is called that, or was.
    pub(crate) fn was_called(&self, id: &Id) -> bool {
        (self.name() == id.name && self.kind() == id.kind && self.id() == *id) || self.previous.contains(id)
    }

    /// Whether it still is an object, after a patch; an error is a field and what is wrong with it.
    pub(crate) fn check_patched(&mut self) -> Result<(), (String, &'static str)> {
        check_identity(&self.value).map_err(|(field, problem)| (field.to_owned(), problem))?;
        check_annotations(&mut self.value)
            .map_err(|(key, problem)| (format!("metadata.annotations.{key}"), problem))
    }

    /// Whether the build remembers something of it that kustomize keeps in annotations.
    pub(crate) fn remembers(&self) -> bool {
        !self.previous.is_empty()
            || !self.prefixes.is_empty()
            || !self.suffixes.is_empty()
            || self.content_hash == ContentHash::Append
            || self.behavior != Behavior::Create
    }

    /// Forgets what kustomize keeps in annotations, as it does where a patch clears them all.
    pub(crate) fn forget(&mut self) {
        self.previous.clear();
        self.prefixes.clear();
        self.suffixes.clear();
        self.content_hash = ContentHash::Omit;
        self.behavior = Behavior::Create;
    }

    /// Makes a map for annotations if there is none, as there would be in kustomize where it remembers something.
    pub(crate) fn ensure_annotations(&mut self) {
        if let Some(Value::Mapping(metadata)) = self.value.get_mut("metadata") {
            let annotations = metadata.get_or_insert_with("annotations", || Value::Null);
            if matches!(annotations, Value::Null) {
                *annotations = Mapping::new().into();
            }
        }
    }

    /// Takes an annotation out, and says whether it was there.
    pub(crate) fn remove_annotation(&mut self, key: &str) -> bool {
        let metadata = self.value.get_mut("metadata").and_then(Value::as_mapping_mut);
        let annotations = metadata.and_then(|metadata| metadata.get_mut("annotations")?.as_mapping_mut());
        annotations.is_some_and(|annotations| annotations.remove(key).is_some())
    }

    /// Writes the namespace that it had, or none.
    pub(crate) fn restore_namespace(&mut self, namespace: String) {
        if !namespace.is_empty() {
            self.set_namespace(namespace);
        } else if let Some(Value::Mapping(metadata)) = self.value.get_mut("metadata") {
            metadata.remove("namespace");
        }
    }

    /// What it was called in the file it comes from.
    pub(crate) fn original_id(&self) -> Id {
        self.previous.first().cloned().unwrap_or_else(|| self.id())
    }

    /// Remembers what it is called before that changes.
    pub(crate) fn remember_id(&mut self) {
        self.previous.push(self.id());
    }

    /// Makes strings of the annotations that replacements and vars made something else of.
    pub(crate) fn spell_annotations(&mut self) -> Result<(), BuildError> {
        check_annotations(&mut self.value).map_err(|(key, problem)| BuildError::NotAnObject {
            file: self.file.clone(),
            field: format!("metadata.annotations.{key}"),
            problem,
        })
    }

    /// Drops what kustomize drops when it prints: an `annotations` map without entries.
    pub(crate) fn drop_empty_annotations(&mut self) {
        let Some(Value::Mapping(metadata)) = self.value.get_mut("metadata") else {
            return;
        };
        let is_empty = match metadata.get("annotations") {
            Some(Value::Mapping(annotations)) => annotations.is_empty(),
            Some(Value::Null) => true,
            _ => false,
        };
        if is_empty {
            metadata.remove("annotations");
        }
    }

    /// Sets one label or annotation.
    pub(crate) fn set_metadata_entry(&mut self, field: &str, key: &str, text: String) {
        let metadata = self
            .value
            .get_or_insert_with("metadata", || Mapping::new().into());
        let Value::Mapping(metadata) = metadata else {
            return;
        };
        let entries = metadata.get_or_insert_with(field, || Value::Null);
        if matches!(entries, Value::Null) {
            *entries = Mapping::new().into();
        }
        if let Value::Mapping(entries) = entries {
            entries.insert(key, text.into());
        }
    }

    fn set_metadata(&mut self, key: &str, text: String) {
        let metadata = self
            .value
            .get_or_insert_with("metadata", || Mapping::new().into());
        if let Value::Mapping(metadata) = metadata {
            metadata.insert(key, text.into());
        }
    }
}

fn check_identity(object: &Mapping) -> Result<(), (&'static str, &'static str)> {
    required(object, "kind").map_err(|problem| ("kind", problem))?;
    optional(object, "apiVersion").map_err(|problem| ("apiVersion", problem))?;
    let unnamed = text(object, "kind").ends_with("List");
    match object.get("metadata") {
        Some(Value::Mapping(metadata)) => {
            let name = if unnamed { optional } else { required };
            if !unnamed && !metadata.contains_key("name") && metadata.contains_key("generateName") {
                let problem = "is missing, and generateName would make a new object at every apply";
                return Err(("metadata.name", problem));
            }
            name(metadata, "name").map_err(|problem| ("metadata.name", problem))?;
            optional(metadata, "namespace").map_err(|problem| ("metadata.namespace", problem))
        }
        None | Some(Value::Null) if unnamed => Ok(()),
        None | Some(Value::Null) => Err(("metadata.name", "is missing")),
        Some(_) => Err(("metadata", "is not a map")),
    }
}

fn text<'a>(mapping: &'a Mapping, key: &str) -> &'a str {
    mapping.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn required(mapping: &Mapping, key: &str) -> Result<(), &'static str> {
    match mapping.get(key) {
        Some(Value::String(text)) if !text.is_empty() => Ok(()),
        None | Some(Value::Null | Value::String(_)) => Err("is missing"),
        Some(_) => optional(mapping, key),
    }
}

fn optional(mapping: &Mapping, key: &str) -> Result<(), &'static str> {
    match mapping.get(key) {
        None | Some(Value::Null | Value::String(_)) => Ok(()),
        Some(Value::Sensitive(_)) => Err("is sealed, and has to be read"),
        Some(_) => Err("is not a string"),
    }
}

/// The path to a merge key that whoever resolved the document has left unmerged. kustomize merges them.
fn merge_key<'a>(mapping: &'a Mapping, walked: &mut Vec<&'a str>) -> Option<String> {
    for (key, value) in mapping.iter() {
        walked.push(key);
        if key == "<<" {
            return Some(walked.join("."));
        }
        if let Some(path) = merge_key_below(value, walked) {
            return Some(path);
        }
        walked.pop();
    }
    None
}

fn merge_key_below<'a>(value: &'a Value, walked: &mut Vec<&'a str>) -> Option<String> {
    match value {
        Value::Mapping(mapping) => merge_key(mapping, walked),
        Value::Sequence(items) => items.iter().find_map(|item| merge_key_below(item, walked)),
        _ => None,
    }
}

/// Makes strings of all annotations, as kustomize does, and refuses those by which it talks to itself.
fn check_annotations(object: &mut Mapping) -> Result<(), (String, &'static str)> {
    let metadata = object.get_mut("metadata").and_then(Value::as_mapping_mut);
    let annotations = match metadata.and_then(|metadata| metadata.get_mut("annotations")) {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Mapping(annotations)) => annotations,
        Some(_) => return Err((String::new(), "is not a map")),
    };
    for (key, value) in annotations.iter_mut() {
        if !matches!(value, Value::String(_) | Value::Sensitive(_)) {
            *value = Text::of(value)
                .map_err(|problem| (key.to_owned(), problem))?
                .into_string();
        }
        if INTERNAL_ANNOTATIONS.contains(&key) || key.starts_with(INTERNAL_ANNOTATION_PREFIX) {
            return Err((key.to_owned(), "is reserved for kustomize itself"));
        }
    }
    Ok(())
}
