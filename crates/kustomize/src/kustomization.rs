//! The kustomization file.

mod field_specs;
mod fields;
mod generators;

use manifest_yaml::Value;

use crate::BuildError;
use crate::field_spec::FieldSpec;
use crate::patch::{self, PatchField};
use crate::replacement::{self, ReplacementField};
use crate::resource::{Behavior, ContentHash};
use crate::schema::BUILTIN_VERSION;
use crate::vars::{self, Var};
pub(crate) use field_specs::read_field_specs;
pub(crate) use fields::Fields;
pub(crate) use generators::{GeneratorOptions, read_config_map, read_secret};

/// The names that a kustomization file can have (`RecognizedKustomizationFileNames` of kustomize's general.go).
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// Fields of kustomize that the engine does not have, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("helmCharts", "render the chart and commit the result"),
    ("helmGlobals", "render the chart and commit the result"),
    (
        "helmChartInflationGenerator",
        "render the chart and commit the result",
    ),
];

/// What a kustomization is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Builds its own objects.
    Kustomization,
    /// Changes the objects of the kustomization that lists it.
    Component,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kustomization => "Kustomization",
            Self::Component => "Component",
        }
    }
}

/// A kustomization file, read.
pub(crate) struct Kustomization {
    pub(crate) file: String,
    pub(crate) kind: Kind,
    pub(crate) resources: Vec<Reference>,
    pub(crate) components: Vec<Reference>,
    pub(crate) config_maps: Vec<ConfigMapGenerator>,
    pub(crate) secrets: Vec<SecretGenerator>,
    /// Patches, each a document or the path of some.
    pub(crate) strategic_patches: Vec<Reference>,
    pub(crate) patches: Vec<PatchField>,
    pub(crate) json_patches: Vec<PatchField>,
    pub(crate) openapi: Option<OpenApi>,
    pub(crate) namespace: String,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) labels: Vec<Labels>,
    pub(crate) common_labels: Vec<(String, String)>,
    pub(crate) common_annotations: Vec<(String, String)>,
    pub(crate) replicas: Vec<Replicas>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) vars: Vec<Var>,
    /// Files with further fields for the transformations to work on.
    pub(crate) configurations: Vec<Reference>,
    /// Files with the schemas of custom kinds, which say what refers to what.
    pub(crate) crds: Vec<Reference>,
    /// Generators, each a document or the path of some.
    pub(crate) generators: Vec<Reference>,
    /// Transformers, each a document or the path of some.
    pub(crate) transformers: Vec<Reference>,
    /// Transformers that may change nothing.
    pub(crate) validators: Vec<Reference>,
    pub(crate) build_metadata: Vec<BuildMetadata>,
    pub(crate) sort: Option<Sort>,
}

/// Where the schemas of kinds come from.
pub(crate) enum OpenApi {
    /// The release of Kubernetes that is built in.
    Builtin,
    /// A file.
    File(Reference),
}

/// A path to a file or folder, and the field that holds it.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub(crate) field: String,
    pub(crate) path: String,
}

/// An entry of `labels`.
pub(crate) struct Labels {
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) scope: LabelScope,
    pub(crate) fields: Vec<FieldSpec>,
}

/// Where the labels of an entry go, beside the fields that it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LabelScope {
    /// To the objects, selectors, and templates of every kind.
    Selectors,
    /// To the objects, and to the templates that are asked for.
    Metadata {
        pod_templates: Include,
        claim_templates: Include,
    },
}

/// Whether to include something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    Yes,
    No,
}

/// An entry of `images`. Empty strings mean that the part is not given.
#[derive(Clone, Default)]
pub(crate) struct Image {
    /// A regular expression for the name, which has to match all of it.
    pub(crate) name: String,
    pub(crate) new_name: String,
    pub(crate) tag_suffix: String,
    pub(crate) new_tag: String,
    pub(crate) digest: String,
    /// The field that holds the entry.
    pub(crate) field: String,
}

/// An entry of `replicas`.
#[derive(Clone, Default)]
pub(crate) struct Replicas {
    pub(crate) name: String,
    pub(crate) count: i64,
    /// The field that holds the entry.
    pub(crate) field: String,
}

/// An entry of `configMapGenerator`, and what it shares with one of `secretGenerator`.
pub(crate) struct ConfigMapGenerator {
    pub(crate) name: String,
    pub(crate) namespace: String,
    pub(crate) behavior: Behavior,
    pub(crate) content_hash: ContentHash,
    pub(crate) immutable: bool,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) annotations: Vec<(String, String)>,
    pub(crate) literals: Vec<Reference>,
    pub(crate) files: Vec<Reference>,
    pub(crate) envs: Vec<Reference>,
    /// The field that holds the entry.
    pub(crate) field: String,
}

