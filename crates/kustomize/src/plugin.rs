//! Generators and transformers that are configured by documents of their own.

mod iam_policy;

use std::borrow::Cow;
use std::rc::Rc;

use manifest_yaml::Value;

use crate::BuildError;
use crate::folder::Folder;
use crate::generate::{config_map, secret};
use crate::kustomization::{
    Fields, GeneratorOptions, Image, Reference, Replicas, read_config_map, read_field_specs, read_image,
    read_secret,
};
use crate::patch::{self, Form};
use crate::replacement;
use crate::resource::Resource;
use crate::schema::Schemas;
use crate::transform::{
    Affix, Entries, ImageTag, Namespace, Overwrite, Place, ReplicaCount, Specs, Subjects, Transformer,
};

/// The `apiVersion` of the plug-ins that are part of kustomize.
const BUILTIN: &str = "builtin";

/// What to do in place of plug-ins that are programs.
const COMMIT: &str = "plug-ins that are programs or containers are never run; commit what it makes";

/// What to do in place of Helm.
const RENDER: &str = "Helm is never run; render the chart and commit the result";

/// A document that configures a plug-in.
pub(crate) struct Plugin<'a> {
    pub(crate) config: &'a Resource,
    /// What the plug-in reads is in or below it.
    pub(crate) folder: &'a Folder<'a>,
    pub(crate) schemas: &'a Rc<Schemas>,
}

