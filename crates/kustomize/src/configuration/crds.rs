//! The files under `crds`: `OpenAPI` definitions of custom kinds, whose extensions say what their fields mean.

use manifest_yaml::{Mapping, Value};

use super::{Configuration, References};
use crate::BuildError;
use crate::field_spec::{FieldSpec, Missing};
use crate::folder::Folder;
use crate::kustomization::Reference;
use crate::resource::KindSelector;

/// How deep definitions may refer to each other; they can do so in circles.
const MAX_DEFINITION_DEPTH: usize = 64;

/// Reads the definitions of a file (`LoadConfigFromCRDs` of kustomize's loadconfigfromcrds.go).
pub(crate) fn read_crds(reference: &Reference, folder: &Folder<'_>) -> Result<Configuration, BuildError> {
    let (file, document) = folder.settings(reference)?;
    let refuse = |field: String, problem: String| BuildError::FieldValue {
        file: file.clone(),
        field,
        problem,
    };
    let Value::Mapping(definitions) = &document else {
        return Err(refuse(
            "the document".to_owned(),
            "is not a map of definitions".to_owned(),
        ));
    };
    let mut definitions: Vec<(&str, &Value)> = definitions.iter().collect();
    definitions.sort_unstable_by_key(|(name, _)| *name);
    if let Some((name, _)) = definitions
        .iter()
        .find(|(_, definition)| definition.as_mapping().is_none())
    {
        return Err(refuse(
            (*name).to_owned(),
            "is not an OpenAPI definition".to_owned(),
        ));
    }
    let schemas = Schemas(&definitions);
    let mut configuration = Configuration::empty();
    for (name, _) in &definitions {
        if !schemas.is_kind(name) {
            continue;
        }
        let mut reader = Reader {
            schemas: &schemas,
            kinds: KindSelector::new("", "", name.rsplit('.').next().unwrap_or_default()),
            configuration: &mut configuration,
        };
        reader
            .read(name, &mut Vec::new())
            .map_err(|problem| refuse((*name).to_owned(), problem))?;
    }
    Ok(configuration)
}

/// Definitions by name.
struct Schemas<'a>(&'a [(&'a str, &'a Value)]);

impl<'a> Schemas<'a> {
    fn properties(&self, name: &str) -> Option<&'a Mapping> {
        let (_, definition) = self.0.iter().find(|(known, _)| *known == name)?;
        let definition = definition.as_mapping()?;
        let schema = definition.get("Schema").or_else(|| definition.get("schema"))?;
        schema.get_path(&["properties"])?.as_mapping()
    }

    /// Whether a definition looks like that of a kind of object.
    fn is_kind(&self, name: &str) -> bool {
        self.properties(name).is_some_and(|properties| {
            ["kind", "apiVersion", "metadata"]
                .iter()
                .all(|field| properties.contains_key(field))
        })
    }
}

struct Reader<'a, 'c> {
    schemas: &'a Schemas<'a>,
    /// The kind whose fields are read.
    kinds: KindSelector,
    configuration: &'c mut Configuration,
}

impl Reader<'_, '_> {
    fn read(&mut self, definition: &str, path: &mut Vec<String>) -> Result<(), String> {
        if path.len() > MAX_DEFINITION_DEPTH {
            return Err(format!(
                "refers to definitions more than {MAX_DEFINITION_DEPTH} deep, or in a circle"
            ));
        }
        let Some(properties) = self.schemas.properties(definition) else {
            return Ok(());
        };
        for (name, property) in properties.iter() {
            path.push(name.to_owned());
            self.property(property, path)?;
            path.pop();
        }
        Ok(())
    }

    fn property(&mut self, property: &Value, path: &mut Vec<String>) -> Result<(), String> {
        let text = |key: &str| property.get_path(&[key]).and_then(Value::as_str);
        let spec = FieldSpec::new(self.kinds.clone(), &path.join("/"), Missing::Skip);
        let conflict = |path: String| format!("differs from another on whether to create {path}");
        for (extension, specs) in [
            ("x-kubernetes-annotation", &mut self.configuration.annotations),
            ("x-kubernetes-label-selector", &mut self.configuration.selectors),
            ("x-kubernetes-identity", &mut self.configuration.name_prefix),
        ] {
            if text(extension).is_some() {
                Configuration::add(specs, &spec).map_err(conflict)?;
            }
        }
        if let (Some(version), Some(kind)) = (
            text("x-kubernetes-object-ref-api-version"),
            text("x-kubernetes-object-ref-kind"),
        ) {
            let key = text("x-kubernetes-object-ref-name-key").unwrap_or("name");
            let field = FieldSpec::new(
                self.kinds.clone(),
                &format!("{}/{key}", path.join("/")),
                Missing::Skip,
            );
            let references = References {
                target: KindSelector::new("", version, kind),
                referrers: vec![field],
            };
            self.configuration.add_references(&references).map_err(conflict)?;
        }
        match text("$ref") {
            Some(definition) => self.read(definition, path),
            None => Ok(()),
        }
    }
}
