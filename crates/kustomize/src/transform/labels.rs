//! `labels` and `commonLabels`

use super::{failed, insert_all, visit_fields};
use crate::BuildError;
use crate::configuration::Configuration;
use crate::field_spec::{self, FieldSpec, Missing, Shape};
use crate::kustomization::{Include, Kustomization, LabelScope, Labels};
use crate::resource::KindSelector;
use crate::resources::Resources;

/// Adds the labels of every entry of `labels`, then `commonLabels` (`LabelTransformer` in kustomize's
/// `kusttarget_configplugin.go`).
pub(super) fn add_labels(
    kustomization: &Kustomization,
    configuration: &Configuration,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    for (index, entry) in kustomization.labels.iter().enumerate() {
        let field = format!("labels[{index}]");
        let specs = specs(entry, configuration).map_err(|path| BuildError::FieldValue {
            file: kustomization.file.clone(),
            field: format!("{field}.fields"),
            problem: format!("differs from what is built in on whether to create {path}"),
        })?;
        add(kustomization, &field, &entry.pairs, &specs, resources)?;
    }
    add(
        kustomization,
        "commonLabels",
        &kustomization.common_labels,
        &configuration.selectors,
        resources,
    )
}

fn add(
    kustomization: &Kustomization,
    field: &str,
    labels: &[(String, String)],
    specs: &[FieldSpec],
    resources: &mut Resources,
) -> Result<(), BuildError> {
    if labels.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        visit_fields(resource, specs, Shape::Map, &mut |map, path| {
            insert_all(map, path, labels)
        })
        .map_err(|problem| failed(kustomization, field, resource, problem))?;
    }
    Ok(())
}

/// The fields an entry's labels go to: those that it lists, and what it includes.
fn specs(entry: &Labels, configuration: &Configuration) -> Result<Vec<FieldSpec>, String> {
    let mut specs = entry.fields.clone();
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
