//! A build: kustomizations are read, accumulated and transformed, from the bases up.

use manifest_yaml::Value;

use crate::configuration::Configuration;
use crate::folder::Folder;
use crate::generate::{append_content_hash, config_map, secret};
use crate::kustomization::{Kind, Kustomization, Reference};
use crate::order::sort;
use crate::resource::Resource;
use crate::resources::Resources;
use crate::transform::{follow_renames, steps};
use crate::{BuildError, EntryKind, Tree, path};

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
    resources
        .into_iter()
        .map(|mut resource| {
            resource.spell_annotations()?;
            resource.drop_empty_annotations();
            Ok(resource.into_value())
        })
        .collect()
}

fn is_for_a_cluster(resource: &Resource) -> bool {
    match resource.annotation(LOCAL_CONFIG) {
        None => true,
        Some(value) => value.as_str() == Some("false"),
    }
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
        for (place, transformer) in steps(kustomization, folder, &self.configuration)? {
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
