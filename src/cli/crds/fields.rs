//! The reference of all fields, as Markdown: docs/fields.md.

use std::fmt::{self, Write as _};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

const INTRODUCTION: &str = "\
# Fields

Every field of `fluxops.dev/v1alpha1`, written by `make crds` from the same source as the definitions in `crds/`.
[The user guide](guide.md) says how they play together. A field that is not listed here is refused.
";

/// The whole document. Kinds whose schema says nothing are left out.
pub(super) fn markdown(definitions: &[CustomResourceDefinition]) -> Result<String, fmt::Error> {
    let mut document = INTRODUCTION.to_owned();
    for definition in definitions {
        let versions = definition.spec.versions.iter();
        for schema in versions.filter_map(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref()) {
            kind(&mut document, &definition.spec.names.kind, schema)?;
        }
    }
    Ok(document)
}

fn kind(document: &mut String, name: &str, schema: &JSONSchemaProps) -> fmt::Result {
    let description = schema.description.as_deref().unwrap_or_default();
    writeln!(document, "\n## {name}\n\n{description}")?;
    for part in ["spec", "status"] {
        let Some(properties) = schema.properties.as_ref().and_then(|all| all.get(part)) else {
            continue;
        };
        let mut rows = Vec::new();
        fields("", properties, &mut rows);
        writeln!(document, "\n### {name} {part}\n")?;
        writeln!(document, "| Field | Type | | Meaning |\n|---|---|---|---|")?;
        for row in rows {
            writeln!(document, "{row}")?;
        }
    }
    Ok(())
}

/// The rows of an object's fields, each followed by those of what is in it.
fn fields(prefix: &str, schema: &JSONSchemaProps, rows: &mut Vec<String>) {
    for (name, property) in schema.properties.iter().flatten() {
        let required = schema
            .required
            .as_ref()
            .is_some_and(|required| required.contains(name));
        let path = format!("{prefix}{name}");
        let note = if required {
            "required".to_owned()
        } else {
            property
                .default
                .as_ref()
                .map_or_else(String::new, |default| format!("default `{}`", default.0))
        };
        rows.push(format!(
            "| `{path}` | {} | {note} | {} |",
            type_of(property),
            in_a_cell(property.description.as_deref().unwrap_or_default())
        ));
        fields(&format!("{path}."), property, rows);
        if let Some(item) = item(property) {
            fields(&format!("{path}[]."), item, rows);
        }
    }
}

fn item(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(item)) => Some(item),
        _ => None,
    }
}

fn type_of(schema: &JSONSchemaProps) -> String {
    if let Some(words) = &schema.enum_ {
        // A field that may be absent has null among its words.
        let words = words.iter().filter_map(|word| word.0.as_str());
        return words
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let Some(item) = item(schema) {
        return format!("list of {}", type_of(item));
    }
    let plain = schema.type_.as_deref().unwrap_or("any");
    match &schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(value)) => format!("map to {}", type_of(value)),
        _ => plain.to_owned(),
    }
}

/// One line, without what would end a cell.
fn in_a_cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}
