//! Sensitive scalars.

use kustomize::build;
use manifest_yaml::{Value, to_yaml_exposed, to_yaml_masked};

use crate::oracle::{self, canonical};
use crate::tables::chain;
use crate::tree::MemoryTree;

const MARKER: &str = "hunter2-marker";
const ENCODED_MARKER: &str = "aHVudGVyMi1tYXJrZXI=";

/// What is masked, what it is when it is shown, and that kustomize prints the same.
fn built(tree: &MemoryTree) -> (String, String) {
    let objects = build(tree, "").unwrap();
    assert_eq!(
        objects.iter().map(canonical).collect::<Vec<_>>(),
        oracle::build(tree, "").unwrap()
    );
    let all = |show: &dyn Fn(&Value) -> String| objects.iter().map(show).collect::<String>();
    (
        all(&to_yaml_masked),
        all(&|object| to_yaml_exposed(object).to_string()),
    )
}

#[test]
fn pass_through_transformers() {
    let tree = MemoryTree::new([
        (
            "kustomization.yaml",
            "resources: [a.yaml]\nnamespace: shop\nnamePrefix: p-\nlabels: [{pairs: {a: b}, includeSelectors: true}]\n\
             commonAnnotations: {a: b}\nimages: [{name: nginx, newTag: '1'}]",
        ),
        (
            "a.yaml",
            "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: hunter2-marker}}\n---\n\
             {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {sealed: hunter2-marker}}",
        ),
    ])
    .seal("a.yaml");
    let (masked, shown) = built(&tree);
    assert!(!masked.contains(MARKER), "{masked}");
    assert_eq!(shown.matches(MARKER).count(), 2);
}

#[test]
fn come_out_of_generators() {
    let tree = MemoryTree::new([
        (
            "kustomization.yaml",
            "configMapGenerator: [{name: c, files: [a.txt, b.txt], envs: [a.env]}]\n\
             secretGenerator: [{name: s, files: [a.txt, b.txt], envs: [a.env], literals: [l=hunter2-marker]}]",
        ),
        ("a.txt", MARKER),
        ("b.txt", "clear"),
        ("a.env", "KEY=hunter2-marker\n"),
    ])
    .seal("a.txt")
    .seal("a.env");
    let (masked, shown) = built(&tree);
    assert!(!masked.contains(MARKER), "{masked}");
    assert!(masked.contains("b.txt: clear"), "{masked}");
    assert!(
        !masked.contains("Y2xlYXI"),
        "the data of a Secret is shown: {masked}"
    );
    assert_eq!(shown.matches(MARKER).count(), 2);
}

#[test]
fn survive_a_merge() {
    let tree = MemoryTree::new([
        (
            "kustomization.yaml",
            "resources: [a.yaml]\n\
             secretGenerator: [{name: s, behavior: merge, literals: [b=2]}]\n\
             configMapGenerator: [{name: c, behavior: merge, literals: [b=2]}]",
        ),
        (
            "a.yaml",
            "{apiVersion: v1, kind: Secret, metadata: {name: s}, stringData: {a: hunter2-marker}, data: {c: hunter2-marker}}\n---\n\
             {apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: hunter2-marker}}",
        ),
    ])
    .seal("a.yaml");
    let objects = build(&tree, "").unwrap();
    let masked: String = objects.iter().map(to_yaml_masked).collect();
    let shown: String = objects
        .iter()
        .map(|object| to_yaml_exposed(object).to_string())
        .collect();
    assert!(
        !masked.contains(MARKER) && !masked.contains(ENCODED_MARKER),
        "{masked}"
    );
    assert_eq!(shown.matches(MARKER).count(), 2, "{shown}");
    assert_eq!(shown.matches(ENCODED_MARKER).count(), 1, "{shown}");
}

#[test]
fn survive_replacements() {
    let tree = MemoryTree::new([
        (
            "kustomization.yaml",
            "resources: [a.yaml]\nreplacements:\n\
             - {source: {kind: ConfigMap, name: c, fieldPath: data.a}, targets: [{select: {kind: Widget}, \
             fieldPaths: [spec.text, spec.made, spec.list, metadata.annotations.a], options: {create: true}}]}\n\
             - {source: {kind: ConfigMap, name: c, fieldPath: data.a, options: {delimiter: '-', index: 0}}, \
             targets: [{select: {kind: Widget}, fieldPaths: [spec.part], options: {delimiter: /, index: 1}}]}\n\
             - {source: {kind: ConfigMap, name: c, fieldPath: data}, targets: [{select: {kind: Widget}, \
             fieldPaths: [spec.tree], options: {create: true}}]}\n\
             - {source: {kind: ConfigMap, name: c, fieldPath: data.a}, targets: [{select: {kind: Widget}, \
             fieldPaths: [spec.json.a]}]}",
        ),
        (
            "a.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: hunter2-marker}}\n---\n\
             {apiVersion: example.com/v1, kind: Widget, metadata: {name: w}, spec: {text: x, list: [x], part: a/b, json: '{\"a\": \"b\"}'}}",
        ),
    ])
    .seal("a.yaml");
    let (masked, shown) = built(&tree);
    assert!(!masked.contains("hunter2"), "{masked}");
    assert_eq!(shown.matches(MARKER).count(), 7, "{shown}");
    assert!(shown.contains("part: a/hunter2"), "{shown}");
}

