//! Transformer configurations: the files under `configurations`.

use super::{Configuration, References};
use crate::BuildError;
use crate::folder::Folder;
use crate::kustomization::{Fields, Reference, read_field_specs};
use crate::resource::KindSelector;

/// Reads one (`TransformerConfig` of kustomize's transformerconfig.go).
pub(crate) fn read_configuration(
    reference: &Reference,
    folder: &Folder<'_>,
) -> Result<Configuration, BuildError> {
    let (file, document) = folder.settings(reference)?;
    let mut fields = Fields::of_document(&file, document)?;
    let mut specs = |field| read_field_specs(&mut fields, field);
    let mut configuration = Configuration {
        namespace: specs("namespace")?,
        selectors: specs("commonLabels")?,
        template_labels: specs("templateLabels")?,
        claim_template_labels: specs("volumeClaimTemplateLabels")?,
        labels: specs("labels")?,
        annotations: specs("commonAnnotations")?,
        name_prefix: specs("namePrefix")?,
        name_suffix: specs("nameSuffix")?,
        images: specs("images")?,
        replicas: specs("replicas")?,
        references: Vec::new(),
        var_references: specs("varReference")?,
    };
    for mut entry in fields.maps("nameReference")? {
        let references = read_references(&mut entry)?;
        configuration
            .add_references(&references)
            .map_err(|path| entry.value_error("fieldSpecs", conflict(&path)))?;
        entry.finish()?;
    }
    fields.finish()?;
    Ok(configuration)
}

fn read_references(entry: &mut Fields<'_>) -> Result<References, BuildError> {
    let mut part = |field| entry.string(field).map(Option::unwrap_or_default);
    Ok(References {
        target: KindSelector {
            group: part("group")?,
            version: part("version")?,
            kind: part("kind")?,
        },
        referrers: read_field_specs(entry, "fieldSpecs")?,
    })
}

fn conflict(path: &str) -> String {
    format!("differs from another on whether to create {path}")
}
