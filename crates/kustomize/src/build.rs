//! A build: kustomizations are read, accumulated and transformed, from the bases up.

use std::rc::Rc;

use manifest_yaml::Value;

use crate::accumulation::Accumulation;
use crate::configuration::{Configuration, read_configuration, read_crds};
use crate::folder::{Folder, LoadRestriction};
use crate::generate::{append_content_hash, config_map, secret};
use crate::kustomization::{Kind, Kustomization, Reference};
use crate::meter::Metered;
use crate::order::sort;
use crate::overlay::{Overlay, listing};
use crate::plugin::Plugin;
use crate::provenance::{self, Origin, annotate, record_transformation};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::SchemaChoice;
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

/// How a folder is built.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// For a folder that has no kustomization: the files and folders that one would list, from the folder. A
    /// kustomization that is there is not read.
    pub resources: Option<Vec<String>>,
    /// What is added to the kustomization.
    pub overlay: Overlay,
    /// Where the files that kustomizations name may lie.
    pub restriction: LoadRestriction,
}

/// Renders the kustomization of a folder to the objects that `kustomize build` prints, in its order.
///
/// `directory` is a path of the tree; `""` is its root. Without `sortOptions` the order is the legacy one: by kind,
/// Namespaces first. Objects with the annotation `config.kubernetes.io/local-config` are left out.
pub fn build(tree: &dyn Tree, directory: &str) -> Result<Vec<Value>, BuildError> {
    build_with(tree, directory, &Options::default())
}

