//! Selecting finished objects as the target of a patch does.

use manifest_yaml::Value;

use crate::kustomization::Fields;
use crate::resource::Id;
use crate::selector::Selector;
use crate::{BuildError, Target};

/// A [`Target`] whose patterns and selectors are read.
pub struct Selection(Selector);

impl Selection {
    /// Reads a target; what cannot be read is refused, with the path of the field in `file`.
    pub fn new(target: &Target, file: &str, path: String) -> Result<Self, BuildError> {
        let mut fields = Fields::of_map(file, path, target.to_value())?;
        Ok(Self(Selector::read(&mut fields)?))
    }

    /// Whether it is for an object. One without a kind or a name is selected by what it does not say.
    pub fn selects(&self, object: &Value) -> bool {
        let text = |path: &[&str]| object.get_path(path).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text(&["apiVersion"])
            .split_once('/')
            .unwrap_or(("", text(&["apiVersion"])));
        let namespace = object
            .get_path(&["metadata", "namespace"])
            .and_then(Value::as_str);
        let id = Id {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(&["kind"]).to_owned(),
            name: text(&["metadata", "name"]).to_owned(),
            namespace: namespace.map(str::to_owned),
        };
        let metadata = object.get_path(&["metadata"]).and_then(Value::as_mapping);
        self.0.selects_kind(&id)
            && self.0.selects_name(&id.name)
            && self.0.selects_namespace(namespace.unwrap_or(Id::NO_NAMESPACE))
            && self.0.selects_entries(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> Value {
        let text = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop, labels: {tier: front}}}";
        let limits = manifest_yaml::Limits::default();
        let documents =
            manifest_yaml::from_yaml(text.as_bytes(), manifest_yaml::Schema::Kubernetes, &limits).unwrap();
        documents.into_iter().next().unwrap().value
    }

    #[test]
    fn all_that_a_target_says_has_to_hold_of_the_whole_text() {
        let target = |change: fn(&mut Target)| {
            let mut target = Target::default();
            change(&mut target);
            Selection::new(&target, "a test", "ignore[0].target".to_owned())
        };
        for (change, selects) in [
            ((|_: &mut Target| ()) as fn(&mut Target), true),
            (|target| target.kind = "Deployment".into(), true),
            (|target| target.kind = "Deploy".into(), false),
            (|target| target.name = "w.*".into(), true),
            (|target| target.group = "apps".into(), true),
            (|target| target.group = "batch".into(), false),
            (|target| target.namespace = "other".into(), false),
            (
                |target| target.label_selector = "tier in (front, back)".into(),
                true,
            ),
            (|target| target.annotation_selector = "note".into(), false),
        ] {
            assert_eq!(target(change).unwrap().selects(&object()), selects);
        }
        assert!(target(|target| target.name = "(".into()).is_err());
        assert!(target(|target| target.label_selector = "a in b".into()).is_err());
    }
}
