//! Which events a Notifier hears of.

use std::collections::BTreeMap;

use crate::api::{NotifierSpec, Severity, SourceSelector};
use crate::name::{Kind, ObjectName};

/// How much a Notifier wants to hear of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interest {
    /// Nothing.
    Nothing,
    /// Failures, and that they are over.
    Trouble,
    /// Also that a new revision was brought in.
    Everything,
}

/// How much the Notifier of a namespace wants to hear of an object with these labels.
///
/// Without `sources` it is everything in its own namespace. A source that went well is then no news of its own:
/// the Deliveries say so, with the signer and what changed. Whoever wants to hear of it names the `GitSource`.
pub fn interest(
    spec: &NotifierSpec,
    namespace: &str,
    object: &ObjectName,
    labels: &BTreeMap<String, String>,
) -> Interest {
    let named = spec
        .sources
        .iter()
        .any(|selector| selects(selector, namespace, object, labels));
    let implied = spec.sources.is_empty() && object.key.namespace == namespace;
    if spec.suspend || !(named || implied) {
        Interest::Nothing
    } else if spec.severity == Severity::Error || (implied && object.kind == Kind::GitSource) {
        Interest::Trouble
    } else {
        Interest::Everything
    }
}

fn selects(
    selector: &SourceSelector,
    namespace: &str,
    object: &ObjectName,
    labels: &BTreeMap<String, String>,
) -> bool {
    let SourceSelector {
        kind,
        name,
        namespace: selected,
        match_labels,
    } = selector;
    *kind == object.kind
        && (name == "*" || *name == object.key.name)
        && selected.as_deref().unwrap_or(namespace) == object.key.namespace
        && match_labels
            .iter()
            .all(|(label, value)| labels.get(label) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::Key;

    fn object(kind: Kind, namespace: &str, name: &str) -> ObjectName {
        ObjectName {
            kind,
            key: Key::new(namespace, name).unwrap(),
        }
    }

    fn spec(text: &str) -> NotifierSpec {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn selectors_are_read_as_flux_reads_them() {
        use Interest::{Everything, Nothing, Trouble};
        let labels = BTreeMap::from([("team".to_owned(), "blue".to_owned())]);
        let web = object(Kind::Delivery, "apps", "web");
        for (sources, expected) in [
            (r"[]", Everything),
            (r#"[{"kind":"Delivery","name":"*"}]"#, Everything),
            (r#"[{"kind":"Delivery","name":"web"}]"#, Everything),
            (r#"[{"kind":"Delivery","name":"w*"}]"#, Nothing),
            (r#"[{"kind":"Delivery","name":"db"}]"#, Nothing),
            (r#"[{"kind":"GitSource","name":"*"}]"#, Nothing),
            (r#"[{"kind":"Delivery","name":"*","namespace":"other"}]"#, Nothing),
            (
                r#"[{"kind":"Delivery","name":"*","matchLabels":{"team":"blue"}}]"#,
                Everything,
            ),
            (
                r#"[{"kind":"Delivery","name":"*","matchLabels":{"team":"red"}}]"#,
                Nothing,
            ),
            (
                r#"[{"kind":"Delivery","name":"db"},{"kind":"Delivery","name":"web"}]"#,
                Everything,
            ),
        ] {
            let info = spec(&format!(r#"{{"type":"slack","sources":{sources}}}"#));
            assert_eq!(interest(&info, "apps", &web, &labels), expected, "{sources}");
            let error = spec(&format!(
                r#"{{"type":"slack","severity":"error","sources":{sources}}}"#
            ));
            let expected = if expected == Everything { Trouble } else { Nothing };
            assert_eq!(
                interest(&error, "apps", &web, &labels),
                expected,
                "{sources} (error)"
            );
        }
    }

    #[test]
    fn another_namespace_has_to_be_named() {
        let elsewhere = object(Kind::Delivery, "other", "web");
        let none = BTreeMap::new();
        assert_eq!(
            interest(&spec(r#"{"type":"slack"}"#), "apps", &elsewhere, &none),
            Interest::Nothing
        );
        let named =
            spec(r#"{"type":"slack","sources":[{"kind":"Delivery","name":"*","namespace":"other"}]}"#);
        assert_eq!(interest(&named, "apps", &elsewhere, &none), Interest::Everything);
    }

    #[test]
    fn a_suspended_notifier_hears_nothing() {
        let suspended = spec(r#"{"type":"slack","suspend":true}"#);
        let web = object(Kind::Delivery, "apps", "web");
        assert_eq!(
            interest(&suspended, "apps", &web, &BTreeMap::new()),
            Interest::Nothing
        );
    }

    #[test]
    fn a_source_that_went_well_is_news_only_where_it_is_named() {
        let source = object(Kind::GitSource, "apps", "apps");
        let none = BTreeMap::new();
        assert_eq!(
            interest(&spec(r#"{"type":"slack"}"#), "apps", &source, &none),
            Interest::Trouble
        );
        let named = spec(r#"{"type":"slack","sources":[{"kind":"GitSource","name":"apps"}]}"#);
        assert_eq!(interest(&named, "apps", &source, &none), Interest::Everything);
    }
}
