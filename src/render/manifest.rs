//! One object, as it should be.

use manifest_yaml::{Mapping, Value};

use super::{MAX_OBJECTS, RenderError};
use crate::cluster::Sensitivity;
use crate::name::ObjectRef;

/// One object as it should be.
#[derive(Debug)]
pub struct Manifest {
    pub(super) object: ObjectRef,
    pub(super) body: Value,
}

impl Manifest {
    /// Which object it is.
    pub fn object(&self) -> &ObjectRef {
        &self.object
    }

    /// What it should be.
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Whether anything in it is secret.
    pub fn sensitivity(&self) -> Sensitivity {
        if self.object.is_secret() || self.body.is_sensitive() {
            Sensitivity::Sensitive
        } else {
            Sensitivity::Clear
        }
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.body
            .get_path(&["metadata", "annotations", key])
            .and_then(Value::as_str)
    }

    /// The same under another name.
    pub(crate) fn renamed(&self, name: &str) -> Self {
        let mut body = self.body.share();
        let metadata = body.as_mapping_mut().and_then(|body| body.get_mut("metadata"));
        if let Some(metadata) = metadata.and_then(Value::as_mapping_mut) {
            metadata.insert("name", name.into());
        }
        Self {
            object: ObjectRef {
                name: name.to_owned(),
                ..self.object.clone()
            },
            body,
        }
    }

    /// An object of a kind, for tests of the steps that follow.
    #[cfg(test)]
    pub(crate) fn parse_for_tests(api_version: &str, kind: &str, name: &str) -> Self {
        let text = format!("apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name:?}}}\n");
        let limits = manifest_yaml::Limits::default();
        let documents =
            manifest_yaml::from_yaml(text.as_bytes(), manifest_yaml::Schema::Kubernetes, &limits).unwrap();
        let mut manifests = Vec::new();
        unroll(
            documents.into_iter().next().unwrap().value,
            "a test",
            &mut manifests,
        )
        .unwrap();
        manifests.remove(0)
    }

    /// Puts it into a namespace, or takes it out of one, once its kind is known to want that.
    pub(crate) fn set_namespace(&mut self, namespace: Option<&str>) {
        self.object.namespace = namespace.map(str::to_owned);
        let metadata = self
            .body
            .as_mapping_mut()
            .and_then(|body| body.get_mut("metadata"));
        if let Some(metadata) = metadata.and_then(Value::as_mapping_mut) {
            match namespace {
                Some(namespace) => drop(metadata.insert("namespace", namespace.into())),
                None => drop(metadata.remove("namespace")),
            }
        }
    }
}

/// What an object is called in errors before it is known to be one.
pub(super) fn place(object: &Value, folder: &str) -> String {
    let text = |path: &[&str]| object.get_path(path).and_then(Value::as_str).unwrap_or("?");
    let folder = if folder.is_empty() { "the root" } else { folder };
    format!("{}/{} of {folder}", text(&["kind"]), text(&["metadata", "name"]))
}

/// Takes a document for an object, and a `List` for its items, as kubectl does.
pub(super) fn unroll(value: Value, place: &str, manifests: &mut Vec<Manifest>) -> Result<(), RenderError> {
    let not_an_object = |reason| RenderError::NotAnObject {
        place: place.to_owned(),
        reason,
    };
    let Value::Mapping(mut mapping) = value else {
        return Err(not_an_object("a document is not a map"));
    };
    let kind = required(&mapping, &["kind"], place)?;
    let api_version = required(&mapping, &["apiVersion"], place)?;
    // kubectl unrolls what is called List and has items.
    if kind.ends_with("List")
        && matches!(mapping.get("items"), Some(Value::Sequence(_)))
        && let Some(Value::Sequence(items)) = mapping.remove("items")
    {
        return items
            .into_iter()
            .try_for_each(|item| unroll(item, place, manifests));
    }
    let name = required(&mapping, &["metadata", "name"], place)?;
    let namespace = match mapping
        .get("metadata")
        .and_then(|metadata| metadata.get_path(&["namespace"]))
    {
        None | Some(Value::Null) => None,
        Some(_) => Some(required(&mapping, &["metadata", "namespace"], place)?),
    };
    if manifests.len() >= MAX_OBJECTS {
        return Err(RenderError::TooMany);
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let (group, version) = (group.to_owned(), version.to_owned());
    manifests.push(Manifest {
        object: ObjectRef {
            group,
            version,
            kind,
            namespace,
            name,
        },
        body: mapping.into(),
    });
    Ok(())
}

/// A string that has to be there and that people will read.
fn required(mapping: &Mapping, path: &[&str], place: &str) -> Result<String, RenderError> {
    let mut value = path.first().and_then(|key| mapping.get(key));
    for key in path.iter().skip(1) {
        value = value.and_then(|value| value.as_mapping()?.get(key));
    }
    let reason = |missing: &'static str| RenderError::NotAnObject {
        place: place.to_owned(),
        reason: missing,
    };
    match value {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Sensitive(_)) => Err(RenderError::SensitiveName {
            place: place.to_owned(),
            path: path.join("."),
        }),
        _ => Err(reason(match path.last() {
            Some(&"kind") => "it has no kind, so it is no Kubernetes object",
            Some(&"apiVersion") => "it has no apiVersion, so it is no Kubernetes object",
            Some(&"namespace") => "metadata.namespace is not a string",
            _ => "it has no metadata.name",
        })),
    }
}
