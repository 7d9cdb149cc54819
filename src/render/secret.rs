//! Secrets, in the form that the API server keeps them in or as they are written; either way nobody may see what is in
//! them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use manifest_yaml::{Exposed, Mapping, Sensitive, Value};
use zeroize::Zeroizing;

use super::{Manifest, RenderError};

/// Folds `stringData` into `data`, as the API server does, and marks all of it as sensitive.
///
/// Left as it is, a key that is removed from Git would stay in the cluster: nobody owns it in `data`.
pub(super) fn seal_secret(manifest: &mut Manifest) -> Result<(), RenderError> {
    if !manifest.object.is_secret() {
        return Ok(());
    }
    let place = manifest.object.to_string();
    let Some(body) = manifest.body.as_mapping_mut() else {
        return Ok(());
    };
    let wrong = |reason| RenderError::NotAnObject {
        place: place.clone(),
        reason,
    };
    let mut data = Mapping::new();
    match body.remove("data") {
        None | Some(Value::Null) => {}
        Some(Value::Mapping(entries)) => {
            for (key, value) in entries {
                let text = secret_text(value).ok_or_else(|| wrong("a value below data is not a string"))?;
                let compact: Zeroizing<String> =
                    Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect());
                let bytes = BASE64.decode(compact.as_bytes()).map(Zeroizing::new);
                let bytes = bytes.map_err(|_| RenderError::NotBase64 {
                    object: place.clone(),
                    key: key.clone(),
                })?;
                data.insert(key, sealed(&bytes));
            }
        }
        Some(_) => return Err(wrong("data is not a map")),
    }
    match body.remove("stringData") {
        None | Some(Value::Null) => {}
        Some(Value::Mapping(entries)) => {
            for (key, value) in entries {
                let text =
                    secret_text(value).ok_or_else(|| wrong("a value below stringData is not a string"))?;
                data.insert(key, sealed(text.as_bytes()));
            }
        }
        Some(_) => return Err(wrong("stringData is not a map")),
    }
    if !data.is_empty() {
        body.insert("data", data.into());
    }
    Ok(())
}

/// Marks what a Secret holds, and leaves it as it is.
pub(super) fn hide_secret(manifest: &mut Manifest) {
    if !manifest.object.is_secret() {
        return;
    }
    let Some(body) = manifest.body.as_mapping_mut() else {
        return;
    };
    for field in ["data", "stringData"] {
        if let Some(content) = body.get_mut(field) {
            hide(content);
        }
    }
}

fn hide(value: &mut Value) {
    match value {
        Value::Sequence(items) => items.iter_mut().for_each(hide),
        Value::Mapping(map) => map.iter_mut().for_each(|(_, value)| hide(value)),
        Value::String(text) => *value = Value::Sensitive(Sensitive::string(std::mem::take(text))),
        Value::Bool(content) => *value = Value::Sensitive(Sensitive::bool(*content)),
        Value::Number(content) => *value = Value::Sensitive(Sensitive::number(*content)),
        Value::Null | Value::Sensitive(_) => {}
    }
}

fn secret_text(value: Value) -> Option<Zeroizing<String>> {
    match value {
        Value::String(text) => Some(Zeroizing::new(text)),
        Value::Null => Some(Zeroizing::default()),
        Value::Sensitive(scalar) => match scalar.expose() {
            Exposed::String(text) => Some(Zeroizing::new(text.to_owned())),
            Exposed::Bool(_) | Exposed::Number(_) => None,
        },
        _ => None,
    }
}

fn sealed(bytes: &[u8]) -> Value {
    Value::Sensitive(Sensitive::string(BASE64.encode(bytes)))
}
