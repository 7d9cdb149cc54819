//! Leaving fields of an object to those who have them.
//!
//! A field that a server-side apply leaves out goes away if it was ours alone, and stays if somebody else has it, too
//! (structured-merge-diff). So what is left out of a request is exactly what others own at the moment, as their sets of
//! fields say; what nobody else owns is sent as ever.

use manifest_yaml::{Number, Value};
use serde_json::Value as Json;

use super::ignore::Fields;
use crate::name::{DELIVERY_LABEL, NAMESPACE_LABEL};

/// What one other manager owns of an object, and how much of that is left to it.
pub(super) struct Concession<'a> {
    /// Its set of fields (`fieldsV1`).
    pub(super) theirs: &'a Json,
    /// Ours.
    pub(super) ours: Option<&'a Json>,
    /// The fields that are left to it.
    pub(super) fields: &'a Fields,
}

impl Concession<'_> {
    /// Takes what is left to the manager out of what is sent, and says whether there was anything.
    pub(super) fn take_out_of(&self, body: &mut Value) -> bool {
        self.walk(body, self.theirs, self.ours, &mut Vec::new(), &[])
    }

    fn walk(
        &self,
        body: &mut Value,
        theirs: &Json,
        ours: Option<&Json>,
        path: &mut Vec<String>,
        keys: &[String],
    ) -> bool {
        let mut has_taken = false;
        let mut taken_elements = Vec::new();
        for (step, theirs) in theirs.as_object().into_iter().flatten() {
            let ours = ours.and_then(|ours| ours.get(step));
            match step.split_once(':') {
                Some(("f", name)) => {
                    let is_fixed = keys.iter().any(|key| key == name)
                        || [DELIVERY_LABEL, NAMESPACE_LABEL].contains(&name);
                    let Some(map) = body
                        .as_mapping_mut()
                        .filter(|map| !is_fixed && map.contains_key(name))
                    else {
                        continue;
                    };
                    path.push(name.to_owned());
                    if is_leaf(theirs) {
                        // They may own no more of a map than that it is there, while its entries are ours.
                        if self.fields.has_path(path) && ours.is_none_or(is_leaf) {
                            map.remove(name);
                            has_taken = true;
                        }
                    } else if let Some(value) = map.get_mut(name) {
                        has_taken |= self.walk(value, theirs, ours, path, &[]);
                    }
                    path.pop();
                }
                Some(("k", key)) => {
                    let Some((index, names)) = element(body, key) else {
                        continue;
                    };
                    path.push(index.to_string());
                    if let Some(value) = body.as_sequence_mut().and_then(|items| items.get_mut(index)) {
                        has_taken |= self.walk(value, theirs, ours, path, &names);
                    }
                    path.pop();
                }
                Some(("v", value)) => {
                    let Ok(value) = serde_json::from_str::<Json>(value) else {
                        continue;
                    };
                    let mut items = body.as_sequence().into_iter().flatten();
                    let Some(index) = items.position(|item| is(item, &value)) else {
                        continue;
                    };
                    path.push(index.to_string());
                    if self.fields.has_path(path) {
                        taken_elements.push(index);
                    }
                    path.pop();
                }
                _ => {}
            }
        }
        taken_elements.sort_unstable();
        for index in taken_elements.into_iter().rev() {
            if let Some(items) = body.as_sequence_mut().filter(|items| index < items.len()) {
                items.remove(index);
                has_taken = true;
            }
        }
        has_taken
    }
}

/// Whether a set has a field without any within.
fn is_leaf(fields: &Json) -> bool {
    fields.as_object().is_none_or(serde_json::Map::is_empty)
}

/// The element of a list that keys mean, with their names. What the API server fills in need not be in the manifest.
fn element(body: &Value, key: &str) -> Option<(usize, Vec<String>)> {
    let keys = serde_json::from_str::<serde_json::Map<String, Json>>(key).ok()?;
    let mut items = body.as_sequence()?.iter();
    let index = items.position(|item| {
        let found = |name: &String| item.as_mapping().and_then(|item| item.get(name));
        keys.keys().any(|name| found(name).is_some())
            && keys
                .iter()
                .all(|(name, value)| found(name).is_none_or(|item| is(item, value)))
    })?;
    Some((index, keys.into_iter().map(|(name, _)| name).collect()))
}

