//! `fluxops crds`: the CustomResourceDefinitions, as they are in crds/.

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
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    if let Some(folder) = &arguments.dir {
        for (name, document) in documents()? {
            let path = folder.join(name);
            std::fs::write(&path, document).map_err(|error| {
                CommandError::new(Exit::Unusable, format!("failed to write {}: {error}", path.display()))
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
    let document = |definition: CustomResourceDefinition| {
        let json = serde_json::to_vec(&definition).map_err(CommandError::unusable)?;
        let limits = manifest_yaml::Limits::default();
        let parsed = manifest_yaml::from_json(&json, &limits).map_err(CommandError::unusable)?;
        let yaml = parsed.first().map(|document| manifest_yaml::to_yaml_masked(&document.value)).unwrap_or_default();
        Ok((format!("{}.yaml", definition.metadata.name.unwrap_or_default()), yaml))
    };
    definitions.into_iter().map(document).collect()
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
    fn the_schemas_are_structural() {
        for (name, document) in documents().unwrap() {
            // The API server refuses additionalProperties beside properties.
            assert!(!document.contains("additionalProperties: false"), "{name}");
        }
    }
}
