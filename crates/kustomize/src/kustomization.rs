//! The kustomization file.

mod fields;

use manifest_yaml::Value;

use crate::BuildError;
use crate::field_spec::{FieldSpec, Missing};
use crate::replacement::{self, ReplacementField};
use crate::resource::{Behavior, ContentHash, KindSelector};
pub(crate) use fields::Fields;

/// The names a kustomization file can have (`RecognizedKustomizationFileNames` of kustomize's general.go).
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// Fields of kustomize that the engine does not have, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("patches", "write the patched fields into the resource"),
    (
        "patchesStrategicMerge",
        "write the patched fields into the resource",
    ),
    ("patchesJson6902", "write the patched fields into the resource"),
    ("vars", "write the values into the resource"),
    (
        "configurations",
        "list the field under the transformation, or write the value into the resource",
    ),
    ("crds", "write the names as they will be into the custom resource"),
    ("openapi", "remove it; it serves patches of custom resources"),
    (
        "generators",
        "use configMapGenerator or secretGenerator, or commit what the generator makes",
    ),
    (
        "transformers",
        "use the fields for labels, names, namespace and images",
    ),
    ("validators", "validate in continuous integration"),
    ("buildMetadata", "remove it"),
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
    pub(crate) namespace: String,
    pub(crate) name_prefix: String,
    pub(crate) name_suffix: String,
    pub(crate) labels: Vec<Labels>,
    pub(crate) common_labels: Vec<(String, String)>,
    pub(crate) common_annotations: Vec<(String, String)>,
    pub(crate) replicas: Vec<Replicas>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) sort: Option<Sort>,
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
#[derive(Clone)]
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
#[derive(Clone)]
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
        let options = read_generator_options(fields.map("generatorOptions")?)?;
        let mut resources = references(&mut fields, "resources")?;
        resources.extend(references(&mut fields, "bases")?);
        let mut images = read_images(&mut fields, "images")?;
        images.extend(read_images(&mut fields, "imageTags")?);
        let kustomization = Self {
            file: file.to_owned(),
            kind,
            resources,
            components: references(&mut fields, "components")?,
            config_maps: read_config_map_generators(&mut fields, &options)?,
            secrets: read_secret_generators(&mut fields, &options)?,
            namespace: fields.string("namespace")?.unwrap_or_default(),
            name_prefix: fields.string("namePrefix")?.unwrap_or_default(),
            name_suffix: fields.string("nameSuffix")?.unwrap_or_default(),
            labels: read_labels(&mut fields)?,
            common_labels: fields.string_map("commonLabels")?,
            common_annotations: fields.string_map("commonAnnotations")?,
            replicas: read_replicas(&mut fields)?,
            images,
            replacements: replacement::read(&mut fields)?,
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
            fields: read_field_specs(&mut entry)?,
        });
        entry.finish()?;
    }
    Ok(labels)
}

fn read_field_specs(fields: &mut Fields<'_>) -> Result<Vec<FieldSpec>, BuildError> {
    let mut specs = Vec::new();
    for mut entry in fields.maps("fields")? {
        let part = |value: Option<String>| value.unwrap_or_default();
        let kinds = KindSelector {
            group: part(entry.string("group")?),
            version: part(entry.string("version")?),
            kind: part(entry.string("kind")?),
        };
        let path = part(entry.string("path")?);
        if path.split('/').any(is_special) {
            return Err(entry.value_error("path", "has a segment that is empty or would select in a list"));
        }
        let missing = if entry.flag("create")? {
            Missing::Create
        } else {
            Missing::Skip
        };
        entry.finish()?;
        specs.push(FieldSpec { kinds, path, missing });
    }
    Ok(specs)
}

/// Segments that kyaml takes for something else than a key.
fn is_special(segment: &str) -> bool {
    let key = segment.strip_suffix("[]").unwrap_or(segment);
    matches!(key, "" | "-" | "*") || key.starts_with('[') || key.chars().all(|digit| digit.is_ascii_digit())
}

