//! `labels` and `commonLabels`

use std::borrow::Cow;

use super::{Entries, Place, insert_all, visit_fields};
use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::{self, FieldSpec, Missing, Shape};
use crate::kustomization::{Include, LabelScope, Labels};
use crate::resource::KindSelector;
use crate::resources::Resources;

/// Adds labels to objects, selectors and templates (kustomize's `LabelTransformer`).
pub(super) fn add_labels(
    Entries { entries, specs }: &Entries<'_>,
    place: &Place,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    if entries.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        visit_fields(resource, specs, Shape::Map, &mut |map, path| {
            insert_all(map, path, entries)
        })
        .map_err(|problem| place.failed(resource, problem))?;
    }
    Ok(())
}

/// Where an entry of `labels` puts its labels: the fields that it lists, those of the configurations, and what it
/// includes (`LabelTransformer` in kustomize's `kusttarget_configplugin.go`).
pub(super) fn entries<'a>(
    entry: &'a Labels,
    place: &Place,
    configuration: &Configuration,
) -> Result<Entries<'a>, BuildError> {
    let specs = specs(entry, configuration).map_err(|path| BuildError::FieldValue {
        file: place.file.clone(),
        field: format!("{}.fields", place.field),
        problem: format!("differs from what is built in on whether to create {path}"),
    })?;
    Ok(Entries {
        entries: Cow::Borrowed(&entry.pairs),
        specs: Cow::Owned(specs),
    })
}

fn specs(entry: &Labels, configuration: &Configuration) -> Result<Vec<FieldSpec>, String> {
    let mut specs = entry.fields.clone();
    field_spec::merge(&mut specs, &configuration.labels)?;
    match entry.scope {
        LabelScope::Selectors => field_spec::merge(&mut specs, &configuration.selectors)?,
        LabelScope::Metadata {
            pod_templates,
            claim_templates,
        } => {
            if pod_templates == Include::Yes {
                field_spec::merge(&mut specs, &configuration.template_labels)?;
            }
            if claim_templates == Include::Yes {
                field_spec::merge(&mut specs, &configuration.claim_template_labels)?;
            }
            let own = FieldSpec::new(KindSelector::default(), "metadata/labels", Missing::Create);
            field_spec::merge(&mut specs, [&own])?;
        }
    }
    Ok(specs)
}