/// The same, with additions and without the restrictions of the command line.
pub fn build_with(tree: &dyn Tree, directory: &str, options: &Options) -> Result<Vec<Value>, BuildError> {
    let directory = path::join("", directory).ok_or_else(|| BuildError::NotADirectory {
        directory: directory.to_owned(),
    })?;
    let metered = Metered::new(tree);
    let tree: &dyn Tree = &metered;
    let Options {
        resources,
        overlay,
        restriction,
    } = options;
    let folder = match resources {
        None => Folder::open(tree, *restriction, &directory)?,
        Some(_) => Folder::without_kustomization(tree, *restriction, &directory)?,
    };
    let located = |error| folder.located(error);
    let mut kustomization = match resources {
        None => folder.kustomization().map_err(located)?,
        Some(resources) => listing(&folder, resources)?,
    };
    overlay.add_to(&mut kustomization, &folder)?;
    let builtin = Rc::new(Configuration::default());
    let mut build = Build {
        tree,
        restriction: *restriction,
        builtin: Rc::clone(&builtin),
        ancestors: Vec::new(),
        kustomizations: 0,
        schemas: SchemaChoice::new(),
        origin: (!kustomization.build_metadata.is_empty()).then(String::new),
    };
    let Accumulation {
        mut resources,
        configuration,
        vars,
    } = build
        .accumulate(&kustomization, &folder, Accumulation::new(&builtin))
        .map_err(located)?;
    append_content_hash(&mut resources);
    follow_renames(&configuration, &mut resources)?;
    vars.resolve(&configuration, &mut resources).map_err(located)?;
    let mut resources = resources.into_vec();
    resources.retain(is_for_a_cluster);
    sort(&mut resources, kustomization.sort.as_ref());
    resources
        .into_iter()
        .map(|mut resource| {
            resource.spell_annotations()?;
            annotate(&mut resource, &kustomization.build_metadata);
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
    restriction: LoadRestriction,
    /// The configuration that every kustomization starts with.
    builtin: Rc<Configuration>,
    /// The folders that led to the one that is being read, outermost first.
    ancestors: Vec<String>,
    /// How many kustomizations were read.
    kustomizations: usize,
    schemas: SchemaChoice,
    /// The path from the folder that is built to the one that is being read, if the origin of objects is to be said.
    origin: Option<String>,
}

impl<'tree> Build<'tree> {
    /// What a kustomization comes to; a component adds to what it is given (`accumulateTarget` of kustomize's
    /// kusttarget.go).
    fn accumulate(
        &mut self,
        kustomization: &Kustomization,
        folder: &Folder<'tree>,
        mut accumulation: Accumulation,
    ) -> Result<Accumulation, BuildError> {
        self.kustomizations += 1;
        folder.check_limit("kustomizations", self.kustomizations, MAX_KUSTOMIZATIONS)?;
        self.ancestors.push(folder.directory.clone());
        folder.check_limit("levels of bases", self.ancestors.len(), MAX_BASE_DEPTH)?;
        self.schemas.choose(kustomization.openapi.as_ref(), folder)?;
        self.add_resources(&kustomization.resources, folder, &mut accumulation)?;
        configure(kustomization, folder, &mut accumulation)?;
        self.generate(kustomization, folder, &mut accumulation)?;
        for reference in &kustomization.components {
            accumulation = self.add_component(reference, folder, accumulation)?;
        }
        self.transform(kustomization, folder, &mut accumulation)?;
        self.validate(kustomization, folder, &accumulation)?;
        accumulation
            .vars
            .declare(&kustomization.vars, &mut accumulation.resources)?;
        self.ancestors.pop();
        Ok(accumulation)
    }

    fn add_resources(
        &mut self,
        references: &[Reference],
        folder: &Folder<'tree>,
        accumulation: &mut Accumulation,
    ) -> Result<(), BuildError> {
        for reference in references {
            self.add_resource(reference, folder, accumulation)?;
            folder.check_limit("objects", accumulation.resources.len(), MAX_OBJECTS)?;
        }
        Ok(())
    }

    /// Adds the objects of a file, or of the kustomization in a folder.
    fn add_resource(
        &mut self,
        reference: &Reference,
        folder: &Folder<'tree>,
        accumulation: &mut Accumulation,
    ) -> Result<(), BuildError> {
        if path::is_remote(&reference.path) {
            return Err(folder.remote(reference));
        }
        let path = folder.resolve(reference)?;
        match self.tree.entry(&path) {
            Some(EntryKind::File) => {
                folder.check_within(reference, &path)?;
                let origin = self.origin_of(&reference.path).map(Origin::File).map(Rc::new);
                for mut object in folder.objects(&path)? {
                    object.provenance.origin.clone_from(&origin);
                    self.schemas.note_object(&object);
                    accumulation.resources.append(object)?;
                }
                Ok(())
            }
            Some(EntryKind::Directory) => {
                let empty = Accumulation::new(&self.builtin);
                let base = self.base(reference, folder, path, Kind::Kustomization, empty)?;
                accumulation.merge(base, |field| folder.conflict(&reference.field, field))
            }
            None => Err(folder.not_found(reference)),
        }
    }

    fn add_component(
        &mut self,
        reference: &Reference,
        folder: &Folder<'tree>,
        accumulation: Accumulation,
    ) -> Result<Accumulation, BuildError> {
        if path::is_remote(&reference.path) {
            return Err(folder.remote(reference));
        }
        let path = folder.resolve(reference)?;
        match self.tree.entry(&path) {
            Some(EntryKind::Directory) => {
                let mut changed = self.base(reference, folder, path, Kind::Component, accumulation)?;
                // What it renamed may have become the same.
                let mut resources = Resources::default();
                resources.append_all(changed.resources)?;
                changed.resources = resources;
                Ok(changed)
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
        accumulation: Accumulation,
    ) -> Result<Accumulation, BuildError> {
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
        let origin = self.origin_of(&reference.path);
        let outer = std::mem::replace(&mut self.origin, origin);
        let built = self.open_base(&path, kind, accumulation);
        self.origin = outer;
        built.map_err(|source| BuildError::Base {
            file: folder.file.clone(),
            field: reference.field.clone(),
            path,
            source: Box::new(source),
        })
    }

    fn open_base(
        &mut self,
        path: &str,
        kind: Kind,
        accumulation: Accumulation,
    ) -> Result<Accumulation, BuildError> {
        let folder = Folder::open(self.tree, self.restriction, path)?;
        self.read_base(&folder, kind, accumulation)
            .map_err(|error| folder.located(error))
    }

    fn read_base(
        &mut self,
        folder: &Folder<'tree>,
        kind: Kind,
        accumulation: Accumulation,
    ) -> Result<Accumulation, BuildError> {
        let kustomization = folder.kustomization()?;
        if kustomization.kind != kind {
            return Err(BuildError::WrongKind {
                file: folder.file.clone(),
                kind: kustomization.kind.name(),
                field: match kind {
                    Kind::Kustomization => "resources",
                    Kind::Component => "components",
                },
            });
        }
        self.accumulate(&kustomization, folder, accumulation)
    }

    fn generate(
        &mut self,
        kustomization: &Kustomization,
        folder: &Folder<'tree>,
        accumulation: &mut Accumulation,
    ) -> Result<(), BuildError> {
        let mut absorb = |mut object: Resource, field: &str, origin: Option<Rc<Origin>>| {
            object.provenance.origin = origin;
            accumulation.resources.absorb(object, field)
        };
        for generator in &kustomization.config_maps {
            let origin = self.origin_of_field(folder, "ConfigMapGenerator");
            absorb(config_map(generator, folder)?, &generator.field, origin)?;
        }
        for generator in &kustomization.secrets {
            let origin = self.origin_of_field(folder, "SecretGenerator");
            absorb(secret(generator, folder)?, &generator.source.field, origin)?;
        }
        for config in self.configs(&kustomization.generators, folder)? {
            let plugin = Plugin {
                config: &config,
                folder,
                schemas: self.schemas.schemas(),
            };
            let field = format!("{} {}", config.kind(), config.name());
            absorb(plugin.generate()?, &field, plugin_origin(&config))?;
        }
        Ok(())
    }

    fn transform(
        &mut self,
        kustomization: &Kustomization,
        folder: &Folder<'tree>,
        accumulation: &mut Accumulation,
    ) -> Result<(), BuildError> {
        let configuration = Rc::clone(&accumulation.configuration);
        let resources = &mut accumulation.resources;
        for (place, transformer) in steps(kustomization, folder, &configuration, self.schemas.schemas())? {
            transformer.run(&place, resources)?;
            if let Some(origin) = self.origin_of_field(folder, transformer.kind()) {
                record_transformation(&origin, resources);
            }
        }
        if !kustomization.strategic_patches.is_empty() || !kustomization.patches.is_empty() {
            self.schemas.note_merge();
        }
        for config in self.configs(&kustomization.transformers, folder)? {
            let plugin = Plugin {
                config: &config,
                folder,
                schemas: self.schemas.schemas(),
            };
            let (place, transformers) = plugin.transformers()?;
            for transformer in transformers {
                transformer.run(&place, resources)?;
            }
            if let Some(origin) = plugin_origin(&config) {
                record_transformation(&origin, resources);
            }
        }
        Ok(())
    }

    /// Runs the validators, which are transformers that may change nothing.
    fn validate(
        &mut self,
        kustomization: &Kustomization,
        folder: &Folder<'tree>,
        accumulation: &Accumulation,
    ) -> Result<(), BuildError> {
        for config in self.configs(&kustomization.validators, folder)? {
            let plugin = Plugin {
                config: &config,
                folder,
                schemas: self.schemas.schemas(),
            };
            let (place, transformers) = plugin.transformers()?;
            let mut copy = accumulation.resources.share();
            for transformer in transformers {
                transformer.run(&place, &mut copy)?;
            }
            let changed = accumulation
                .resources
                .iter()
                .zip(copy.into_vec())
                .find(|(before, after)| !before.says_the_same(after));
            if let Some((before, _)) = changed {
                return Err(BuildError::Validator {
                    file: place.file,
                    validator: place.field,
                    object: before.id().to_string(),
                });
            }
        }
        Ok(())
    }

    /// The documents that configure plug-ins: those that stand in the kustomization itself, then those of files and of
    /// kustomizations (`configureExternalTransformers`).
    fn configs(
        &mut self,
        references: &[Reference],
        folder: &Folder<'tree>,
    ) -> Result<Vec<Resource>, BuildError> {
        if references.is_empty() {
            return Ok(Vec::new());
        }
        let mut accumulation = Accumulation::new(&self.builtin);
        let mut paths = Vec::new();
        let origin = folder
            .file_name()
            .and_then(|name| self.origin_of(name))
            .map(Origin::File)
            .map(Rc::new);
        for reference in references {
            match folder.inline_objects(reference)? {
                None => paths.push(reference.clone()),
                Some(objects) => {
                    for mut object in objects {
                        object.provenance.origin.clone_from(&origin);
                        accumulation.resources.append(object)?;
                    }
                }
            }
        }
        self.add_resources(&paths, folder, &mut accumulation)?;
        Ok(accumulation.resources.into_vec())
    }

    /// The path from the folder that is built to one that the current kustomization names.
    fn origin_of(&self, path: &str) -> Option<String> {
        self.origin
            .as_ref()
            .map(|origin| path::join_lexically(origin, path))
    }

    /// The origin of what a field of the current kustomization makes or changes.
    fn origin_of_field(&self, folder: &Folder<'_>, kind: &str) -> Option<Rc<Origin>> {
        let file = self.origin_of(folder.file_name()?)?;
        let plugin = provenance::Plugin {
            kind: kind.to_owned(),
            ..provenance::Plugin::default()
        };
        Some(Rc::new(Origin::Plugin { file, plugin }))
    }
}

/// The origin of what a plug-in makes or changes.
fn plugin_origin(config: &Resource) -> Option<Rc<Origin>> {
    let file = match config.provenance.origin.as_deref()? {
        Origin::File(file) | Origin::Plugin { file, .. } => file.clone(),
    };
    let plugin = provenance::Plugin {
        kind: config.kind().to_owned(),
        name: config.name().to_owned(),
        namespace: config.namespace().to_owned(),
    };
    Some(Rc::new(Origin::Plugin { file, plugin }))
}

/// Adds the transformer configurations and the schemas that a kustomization lists.
fn configure(
    kustomization: &Kustomization,
    folder: &Folder<'_>,
    accumulation: &mut Accumulation,
) -> Result<(), BuildError> {
    for reference in &kustomization.configurations {
        let more = read_configuration(reference, folder)?;
        accumulation
            .configure(&more)
            .map_err(|path| folder.conflict(&reference.field, &path))?;
    }
    for reference in &kustomization.crds {
        let more = read_crds(reference, folder)?;
        accumulation
            .configure(&more)
            .map_err(|path| folder.conflict(&reference.field, &path))?;
    }
    Ok(())
}
