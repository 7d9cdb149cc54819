//! Step 4: the objects that the files amount to.
//!
//! A folder with a kustomization is built as kustomize builds it; any other folder is all its manifests. What
//! comes out carries our labels, has Secrets in the form the API server keeps them in, and marks as sensitive
//! whatever nobody may see.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use manifest_yaml::{Exposed, Mapping, Schema, Sensitive, Value};
use zeroize::Zeroizing;

use crate::api::{CommonMetadata, DeliverySpec};
use crate::cluster::Sensitivity;
use crate::files::{Entry, Files, FilesError};
use crate::name::{DELIVERY_LABEL, Key, NAMESPACE_LABEL, ObjectRef, label_value};

/// The most objects that one Delivery may have.
pub const MAX_OBJECTS: usize = 10_000;
/// The names that a kustomization file may have.
const KUSTOMIZATION_FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// What is to be rendered, and how.
pub struct Rendering {
    /// The folder, normalised.
    pub folder: Folder,
    /// The namespace that all namespaced objects are put into.
    pub target_namespace: Option<String>,
    /// Labels and annotations for all objects.
    pub common_metadata: CommonMetadata,
    /// Whose objects they are; nobody's on the command line.
    pub owner: Option<Key>,
    /// The form that Secrets get.
    pub secrets: SecretForm,
}

/// In which form Secrets come out; either way nobody may see what is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretForm {
    /// As the API server stores them: `stringData` within `data`, base64 in one line.
    Stored,
    /// As they are written, and as kustomize prints them.
    Written,
}

/// A folder below the root of a source, without `.`, `..` or a leading slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(String);

/// Everything that a revision says should be there.
#[derive(Debug)]
pub struct Rendered {
    manifests: Vec<Manifest>,
    target_namespace: Option<String>,
}

/// One object as it should be.
#[derive(Debug)]
pub struct Manifest {
    object: ObjectRef,
    body: Value,
}

/// Why there are no objects.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A file.
    #[error("{0}")]
    Files(#[from] FilesError),
    /// The kustomization.
    #[error("{0}")]
    Kustomize(#[from] kustomize::BuildError),
    /// A document is no Kubernetes object.
    #[error("failed to render {place}: {reason}")]
    NotAnObject {
        /// Which file or object.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A secret stands where names are.
    #[error("failed to render {place}: {path} comes from a sealed value, and would be visible there")]
    SensitiveName {
        /// Which file or object.
        place: String,
        /// The field.
        path: String,
    },
    /// A Secret's data is no base64.
    #[error("failed to render {object}: data.{key} is not base64")]
    NotBase64 {
        /// Which Secret.
        object: String,
        /// Which key.
        key: String,
    },
    /// Two documents are the same object.
    #[error("failed to render {0}: it is there twice")]
    Duplicate(String),
    /// There are too many.
    #[error("failed to render: there are more than {MAX_OBJECTS} objects; use several Deliveries")]
    TooMany,
}

impl RenderError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Files(error) => error.reason(),
            _ => "BuildFailed",
        }
    }
}

impl Folder {
    /// The folder that a spec names, as Flux reads it: `./apps/`, `apps` and `/apps` are one.
    pub fn parse(path: &str) -> Result<Self, FilesError> {
        let parts: Vec<&str> = path
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") || path.contains(['\0', '\\']) {
            return Err(FilesError::PathEscapes(path.to_owned()));
        }
        Ok(Self(parts.join("/")))
    }

    /// The path; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Rendering {
    /// What a Delivery asks for.
    pub fn of(owner: &Key, spec: &DeliverySpec) -> Result<Self, FilesError> {
        Ok(Self {
            folder: Folder::parse(spec.path.as_deref().unwrap_or_default())?,
            target_namespace: spec.target_namespace.clone(),
            common_metadata: spec.common_metadata.clone().unwrap_or_default(),
            owner: Some(owner.clone()),
            secrets: SecretForm::Stored,
        })
    }
}