/// Whether a scalar that anybody may read is this.
fn is(item: &Value, value: &Json) -> bool {
    match item {
        Value::String(text) => value.as_str() == Some(text),
        Value::Bool(item) => value.as_bool() == Some(*item),
        Value::Number(Number::Integer(item)) => value.as_i64() == Some(*item),
        Value::Number(Number::Unsigned(item)) => value.as_u64() == Some(*item),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::ignore::Ignore;
    use super::*;
    use crate::api::IgnoreRule;

    const DEPLOYMENT: &str = "
metadata: {labels: {fluxops.dev/delivery: web, tier: front}, finalizers: [example.org/a, example.org/b]}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    spec:
      nodeSelector: {disk: fast}
      containers:
      - {name: main, image: a, resources: {limits: {cpu: 1}}, ports: [{containerPort: 80, name: web}]}
      - {name: side, image: b}
";

    /// What is left of the Deployment when somebody owns some fields.
    fn left(theirs: &Json, ours: &Json, paths: &[&str]) -> Json {
        let limits = manifest_yaml::Limits::default();
        let documents =
            manifest_yaml::from_yaml(DEPLOYMENT.as_bytes(), manifest_yaml::Schema::Kubernetes, &limits)
                .unwrap();
        let mut body = documents.into_iter().next().unwrap().value;
        let rule = IgnoreRule {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            managers: vec!["other".to_owned()],
            target: None,
        };
        let ignore = Ignore::new(0, &rule).unwrap();
        let before = manifest_yaml::to_json_exposed(&body);
        let has_taken = Concession {
            theirs,
            ours: Some(ours),
            fields: &ignore.fields,
        }
        .take_out_of(&mut body);
        let after = manifest_yaml::to_json_exposed(&body);
        assert_eq!(has_taken, before != after);
        serde_json::from_slice(&after).unwrap()
    }

    #[test]
    fn what_others_own_is_left_out_and_nothing_else() {
        let theirs = json!({
            "f:metadata": {"f:labels": {"f:tier": {}, "f:fluxops.dev/delivery": {}}, "f:finalizers": {".": {}, "v:\"example.org/a\"": {}}},
            "f:spec": {
                "f:replicas": {}, "f:selector": {},
                "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": {
                    ".": {}, "f:name": {}, "f:image": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}, "f:name": {}}},
                }}}},
            },
            "f:status": {"f:replicas": {}},
        });
        let all = left(&theirs, &json!({}), &[]);
        assert_eq!(
            all["metadata"],
            json!({"labels": {"fluxops.dev/delivery": "web"}, "finalizers": ["example.org/b"]})
        );
        assert_eq!(
            all["spec"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["template"]
        );
        let pod = &all["spec"]["template"]["spec"];
        assert_eq!(pod["nodeSelector"], json!({"disk": "fast"}));
        assert_eq!(
            pod["containers"][0],
            json!({"name": "main", "resources": {"limits": {"cpu": 1}}, "ports": [{"containerPort": 80}]})
        );
        assert_eq!(pod["containers"][1], json!({"name": "side", "image": "b"}));

        let one = left(
            &theirs,
            &json!({}),
            &["/spec/replicas", "/spec/template/spec/containers/1"],
        );
        assert!(one["spec"].get("replicas").is_none());
        assert_eq!(one["spec"]["template"]["spec"]["containers"][0]["image"], "a");
        assert_eq!(one["metadata"]["labels"]["tier"], "front");
    }

    #[test]
    fn a_map_that_they_only_made_keeps_what_is_ours_in_it() {
        let theirs = json!({"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {}}}}});
        let granular = json!({"f:spec": {"f:template": {"f:spec": {"f:nodeSelector": {"f:disk": {}}}}}});
        let kept = left(&theirs, &granular, &[]);
        assert_eq!(kept["spec"]["template"]["spec"]["nodeSelector"]["disk"], "fast");
        let whole = left(&theirs, &theirs, &[]);
        assert!(whole["spec"]["template"]["spec"].get("nodeSelector").is_none());
    }
}
