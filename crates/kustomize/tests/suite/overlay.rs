//! What is added to a kustomization, against kustomize's build of a kustomization that says it all.

use kustomize::{
    LoadRestriction, MissingComponents, Options, Overlay, OverlayImage, OverlayPatch, Target, build,
    build_with,
};

use crate::oracle::{self, canonical};
use crate::tables::chain;
use crate::tree::MemoryTree;

const OBJECTS: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {tier: front}}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: default
      containers: [{name: web, image: 'example.org/web:1'}, {name: side, image: nginx}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: default, namespace: old}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
";

const COMPONENT: &str = "\
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
commonAnnotations: {note: component}
";

const REPLICAS: &str = r#"[{"op": "add", "path": "/spec/replicas", "value": 3}]"#;
const MERGE: &str = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: \
     [{name: web, env: [{name: A, value: x}]}]}}}}";

fn tree(kustomization: &str) -> MemoryTree {
    MemoryTree::new([
        ("app/kustomization.yaml", kustomization),
        ("app/objects.yaml", OBJECTS),
        ("parts/note/kustomization.yaml", COMPONENT),
    ])
}

fn overlaid(kustomization: &str, overlay: Overlay) -> Result<Vec<serde_json::Value>, String> {
    let options = Options {
        overlay,
        ..Options::default()
    };
    let objects = build_with(&tree(kustomization), "app", &options).map_err(|error| chain(&error))?;
    Ok(objects.iter().map(canonical).collect())
}

fn patch(patch: &str, target: Option<Target>) -> Vec<OverlayPatch> {
    let patch = patch.to_owned();
    vec![OverlayPatch { patch, target }]
}

fn image(name: &str, new_name: &str, new_tag: &str, digest: &str) -> Vec<OverlayImage> {
    vec![OverlayImage {
        name: name.to_owned(),
        new_name: new_name.to_owned(),
        new_tag: new_tag.to_owned(),
        digest: digest.to_owned(),
    }]
}

#[test]
fn it_is_what_kustomize_builds_of_a_kustomization_that_says_the_same() {
    let text = |text: &str| Some(text.to_owned());
    let by_kind = Target {
        kind: "Deploy.*".to_owned(),
        ..Target::default()
    };
    let by_label = Target {
        label_selector: "tier=front".to_owned(),
        ..Target::default()
    };
    let nothing = Overlay::default;
    let cases: Vec<(&str, Overlay, String)> = vec![
        (
            "namespace: one",
            Overlay {
                namespace: text("two"),
                ..nothing()
            },
            "namespace: two".to_owned(),
        ),
        (
            "namePrefix: a-\nnameSuffix: -b",
            Overlay {
                name_prefix: text("c-"),
                name_suffix: text("-d"),
                ..nothing()
            },
            "namePrefix: c-\nnameSuffix: -d".to_owned(),
        ),
        (
            "namePrefix: a-",
            Overlay {
                components: vec!["../parts/note".to_owned()],
                ..nothing()
            },
            "namePrefix: a-\ncomponents: [../parts/note]".to_owned(),
        ),
        (
            "commonLabels: {a: b}",
            Overlay {
                patches: patch(REPLICAS, Some(by_kind)),
                ..nothing()
            },
            format!("commonLabels: {{a: b}}\npatches: [{{patch: '{REPLICAS}', target: {{kind: Deploy.*}}}}]"),
        ),
        (
            "nameSuffix: -x",
            Overlay {
                patches: patch(MERGE, None),
                ..nothing()
            },
            format!("nameSuffix: -x\npatches: [{{patch: '{MERGE}'}}]"),
        ),
        (
            "nameSuffix: -x",
            Overlay {
                patches: patch(MERGE, Some(by_label)),
                ..nothing()
            },
            format!("nameSuffix: -x\npatches: [{{patch: '{MERGE}', target: {{labelSelector: tier=front}}}}]"),
        ),
        (
            "images: [{name: example.org/web, newTag: '2'}, {name: nginx, newTag: '3'}]",
            Overlay {
                images: image("example.org/web", "", "4", ""),
                ..nothing()
            },
            "images: [{name: example.org/web, newTag: '4'}, {name: nginx, newTag: '3'}]".to_owned(),
        ),
        (
            "images: [{name: nginx, newName: other, digest: 'sha256:0'}]",
            Overlay {
                images: image("nginx", "", "4", ""),
                ..nothing()
            },
            "images: [{name: nginx, newName: other, newTag: '4'}]".to_owned(),
        ),
        (
            "images: [{name: nginx, newTag: '3'}]",
            Overlay {
                images: image("nginx", "", "", "sha256:1"),
                ..nothing()
            },
            "images: [{name: nginx, digest: 'sha256:1'}]".to_owned(),
        ),
        (
            "namespace: one",
            Overlay {
                images: image("nginx", "mirror.example.org/nginx", "", ""),
                ..nothing()
            },
            "namespace: one\nimages: [{name: nginx, newName: mirror.example.org/nginx}]".to_owned(),
        ),
    ];
    for (given, overlay, meant) in cases {
        let resources = "resources: [objects.yaml]\n";
        let ours = overlaid(&format!("{resources}{given}\n"), overlay);
        let theirs = oracle::build(&tree(&format!("{resources}{meant}\n")), "app");
        assert_eq!(ours.unwrap(), theirs.unwrap(), "{given}");
    }
}

