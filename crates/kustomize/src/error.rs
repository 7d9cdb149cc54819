//! Why a tree is not rendered.

use manifest_yaml::ParseError;
use thiserror::Error;

use crate::TreeError;

/// Why a build failed. Every variant names the file, and the field in it where there is one; `file` ends in the line of
/// the field, `kustomization.yaml:3`, where that is known.
///
/// No variant holds a value out of a manifest, but for names, paths and what stands in a kustomization file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The error is in a kustomization that another one refers to; the sources show the chain.
    #[error("failed to build {path:?}, which {file} lists under {field}")]
    Base {
        /// The kustomization that refers to it.
        file: String,
        /// The field that does.
        field: String,
        /// The folder, from the root.
        path: String,
        /// What went wrong there.
        #[source]
        source: Box<BuildError>,
    },
    /// Not a folder of the tree.
    #[error("failed to build {directory:?}: not a folder")]
    NotADirectory {
        /// The folder asked for.
        directory: String,
    },
    /// A folder has no kustomization file.
    #[error(
        "failed to find a kustomization in {directory:?}: add kustomization.yaml, kustomization.yml or Kustomization"
    )]
    NoKustomization {
        /// The folder.
        directory: String,
    },
    /// A folder has more than one kustomization file.
    #[error("failed to choose a kustomization in {directory:?}: there are {}", files.join(" and "))]
    SeveralKustomizations {
        /// The folder.
        directory: String,
        /// Their names.
        files: Vec<String>,
    },
    /// The tree could not give a file.
    #[error("failed to load {file}")]
    Tree {
        /// The file.
        file: String,
        /// The tree's reason.
        #[source]
        source: TreeError,
    },
    /// A kustomization file is not YAML.
    #[error("failed to read {file}")]
    Yaml {
        /// The kustomization file.
        file: String,
        /// The parser's reason, with its position.
        #[source]
        source: ParseError,
    },
    /// A kustomization file is sealed; it holds no secrets, and the engine has to read it.
    #[error("failed to read {file}: a kustomization file must not be sealed; seal the files it refers to")]
    SealedKustomization {
        /// The kustomization file.
        file: String,
    },
    /// A kustomization file says nothing.
    #[error("failed to read {file}: the kustomization is empty")]
    EmptyKustomization {
        /// The kustomization file.
        file: String,
    },
    /// A kustomization file with several documents, of which kustomize would read only the first.
    #[error("failed to read {file}: {count} documents, where one is expected")]
    SeveralDocuments {
        /// The kustomization file.
        file: String,
        /// How many.
        count: usize,
    },
    /// A field that kustomize does not know either.
    #[error("failed to read {file}: unknown field {field}")]
    UnknownField {
        /// The kustomization file.
        file: String,
        /// The field, with the path to it.
        field: String,
    },
    /// A field of kustomize that this engine does not have.
    #[error("failed to read {file}: the field {field} is not supported; {instead}")]
    UnsupportedField {
        /// The kustomization file.
        file: String,
        /// The field, with the path to it.
        field: String,
        /// What to do instead.
        instead: &'static str,
    },
    /// A generator or transformer that the engine does not run.
    #[error("failed to run {plugin} of {file}: {instead}")]
    UnsupportedPlugin {
        /// The file that configures it.
        file: String,
        /// Its apiVersion, kind and name.
        plugin: String,
        /// Why it does not, and what to do instead.
        instead: &'static str,
    },
    /// A validator that changes objects.
    #[error(
        "failed to validate with {validator} of {file}: it changes {object}, and validators may change nothing"
    )]
    Validator {
        /// The file that configures it.
        file: String,
        /// Its kind and name.
        validator: String,
        /// The object.
        object: String,
    },
    /// A field of the wrong type.
    #[error("failed to read {file}: {field} must be {expected}, and is {found}")]
    FieldType {
        /// The kustomization file.
        file: String,
        /// The field, with the path to it.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A field with a value that makes no sense.
    #[error("failed to read {file}: {field} {problem}")]
    FieldValue {
        /// The kustomization file.
        file: String,
        /// The field, with the path to it.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A base or file on another machine.
    #[error(
        "failed to load {path:?}, which {file} lists under {field}: remote files and bases are refused, since nobody signed for them; copy it into the repository"
    )]
    Remote {
        /// The kustomization file.
        file: String,
        /// The field that refers to it.
        field: String,
        /// What it refers to.
        path: String,
    },
    /// Nothing is where a path leads.
    #[error("failed to load {path:?}, which {file} lists under {field}: it does not exist")]
    NotFound {
        /// The kustomization file.
        file: String,
        /// The field that refers to it.
        field: String,
        /// What it refers to.
        path: String,
    },
    /// A path that is absolute, leaves the tree, or (for a file) leaves the folder of the kustomization.
    #[error("failed to load {path:?}, which {file} lists under {field}: {problem}")]
    Path {
        /// The kustomization file.
        file: String,
        /// The field that refers to it.
        field: String,
        /// What it refers to.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Kustomizations that refer to each other in a circle, or to a folder above themselves.
    #[error("failed to build: the kustomizations form a cycle: {}", chain.join(" -> "))]
    Cycle {
        /// The folders, from the first to the one that closes the circle.
        chain: Vec<String>,
    },
    /// A kustomization of kind Component under `resources`, or of another kind under `components`.
    #[error("failed to build {file}: it is of kind {kind}, which cannot stand under {field}")]
    WrongKind {
        /// The kustomization file that was referred to.
        file: String,
        /// Its kind.
        kind: &'static str,
        /// The field that refers to it.
        field: &'static str,
    },
    /// More of something than a build may have.
    #[error("failed to build {file}: more than {limit} {what}")]
    Limit {
        /// The file that goes over it.
        file: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A document that is no Kubernetes object.
    #[error("failed to read {file}: {field} {problem}")]
    NotAnObject {
        /// The manifest.
        file: String,
        /// The path of the field within the document.
        field: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two objects of the same kind and name.
    #[error("failed to add {object} of {file}: {other} has it already")]
    Duplicate {
        /// Where the second one comes from.
        file: String,
        /// The object.
        object: String,
        /// Where the first one comes from.
        other: String,
    },
    /// Two objects of the same kind and name after a transformation.
    #[error("failed to apply {field} of {file}: two objects would be {object}")]
    Collision {
        /// The kustomization file.
        file: String,
        /// The field whose transformation made them the same.
        field: String,
        /// The object.
        object: String,
    },
    /// A patch that makes no sense, or that nothing is there for.
    #[error("failed to apply {patch} of {file}: {problem}")]
    Patch {
        /// The file of the patch, or the kustomization that holds it.
        file: String,
        /// The field of the kustomization that asks for it.
        patch: String,
        /// What is wrong.
        problem: String,
    },
    /// A field of an object that a transformation cannot work on.
    #[error("failed to apply {transformation} of {file} to {path} of {object}: {problem}")]
    Transformation {
        /// The kustomization file.
        file: String,
        /// The field of the kustomization.
        transformation: String,
        /// The object.
        object: String,
        /// The path within the object.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// A reference to an object could mean several.
    #[error("failed to follow {path} of {object}: it could mean {}", candidates.join(" or "))]
    AmbiguousReference {
        /// The object that refers.
        object: String,
        /// The path within it.
        path: String,
        /// The objects it could mean.
        candidates: Vec<String>,
    },
    /// A reference in an object that the engine cannot follow.
    #[error("failed to follow {path} of {object}: {problem}")]
    Reference {
        /// The object that refers.
        object: String,
        /// The path within it.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl BuildError {
    /// The file and the field that the error is about, if it is about one.
    pub(crate) fn place(&mut self) -> Option<(&mut String, &str)> {
        match self {
            Self::Base { file, field, .. }
            | Self::UnknownField { file, field }
            | Self::UnsupportedField { file, field, .. }
            | Self::FieldType { file, field, .. }
            | Self::FieldValue { file, field, .. }
            | Self::Remote { file, field, .. }
            | Self::NotFound { file, field, .. }
            | Self::Path { file, field, .. }
            | Self::NotAnObject { file, field, .. }
            | Self::Collision { file, field, .. }
            | Self::Transformation {
                file,
                transformation: field,
                ..
            } => Some((file, field)),
            _ => None,
        }
    }
}