#[test]
fn survive_vars() {
    let tree = MemoryTree::new([
        (
            "kustomization.yaml",
            "resources: [a.yaml]\nvars: [{name: A, objref: {apiVersion: v1, kind: ConfigMap, name: c}, fieldref: {fieldPath: data.a}}]",
        ),
        (
            "a.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: hunter2-marker}}\n---\n\
             {apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{command: ['x $(A)', $(A)], env: [{value: $(A)}]}]}}",
        ),
    ])
    .seal("a.yaml");
    let (masked, shown) = built(&tree);
    assert!(!masked.contains(MARKER), "{masked}");
    assert_eq!(shown.matches(MARKER).count(), 4, "{shown}");
}

/// A replacement could put one where names are.
#[test]
fn become_no_names() {
    for (path, expected) in [
        ("metadata.name", "metadata.name is sealed, and has to be read"),
        ("metadata.namespace", "metadata.namespace is sealed"),
        ("kind", "kind is sealed"),
    ] {
        let kustomization = format!(
            "resources: [a.yaml]\nreplacements: [{{source: {{kind: ConfigMap, name: c, fieldPath: data.a}}, \
             targets: [{{select: {{kind: Widget}}, fieldPaths: [{path}], options: {{create: true}}}}]}}]"
        );
        let tree = MemoryTree::new([
            ("kustomization.yaml", &kustomization),
            (
                "a.yaml",
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: hunter2-marker}}\n---\n\
                 {apiVersion: example.com/v1, kind: Widget, metadata: {name: w}}",
            ),
        ])
        .seal("a.yaml");
        let error = chain(&build(&tree, "").unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(MARKER), "{error}");
    }
}

/// Where the engine would have to read one it says so, and shows nothing of it.
#[test]
fn are_not_read() {
    // Below `sealed` every string is sensitive; these documents put what has to be read there.
    let whole = |text: &str| {
        let tree = MemoryTree::new([
            (
                "kustomization.yaml",
                "resources: [a.yaml]\nnamePrefix: p-\nnamespace: shop\nimages: [{name: a, newTag: b}]\n\
                 labels: [{pairs: {a: b}, fields: [{path: sealed/field/labels, kind: Widget}]}]",
            ),
            ("a.yaml", text),
        ])
        .seal("a.yaml");
        chain(&build(&tree, "").unwrap_err())
    };
    for (text, expected) in [
        (
            "{apiVersion: v1, kind: Widget, metadata: {name: w}, sealed: {field: hunter2-marker}}",
            "to sealed.field of v1 Widget shop/p-w: a map or a list is expected, and it is a sensitive scalar",
        ),
        (
            "{apiVersion: v1, kind: Widget, metadata: {name: w}, sealed: {containers: [{image: hunter2-marker}]}}",
            "to sealed.containers.0.image of v1 Widget shop/p-w: a string is expected, and it is a sensitive scalar",
        ),
        (
            "{apiVersion: v1, kind: Widget, metadata: {name: w}, sealed: {containers: [hunter2-marker]}}",
            "to sealed.containers.0 of v1 Widget shop/p-w: a map is expected, and it is a sensitive scalar",
        ),
    ] {
        let error = whole(text);
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(MARKER), "{error}");
    }
}

/// A tree whose only document is one that YAML cannot give: with sensitive scalars where an object has its identity.
struct Fixed(fn() -> Value);

impl kustomize::Tree for Fixed {
    fn entry(&self, path: &str) -> Option<kustomize::EntryKind> {
        match path {
            "" => Some(kustomize::EntryKind::Directory),
            "kustomization.yaml" | "a.yaml" | "b.yaml" => Some(kustomize::EntryKind::File),
            _ => None,
        }
    }

    fn documents(&self, path: &str) -> Result<Vec<Value>, kustomize::TreeError> {
        if path == "b.yaml" {
            let tree =
                MemoryTree::new([("b.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}}")]);
            return tree.documents(path);
        }
        Ok(vec![(self.0)()])
    }

