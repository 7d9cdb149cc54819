//! `configMapGenerator` and `secretGenerator`

mod hash;
mod source;

pub(crate) use hash::append_content_hash;

use manifest_yaml::{Mapping, Sensitive, Value};

use crate::BuildError;
use crate::encoding::base64_lines;
use crate::folder::Folder;
use crate::kustomization::{ConfigMapGenerator, SecretGenerator};
use crate::resource::Resource;
use source::Content;

/// The type of a Secret that names none.
const OPAQUE: &str = "Opaque";

/// Makes a `ConfigMap`. Content that is UTF-8 goes to `data`, other content to `binaryData` (`MakeConfigMap` of
/// kustomize's generators/configmap.go); what came out of a sealed file stays sensitive.
pub(crate) fn config_map(
    generator: &ConfigMapGenerator,
    folder: &Folder<'_>,
) -> Result<Resource, BuildError> {
    let mut object = object("ConfigMap", generator);
    for (key, content) in source::entries(generator, folder)? {
        let (field, value) = match content {
            Content::Plain(bytes) => match String::from_utf8(bytes) {
                Ok(text) => ("data", Value::String(text)),
                Err(error) => (
                    "binaryData",
                    Value::String(base64_lines(error.as_bytes()).to_string()),
                ),
            },
            Content::Sensitive(bytes) => match std::str::from_utf8(&bytes) {
                Ok(text) => ("data", sensitive(text.to_owned())),
                Err(_) => (
                    "binaryData",
                    Value::Sensitive(Sensitive::string(base64_lines(&bytes))),
                ),
            },
        };
        insert(&mut object, field, &key, value);
    }
    finish(object, generator, folder)
}

/// Makes a Secret (`MakeSecret` of kustomize's generators/secret.go). Its data is sensitive wherever it comes from.
pub(crate) fn secret(generator: &SecretGenerator, folder: &Folder<'_>) -> Result<Resource, BuildError> {
    let mut object = object("Secret", &generator.source);
    let secret_type = match generator.secret_type.as_str() {
        "" => OPAQUE,
        given => given,
    };
    object.insert("type", secret_type.into());
    object.insert("data", Mapping::new().into());
    for (key, content) in source::entries(&generator.source, folder)? {
        let encoded = base64_lines(content.bytes());
        insert(
            &mut object,
            "data",
            &key,
            Value::Sensitive(Sensitive::string(encoded)),
        );
    }
    finish(object, &generator.source, folder)
}

fn sensitive(text: String) -> Value {
    Value::Sensitive(Sensitive::string(text))
}

fn object(kind: &str, generator: &ConfigMapGenerator) -> Mapping {
    let mut metadata = Mapping::new();
    metadata.insert("name", generator.name.as_str().into());
    if !generator.namespace.is_empty() {
        metadata.insert("namespace", generator.namespace.as_str().into());
    }
    for (field, entries) in [
        ("labels", &generator.labels),
        ("annotations", &generator.annotations),
    ] {
        if !entries.is_empty() {
            let entries: Mapping = entries
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect();
            metadata.insert(field, entries.into());
        }
    }
    let mut object = Mapping::new();
    object.insert("apiVersion", "v1".into());
    object.insert("kind", kind.into());
    object.insert("metadata", metadata.into());
    object
}

fn insert(object: &mut Mapping, field: &str, key: &str, value: Value) {
    if let Value::Mapping(entries) = object.get_or_insert_with(field, || Mapping::new().into()) {
        entries.insert(key, value);
    }
}

fn finish(
    mut object: Mapping,
    generator: &ConfigMapGenerator,
    folder: &Folder<'_>,
) -> Result<Resource, BuildError> {
    if generator.immutable {
        object.insert("immutable", true.into());
    }
    let mut resource = Resource::new(object.into(), &folder.file)?;
    resource.behavior = generator.behavior;
    resource.content_hash = generator.content_hash;
    Ok(resource)
}
