//! `fluxops crds`: the `CustomResourceDefinitions`, as they are in crds/.
#![expect(clippy::disallowed_methods, reason = "definitions are public")]

mod fields;

use std::path::PathBuf;

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::{CommandError, Console, Exit};
use crate::api::custom_resource_definitions;

#[derive(Args)]
#[command(after_help = "Example: fluxops crds | kubectl apply --server-side -f -")]
pub(super) struct Arguments {
    /// A folder to write them to, one file each, in place of standard output
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print the reference of all fields as Markdown instead
    #[arg(long, conflicts_with = "dir")]
    fields: bool,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    if arguments.fields {
        console.output.write_all(fields_reference()?.as_bytes())?;
        return Ok(Exit::Success);
    }
    if let Some(folder) = &arguments.dir {
        for (name, document) in documents()? {
            let path = folder.join(name);
            std::fs::write(&path, document).map_err(|error| {
                CommandError::new(
                    Exit::Unusable,
                    format!("failed to write {}: {error}", path.display()),
                )
            })?;
            writeln!(console.output, "{}", path.display())?;
        }
        return Ok(Exit::Success);
    }
    for (index, (_, document)) in documents()?.iter().enumerate() {
        if index > 0 {
            writeln!(console.output, "---")?;
        }
        console.output.write_all(document.as_bytes())?;
    }
    Ok(Exit::Success)
}

/// The definitions, each with the name of its file.
fn documents() -> Result<Vec<(String, String)>, CommandError> {
    let definitions = custom_resource_definitions();
    let document = |mut definition: CustomResourceDefinition| {
        describe_kind(&mut definition);
        let json = serde_json::to_vec(&definition).map_err(CommandError::unusable)?;
        let limits = manifest_yaml::Limits::default();
        let parsed = manifest_yaml::from_json(&json, &limits).map_err(CommandError::unusable)?;
        let yaml = parsed
            .first()
            .map(|document| manifest_yaml::to_yaml_masked(&document.value))
            .unwrap_or_default();
        Ok((
            format!("{}.yaml", definition.metadata.name.unwrap_or_default()),
            yaml,
        ))
    };
    definitions.into_iter().map(document).collect()
}

fn fields_reference() -> Result<String, CommandError> {
    let mut definitions = custom_resource_definitions();
    definitions.iter_mut().for_each(describe_kind);
    fields::markdown(&definitions).map_err(CommandError::unusable)
}

/// Puts the sentence about a kind, which stands at its spec, where `kubectl explain KIND` shows it: kube's derive
/// writes there only that the type was generated.
fn describe_kind(definition: &mut CustomResourceDefinition) {
    for version in &mut definition.spec.versions {
        let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        else {
            continue;
        };
        let of_spec = schema
            .properties
            .as_ref()
            .and_then(|properties| properties.get("spec")?.description.clone());
        schema.description = of_spec.or(schema.description.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_crds_are_those_that_are_printed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
        for (name, document) in documents().unwrap() {
            let file = std::fs::read_to_string(folder.join(&name)).unwrap_or_default();
            assert_eq!(file, document, "crds/{name} is stale: run `make crds`");
        }
    }

    #[test]
    fn the_reference_of_fields_is_that_which_is_printed() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fields.md");
        let file = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            file,
            fields_reference().unwrap(),
            "docs/fields.md is stale: run `make crds`"
        );
    }

    #[test]
    fn the_schemas_are_structural() {
        for (name, document) in documents().unwrap() {
            // The API server refuses additionalProperties beside properties.
            assert!(!document.contains("additionalProperties: false"), "{name}");
        }
    }

    #[test]
    fn every_kind_and_field_is_described() {
        use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
            JSONSchemaProps, JSONSchemaPropsOrArray,
        };
        fn undescribed(path: &str, schema: &JSONSchemaProps, found: &mut Vec<String>) {
            if schema
                .description
                .as_ref()
                .is_none_or(|text| text.contains("Auto-generated"))
            {
                found.push(path.to_owned());
            }
            for (name, property) in schema.properties.iter().flatten() {
                undescribed(&format!("{path}.{name}"), property, found);
                if let Some(JSONSchemaPropsOrArray::Schema(item)) = &property.items {
                    for (inner, property) in item.properties.iter().flatten() {
                        undescribed(&format!("{path}.{name}[].{inner}"), property, found);
                    }
                }
            }
        }
        let mut found = Vec::new();
        for mut definition in custom_resource_definitions() {
            describe_kind(&mut definition);
            for version in &definition.spec.versions {
                let schema = version
                    .schema
                    .as_ref()
                    .and_then(|schema| schema.open_api_v3_schema.as_ref())
                    .unwrap();
                undescribed(&definition.spec.names.kind, schema, &mut found);
            }
        }
        assert!(found.is_empty(), "without a description: {found:?}");
    }
}