fn read_images(fields: &mut Fields<'_>, field: &str) -> Result<Vec<Image>, BuildError> {
    let mut images = Vec::new();
    for (index, mut entry) in fields.maps(field)?.into_iter().enumerate() {
        let mut part = |field| entry.string(field).map(Option::unwrap_or_default);
        images.push(Image {
            name: part("name")?,
            new_name: part("newName")?,
            tag_suffix: part("tagSuffix")?,
            new_tag: part("newTag")?,
            digest: part("digest")?,
            field: format!("{field}[{index}]"),
        });
        entry.finish()?;
    }
    Ok(images)
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

/// `generatorOptions`, or the `options` of one generator.
#[derive(Default)]
struct GeneratorOptions {
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    omit_hash: bool,
    immutable: bool,
}

impl GeneratorOptions {
    /// The options of a generator over those of its kustomization. A flag that is set in either is set
    /// (`MergeGlobalOptionsIntoLocal` of kustomize's generatoroptions.go).
    fn over(mut self, common: &Self) -> Self {
        let add = |own: &mut Vec<(String, String)>, common: &[(String, String)]| {
            for (key, value) in common {
                if !own.iter().any(|(own, _)| own == key) {
                    own.push((key.clone(), value.clone()));
                }
            }
        };
        add(&mut self.labels, &common.labels);
        add(&mut self.annotations, &common.annotations);
        self.omit_hash |= common.omit_hash;
        self.immutable |= common.immutable;
        self
    }
}

fn read_generator_options(fields: Option<Fields<'_>>) -> Result<GeneratorOptions, BuildError> {
    let Some(mut fields) = fields else {
        return Ok(GeneratorOptions::default());
    };
    let options = GeneratorOptions {
        labels: fields.string_map("labels")?,
        annotations: fields.string_map("annotations")?,
        omit_hash: fields.flag("disableNameSuffixHash")?,
        immutable: fields.flag("immutable")?,
    };
    fields.finish()?;
    Ok(options)
}

fn read_config_map_generators(
    fields: &mut Fields<'_>,
    options: &GeneratorOptions,
) -> Result<Vec<ConfigMapGenerator>, BuildError> {
    let mut generators = Vec::new();
    for (index, mut entry) in fields.maps("configMapGenerator")?.into_iter().enumerate() {
        generators.push(read_generator(
            &mut entry,
            options,
            format!("configMapGenerator[{index}]"),
        )?);
        entry.finish()?;
    }
    Ok(generators)
}

fn read_secret_generators(
    fields: &mut Fields<'_>,
    options: &GeneratorOptions,
) -> Result<Vec<SecretGenerator>, BuildError> {
    let mut generators = Vec::new();
    for (index, mut entry) in fields.maps("secretGenerator")?.into_iter().enumerate() {
        generators.push(SecretGenerator {
            secret_type: entry.string("type")?.unwrap_or_default(),
            source: read_generator(&mut entry, options, format!("secretGenerator[{index}]"))?,
        });
        entry.finish()?;
    }
    Ok(generators)
}

fn read_generator(
    entry: &mut Fields<'_>,
    common: &GeneratorOptions,
    field: String,
) -> Result<ConfigMapGenerator, BuildError> {
    let options = read_generator_options(entry.map("options")?)?.over(common);
    let name = entry.string("name")?.unwrap_or_default();
    if name.is_empty() {
        return Err(entry.value_error("name", "is missing"));
    }
    let behavior = match entry.string("behavior")?.unwrap_or_default().as_str() {
        "" | "create" => Behavior::Create,
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => return Err(entry.value_error("behavior", "is not create, replace or merge")),
    };
    let mut envs = references(entry, "envs")?;
    if let Some(path) = entry.string("env")?.filter(|path| !path.is_empty()) {
        let field = entry.path_of("env");
        envs.push(Reference { field, path });
    }
    Ok(ConfigMapGenerator {
        name,
        namespace: entry.string("namespace")?.unwrap_or_default(),
        behavior,
        content_hash: if options.omit_hash {
            ContentHash::Omit
        } else {
            ContentHash::Append
        },
        immutable: options.immutable,
        labels: options.labels,
        annotations: options.annotations,
        literals: references(entry, "literals")?,
        files: references(entry, "files")?,
        envs,
        field,
    })
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
