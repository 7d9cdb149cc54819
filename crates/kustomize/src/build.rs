//! A build: kustomizations are read, accumulated and transformed, from the bases up.

use manifest_yaml::{Limits, Schema, Value, from_yaml};

use crate::configuration::Configuration;
use crate::generate::{append_content_hash, config_map, secret};
use crate::kustomization::{FILE_NAMES, Kind, Kustomization, Reference};
use crate::order::sort;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::transform::{follow_renames, steps};
use crate::{BuildError, Content, EntryKind, Tree, path};

/// How deep bases may stand on bases. Real repositories have five or so levels; this many fit on any stack.
pub const MAX_BASE_DEPTH: usize = 64;

/// How many kustomizations a build may read; one that is reached on several ways counts each time, since bases that
/// share bases can double the work with each level.
pub const MAX_KUSTOMIZATIONS: usize = 10_000;

/// How many objects a kustomization may come to.
pub const MAX_OBJECTS: usize = 50_000;

/// The annotation of objects that are for tools and not for a cluster.
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

/// Renders the kustomization of a folder to the objects that `kustomize build` prints, in its order.
///
/// `directory` is a path of the tree; `""` is its root. Without `sortOptions` the order is the legacy one: by kind,
/// Namespaces first. Objects with the annotation `config.kubernetes.io/local-config` are left out.
pub fn build(tree: &dyn Tree, directory: &str) -> Result<Vec<Value>, BuildError> {
    let directory = path::join("", directory).ok_or_else(|| BuildError::NotADirectory {
        directory: directory.to_owned(),
    })?;
    let mut build = Build {
        tree,
        configuration: Configuration::default(),
        ancestors: Vec::new(),
        kustomizations: 0,
    };
    let folder = Folder::open(tree, &directory)?;
    let kustomization = folder.kustomization()?;
    let mut resources = build.accumulate(&kustomization, &folder, Resources::default())?;
    append_content_hash(&mut resources);
    follow_renames(&build.configuration, &mut resources)?;
    let mut resources = resources.into_vec();
    resources.retain(is_for_a_cluster);
    sort(&mut resources, kustomization.sort.as_ref());
    Ok(resources
        .into_iter()
        .map(|mut resource| {
            resource.drop_empty_annotations();
            resource.into_value()
        })
        .collect())
}

fn is_for_a_cluster(resource: &Resource) -> bool {
    match resource.annotation(LOCAL_CONFIG) {
        None => true,
        Some(value) => value.as_str() == Some("false"),
    }
}

/// The folder of a kustomization, from which its paths are read.
pub(crate) struct Folder<'tree> {
    tree: &'tree dyn Tree,
    directory: String,
    /// The path of the kustomization file.
    pub(crate) file: String,
}