/// An entry of `secretGenerator`.
pub(crate) struct SecretGenerator {
    pub(crate) source: ConfigMapGenerator,
    pub(crate) secret_type: String,
}

/// What the output says of how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildMetadata {
    /// Where each object comes from.
    Origins,
    /// What changed it.
    Transformations,
    /// That kustomize manages it.
    ManagedByLabel,
}

/// The order of the output.
pub(crate) enum Sort {
    /// As the objects were loaded.
    Fifo,
    /// By kind, some first and some last.
    Legacy(Option<LegacyOrder>),
}

/// Kinds that come first and last.
pub(crate) struct LegacyOrder {
    pub(crate) first: Vec<String>,
    pub(crate) last: Vec<String>,
}

impl Kustomization {
    /// Reads the document of a kustomization file. Names that are no longer in use are taken as their successors, as
    /// kustomize does (`FixKustomization` of its kustomization.go).
    pub(crate) fn read(file: &str, document: Value) -> Result<Self, BuildError> {
        let mut fields = Fields::of_document(file, document)?;
        let kind = read_kind(&mut fields)?;
        if fields.say_nothing() {
            return Err(BuildError::EmptyKustomization {
                file: file.to_owned(),
            });
        }
        for (field, instead) in UNSUPPORTED {
            fields.unsupported(field, instead)?;
        }
        check_metadata(&mut fields)?;
        let options = generators::read_options(fields.map("generatorOptions")?)?;
        let mut resources = references(&mut fields, "resources")?;
        resources.extend(references(&mut fields, "bases")?);
        let mut images = read_images(&mut fields, "images")?;
        images.extend(read_images(&mut fields, "imageTags")?);
        let kustomization = Self {
            file: file.to_owned(),
            kind,
            resources,
            components: references(&mut fields, "components")?,
            config_maps: generators::read_config_maps(&mut fields, &options)?,
            secrets: generators::read_secrets(&mut fields, &options)?,
            strategic_patches: references(&mut fields, "patchesStrategicMerge")?,
            patches: patch::read(&mut fields, "patches")?,
            json_patches: patch::read(&mut fields, "patchesJson6902")?,
            openapi: read_openapi(&mut fields)?,
            namespace: fields.string("namespace")?.unwrap_or_default(),
            name_prefix: fields.string("namePrefix")?.unwrap_or_default(),
            name_suffix: fields.string("nameSuffix")?.unwrap_or_default(),
            labels: read_labels(&mut fields)?,
            common_labels: fields.string_map("commonLabels")?,
            common_annotations: fields.string_map("commonAnnotations")?,
            replicas: read_replicas(&mut fields)?,
            images,
            replacements: replacement::read(&mut fields)?,
            vars: vars::read(&mut fields)?,
            configurations: references(&mut fields, "configurations")?,
            crds: references(&mut fields, "crds")?,
            generators: references(&mut fields, "generators")?,
            transformers: references(&mut fields, "transformers")?,
            validators: references(&mut fields, "validators")?,
            build_metadata: read_build_metadata(&mut fields)?,
            sort: read_sort(&mut fields)?,
        };
        fields.finish()?;
        Ok(kustomization)
    }
}

fn read_kind(fields: &mut Fields<'_>) -> Result<Kind, BuildError> {
    let kind = match fields.string("kind")?.unwrap_or_default().as_str() {
        "" | "Kustomization" => Kind::Kustomization,
        "Component" => Kind::Component,
        _ => return Err(fields.value_error("kind", "is neither Kustomization nor Component")),
    };
    let version = match kind {
        Kind::Kustomization => KUSTOMIZATION_VERSION,
        Kind::Component => COMPONENT_VERSION,
    };
    match fields.string("apiVersion")?.unwrap_or_default().as_str() {
        "" => Ok(kind),
        given if given == version => Ok(kind),
        _ => Err(fields.value_error("apiVersion", format!("is not {version}"))),
    }
}

/// The kustomization's own metadata has no effect, but it has to be metadata.
fn check_metadata(fields: &mut Fields<'_>) -> Result<(), BuildError> {
    let Some(mut metadata) = fields.map("metadata")? else {
        return Ok(());
    };
    metadata.string("name")?;
    metadata.string("namespace")?;
    metadata.string_map("labels")?;
    metadata.string_map("annotations")?;
    metadata.finish()
}

fn references(fields: &mut Fields<'_>, field: &str) -> Result<Vec<Reference>, BuildError> {
    let paths = fields.strings(field)?;
    let field = fields.path_of(field);
    let reference = |(index, path)| Reference {
        field: format!("{field}[{index}]"),
        path,
    };
    Ok(paths.into_iter().enumerate().map(reference).collect())
}

