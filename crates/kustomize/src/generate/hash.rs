//! The hash at the end of a generated object's name.

use manifest_yaml::{Exposed, Value};
use sha2::{Digest, Sha256};

use crate::go_json::{sorted_keys, write_string};
use crate::resource::{ContentHash, Resource};
use crate::resources::Resources;

/// Bytes of the SHA-256 that make the ten digits of the hash.
const HASH_BYTES: usize = 5;

/// Appends a hash of their content to the names of the objects that were generated to have one.
pub(crate) fn append_content_hash(resources: &mut Resources) {
    for resource in resources
        .iter_mut()
        .filter(|resource| resource.content_hash == ContentHash::Append)
    {
        let hash = content_hash(resource);
        resource.remember_id();
        resource.set_name(format!("{}-{hash}", resource.name()));
    }
}

/// Ten digits of the SHA-256 over the kind, the type of a Secret, and the data, as JSON with sorted keys
/// (kustomize's hasher.go). The name counts as empty, since kustomize looks for it in the wrong place.
fn content_hash(resource: &Resource) -> String {
    let object = resource.value();
    let mut json = Json(Sha256::new());
    if resource.kind() == "Secret" {
        json.raw(r#"{"data":"#);
        json.entries(object.get("data"));
        json.raw(r#","kind":"Secret","name":"","type":"#);
        json.string(object.get("type").and_then(Value::as_str).unwrap_or_default());
    } else {
        json.raw("{");
        if let Some(entries) = object.get("binaryData") {
            json.raw(r#""binaryData":"#);
            json.entries(Some(entries));
            json.raw(",");
        }
        json.raw(r#""data":"#);
        json.entries(object.get("data"));
        json.raw(r#","kind":"ConfigMap","name":"""#);
    }
    json.raw("}");
    json.finish()
}

/// JSON as Go writes it, straight into the digest: there is no copy of a secret to wipe.
struct Json(Sha256);

impl Json {
    fn raw(&mut self, text: &str) {
        self.0.update(text);
    }

    /// A map of strings; an empty string where there is none.
    fn entries(&mut self, entries: Option<&Value>) {
        let Some(entries) = entries.and_then(Value::as_mapping) else {
            return self.string("");
        };
        self.raw("{");
        for (index, key) in sorted_keys(entries).into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            self.string(key);
            self.raw(":");
            match entries.get(key) {
                Some(Value::String(text)) => self.string(text),
                Some(Value::Sensitive(scalar)) => match scalar.expose() {
                    Exposed::String(text) => self.string(text),
                    Exposed::Bool(_) | Exposed::Number(_) => self.raw("null"),
                },
                // Generators make strings only.
                _ => self.raw("null"),
            }
        }
        self.raw("}");
    }

    fn string(&mut self, text: &str) {
        write_string(text, &mut |piece| self.raw(piece));
    }

    /// The first digits, without those that could make words or be mistaken for others.
    fn finish(self) -> String {
        let digest = self.0.finalize();
        let digits = digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}"));
        let replaced = |digit| match digit {
            '0' => 'g',
            '1' => 'h',
            '3' => 'k',
            'a' => 'm',
            'e' => 't',
            other => other,
        };
        digits.collect::<String>().chars().map(replaced).collect()
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Mapping;

    use super::*;

    /// The separators of Unicode are escaped, as are the characters of HTML. The digits are kustomize's.
    #[test]
    fn escapes_as_go_does() {
        let data: Mapping = [("a".to_owned(), Value::from("\u{2028}\u{2029}<&>"))]
            .into_iter()
            .collect();
        let mut metadata = Mapping::new();
        metadata.insert("name", "c".into());
        let mut object = Mapping::new();
        object.insert("kind", "ConfigMap".into());
        object.insert("metadata", metadata.into());
        object.insert("data", data.into());
        let resource = Resource::new(object.into(), "kustomization.yaml").unwrap();
        assert_eq!(content_hash(&resource), "727tm97kd4");
    }
}
