//! The `OpenAPI` schema that a kustomization brings along.

use std::collections::HashMap;

use manifest_yaml::{Mapping, Value};

use super::{Schema, builtin_definition};

const KINDS: &str = "x-kubernetes-group-version-kind";
const STRATEGY: &str = "x-kubernetes-patch-strategy";
const MERGE_KEY: &str = "x-kubernetes-patch-merge-key";
const LIST_KEYS: &str = "x-kubernetes-list-map-keys";
const REFERENCE: &str = "#/definitions/";

/// How many references in a row are followed; more are a circle.
const MAX_REFERENCES: usize = 32;

/// The definitions of an `OpenAPI` v2 document.
pub(crate) struct Given {
    definitions: Mapping,
    /// `apiVersion` and kind to the name of the definition.
    kinds: HashMap<(String, String), String>,
    pub(super) builtin: Builtin,
}

/// Whether Kubernetes' own kinds and definitions are known beside those that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    /// As where a base names a file after they were needed.
    Known,
    /// As where the kustomization that is built names one.
    Unknown,
}

impl Given {
    /// Takes the definitions out of a document; one without any knows nothing. The error is a field and what is wrong
    /// with it.
    pub(crate) fn read(document: Value, builtin: Builtin) -> Result<Self, (String, &'static str)> {
        let Value::Mapping(mut document) = document else {
            return Err(("the document".to_owned(), "is not a map"));
        };
        let definitions = match document.remove("definitions") {
            None | Some(Value::Null) => Mapping::new(),
            Some(Value::Mapping(definitions)) => definitions,
            Some(_) => return Err(("definitions".to_owned(), "is not a map")),
        };
        let mut kinds = HashMap::new();
        for (name, definition) in definitions.iter() {
            let listed = definition.get_path(&[KINDS]).and_then(Value::as_sequence);
            for kind in listed.unwrap_or_default() {
                let part = |key| kind.get_path(&[key]).and_then(Value::as_str);
                let (Some(version), Some(kind)) = (part("version"), part("kind")) else {
                    return Err((
                        format!("definitions.{name}.{KINDS}"),
                        "does not name version and kind",
                    ));
                };
                let api_version = match part("group") {
                    None | Some("") => version.to_owned(),
                    Some(group) => format!("{group}/{version}"),
                };
                kinds.insert((api_version, kind.to_owned()), name.to_owned());
            }
        }
        Ok(Self {
            definitions,
            kinds,
            builtin,
        })
    }

    pub(super) fn of_kind(&self, api_version: &str, kind: &str) -> Option<&Value> {
        let name = self.kinds.get(&(api_version.to_owned(), kind.to_owned()))?;
        self.definitions.get(name)
    }

    /// The schema of a field (`Field` of kyaml's openapi.go).
    pub(super) fn field<'s>(&'s self, schema: &'s Value, name: &str) -> Schema<'s> {
        let property = schema.get_path(&["properties", name]);
        let further = || {
            schema
                .get_path(&["additionalProperties"])
                .filter(|further| further.as_mapping().is_some())
        };
        property
            .or_else(further)
            .map_or(Schema::Unknown, |field| self.follow(field))
    }

    /// The schema of the elements of a list (`Elements`).
    pub(super) fn elements<'s>(&'s self, schema: &'s Value) -> Schema<'s> {
        let is_list = schema.get_path(&["type"]).and_then(Value::as_str) == Some("array");
        match schema.get_path(&["items"]) {
            Some(items) if is_list => self.follow(items),
            _ => Schema::Unknown,
        }
    }

    fn follow<'s>(&'s self, mut schema: &'s Value) -> Schema<'s> {
        for _ in 0..MAX_REFERENCES {
            let Some(reference) = schema.get_path(&["$ref"]).and_then(Value::as_str) else {
                return Schema::Given(self, schema);
            };
            let name = reference.strip_prefix(REFERENCE).unwrap_or(reference);
            match (self.definitions.get(name), self.builtin) {
                (Some(definition), _) => schema = definition,
                (None, Builtin::Known) => {
                    return builtin_definition(name).map_or(Schema::Unknown, Schema::Builtin);
                }
                (None, Builtin::Unknown) => return Schema::Unknown,
            }
        }
        Schema::Unknown
    }
}

/// The keys that tell the elements of a list apart, if it is merged (`PatchStrategyAndKeyList`).
pub(super) fn merge_keys(schema: &Value) -> Option<Vec<&str>> {
    let text = |key| schema.get_path(&[key]).and_then(Value::as_str);
    if !text(STRATEGY)?.split(',').any(|strategy| strategy == "merge") {
        return None;
    }
    match schema.get_path(&[LIST_KEYS]).and_then(Value::as_sequence) {
        Some(keys) => keys.iter().map(Value::as_str).collect(),
        None => Some(text(MERGE_KEY).into_iter().collect()),
    }
}
