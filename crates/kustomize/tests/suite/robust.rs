//! Input that makes no sense: no panic, and the same answer twice.

use kustomize::build;
use manifest_yaml::to_yaml_exposed;
use proptest::prelude::*;

use crate::tree::MemoryTree;

/// YAML that is sometimes a kustomization, and an object now and then.
fn node() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1".to_owned()),
        Just("text".to_owned()),
        Just("a.yaml".to_owned()),
        Just("base".to_owned()),
        Just("..".to_owned()),
        Just("k=v".to_owned()),
        Just("spec/containers".to_owned()),
        Just("nginx:1".to_owned()),
        Just("ConfigMap".to_owned()),
        Just("\"\"".to_owned()),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            prop::collection::btree_map(key(), inner, 0..4).prop_map(|entries| {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "apiVersion",
        "kind",
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "spec",
        "template",
        "selector",
        "containers",
        "image",
        "volumes",
        "configMap",
        "subjects",
        "roleRef",
        "items",
        "data",
        "pairs",
        "fields",
        "path",
        "create",
        "includeSelectors",
        "newTag",
        "count",
        "literals",
        "files",
        "envs",
        "behavior",
        "options",
        "order",
        "a",
    ])
}

fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "resources",
        "bases",
        "components",
        "namespace",
        "namePrefix",
        "nameSuffix",
        "labels",
        "commonLabels",
        "commonAnnotations",
        "images",
        "replicas",
        "configMapGenerator",
        "secretGenerator",
        "generatorOptions",
        "sortOptions",
        "metadata",
        "kind",
        "patches",
    ])
}

fn kustomization() -> impl Strategy<Value = String> {
    prop::collection::btree_map(field(), node(), 0..4).prop_map(|fields| {
        let fields: Vec<String> = fields
            .iter()
            .map(|(field, value)| format!("{field}: {value}"))
            .collect();
        fields.join("\n")
    })
}

fn answer(tree: &MemoryTree) -> String {
    match build(tree, "") {
        Ok(objects) => objects
            .iter()
            .map(|object| to_yaml_exposed(object).to_string())
            .collect(),
        Err(error) => crate::tables::chain(&error),
    }
}

/// What every transformation is asked to do to an object.
const EVERYTHING: &str = "resources: [a.yaml]\nnamespace: shop\nnamePrefix: p-\n\
    labels: [{pairs: {a: b}, includeSelectors: true}]\ncommonAnnotations: {a: b}\nimages: [{name: nginx, newTag: '2'}]";

proptest! {
    #[test]
    fn any_kustomization(text in kustomization(), base in kustomization(), object in node()) {
        let tree = MemoryTree::new([
            ("kustomization.yaml", &text),
            ("base/kustomization.yaml", &base),
            ("a.yaml", &object),
        ]);
        prop_assert_eq!(answer(&tree), answer(&tree));
    }

    #[test]
    fn any_object(kind in prop::sample::select(vec!["Deployment", "Pod", "RoleBinding", "Service", "List"]),
                  spec in node(), subjects in node(), annotations in node()) {
        let object = format!(
            "{{apiVersion: v1, kind: {kind}, metadata: {{name: a, annotations: {annotations}}}, \
             spec: {spec}, subjects: {subjects}, items: {subjects}}}"
        );
        let tree = MemoryTree::new([("kustomization.yaml", EVERYTHING), ("a.yaml", &object)]);
        prop_assert_eq!(answer(&tree), answer(&tree));
    }
}
