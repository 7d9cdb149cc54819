//! Patches: `patches`, `patchesStrategicMerge` and `patchesJson6902`.

mod apply;
mod json;
mod read;
mod strategic;

use std::rc::Rc;

use manifest_yaml::Value;

use crate::BuildError;
use crate::kustomization::Reference;
use crate::schema::Schemas;
use crate::selector::Selector;
pub(crate) use apply::apply;
use json::JsonPatch;

pub(crate) use read::{load, load_strategic, read, read_one};
use strategic::StrategicPatch;

/// An entry of `patches` or `patchesJson6902`.
pub(crate) struct PatchField {
    source: Source,
    target: Option<Rc<Selector>>,
    name: Change,
    kind: Change,
    /// The field that holds the entry.
    pub(crate) field: String,
}

/// Where the text of a patch is.
enum Source {
    Inline(String),
    File(Reference),
}

/// Whether a patch may change what an object is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Allowed,
    Undone,
}

/// Patches that are ready to be applied.
pub(crate) struct Patch {
    content: Content,
    target: Option<Rc<Selector>>,
    form: Form,
    schemas: Rc<Schemas>,
}

/// What a patch is, which shows by its text: a list of operations, or objects.
enum Content {
    Strategic(Vec<StrategicPatch>),
    Json(JsonPatch),
}

/// Which of kustomize's transformers a patch belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `patches`
    Any,
    /// `patchesStrategicMerge`
    Strategic,
    /// `patchesJson6902`
    Json,
}

impl Patch {
    /// What kustomize calls the transformer.
    pub(crate) fn transformer(&self) -> &'static str {
        match self.form {
            Form::Any => "PatchTransformer",
            Form::Strategic => "PatchStrategicMergeTransformer",
            Form::Json => "PatchJson6902Transformer",
        }
    }
}

/// An error in a patch.
fn refuse(file: &str, patch: &str, problem: impl Into<String>) -> BuildError {
    BuildError::Patch {
        file: file.to_owned(),
        patch: patch.to_owned(),
        problem: problem.into(),
    }
}

/// Whether a document is a list of operations.
fn is_json_patch(documents: &[Value]) -> bool {
    documents
        .first()
        .is_some_and(|first| first.as_sequence().is_some())
}
