//! The folder of a kustomization, and the files that it reads there.

use manifest_yaml::syntax::{Stream, parse_yaml};
use manifest_yaml::{Document, Limits, ParseError, Schema, Value, from_yaml, resolve};

use crate::build::MAX_OBJECTS;
use crate::duplicate_keys::keep_last;
use crate::kustomization::{FILE_NAMES, Kustomization, Reference};
use crate::locate::line_of;
use crate::meter::Exceeded;
use crate::resource::Resource;
use crate::{BuildError, Content, EntryKind, Tree, TreeError, path};

/// The folder of a kustomization, from which its paths are read.
pub(crate) struct Folder<'tree> {
    tree: &'tree dyn Tree,
    restriction: LoadRestriction,
    pub(crate) directory: String,
    /// The path of the kustomization file.
    pub(crate) file: String,
}

/// Where the files that a kustomization names may lie (`LoadRestrictions` of kustomize's api/types). Folders may lie
/// anywhere in the tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadRestriction {
    /// In its folder or below, as `kustomize build` wants it.
    #[default]
    RootOnly,
    /// Anywhere in the tree, as Flux has it, and `kustomize build --load-restrictor LoadRestrictionsNone`.
    None,
}

impl<'tree> Folder<'tree> {
    pub(crate) fn open(
        tree: &'tree dyn Tree,
        restriction: LoadRestriction,
        directory: &str,
    ) -> Result<Self, BuildError> {
        check_directory(tree, directory)?;
        let within = |name: &str| path::join(directory, name).unwrap_or_default();
        let mut files = FILE_NAMES
            .iter()
            .map(|name| within(name))
            .filter(|file| tree.entry(file) == Some(EntryKind::File))
            .collect::<Vec<_>>();
        match (files.pop(), files.is_empty()) {
            (None, _) => Err(BuildError::NoKustomization {
                directory: directory.to_owned(),
            }),
            (Some(file), true) => Ok(Self {
                tree,
                restriction,
                directory: directory.to_owned(),
                file,
            }),
            (Some(last), false) => {
                files.push(last);
                Err(BuildError::SeveralKustomizations {
                    directory: directory.to_owned(),
                    files,
                })
            }
        }
    }

    /// A folder without a kustomization, taken as if it had one.
    pub(crate) fn without_kustomization(
        tree: &'tree dyn Tree,
        restriction: LoadRestriction,
        directory: &str,
    ) -> Result<Self, BuildError> {
        check_directory(tree, directory)?;
        Ok(Self {
            tree,
            restriction,
            directory: directory.to_owned(),
            file: path::join(directory, FILE_NAMES[0]).unwrap_or_default(),
        })
    }

    /// What is at a path from the root.
    pub(crate) fn entry(&self, path: &str) -> Option<EntryKind> {
        self.tree.entry(path)
    }

    /// Reads the kustomization file; as kustomize does, with the rules that Kubernetes has for YAML.
    pub(crate) fn kustomization(&self) -> Result<Kustomization, BuildError> {
        match self.document(&self.file, Duplicates::LastCounts)? {
            None => Err(BuildError::EmptyKustomization {
                file: self.file.clone(),
            }),
            Some(document) => Kustomization::read(&self.file, document),
        }
    }

    /// A file that tells the engine what to do, with its path from the root: one document, which is not sealed.
    pub(crate) fn settings(&self, reference: &Reference) -> Result<(String, Value), BuildError> {
        let file = self.file_of(reference)?;
        match self.document(&file, Duplicates::Refused)? {
            Some(document) => Ok((file, document)),
            None => Err(BuildError::EmptyKustomization { file }),
        }
    }

    /// The one document of a file, if it has one.
    fn document(&self, file: &str, duplicates: Duplicates) -> Result<Option<Value>, BuildError> {
        let bytes = match self.load(file)? {
            Content::Plain(bytes) => bytes,
            Content::Sensitive(_) => {
                return Err(BuildError::SealedKustomization {
                    file: file.to_owned(),
                });
            }
        };
        let mut documents = read(&bytes, duplicates)
            .map_err(|source| BuildError::Yaml {
                file: file.to_owned(),
                source,
            })?
            .into_iter();
        match (documents.next(), documents.len()) {
            (document, 0) => Ok(document.map(|document| document.value)),
            (_, more) => Err(BuildError::SeveralDocuments {
                file: file.to_owned(),
                count: more + 1,
            }),
        }
    }