    fn content(&self, _: &str) -> Result<kustomize::Content, kustomize::TreeError> {
        Ok(kustomize::Content::Plain(
            b"resources: [a.yaml, b.yaml]\nnamePrefix: p-".to_vec(),
        ))
    }
}

fn map<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Mapping(
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect(),
    )
}

fn secret() -> Value {
    Value::Sensitive(manifest_yaml::Sensitive::string(MARKER.to_owned()))
}

#[test]
fn are_no_identity() {
    type Document = fn() -> Value;
    let cases: [(Document, &str); 6] = [
        (|| map([("kind", secret())]), "kind is sealed, and has to be read"),
        (
            || map([("apiVersion", secret()), ("kind", "A".into())]),
            "apiVersion is sealed",
        ),
        (
            || map([("kind", "A".into()), ("metadata", map([("name", secret())]))]),
            "metadata.name is sealed",
        ),
        (
            || {
                let metadata = map([("name", "a".into()), ("namespace", secret())]);
                map([("kind", "A".into()), ("metadata", metadata)])
            },
            "metadata.namespace is sealed",
        ),
        (
            || map([("kind", "A".into()), ("metadata", secret())]),
            "metadata is not a map",
        ),
        (
            || {
                let volume = map([("configMap", map([("name", secret())]))]);
                let spec = map([("volumes", vec![volume].into())]);
                let metadata = map([("name", "a".into())]);
                map([
                    ("apiVersion", "v1".into()),
                    ("kind", "Pod".into()),
                    ("metadata", metadata),
                    ("spec", spec),
                ])
            },
            "failed to follow spec.volumes.0.configMap.name of v1 Pod default/p-a: a string is expected, and it is a sensitive scalar",
        ),
    ];
    for (document, expected) in cases {
        let error = chain(&build(&Fixed(document), "").unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(MARKER), "{error}");
    }
}

#[test]
fn kustomization_files_are_not_sealed() {
    let tree = MemoryTree::new([("kustomization.yaml", "resources: []")]).seal("kustomization.yaml");
    let error = chain(&build(&tree, "").unwrap_err());
    assert!(
        error.contains("a kustomization file must not be sealed"),
        "{error}"
    );
}

/// Patches carry them along, wherever they are sealed: in the object or in the patch.
#[test]
fn survive_patches() {
    let tree = MemoryTree::new([
        (
            "kustomization.yaml",
            "resources: [a.yaml]\n\
             patches:\n\
             - path: p.yaml\n\
             - target: {kind: ConfigMap}\n  \
               patch: '[{\"op\": \"copy\", \"from\": \"/data/a\", \"path\": \"/data/b\"}, {\"op\": \"move\", \"from\": \"/data/a\", \"path\": \"/data/c\"}]'\n",
        ),
        (
            "a.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: hunter2-marker, z: hunter2-marker}}",
        ),
        (
            "p.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {p: hunter2-marker, z: null}}",
        ),
    ])
    .seal("a.yaml")
    .seal("p.yaml");
    let objects = build(&tree, "").unwrap();
    let masked: String = objects.iter().map(to_yaml_masked).collect();
    let shown: String = objects
        .iter()
        .map(|object| to_yaml_exposed(object).to_string())
        .collect();
    assert!(!masked.contains(MARKER), "{masked}");
    assert_eq!(shown.matches(MARKER).count(), 3, "{shown}");
}

/// Neither a test nor the key of a list may tell what one is.
#[test]
fn are_not_read_by_patches() {
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c}, data: {a: hunter2-marker}}";
    let widget =
        "{apiVersion: v1, kind: Widget, metadata: {name: c}, sealed: [{name: hunter2-marker}, {name: b}]}";
    let schema = "definitions: {w: {x-kubernetes-group-version-kind: [{version: v1, kind: Widget}], properties: {sealed: \
                  {type: array, x-kubernetes-patch-merge-key: name, x-kubernetes-patch-strategy: merge}}}}";
    for (sealed, patch, expected) in [
        (
            object,
            "patches: [{target: {name: c}, patch: '[{\"op\": \"test\", \"path\": \"/data/a\", \"value\": \"hunter\"}]'}]",
            "the test would read a sensitive scalar",
        ),
        (
            widget,
            "openapi: {path: schema.yaml}\npatches: [{patch: '{apiVersion: v1, kind: Widget, metadata: {name: c}, sealed: [{name: b, x: y}]}'}]",
            "is sealed, and has to be read",
        ),
    ] {
        let tree = MemoryTree::new([
            (
                "kustomization.yaml",
                format!("resources: [a.yaml]\n{patch}").as_str(),
            ),
            ("a.yaml", sealed),
            ("schema.yaml", schema),
        ])
        .seal("a.yaml");
        let error = chain(&build(&tree, "").unwrap_err());
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains(MARKER), "{error}");
    }
}