fn read_labels(fields: &mut Fields<'_>) -> Result<Vec<Labels>, BuildError> {
    let include = |flag| if flag { Include::Yes } else { Include::No };
    let mut labels = Vec::new();
    for mut entry in fields.maps("labels")? {
        let selectors = entry.flag("includeSelectors")?;
        let pod_templates = include(entry.flag("includeTemplates")?);
        let claim_templates = include(entry.flag("includeVolumeClaimTemplates")?);
        labels.push(Labels {
            pairs: entry.string_map("pairs")?,
            scope: if selectors {
                LabelScope::Selectors
            } else {
                LabelScope::Metadata {
                    pod_templates,
                    claim_templates,
                }
            },
            fields: read_field_specs(&mut entry, "fields")?,
        });
        entry.finish()?;
    }
    Ok(labels)
}

fn read_images(fields: &mut Fields<'_>, field: &str) -> Result<Vec<Image>, BuildError> {
    let mut images = Vec::new();
    for (index, mut entry) in fields.maps(field)?.into_iter().enumerate() {
        images.push(read_image(&mut entry, format!("{field}[{index}]"))?);
        entry.finish()?;
    }
    Ok(images)
}

/// Takes the fields of one image.
pub(crate) fn read_image(entry: &mut Fields<'_>, field: String) -> Result<Image, BuildError> {
    let mut part = |field| entry.string(field).map(Option::unwrap_or_default);
    Ok(Image {
        name: part("name")?,
        new_name: part("newName")?,
        tag_suffix: part("tagSuffix")?,
        new_tag: part("newTag")?,
        digest: part("digest")?,
        field,
    })
}

fn read_replicas(fields: &mut Fields<'_>) -> Result<Vec<Replicas>, BuildError> {
    let mut replicas = Vec::new();
    for (index, mut entry) in fields.maps("replicas")?.into_iter().enumerate() {
        replicas.push(Replicas {
            name: entry.string("name")?.unwrap_or_default(),
            count: entry.integer("count")?.unwrap_or_default(),
            field: format!("replicas[{index}]"),
        });
        entry.finish()?;
    }
    Ok(replicas)
}

fn read_openapi(fields: &mut Fields<'_>) -> Result<Option<OpenApi>, BuildError> {
    let Some(mut openapi) = fields.map("openapi")? else {
        return Ok(None);
    };
    let path = openapi.string("path")?;
    let version = openapi.string("version")?;
    let field = openapi.path_of("path");
    let openapi = match (path, version) {
        (None, None) => None,
        (Some(path), None) => Some(OpenApi::File(Reference { field, path })),
        (None, Some(version)) if version == BUILTIN_VERSION => Some(OpenApi::Builtin),
        (None, Some(_)) => {
            let problem = format!("is not {BUILTIN_VERSION}, the one that is built in");
            return Err(openapi.value_error("version", problem));
        }
        (Some(_), Some(_)) => return Err(openapi.value_error("version", "is given, and so is path")),
    };
    Ok(openapi)
}

fn read_build_metadata(fields: &mut Fields<'_>) -> Result<Vec<BuildMetadata>, BuildError> {
    let options = fields.strings("buildMetadata")?;
    let read = |option: String| match option.as_str() {
        "originAnnotations" => Ok(BuildMetadata::Origins),
        "transformerAnnotations" => Ok(BuildMetadata::Transformations),
        "managedByLabel" => Ok(BuildMetadata::ManagedByLabel),
        _ => Err(fields.value_error(
            "buildMetadata",
            "knows originAnnotations, transformerAnnotations and managedByLabel only",
        )),
    };
    options.into_iter().map(read).collect()
}

fn read_sort(fields: &mut Fields<'_>) -> Result<Option<Sort>, BuildError> {
    let Some(mut options) = fields.map("sortOptions")? else {
        return Ok(None);
    };
    let order = options.string("order")?.unwrap_or_default();
    let legacy = match options.map("legacySortOptions")? {
        None => None,
        Some(mut legacy) => {
            let order = LegacyOrder {
                first: legacy.strings("orderFirst")?,
                last: legacy.strings("orderLast")?,
            };
            legacy.finish()?;
            Some(order)
        }
    };
    let sort = match (order.as_str(), legacy) {
        ("fifo", None) => Sort::Fifo,
        ("fifo", Some(_)) => {
            return Err(options.value_error("legacySortOptions", "is set, but the order is fifo"));
        }
        ("legacy", legacy) => Sort::Legacy(legacy),
        _ => return Err(options.value_error("order", "is neither legacy nor fifo")),
    };
    options.finish()?;
    Ok(Some(sort))
}