impl Plugin<'_> {
    /// The object that a generator makes.
    pub(crate) fn generate(&self) -> Result<Resource, BuildError> {
        let (mut fields, place) = self.open()?;
        let options = GeneratorOptions::default();
        match self.config.kind() {
            "ConfigMapGenerator" => {
                let mut generator = read_config_map(&mut fields, &options, place.field)?;
                self.name(&mut generator.name, &mut generator.namespace);
                config_map(&generator, self.folder)
            }
            "SecretGenerator" => {
                let mut generator = read_secret(&mut fields, &options, place.field)?;
                let source = &mut generator.source;
                self.name(&mut source.name, &mut source.namespace);
                secret(&generator, self.folder)
            }
            "IAMPolicyGenerator" => iam_policy::generate(&mut fields, &place),
            "HelmChartInflationGenerator" => Err(self.refuse(RENDER)),
            _ => Err(self.refuse("it is no generator that kustomize has")),
        }
    }

    /// A generator that does not name its object makes one with its own name.
    fn name(&self, name: &mut String, namespace: &mut String) {
        if name.is_empty() {
            self.config.name().clone_into(name);
        }
        if namespace.is_empty() {
            self.config.namespace().clone_into(namespace);
        }
    }

    /// What a transformer does, and where it is told so.
    pub(crate) fn transformers(&self) -> Result<(Place, Vec<Transformer<'static>>), BuildError> {
        let (mut fields, place) = self.open()?;
        let transformers = self.read(&mut fields, &place)?;
        Ok((place, transformers))
    }

    fn read(&self, fields: &mut Fields<'_>, place: &Place) -> Result<Vec<Transformer<'static>>, BuildError> {
        let specs = |fields: &mut Fields<'_>| read_field_specs(fields, "fieldSpecs").map(Specs::Owned);
        let entries = |fields: &mut Fields<'_>, field: &str| {
            Ok::<_, BuildError>(Entries {
                entries: Cow::Owned(fields.string_map(field)?),
                specs: specs(fields)?,
            })
        };
        let affix = |fields: &mut Fields<'_>, field: &str| {
            Ok::<_, BuildError>(Affix {
                text: Cow::Owned(fields.string(field)?.unwrap_or_default()),
                specs: specs(fields)?,
            })
        };
        Ok(match self.config.kind() {
            "NamespaceTransformer" => vec![Transformer::Namespace(self.namespace(fields)?)],
            "PrefixTransformer" => vec![Transformer::Prefix(affix(fields, "prefix")?)],
            "SuffixTransformer" => vec![Transformer::Suffix(affix(fields, "suffix")?)],
            "PrefixSuffixTransformer" => {
                let prefix = affix(fields, "prefix")?;
                let suffix = Affix {
                    text: Cow::Owned(fields.string("suffix")?.unwrap_or_default()),
                    specs: prefix.specs.clone(),
                };
                vec![Transformer::Prefix(prefix), Transformer::Suffix(suffix)]
            }
            "LabelTransformer" => vec![Transformer::Labels(entries(fields, "labels")?)],
            "AnnotationsTransformer" => vec![Transformer::Annotations(entries(fields, "annotations")?)],
            "ImageTagTransformer" => {
                let image = match fields.map("imageTag")? {
                    Some(mut image) => read_image(&mut image, format!("{}.imageTag", place.field))?,
                    None => Image::default(),
                };
                vec![Transformer::Image(ImageTag {
                    image: Cow::Owned(image),
                    specs: specs(fields)?,
                })]
            }
            "ReplicaCountTransformer" => {
                let mut replicas = Replicas::default();
                if let Some(mut replica) = fields.map("replica")? {
                    replicas.name = replica.string("name")?.unwrap_or_default();
                    replicas.count = replica.integer("count")?.unwrap_or_default();
                    replica.finish()?;
                }
                vec![Transformer::Replicas(ReplicaCount {
                    replicas: Cow::Owned(replicas),
                    specs: specs(fields)?,
                })]
            }
            "ReplacementTransformer" => {
                let entries = replacement::read(fields)?;
                vec![Transformer::Replacements(replacement::load(
                    &entries,
                    self.folder,
                )?)]
            }
            "PatchTransformer" => vec![self.patch(fields, "patch", Form::Any, place)?],
            "PatchJson6902Transformer" => vec![self.patch(fields, "jsonOp", Form::Json, place)?],
            "PatchStrategicMergeTransformer" => vec![self.strategic_patches(fields, place)?],
            "HashTransformer" => vec![Transformer::Hash],
            "HelmChartInflationGenerator" => return Err(self.refuse(RENDER)),
            _ => return Err(self.refuse("it is no transformer that the engine has")),
        })
    }

    fn patch(
        &self,
        fields: &mut Fields<'_>,
        inline: &str,
        form: Form,
        place: &Place,
    ) -> Result<Transformer<'static>, BuildError> {
        let entry = patch::read_one(fields, inline, place.field.clone())?;
        let patch = patch::load(&entry, form, self.folder, place, self.schemas)?;
        Ok(Transformer::Patch(patch))
    }

    fn strategic_patches(
        &self,
        fields: &mut Fields<'_>,
        place: &Place,
    ) -> Result<Transformer<'static>, BuildError> {
        let inline = fields.string("patches")?.filter(|text| !text.is_empty());
        let entries: Vec<Reference> = fields
            .strings("paths")?
            .into_iter()
            .chain(inline)
            .map(|path| Reference {
                field: place.field.clone(),
                path,
            })
            .collect();
        let patch = patch::load_strategic(&entries, self.folder, self.schemas)?;
        Ok(Transformer::Patch(patch))
    }

    fn namespace(&self, fields: &mut Fields<'_>) -> Result<Namespace<'static>, BuildError> {
        let subjects = match fields
            .string("setRoleBindingSubjects")?
            .unwrap_or_default()
            .as_str()
        {
            "" | "defaultOnly" => Subjects::Default,
            "allServiceAccounts" => Subjects::AllServiceAccounts,
            "none" => Subjects::None,
            _ => {
                return Err(fields.value_error(
                    "setRoleBindingSubjects",
                    "is not defaultOnly, allServiceAccounts or none",
                ));
            }
        };
        Ok(Namespace {
            name: Cow::Owned(self.config.namespace().to_owned()),
            specs: Cow::Owned(read_field_specs(fields, "fieldSpecs")?),
            overwrite: if fields.flag("unsetOnly")? {
                Overwrite::IfEmpty
            } else {
                Overwrite::Always
            },
            subjects,
        })
    }

    /// The fields of a plug-in of kustomize. Like kustomize, the engine does not mind those that the plug-in does not
    /// know.
    fn open(&self) -> Result<(Fields<'_>, Place), BuildError> {
        let config = self.config;
        if config.api_version() != BUILTIN {
            return Err(self.refuse(COMMIT));
        }
        let place = Place {
            file: config.file.clone(),
            field: format!("{} {}", config.kind(), config.name()),
        };
        let fields =
            Fields::of_document(&config.file, Value::Mapping(config.value().share()))?.ignoring_unknown();
        Ok((fields, place))
    }

    fn refuse(&self, instead: &'static str) -> BuildError {
        BuildError::UnsupportedPlugin {
            file: self.config.file.clone(),
            plugin: format!(
                "{} {} {}",
                self.config.api_version(),
                self.config.kind(),
                self.config.name()
            ),
            instead,
        }
    }
}