/// Renders a folder.
pub fn render(files: &Files<'_>, rendering: &Rendering) -> Result<Rendered, RenderError> {
    let folder = rendering.folder.as_str();
    if files.entry(folder)? != Some(Entry::Folder) {
        return Err(FilesError::NoSuchFolder(folder.to_owned()).into());
    }
    let mut manifests = Vec::new();
    if has_kustomization(files, folder)? {
        for value in kustomize::build(files, folder)? {
            unroll(value, folder, &mut manifests)?;
        }
    } else {
        for path in files.manifests_below(folder)? {
            for value in files.documents(&path, Schema::Kubernetes)? {
                unroll(value, &path, &mut manifests)?;
            }
        }
    }
    for manifest in &mut manifests {
        match rendering.secrets {
            SecretForm::Stored => seal_secret(manifest)?,
            SecretForm::Written => hide_secret(manifest),
        }
        add_metadata(manifest, rendering)?;
        refuse_sensitive_names(manifest)?;
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = manifests
        .iter()
        .find(|manifest| !seen.insert(manifest.object.identity()))
    {
        return Err(RenderError::Duplicate(twice.object.to_string()));
    }
    drop(seen);
    Ok(Rendered {
        manifests,
        target_namespace: rendering.target_namespace.clone(),
    })
}

fn has_kustomization(files: &Files<'_>, folder: &str) -> Result<bool, FilesError> {
    for name in KUSTOMIZATION_FILES {
        let path = if folder.is_empty() {
            name.to_owned()
        } else {
            format!("{folder}/{name}")
        };
        if files.entry(&path)?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Takes a document for an object, and a `List` for its items, as kubectl does.
fn unroll(value: Value, place: &str, manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
    let not_an_object = |reason| RenderError::NotAnObject {
        place: place.to_owned(),
        reason,
    };
    let Value::Mapping(mut mapping) = value else {
        return Err(not_an_object("a document is not a map"));
    };
    let kind = required(&mapping, &["kind"], place)?;
    let api_version = required(&mapping, &["apiVersion"], place)?;
    // kubectl unrolls what is called List and has items.
    if kind.ends_with("List")
        && matches!(mapping.get("items"), Some(Value::Sequence(_)))
        && let Some(Value::Sequence(items)) = mapping.remove("items")
    {
        return items
            .into_iter()
            .try_for_each(|item| unroll(item, place, manifests));
    }
    let name = match required(&mapping, &["metadata", "name"], place) {
        Err(RenderError::NotAnObject { .. })
            if mapping
                .get("metadata")
                .and_then(|metadata| metadata.get_path(&["generateName"]))
                .is_some() =>
        {
            return Err(not_an_object(
                "metadata.generateName makes a new object at every apply; give it a name",
            ));
        }
        other => other?,
    };
    let namespace = match mapping
        .get("metadata")
        .and_then(|metadata| metadata.get_path(&["namespace"]))
    {
        None | Some(Value::Null) => None,
        Some(_) => Some(required(&mapping, &["metadata", "namespace"], place)?),
    };
    if manifests.len() >= MAX_OBJECTS {
        return Err(RenderError::TooMany);
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let (group, version) = (group.to_owned(), version.to_owned());
    manifests.push(Manifest {
        object: ObjectRef {
            group,
            version,
            kind,
            namespace,
            name,
        },
        body: mapping.into(),
    });
    Ok(())
}

/// A string that has to be there and that people will read.
fn required(mapping: &Mapping, path: &[&str], place: &str) -> Result<String, RenderError> {
    let mut value = path.first().and_then(|key| mapping.get(key));
    for key in path.iter().skip(1) {
        value = value.and_then(|value| value.as_mapping()?.get(key));
    }
    let reason = |missing: &'static str| RenderError::NotAnObject {
        place: place.to_owned(),
        reason: missing,
    };
    match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Sensitive(_)) => Err(RenderError::SensitiveName {
            place: place.to_owned(),
            path: path.join("."),
        }),
        _ => Err(reason(match path.last() {
            Some(&"kind") => "it has no kind, so it is no Kubernetes object",
            Some(&"apiVersion") => "it has no apiVersion, so it is no Kubernetes object",
            Some(&"namespace") => "metadata.namespace is not a string",
            _ => "it has no metadata.name",
        })),
    }
}

/// Folds `stringData` into `data`, as the API server does, and marks all of it as sensitive.
///
/// Left as it is, a key that is removed from Git would stay in the cluster: nobody owns it in `data`.
fn seal_secret(manifest: &mut Manifest) -> Result<(), RenderError> {
    if !manifest.object.is_secret() {
        return Ok(());
    }
    let place = manifest.object.to_string();
    let Some(body) = manifest.body.as_mapping_mut() else {
        return Ok(());
    };
    let wrong = |reason| RenderError::NotAnObject {
        place: place.clone(),
        reason,
    };
    let mut data = Mapping::new();
    match body.remove("data") {
        None | Some(Value::Null) => {}
        Some(Value::Mapping(entries)) => {
            for (key, value) in entries {
                let text = secret_text(value).ok_or_else(|| wrong("a value below data is not a string"))?;
                let compact: Zeroizing<String> =
                    Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
                let bytes = BASE64.decode(compact.as_bytes()).map(Zeroizing::new);
                let bytes = bytes.map_err(|_| RenderError::NotBase64 {
                    object: place.clone(),
                    key: key.clone(),
                })?;
                data.insert(key, sealed(&bytes));
            }
        }
        Some(_) => return Err(wrong("data is not a map")),
    }
    match body.remove("stringData") {
        None | Some(Value::Null) => {}
        Some(Value::Mapping(entries)) => {
            for (key, value) in entries {
                let text =
                    secret_text(value).ok_or_else(|| wrong("a value below stringData is not a string"))?;
                data.insert(key, sealed(text.as_bytes()));
            }
        }
        Some(_) => return Err(wrong("stringData is not a map")),
    }
    if !data.is_empty() {
        body.insert("data", data.into());
    }
    Ok(())
}

/// Marks what a Secret holds, and leaves it as it is.
fn hide_secret(manifest: &mut Manifest) {
    if !manifest.object.is_secret() {
        return;
    }
    let Some(body) = manifest.body.as_mapping_mut() else {
        return;
    };
    for field in ["data", "stringData"] {
        if let Some(content) = body.get_mut(field) {
            hide(content);
        }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Sequence(items) => items.iter_mut().for_each(hide),
        Value::Mapping(map) => map.iter_mut().for_each(|(_, value)| hide(value)),
        Value::String(text) => *value = Value::Sensitive(Sensitive::string(std::mem::take(text))),
        Value::Bool(content) => *value = Value::Sensitive(Sensitive::bool(*content)),
        Value::Number(content) => *value = Value::Sensitive(Sensitive::number(*content)),
        Value::Null | Value::Sensitive(_) => {}
    }
}

fn secret_text(value: Value) -> Option<Zeroizing<String>> {
    match value {
        Value::String(text) => Some(Zeroizing::new(text)),
        Value::Null => Some(Zeroizing::default()),
        Value::Sensitive(scalar) => match scalar.expose() {
            Exposed::String(text) => Some(Zeroizing::new(text.to_owned())),
            Exposed::Bool(_) | Exposed::Number(_) => None,
        },
        _ => None,
    }
}

fn sealed(bytes: &[u8]) -> Value {
    Value::Sensitive(Sensitive::string(BASE64.encode(bytes)))
}

/// Adds common metadata and our labels; ours cannot be overridden.
fn add_metadata(manifest: &mut Manifest, rendering: &Rendering) -> Result<(), RenderError> {
    let place = manifest.object.to_string();
    let wrong = |reason| RenderError::NotAnObject {
        place: place.clone(),
        reason,
    };
    let metadata = manifest
        .body
        .as_mapping_mut()
        .and_then(|body| body.get_mut("metadata"));
    let metadata = metadata
        .and_then(Value::as_mapping_mut)
        .ok_or_else(|| wrong("metadata is not a map"))?;
    let CommonMetadata { labels, annotations } = &rendering.common_metadata;
    let mut add = |field: &'static str, entries: Vec<(&str, String)>| {
        if entries.is_empty() {
            return Ok(());
        }
        if matches!(metadata.get(field), Some(Value::Null)) {
            metadata.remove(field);
        }
        let map = metadata.get_or_insert_with(field, || Mapping::new().into());
        let map = map
            .as_mapping_mut()
            .ok_or_else(|| wrong("metadata.labels or metadata.annotations is not a map"))?;
        for (key, value) in entries {
            map.insert(key, value.into());
        }
        Ok::<_, RenderError>(())
    };
    let mut labels: Vec<_> = labels
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    if let Some(Key { namespace, name }) = &rendering.owner {
        labels.push((DELIVERY_LABEL, label_value(name)));
        labels.push((NAMESPACE_LABEL, label_value(namespace)));
    }
    add("labels", labels)?;
    add(
        "annotations",
        annotations
            .iter()
            .map(|(key, value)| (key.as_str(), value.clone()))
            .collect(),
    )
}

