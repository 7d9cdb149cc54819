//! What is added to the kustomization of the folder that is built, without a change of its files.
//!
//! The rules are those by which Flux rewrites the kustomization of a folder before it builds it (fluxcd/pkg,
//! `kustomize/kustomize_generator.go`): a namespace, a prefix and a suffix take the place of those that are there;
//! components, patches and images come after them.

use manifest_yaml::{Mapping, Value};

use crate::folder::Folder;
use crate::kustomization::{Image, Kustomization, Reference};
use crate::{BuildError, path};

/// What is added. Errors name its fields as `spec.patches[0]`, after the object that they stand in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The namespace, in place of that of the kustomization.
    pub namespace: Option<String>,
    /// The prefix of names, in place of that of the kustomization.
    pub name_prefix: Option<String>,
    /// The suffix of names, in place of that of the kustomization.
    pub name_suffix: Option<String>,
    /// Folders of components, from the folder that is built.
    pub components: Vec<String>,
    /// What becomes of a component that is not there.
    pub missing_components: MissingComponents,
    /// Patches, after those of the kustomization.
    pub patches: Vec<OverlayPatch>,
    /// Images; those of the kustomization that have the same name give way.
    pub images: Vec<OverlayImage>,
}

/// What becomes of a component that is not there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MissingComponents {
    /// The build fails.
    #[default]
    Refused,
    /// It is passed over.
    PassedOver,
}

/// A patch, and what it is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlayPatch {
    /// A strategic merge patch, or the operations of a JSON patch.
    pub patch: String,
    /// The objects that it is for; those that it names when absent.
    pub target: Option<Target>,
}

/// Which objects a patch is for. All but the selectors are regular expressions for the whole text; what is empty does
/// not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The group of the API.
    pub group: String,
    /// The version of the API.
    pub version: String,
    /// The kind.
    pub kind: String,
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// A selector of labels, as kubectl's.
    pub label_selector: String,
    /// A selector of annotations, written like one of labels.
    pub annotation_selector: String,
}

/// What becomes of an image. What is empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OverlayImage {
    /// The name of the image, without tag or digest.
    pub name: String,
    /// Another name for it.
    pub new_name: String,
    /// The tag; one that the kustomization gives, and its digest, give way.
    pub new_tag: String,
    /// The digest; one that the kustomization gives, and its tag, give way.
    pub digest: String,
}

impl Overlay {
    /// Adds it to the kustomization of a folder.
    pub(crate) fn add_to(
        &self,
        kustomization: &mut Kustomization,
        folder: &Folder<'_>,
    ) -> Result<(), BuildError> {
        let replace = |place: &mut String, with: &Option<String>| {
            if let Some(with) = with {
                place.clone_from(with);
            }
        };
        replace(&mut kustomization.namespace, &self.namespace);
        replace(&mut kustomization.name_prefix, &self.name_prefix);
        replace(&mut kustomization.name_suffix, &self.name_suffix);
        for (index, component) in self.components.iter().enumerate() {
            let reference = Reference {
                field: format!("spec.components[{index}]"),
                path: component.clone(),
            };
            if self.missing_components == MissingComponents::Refused || folder.has(&reference) {
                kustomization.components.push(reference);
            }
        }
        for (index, image) in self.images.iter().enumerate() {
            add_image(&mut kustomization.images, image, format!("spec.images[{index}]"));
        }
        if !self.patches.is_empty() {
            let patches: Vec<Value> = self.patches.iter().map(OverlayPatch::to_value).collect();
            let document = Mapping::from_iter([("patches".to_owned(), Value::from(patches))]);
            let read = Kustomization::read(&folder.file, document.into())?;
            kustomization
                .patches
                .extend(read.patches.into_iter().map(|mut patch| {
                    patch.field = format!("spec.{}", patch.field);
                    patch
                }));
        }
        Ok(())
    }
}

impl Target {
    /// As it stands in a kustomization.
    pub(crate) fn to_value(&self) -> Value {
        let fields = [
            ("group", &self.group),
            ("version", &self.version),
            ("kind", &self.kind),
            ("name", &self.name),
            ("namespace", &self.namespace),
            ("labelSelector", &self.label_selector),
            ("annotationSelector", &self.annotation_selector),
        ];
        let fields = fields.map(|(field, text)| (field.to_owned(), Value::from(text.as_str())));
        Mapping::from_iter(fields).into()
    }
}

impl OverlayPatch {
    fn to_value(&self) -> Value {
        let mut entry = Mapping::new();
        entry.insert("patch", self.patch.as_str().into());
        if let Some(target) = &self.target {
            entry.insert("target", target.to_value());
        }
        entry.into()
    }
}

/// Puts an image over the entry for the same name, or after all.
fn add_image(images: &mut Vec<Image>, image: &OverlayImage, field: String) {
    let index = images.iter().position(|other| other.name == image.name);
    let mut merged = match index {
        Some(index) => images.remove(index),
        None => Image {
            name: image.name.clone(),
            ..Image::default()
        },
    };
    merged.field = field;
    if !image.new_name.is_empty() {
        merged.new_name.clone_from(&image.new_name);
    }
    // A digest that stays would win over a new tag, and the other way round.
    if !image.new_tag.is_empty() || !image.digest.is_empty() {
        merged.tag_suffix.clear();
        merged.new_tag.clone_from(&image.new_tag);
        merged.digest.clone_from(&image.digest);
    }
    images.insert(index.unwrap_or(images.len()), merged);
}

/// The kustomization of a folder that has none: it lists what is there.
pub(crate) fn listing(folder: &Folder<'_>, resources: &[String]) -> Result<Kustomization, BuildError> {
    let paths: Vec<Value> = resources
        .iter()
        .map(|resource| format!("./{resource}").as_str().into())
        .collect();
    let document = Mapping::from_iter([("resources".to_owned(), Value::from(paths))]);
    Kustomization::read(&folder.file, document.into())
}

impl Folder<'_> {
    /// Whether there is something where a reference leads. Where it may not lead counts as there: it is refused later,
    /// by name.
    fn has(&self, reference: &Reference) -> bool {
        path::is_remote(&reference.path)
            || self
                .resolve(reference)
                .map_or(true, |path| self.entry(&path).is_some())
    }
}
