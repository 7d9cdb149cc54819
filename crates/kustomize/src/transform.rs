//! The transformers: what a kustomization does to the objects it has accumulated.

mod annotations;
mod images;
mod labels;
mod name;
mod name_reference;
mod namespace;
mod replicas;

pub(crate) use name_reference::follow_renames;

use std::borrow::Cow;
use std::rc::Rc;

use manifest_yaml::Value;

use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::{FieldProblem, FieldSpec, Set, Shape};
use crate::folder::Folder;
use crate::generate::append_content_hash;
use crate::kustomization::Kustomization;
use crate::patch::{self, Form, Patch};
use crate::replacement::{self, Replacement};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::schema::Schemas;
pub(crate) use images::ImageTag;
pub(crate) use name::Affix;
pub(crate) use namespace::{Namespace, Overwrite, Subjects};
pub(crate) use replicas::ReplicaCount;

/// The fields that a transformer works on.
pub(crate) type Specs<'a> = Cow<'a, [FieldSpec]>;

/// Labels or annotations, and where they go.
pub(crate) struct Entries<'a> {
    pub(crate) entries: Cow<'a, [(String, String)]>,
    pub(crate) specs: Specs<'a>,
}

/// One of kustomize's built-in transformers with what it is told.
pub(crate) enum Transformer<'a> {
    Patch(Patch),
    Namespace(Namespace<'a>),
    Prefix(Affix<'a>),
    Suffix(Affix<'a>),
    Labels(Entries<'a>),
    Annotations(Entries<'a>),
    Replicas(ReplicaCount<'a>),
    Image(ImageTag<'a>),
    Replacements(Vec<Rc<Replacement>>),
    Hash,
}

impl Transformer<'_> {
    /// Changes the objects.
    pub(crate) fn run(&self, place: &Place, resources: &mut Resources) -> Result<(), BuildError> {
        match self {
            Self::Patch(patch) => patch::apply(patch, place, resources),
            Self::Namespace(namespace) => namespace::set_namespace(namespace, place, resources),
            Self::Prefix(affix) => name::add_affix(affix, name::End::Front, place, resources),
            Self::Suffix(affix) => name::add_affix(affix, name::End::Back, place, resources),
            Self::Labels(entries) => labels::add_labels(entries, place, resources),
            Self::Annotations(entries) => annotations::add_annotations(entries, place, resources),
            Self::Replicas(count) => replicas::set_replicas(count, place, resources),
            Self::Image(image) => images::set_images(image, place, resources),
            Self::Replacements(replacements) => replacement::replace(replacements, resources),
            Self::Hash => {
                append_content_hash(resources);
                Ok(())
            }
        }
    }

    /// What kustomize calls it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Patch(patch) => patch.transformer(),
            Self::Namespace(_) => "NamespaceTransformer",
            Self::Prefix(_) => "PrefixTransformer",
            Self::Suffix(_) => "SuffixTransformer",
            Self::Labels(_) => "LabelTransformer",
            Self::Annotations(_) => "AnnotationsTransformer",
            Self::Replicas(_) => "ReplicaCountTransformer",
            Self::Image(_) => "ImageTagTransformer",
            Self::Replacements(_) => "ReplacementTransformer",
            Self::Hash => "HashTransformer",
        }
    }
}

/// Where a transformation is asked for, which its errors name.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) field: String,
}

impl Place {
    fn new(kustomization: &Kustomization, field: impl Into<String>) -> Self {
        Self {
            file: kustomization.file.clone(),
            field: field.into(),
        }
    }

    /// The error of a transformation, with the object it could not work on.
    pub(crate) fn failed(&self, resource: &Resource, problem: FieldProblem) -> BuildError {
        BuildError::Transformation {
            file: self.file.clone(),
            transformation: self.field.clone(),
            object: resource.id().to_string(),
            path: problem.path,
            problem: problem.problem,
        }
    }

    /// An error in what the transformation is told.
    pub(crate) fn value_error(&self, field: &str, problem: impl Into<String>) -> BuildError {
        BuildError::FieldValue {
            file: self.file.clone(),
            field: format!("{}.{field}", self.field),
            problem: problem.into(),
        }
    }
}

/// A transformer, and where it is asked for.
pub(crate) type Step<'a> = (Place, Transformer<'a>);

/// The transformers that the fields of a kustomization stand for, in kustomize's order (`configureBuiltinTransformers`
/// of its `kusttarget_configplugin.go`).
pub(crate) fn steps<'a>(
    kustomization: &'a Kustomization,
    folder: &Folder<'_>,
    configuration: &'a Configuration,
    schemas: &Rc<Schemas>,
) -> Result<Vec<Step<'a>>, BuildError> {
    let mut steps = Vec::new();
    let mut add = |field: String, transformer| steps.push((Place::new(kustomization, field), transformer));
    if !kustomization.strategic_patches.is_empty() {
        let patch = patch::load_strategic(&kustomization.strategic_patches, folder, schemas)?;
        add("patchesStrategicMerge".to_owned(), Transformer::Patch(patch));
    }
    for entry in &kustomization.patches {
        let place = Place::new(kustomization, &entry.field);
        let patch = patch::load(entry, Form::Any, folder, &place, schemas)?;
        add(place.field, Transformer::Patch(patch));
    }
    if !kustomization.namespace.is_empty() {
        let namespace = Namespace {
            name: Cow::Borrowed(&kustomization.namespace),
            specs: Cow::Borrowed(&configuration.namespace),
            overwrite: Overwrite::Always,
            subjects: Subjects::Default,
        };
        add("namespace".to_owned(), Transformer::Namespace(namespace));
    }
    if !kustomization.name_prefix.is_empty() {
        let affix = Affix {
            text: Cow::Borrowed(&kustomization.name_prefix),
            specs: Cow::Borrowed(&configuration.name_prefix),
        };
        add("namePrefix".to_owned(), Transformer::Prefix(affix));
    }
    if !kustomization.name_suffix.is_empty() {
        let affix = Affix {
            text: Cow::Borrowed(&kustomization.name_suffix),
            specs: Cow::Borrowed(&configuration.name_suffix),
        };
        add("nameSuffix".to_owned(), Transformer::Suffix(affix));
    }
    for (index, entry) in kustomization.labels.iter().enumerate() {
        let place = Place::new(kustomization, format!("labels[{index}]"));
        let entries = labels::entries(entry, &place, configuration)?;
        add(place.field, Transformer::Labels(entries));
    }
    if !kustomization.labels.is_empty() || !kustomization.common_labels.is_empty() {
        let entries = Entries {
            entries: Cow::Borrowed(&kustomization.common_labels),
            specs: Cow::Borrowed(&configuration.selectors),
        };
        add("commonLabels".to_owned(), Transformer::Labels(entries));
    }
    if !kustomization.common_annotations.is_empty() {
        let entries = Entries {
            entries: Cow::Borrowed(&kustomization.common_annotations),
            specs: Cow::Borrowed(&configuration.annotations),
        };
        add("commonAnnotations".to_owned(), Transformer::Annotations(entries));
    }
    for entry in &kustomization.json_patches {
        let place = Place::new(kustomization, &entry.field);
        let patch = patch::load(entry, Form::Json, folder, &place, schemas)?;
        add(place.field, Transformer::Patch(patch));
    }
    for replicas in &kustomization.replicas {
        let count = ReplicaCount {
            replicas: Cow::Borrowed(replicas),
            specs: Cow::Borrowed(&configuration.replicas),
        };
        add(replicas.field.clone(), Transformer::Replicas(count));
    }
    for image in &kustomization.images {
        let tag = ImageTag {
            image: Cow::Borrowed(image),
            specs: Cow::Borrowed(&configuration.images),
        };
        add(image.field.clone(), Transformer::Image(tag));
    }
    if !kustomization.replacements.is_empty() {
        let replacements = replacement::load(&kustomization.replacements, folder)?;
        add("replacements".to_owned(), Transformer::Replacements(replacements));
    }
    Ok(steps)
}

/// Runs `set` on the fields of an object that some specs lead to.
fn visit_fields(
    resource: &mut Resource,
    specs: &[FieldSpec],
    shape: Shape,
    set: &mut Set<'_>,
) -> Result<(), FieldProblem> {
    let id = resource.id();
    specs
        .iter()
        .filter(|spec| spec.kinds.selects(&id))
        .try_for_each(|spec| spec.visit(resource.value_mut(), shape, set))
}

/// Puts entries into a map; into a `null` that nobody asked to replace goes nothing.
fn insert_all(field: &mut Value, path: &str, entries: &[(String, String)]) -> Result<(), FieldProblem> {
    match field {
        Value::Null => Ok(()),
        Value::Mapping(map) => {
            for (key, value) in entries {
                map.insert(key.as_str(), value.as_str().into());
            }
            Ok(())
        }
        other => Err(FieldProblem::type_error(path, "a map", other)),
    }
}

/// Replaces a scalar.
fn replace_scalar(field: &mut Value, path: &str, scalar: Value) -> Result<(), FieldProblem> {
    match field {
        Value::Mapping(_) | Value::Sequence(_) => Err(FieldProblem::type_error(path, "a scalar", field)),
        _ => {
            *field = scalar;
            Ok(())
        }
    }
}