/// Labels are shown everywhere: in lists, metrics, events. None may come from a sealed value.
fn refuse_sensitive_names(manifest: &Manifest) -> Result<(), RenderError> {
    let labels = manifest
        .body
        .get_path(&["metadata", "labels"])
        .and_then(Value::as_mapping);
    for (key, value) in labels.into_iter().flat_map(Mapping::iter) {
        if value.is_sensitive() {
            let path = format!("metadata.labels[{key}]");
            return Err(RenderError::SensitiveName {
                place: manifest.object.to_string(),
                path,
            });
        }
    }
    Ok(())
}

impl Rendered {
    /// No objects, for a Delivery that is deleted.
    pub(crate) fn nothing() -> Self {
        Self {
            manifests: Vec::new(),
            target_namespace: None,
        }
    }

    /// The objects, in the order of the files.
    pub fn manifests(&self) -> &[Manifest] {
        &self.manifests
    }

    /// The objects, to keep.
    pub(crate) fn into_parts(self) -> (Vec<Manifest>, Option<String>) {
        (self.manifests, self.target_namespace)
    }
}

impl Manifest {
    /// Which object it is.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// What it should be.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Whether anything in it is secret.
    pub fn sensitivity(&self) -> Sensitivity {
        if self.object.is_secret() || self.body.is_sensitive() {
            Sensitivity::Sensitive
        } else {
            Sensitivity::Clear
        }
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.body
            .get_path(&["metadata", "annotations", key])
            .and_then(Value::as_str)
    }