#[test]
fn what_cannot_be_added_is_refused_by_its_field() {
    let kustomization = "resources: [objects.yaml]\n";
    let missing = Overlay {
        components: vec!["../parts/none".to_owned()],
        ..Overlay::default()
    };
    let passed_over = Overlay {
        missing_components: MissingComponents::PassedOver,
        ..missing.clone()
    };
    let remote = Overlay {
        components: vec!["https://example.org/part".to_owned()],
        ..passed_over.clone()
    };
    let outside = Overlay {
        components: vec!["../../part".to_owned()],
        ..passed_over.clone()
    };
    assert_eq!(overlaid(kustomization, passed_over).unwrap().len(), 3);
    let unmatched = Overlay {
        patches: patch("{apiVersion: v1, kind: Pod, metadata: {name: none}}", None),
        ..Overlay::default()
    };
    let empty = Overlay {
        patches: patch(" ", None),
        ..Overlay::default()
    };
    for (overlay, expected) in [
        (missing, "spec.components[0]"),
        (remote, "spec.components[0]"),
        (outside, "spec.components[0]"),
        (unmatched, "spec.patches[0]"),
        (empty, "patches[0]"),
    ] {
        let error = overlaid(kustomization, overlay).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_folder_without_a_kustomization_is_built_from_a_list() {
    let files = [
        ("all/one.yaml", OBJECTS),
        (
            "all/below/kustomization.yaml",
            "namePrefix: below-\nresources: [two.yaml]\n",
        ),
        (
            "all/below/two.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: two}}",
        ),
    ];
    let resources = ["below", "one.yaml"].map(str::to_owned).to_vec();
    let options = Options {
        resources: Some(resources),
        overlay: Overlay {
            namespace: Some("staging".to_owned()),
            ..Overlay::default()
        },
        ..Options::default()
    };
    let ours = build_with(&MemoryTree::new(files), "all", &options).unwrap();
    let mut theirs = MemoryTree::new(files);
    let written = "namespace: staging\nresources: [./below, ./one.yaml]\n";
    theirs
        .files
        .insert("all/kustomization.yaml".to_owned(), written.into());
    let ours: Vec<_> = ours.iter().map(canonical).collect();
    assert_eq!(ours, oracle::build(&theirs, "all").unwrap());
}

#[test]
fn files_of_other_folders_are_read_where_that_is_asked_for() {
    let tree = MemoryTree::new([
        (
            "app/kustomization.yaml",
            "resources: [../shared/map.yaml]\nconfigMapGenerator: [{name: g, files: [../shared/map.yaml]}]\n\
             patches: [{path: ../shared/patch.yaml}]\n",
        ),
        (
            "shared/map.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}",
        ),
        (
            "shared/patch.yaml",
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}, data: {a: b}}",
        ),
    ]);
    let error = chain(&build(&tree, "app").unwrap_err());
    assert!(error.contains("outside of the kustomization's folder"), "{error}");
    oracle::build(&tree, "app").unwrap_err();

    let options = Options {
        restriction: LoadRestriction::None,
        ..Options::default()
    };
    let ours: Vec<_> = build_with(&tree, "app", &options)
        .unwrap()
        .iter()
        .map(canonical)
        .collect();
    assert_eq!(
        ours,
        oracle::build_restricted(&tree, "app", "LoadRestrictionsNone").unwrap()
    );
}
