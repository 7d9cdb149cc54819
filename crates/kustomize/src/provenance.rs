//! Where objects come from and what changed them: `buildMetadata`.

use std::rc::Rc;

use manifest_yaml::{Mapping, Value, to_yaml_exposed};

use crate::kustomization::BuildMetadata;
use crate::resource::Resource;
use crate::resources::Resources;

const ORIGIN_ANNOTATION: &str = "config.kubernetes.io/origin";
const TRANSFORMATIONS_ANNOTATION: &str = "alpha.config.kubernetes.io/transformations";

/// The label of objects that kustomize manages, with its value: the release whose output the engine gives.
const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
const MANAGED_BY: &str = "kustomize-v5.8.2";

/// Where something comes from (kustomize's `Origin`, resource/origin.go). Paths are relative to the folder that is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A file under `resources`.
    File(String),
    /// A generator or transformer, configured in a file.
    Plugin { file: String, plugin: Plugin },
}

/// The object that configures a generator or transformer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Plugin {
    pub(crate) kind: String,
    /// Empty for the fields of a kustomization.
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// What is known of how an object came about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Provenance {
    pub(crate) origin: Option<Rc<Origin>>,
    pub(crate) transformations: Vec<Rc<Origin>>,
}

impl Origin {
    fn to_value(&self) -> Value {
        let mut map = Mapping::new();
        match self {
            Self::File(path) => {
                map.insert("path", path.as_str().into());
            }
            Self::Plugin { file, plugin } => {
                let mut by = Mapping::new();
                by.insert("apiVersion", "builtin".into());
                for (key, text) in [
                    ("kind", &plugin.kind),
                    ("name", &plugin.name),
                    ("namespace", &plugin.namespace),
                ] {
                    if !text.is_empty() {
                        by.insert(key, text.as_str().into());
                    }
                }
                map.insert("configuredIn", file.as_str().into());
                map.insert("configuredBy", by.into());
            }
        }
        map.into()
    }
}

/// Records that a transformer saw all objects. Those of unknown origin are taken for its own
/// (`AddTransformerAnnotation` of kustomize's reswrangler.go).
pub(crate) fn record_transformation(origin: &Rc<Origin>, resources: &mut Resources) {
    for resource in resources.iter_mut() {
        let provenance = &mut resource.provenance;
        match provenance.origin {
            None => provenance.origin = Some(Rc::clone(origin)),
            Some(_) => provenance.transformations.push(Rc::clone(origin)),
        }
    }
}

/// Writes into an object what the kustomization that is built wants to be said of it.
pub(crate) fn annotate(resource: &mut Resource, wanted: &[BuildMetadata]) {
    let provenance = std::mem::take(&mut resource.provenance);
    for option in wanted {
        match option {
            BuildMetadata::Origins => {
                if let Some(origin) = &provenance.origin {
                    let text = to_yaml_exposed(&origin.to_value()).to_string();
                    resource.set_metadata_entry("annotations", ORIGIN_ANNOTATION, text);
                }
            }
            BuildMetadata::Transformations => {
                if !provenance.transformations.is_empty() {
                    let list: Vec<Value> = provenance
                        .transformations
                        .iter()
                        .map(|origin| origin.to_value())
                        .collect();
                    let text = to_yaml_exposed(&list.into()).to_string();
                    resource.set_metadata_entry("annotations", TRANSFORMATIONS_ANNOTATION, text);
                }
            }
            BuildMetadata::ManagedByLabel => {
                resource.set_metadata_entry("labels", MANAGED_BY_LABEL, MANAGED_BY.to_owned());
            }
        }
    }
}