    /// The bytes of a file in or below the folder.
    pub(crate) fn content(&self, field: &str, path: &str) -> Result<Content, BuildError> {
        let reference = Reference {
            field: field.to_owned(),
            path: path.to_owned(),
        };
        self.load(&self.file_of(&reference)?)
    }

    /// A file in or below the folder: its path from the root, and its bytes.
    pub(crate) fn file_content(&self, reference: &Reference) -> Result<(String, Content), BuildError> {
        let file = self.file_of(reference)?;
        let content = self.load(&file)?;
        Ok((file, content))
    }

    /// The path from the root of a file in or below the folder.
    fn file_of(&self, reference: &Reference) -> Result<String, BuildError> {
        if path::is_remote(&reference.path) {
            return Err(self.remote(reference));
        }
        let file = self.resolve(reference)?;
        match self.tree.entry(&file) {
            Some(EntryKind::File) => {
                self.check_within(reference, &file)?;
                Ok(file)
            }
            Some(EntryKind::Directory) => Err(self.path_error(reference, "it is a folder")),
            None => Err(self.not_found(reference)),
        }
    }

    /// The objects that a reference is, in place of a path.
    pub(crate) fn inline_objects(&self, reference: &Reference) -> Result<Option<Vec<Resource>>, BuildError> {
        let documents = from_yaml(reference.path.as_bytes(), Schema::GoYamlV3, &Limits::default());
        let Ok(documents) = documents else {
            return Ok(None);
        };
        let documents: Vec<Value> = documents.into_iter().map(|document| document.value).collect();
        if documents.first().is_none_or(|first| first.as_mapping().is_none()) {
            return Ok(None);
        }
        unroll(documents, &self.file)?
            .into_iter()
            .map(|document| Resource::new(document, &self.file))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// The same error with the line of the field that it is about.
    pub(crate) fn located(&self, mut error: BuildError) -> BuildError {
        if let Some((file, field)) = error.place()
            && let Ok(Content::Plain(bytes)) = self.tree.content(file)
            && let Some(line) = line_of(&bytes, field)
        {
            *file = format!("{file}:{line}");
        }
        error
    }

    /// The name of the kustomization file.
    pub(crate) fn file_name(&self) -> Option<&str> {
        self.file.rsplit('/').next()
    }

    /// The error of field specs that contradict those that are built in, or those of a base.
    pub(crate) fn conflict(&self, field: &str, path: &str) -> BuildError {
        self.field_error(
            field,
            format!("differs from what it is added to on whether to create {path}"),
        )
    }

    pub(crate) fn field_error(&self, field: &str, problem: impl Into<String>) -> BuildError {
        BuildError::FieldValue {
            file: self.file.clone(),
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    fn load(&self, file: &str) -> Result<Content, BuildError> {
        self.tree.content(file).map_err(|source| unreadable(file, source))
    }

    /// The documents of a manifest file.
    pub(crate) fn documents(&self, file: &str) -> Result<Vec<Value>, BuildError> {
        self.tree
            .documents(file)
            .map_err(|source| unreadable(file, source))
    }

    /// The objects of a manifest file, lists unrolled.
    pub(crate) fn objects(&self, file: &str) -> Result<Vec<Resource>, BuildError> {
        unroll(self.documents(file)?, file)?
            .into_iter()
            .map(|document| Resource::new(document, file))
            .collect()
    }

    /// The path from the root that a path of the kustomization means.
    pub(crate) fn resolve(&self, reference: &Reference) -> Result<String, BuildError> {
        if reference.path.is_empty() {
            return Err(self.path_error(reference, "it is empty"));
        }
        if reference.path.starts_with('/') {
            return Err(self.path_error(reference, "it is absolute"));
        }
        path::join(&self.directory, &reference.path)
            .ok_or_else(|| self.path_error(reference, "it leaves the tree"))
    }

    /// Files, other than folders, may not lie outside of the folder (`RestrictionRootOnly` of kustomize's
    /// loadrestrictions.go).
    pub(crate) fn check_within(&self, reference: &Reference, file: &str) -> Result<(), BuildError> {
        if self.restriction == LoadRestriction::None || path::is_within(file, &self.directory) {
            return Ok(());
        }
        Err(self.path_error(reference, "it is a file outside of the kustomization's folder"))
    }

    pub(crate) fn path_error(&self, reference: &Reference, problem: &'static str) -> BuildError {
        BuildError::Path {
            file: self.file.clone(),
            field: reference.field.clone(),
            path: reference.path.clone(),
            problem,
        }
    }

    pub(crate) fn remote(&self, reference: &Reference) -> BuildError {
        BuildError::Remote {
            file: self.file.clone(),
            field: reference.field.clone(),
            path: reference.path.clone(),
        }
    }

    pub(crate) fn not_found(&self, reference: &Reference) -> BuildError {
        BuildError::NotFound {
            file: self.file.clone(),
            field: reference.field.clone(),
            path: reference.path.clone(),
        }
    }

    pub(crate) fn check_limit(
        &self,
        what: &'static str,
        count: usize,
        limit: usize,
    ) -> Result<(), BuildError> {
        if count <= limit {
            return Ok(());
        }
        Err(BuildError::Limit {
            file: self.file.clone(),
            what,
            limit,
        })
    }
}

fn check_directory(tree: &dyn Tree, directory: &str) -> Result<(), BuildError> {
    match tree.entry(directory) {
        Some(EntryKind::Directory) => Ok(()),
        _ => Err(BuildError::NotADirectory {
            directory: directory.to_owned(),
        }),
    }
}

fn unreadable(file: &str, source: TreeError) -> BuildError {
    let file = file.to_owned();
    match source.exceeded() {
        Some(&Exceeded { what, limit }) => BuildError::Limit { file, what, limit },
        None => BuildError::Tree { file, source },
    }
}

/// What a key means that a map has twice.
#[derive(Clone, Copy)]
enum Duplicates {
    /// Nothing: it is an error.
    Refused,
    /// What its last entry says.
    LastCounts,
}

/// Reads YAML with the rules that Kubernetes has for it.
fn read(bytes: &[u8], duplicates: Duplicates) -> Result<Vec<Document>, ParseError> {
    let limits = Limits::default();
    match (duplicates, std::str::from_utf8(bytes)) {
        (Duplicates::LastCounts, Ok(text)) => {
            let mut documents = parse_yaml(text, &limits)?.into_documents();
            documents.iter_mut().for_each(keep_last);
            resolve(&Stream::from_documents(documents), Schema::Kubernetes)
        }
        _ => from_yaml(bytes, Schema::Kubernetes, &limits),
    }
}

/// Replaces every list by its items, which come after everything else (`inlineAnyEmbeddedLists` of kustomize's
/// resource/factory.go). A list without `items` is an object like others.
pub(crate) fn unroll(documents: Vec<Value>, file: &str) -> Result<Vec<Value>, BuildError> {
    let mut queue = std::collections::VecDeque::from(documents);
    let mut objects = Vec::new();
    while let Some(mut document) = queue.pop_front() {
        match &mut document {
            Value::Null => {}
            Value::Mapping(map) if map.is_empty() => {}
            Value::Mapping(map) if is_list(map) => match map.remove("items") {
                Some(Value::Sequence(items)) => queue.extend(items),
                Some(Value::Null) => {}
                _ => {
                    return Err(BuildError::NotAnObject {
                        file: file.to_owned(),
                        field: "items".to_owned(),
                        problem: "is not a list",
                    });
                }
            },
            _ => objects.push(document),
        }
        if objects.len() + queue.len() > MAX_OBJECTS {
            return Err(BuildError::Limit {
                file: file.to_owned(),
                what: "objects",
                limit: MAX_OBJECTS,
            });
        }
    }
    Ok(objects)
}

fn is_list(map: &manifest_yaml::Mapping) -> bool {
    let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
    kind.ends_with("List") && map.contains_key("items")
}
