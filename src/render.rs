//! Step 4: the objects that the files amount to.
//!
//! A folder with a kustomization is built as kustomize builds it; any other folder is all its manifests. What
//! comes out carries our labels, has Secrets in the form the API server keeps them in, and marks as sensitive
//! whatever nobody may see.

mod folder;
mod manifest;
mod metadata;
mod overlay;
mod secret;
mod substitution;

use std::collections::BTreeSet;

use kustomize::{LoadRestriction, Overlay};

use crate::api::{CommonMetadata, DeliverySpec};
use crate::files::{Entry, Files, FilesError};
use crate::name::Key;
pub use folder::Folder;
pub use manifest::Manifest;
use manifest::{place, unroll};
use metadata::{add_metadata, refuse_sensitive_names};
pub(crate) use overlay::selector;
use secret::{hide_secret, seal_secret};
pub use substitution::Substitution;

/// The most objects that one Delivery may have.
pub const MAX_OBJECTS: usize = 10_000;

/// What is to be rendered, and how.
pub struct Rendering {
    /// The folder, normalised.
    pub folder: Folder,
    /// What is added to its kustomization.
    pub overlay: Overlay,
    /// Where the files that kustomizations name may lie.
    pub restriction: LoadRestriction,
    /// The variables of the built objects.
    pub substitution: Substitution,
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

/// Everything that a revision says should be there.
#[derive(Debug)]
pub struct Rendered {
    manifests: Vec<Manifest>,
    target_namespace: Option<String>,
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
    /// A variable.
    #[error("failed to render {place}")]
    Substitute {
        /// Which object.
        place: String,
        /// What is wrong. It holds no value of a variable.
        source: kustomize::SubstituteError,
    },
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
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(self);
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<FilesError>() {
                return error.reason();
            }
            cause = error.source();
        }
        match self {
            Self::Substitute { .. } => "SubstitutionFailed",
            _ => "BuildFailed",
        }
    }
}

impl Rendering {
    /// What a Delivery asks for.
    pub fn of(owner: &Key, spec: &DeliverySpec, substitution: Substitution) -> Result<Self, FilesError> {
        Ok(Self {
            folder: Folder::parse(spec.path.as_deref().unwrap_or_default())?,
            overlay: overlay::of(spec),
            restriction: LoadRestriction::None,
            substitution,
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
    for mut object in build(files, rendering)? {
        rendering.substitution.run(&mut object, folder)?;
        let place = place(&object, folder);
        unroll(object, &place, &mut manifests)?;
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
        target_namespace: rendering.overlay.namespace.clone(),
    })
}

/// Builds the kustomization of the folder. One that has none is built as if it had one that lists everything in it, as
/// Flux does.
fn build(files: &Files<'_>, rendering: &Rendering) -> Result<Vec<manifest_yaml::Value>, RenderError> {
    let folder = rendering.folder.as_str();
    let resources = if files.has_kustomization(folder)? {
        None
    } else {
        Some(files.resources_below(folder)?)
    };
    let components = &rendering.overlay.components;
    if components.is_empty() && resources.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Vec::new());
    }
    let options = kustomize::Options {
        resources,
        overlay: rendering.overlay.clone(),
        restriction: rendering.restriction,
    };
    Ok(kustomize::build_with(files, folder, &options)?)
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

#[cfg(test)]
mod tests {
    use std::fs;

    use manifest_yaml::to_yaml_masked;

    use super::*;
    use crate::cluster::Sensitivity;
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
            overlay: Overlay::default(),
            restriction: LoadRestriction::None,
            substitution: Substitution::default(),
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
        // In kustomize's order of kinds.
        assert_eq!(names, ["ConfigMap/a", "Service/x/s", "Pod/p"]);
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
            (&[("a.yaml", "a: 1\n")], "a.yaml:1: kind is missing"),
            (
                &[("a.yaml", "kind: Pod\nmetadata: {name: a}\n")],
                "Pod/a of the root: it has no apiVersion",
            ),
            (
                &[("a.yaml", "apiVersion: v1\nkind: Pod\n")],
                "a.yaml:1: metadata.name is missing",
            ),
            (
                &[(
                    "a.yaml",
                    "apiVersion: v1\nkind: Pod\nmetadata: {generateName: a-}\n",
                )],
                "generateName would make a new object",
            ),
            (&[("a.yaml", "apiVersion: v1\nkind: [\n")], "a.yaml:"),
            (&[("a.yaml", CONFIG), ("b.yaml", CONFIG)], "b.yaml"),
            (
                &[(
                    "a.yaml",
                    "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {k: '%%%'}\n",
                )],
                "data.k is not base64",
            ),
            (&[("a.yaml", "- 1\n")], "the document is not a map"),
        ];
        for (files, expected) in cases {
            let error = crate::chain(&rendered(files, "").unwrap_err());
            assert!(error.contains(expected), "{error:?} should contain {expected:?}");
        }
    }

    #[test]
    fn the_order_in_which_files_were_written_does_not_matter() {
        let map = |name: &str| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n");
        let (a, b, c) = (map("a"), map("b"), map("c"));
        let one: [(&str, &str); 3] = [("z.yaml", &a), ("d/m.yaml", &b), ("a.yaml", &c)];
        let mut other = one;
        other.reverse();
        let bytes = |files: &[(&str, &str)]| -> Vec<_> {
            let rendered = rendered(files, "").unwrap();
            let bodies = rendered.manifests().iter().map(Manifest::body);
            bodies.map(manifest_yaml::to_json_exposed).collect()
        };
        assert_eq!(bytes(&one), bytes(&other));
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
        assert!(matches!(files.resources_below(""), Err(FilesError::Symlink(_))));
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        let error = rendered(&[("a.yaml", pointer)], "").unwrap_err();
        assert_eq!(error.reason(), "RefusedFile");
        let error = crate::chain(&error);
        assert!(error.contains("Git LFS pointer"), "{error}");
    }

    #[test]
    fn a_file_over_the_limit_is_not_read() {
        let large = "#".repeat(crate::files::MAX_FILE_BYTES + 1);
        let error = rendered(&[("a.yaml", &large)], "").unwrap_err();
        assert_eq!(error.reason(), "RefusedFile");
        let error = crate::chain(&error);
        assert!(error.contains("bytes, more than"), "{error}");
    }
}