impl<'tree> Folder<'tree> {
    fn open(tree: &'tree dyn Tree, directory: &str) -> Result<Self, BuildError> {
        if tree.entry(directory) != Some(EntryKind::Directory) {
            return Err(BuildError::NotADirectory {
                directory: directory.to_owned(),
            });
        }
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

    /// Reads the kustomization file; as kustomize does, with the rules that Kubernetes has for YAML.
    fn kustomization(&self) -> Result<Kustomization, BuildError> {
        let bytes = match self.load(&self.file)? {
            Content::Plain(bytes) => bytes,
            Content::Sensitive(_) => {
                return Err(BuildError::SealedKustomization {
                    file: self.file.clone(),
                });
            }
        };
        let mut documents = from_yaml(&bytes, Schema::Kubernetes, &Limits::default())
            .map_err(|source| BuildError::Yaml {
                file: self.file.clone(),
                source,
            })?
            .into_iter();
        match (documents.next(), documents.len()) {
            (None, _) => Err(BuildError::EmptyKustomization {
                file: self.file.clone(),
            }),
            (Some(document), 0) => Kustomization::read(&self.file, document.value),
            (Some(_), more) => Err(BuildError::SeveralDocuments {
                file: self.file.clone(),
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
        if path::is_remote(path) {
            return Err(self.remote(&reference));
        }
        let file = self.resolve(&reference)?;
        match self.tree.entry(&file) {
            Some(EntryKind::File) => {
                self.check_within(&reference, &file)?;
                self.load(&file)
            }
            Some(EntryKind::Directory) => Err(self.path_error(&reference, "it is a folder")),
            None => Err(self.not_found(&reference)),
        }
    }

    pub(crate) fn field_error(&self, field: &str, problem: impl Into<String>) -> BuildError {
        BuildError::FieldValue {
            file: self.file.clone(),
            field: field.to_owned(),
            problem: problem.into(),
        }
    }

    fn load(&self, file: &str) -> Result<Content, BuildError> {
        self.tree.content(file).map_err(|source| BuildError::Tree {
            file: file.to_owned(),
            source,
        })
    }

    /// The objects of a manifest file, lists unrolled.
    fn objects(&self, file: &str) -> Result<Vec<Resource>, BuildError> {
        let documents = self.tree.documents(file).map_err(|source| BuildError::Tree {
            file: file.to_owned(),
            source,
        })?;
        unroll(documents, file)?
            .into_iter()
            .map(|document| Resource::new(document, file))
            .collect()
    }

    /// The path from the root that a path of the kustomization means.
    fn resolve(&self, reference: &Reference) -> Result<String, BuildError> {
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
    fn check_within(&self, reference: &Reference, file: &str) -> Result<(), BuildError> {
        if path::is_within(file, &self.directory) {
            return Ok(());
        }
        Err(self.path_error(reference, "it is a file outside of the kustomization's folder"))
    }

    fn path_error(&self, reference: &Reference, problem: &'static str) -> BuildError {
        BuildError::Path {
            file: self.file.clone(),
            field: reference.field.clone(),
            path: reference.path.clone(),
            problem,
        }
    }

    fn remote(&self, reference: &Reference) -> BuildError {
        BuildError::Remote {
            file: self.file.clone(),
            field: reference.field.clone(),
            path: reference.path.clone(),
        }
    }

    fn not_found(&self, reference: &Reference) -> BuildError {
        BuildError::NotFound {
            file: self.file.clone(),
            field: reference.field.clone(),
            path: reference.path.clone(),
        }
    }
}

/// Replaces every list by its items, which come after everything else (`inlineAnyEmbeddedLists` of kustomize's
/// resource/factory.go). A list without `items` is an object like others.
fn unroll(documents: Vec<Value>, file: &str) -> Result<Vec<Value>, BuildError> {
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

/// What a build carries from kustomization to kustomization.
struct Build<'tree> {
    tree: &'tree dyn Tree,
    configuration: Configuration,
    /// The folders that led to the one that is being read, outermost first.
    ancestors: Vec<String>,
    /// How many kustomizations were read.
    kustomizations: usize,
}

impl<'tree> Build<'tree> {
    /// The objects of a kustomization; a component adds to those it is given (`accumulateTarget` of kustomize's
    /// kusttarget.go).
    fn accumulate(
        &mut self,
        kustomization: &Kustomization,
        folder: &Folder<'tree>,
        mut resources: Resources,
    ) -> Result<Resources, BuildError> {
        self.kustomizations += 1;
        folder.check_limit("kustomizations", self.kustomizations, MAX_KUSTOMIZATIONS)?;
        self.ancestors.push(folder.directory.clone());
        folder.check_limit("levels of bases", self.ancestors.len(), MAX_BASE_DEPTH)?;
        for reference in &kustomization.resources {
            self.add_resource(reference, folder, &mut resources)?;
            folder.check_limit("objects", resources.len(), MAX_OBJECTS)?;
        }
        for generator in &kustomization.config_maps {
            resources.absorb(config_map(generator, folder)?, &generator.field)?;
        }
        for generator in &kustomization.secrets {
            resources.absorb(secret(generator, folder)?, &generator.source.field)?;
        }
        for reference in &kustomization.components {
            resources = self.add_component(reference, folder, resources)?;
        }
        for (place, transformer) in steps(kustomization, &self.configuration)? {
            transformer.run(&place, &mut resources)?;
        }
        self.ancestors.pop();
        Ok(resources)
    }

    /// Adds the objects of a file, or of the kustomization in a folder.
    fn add_resource(
        &mut self,
        reference: &Reference,
        folder: &Folder<'tree>,
        resources: &mut Resources,
    ) -> Result<(), BuildError> {
        let path = folder.resolve(reference)?;
        let is_remote = path::is_remote(&reference.path);
        match self.tree.entry(&path) {
            Some(EntryKind::File) if !is_remote => {
                folder.check_within(reference, &path)?;
                folder
                    .objects(&path)?
                    .into_iter()
                    .try_for_each(|object| resources.append(object))
            }
            _ if is_remote => Err(folder.remote(reference)),
            Some(_) => {
                let base = self.base(reference, folder, path, Kind::Kustomization, Resources::default())?;
                resources.append_all(base)
            }
            None => Err(folder.not_found(reference)),
        }
    }

    fn add_component(
        &mut self,
        reference: &Reference,
        folder: &Folder<'tree>,
        resources: Resources,
    ) -> Result<Resources, BuildError> {
        if path::is_remote(&reference.path) {
            return Err(folder.remote(reference));
        }
        let path = folder.resolve(reference)?;
        match self.tree.entry(&path) {
            Some(EntryKind::Directory) => {
                let changed = self.base(reference, folder, path, Kind::Component, resources)?;
                // What it renamed may have become the same.
                let mut resources = Resources::default();
                resources.append_all(changed)?;
                Ok(resources)
            }
            Some(EntryKind::File) => Err(folder.path_error(reference, "it is a file")),
            None => Err(folder.not_found(reference)),
        }
    }

    /// Builds another kustomization. It may not be one that led here, nor stand above one.
    fn base(
        &mut self,
        reference: &Reference,
        folder: &Folder<'tree>,
        path: String,
        kind: Kind,
        resources: Resources,
    ) -> Result<Resources, BuildError> {
        if path::is_ambiguous(&reference.path) {
            return Err(folder.path_error(
                reference,
                "it has two dots within a name; is the list indented evenly?",
            ));
        }
        if self
            .ancestors
            .iter()
            .any(|ancestor| path::is_within(ancestor, &path))
        {
            let mut chain = self.ancestors.clone();
            chain.push(path);
            return Err(BuildError::Cycle { chain });
        }
        self.open_base(&path, kind, resources)
            .map_err(|source| BuildError::Base {
                file: folder.file.clone(),
                field: reference.field.clone(),
                path,
                source: Box::new(source),
            })
    }

    fn open_base(&mut self, path: &str, kind: Kind, resources: Resources) -> Result<Resources, BuildError> {
        let folder = Folder::open(self.tree, path)?;
        let kustomization = folder.kustomization()?;
        if kustomization.kind != kind {
            return Err(BuildError::WrongKind {
                file: folder.file,
                kind: kustomization.kind.name(),
                field: match kind {
                    Kind::Kustomization => "resources",
                    Kind::Component => "components",
                },
            });
        }
        self.accumulate(&kustomization, &folder, resources)
    }
}

impl Folder<'_> {
    fn check_limit(&self, what: &'static str, count: usize, limit: usize) -> Result<(), BuildError> {
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