    /// An object of a kind, for tests of the steps that follow.
    #[cfg(test)]
    pub(crate) fn parse_for_tests(api_version: &str, kind: &str, name: &str) -> Self {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name:?}}}\n");
        let limits = manifest_yaml::Limits::default();
        let documents = manifest_yaml::from_yaml(text.as_bytes(), Schema::Kubernetes, &limits).unwrap();
        let mut manifests = Vec::new();
        unroll(
            documents.into_iter().next().unwrap().value,
            "a test",
            &mut manifests,
        )
        .unwrap();
        manifests.remove(0)
    }

    /// Puts it into a namespace, or takes it out of one, once its kind is known to want that.
    pub(crate) fn set_namespace(&mut self, namespace: Option<&str>) {
        self.object.namespace = namespace.map(str::to_owned);
        let metadata = self
            .body
            .as_mapping_mut()
            .and_then(|body| body.get_mut("metadata"));
        if let Some(metadata) = metadata.and_then(Value::as_mapping_mut) {
            match namespace {
                Some(namespace) => drop(metadata.insert("namespace", namespace.into())),
                None => drop(metadata.remove("namespace")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use manifest_yaml::to_yaml_masked;

    use super::*;
    use crate::files::{Keys, Tree};

    /// Renders files that are written to a folder of their own.
    fn rendered(files: &[(&str, &str)], folder: &str) -> Result<Rendered, RenderError> {
        rendered_as(files, folder, SecretForm::Stored)
    }

    fn rendered_as(
        files: &[(&str, &str)],
        folder: &str,
        secrets: SecretForm,
    ) -> Result<Rendered, RenderError> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let (tree, keys) = (Tree::folder(root.path()), Keys::default());
        let rendering = Rendering {
            folder: Folder::parse(folder).unwrap(),
            target_namespace: None,
            common_metadata: CommonMetadata::default(),
            owner: Some(Key::new("default", "web").unwrap()),
            secrets,
        };
        render(&Files::new(&tree, &keys).unwrap(), &rendering)
    }

    #[test]
    fn secrets_can_stay_as_they_are_written() {
        let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, \
            data: {a: \"aHVu\\ndGVyMg==\", b: no base64, c: 1}, stringData: {d: hunter2, e: {f: [hunter2]}}}";
        let rendered = rendered_as(&[("a.yaml", secret)], "", SecretForm::Written).unwrap();
        let body = rendered.manifests()[0].body();
        let masked = to_yaml_masked(body);
        assert!(
            !masked.contains("hunter2") && !masked.contains("aHVu") && !masked.contains("base64"),
            "{masked}"
        );
        let shown = manifest_yaml::to_yaml_exposed(body);
        assert!(
            shown.contains("stringData") && shown.contains("aHVu\n") && shown.contains("b: no base64"),
            "{}",
            *shown
        );
    }

    const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    #[test]
    fn lists_and_several_documents_become_objects_in_order() {
        let list = "kind: List\napiVersion: v1\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: p}}\n";
        let json = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "x"}}"#;
        let files = [
            ("app/a.yaml", CONFIG),
            ("app/b.yml", list),
            ("app/sub/c.json", json),
            ("app/README.md", "#"),
        ];
        let rendered = rendered(&files, "./app/").unwrap();
        let names: Vec<_> = rendered
            .manifests()
            .iter()
            .map(|manifest| manifest.object().to_string())
            .collect();
        assert_eq!(names, ["ConfigMap/a", "Pod/p", "Service/x/s"]);
    }

    #[test]
    fn string_data_is_folded_into_data_and_masked() {
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aHVudGVyMg==, b: Yg==}\nstringData: {b: hunter2}\n";
        let rendered = rendered(&[("s.yaml", secret)], "").unwrap();
        let manifest = rendered.manifests().first().unwrap();
        assert_eq!(manifest.sensitivity(), Sensitivity::Sensitive);
        let masked = to_yaml_masked(manifest.body());
        assert!(
            !masked.contains("hunter2") && !masked.contains("stringData") && !masked.contains("aHVu"),
            "{masked}"
        );
        let exposed = manifest_yaml::to_json_exposed(manifest.body());
        let json: serde_json::Value = serde_json::from_slice(&exposed).unwrap();
        assert_eq!(
            json["data"],
            serde_json::json!({"a": "aHVudGVyMg==", "b": "aHVudGVyMg=="})
        );
        assert_eq!(json["metadata"]["labels"]["fluxops.dev/delivery"], "web");
    }

    #[test]
    fn what_is_no_object_is_refused_by_its_file() {
        let cases: [(&[(&str, &str)], &str); 8] = [
            (&[("a.yaml", "a: 1\n")], "a.yaml: it has no kind"),
            (
                &[("a.yaml", "kind: Pod\nmetadata: {name: a}\n")],
                "a.yaml: it has no apiVersion",
            ),
            (
                &[("a.yaml", "apiVersion: v1\nkind: Pod\n")],
                "a.yaml: it has no metadata.name",
            ),
            (
                &[(
                    "a.yaml",
                    "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n",
                )],
                "metadata.generateName makes a new object",
            ),
            (&[("a.yaml", "apiVersion: v1\nkind: [\n")], "a.yaml:"),
            (
                &[("a.yaml", CONFIG), ("b.yaml", CONFIG)],
                "ConfigMap/a: it is there twice",
            ),
            (
                &[(
                    "a.yaml",
                    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '%%%'}\n",
                )],
                "data.k is not base64",
            ),
            (&[("a.yaml", "- 1\n")], "a document is not a map"),
        ];
        for (files, expected) in cases {
            let error = rendered(files, "").unwrap_err().to_string();
            assert!(error.contains(expected), "{error:?} should contain {expected:?}");
        }
    }

    #[test]
    fn paths_stay_below_the_root() {
        for path in ["../x", "a/../..", "a\\b"] {
            assert!(
                matches!(Folder::parse(path), Err(FilesError::PathEscapes(_))),
                "{path}"
            );
        }
        assert_eq!(Folder::parse("/./apps//web/").unwrap().as_str(), "apps/web");
        assert!(matches!(
            rendered(&[("a.yaml", CONFIG)], "b"),
            Err(RenderError::Files(FilesError::NoSuchFolder(_)))
        ));
    }

    #[test]
    fn links_and_pointers_are_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("a.yaml")).unwrap();
        let (tree, keys) = (Tree::folder(root.path()), Keys::default());
        let files = Files::new(&tree, &keys).unwrap();
        assert!(matches!(files.manifests_below(""), Err(FilesError::Symlink(_))));
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        assert!(matches!(
            rendered(&[("a.yaml", pointer)], ""),
            Err(RenderError::Files(FilesError::LfsPointer(_)))
        ));
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let large = "#".repeat(crate::files::MAX_FILE_BYTES + 1);
        let error = rendered(&[("a.yaml", &large)], "").unwrap_err();
        assert!(
            matches!(error, RenderError::Files(FilesError::TooLarge { .. })),
            "{error}"
        );
    }
}
