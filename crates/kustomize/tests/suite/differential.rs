//! Trees at random, built by us and by kustomize.

use kustomize::build;
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracle;
use crate::tables::chain;
use crate::tree::MemoryTree;

/// How many trees are built; each runs kustomize once, for some 40 ms.
const TREES: u32 = 96;

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["a", "b", "c", "d", "p-a", "a-s"])
}

fn namespace() -> impl Strategy<Value = String> {
    select(vec![
        "",
        ", namespace: one",
        ", namespace: two",
        ", namespace: default",
    ])
    .prop_map(str::to_owned)
}

/// An object that may be referred to, or that refers to others.
fn object() -> impl Strategy<Value = String> {
    let plain = (
        select(vec![
            "v1, kind: ConfigMap",
            "v1, kind: Secret",
            "v1, kind: ServiceAccount",
            "v1, kind: Service",
            "apps/v1, kind: Deployment",
            "v1, kind: Namespace",
            "example.com/v1, kind: Widget",
            "example.com/v1, spec: {map: a, secret: {name: a}}, kind: Widget",
            "v1, data: {x: $(A)}, kind: ConfigMap",
            "rbac.authorization.k8s.io/v1, kind: Role",
            "rbac.authorization.k8s.io/v1, kind: ClusterRole",
        ]),
        name(),
        namespace(),
    )
        .prop_map(|(kind, name, namespace)| {
            format!("{{apiVersion: {kind}, metadata: {{name: {name}{namespace}}}}}")
        });
    let pod = (name(), namespace(), name(), name(), name()).prop_map(|(name, namespace, map, secret, account)| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}{namespace}, labels: {{app: x}}}}, spec: {{\
             serviceAccountName: {account}, volumes: [{{configMap: {{name: {map}}}}}, {{secret: {{secretName: {secret}}}}}], \
             containers: [{{image: 'nginx:1', envFrom: [{{configMapRef: {{name: {map}}}}}]}}]}}}}"
        )
    });
    let binding = (
        select(vec!["RoleBinding", "ClusterRoleBinding"]),
        name(),
        namespace(),
        select(vec!["Role", "ClusterRole"]),
        name(),
        prop::collection::vec((select(vec!["a", "b", "default"]), namespace()), 0..3),
    )
        .prop_map(|(kind, name, namespace, role, role_name, subjects)| {
            let subjects: Vec<String> = subjects
                .iter()
                .map(|(name, namespace)| format!("{{kind: ServiceAccount, name: {name}{namespace}}}"))
                .collect();
            format!(
                "{{apiVersion: rbac.authorization.k8s.io/v1, kind: {kind}, metadata: {{name: {name}{namespace}}}, \
                 roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {role}, name: {role_name}}}, \
                 subjects: [{}]}}",
                subjects.join(", ")
            )
        });
    let hook = (name(), name(), namespace()).prop_map(|(name, service, namespace)| {
        format!(
            "{{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, \
             metadata: {{name: {name}}}, webhooks: [{{clientConfig: {{service: {{name: {service}{namespace}}}}}}}]}}"
        )
    });
    prop_oneof![4 => plain, 2 => pod, 2 => binding, 1 => hook]
}

fn objects() -> impl Strategy<Value = String> {
    prop::collection::vec(object(), 0..6).prop_map(|objects| objects.join("\n---\n"))
}

/// What a kustomization does, beside listing resources.
fn fields() -> impl Strategy<Value = String> {
    let field = select(vec![
        "namespace: one",
        "namespace: two",
        "namePrefix: p-",
        "nameSuffix: -s",
        "labels: [{pairs: {a: b}}]",
        "labels: [{pairs: {a: b}, includeSelectors: true}]",
        "commonAnnotations: {note: x}",
        "images: [{name: nginx, newTag: '2'}]",
        "configMapGenerator: [{name: a, literals: [x=1]}]",
        "configMapGenerator: [{name: b, literals: [x=2], options: {disableNameSuffixHash: true}}]",
        "configMapGenerator: [{name: a, behavior: merge, literals: [x=3]}]",
        "secretGenerator: [{name: a, literals: [x=1]}]",
        "secretGenerator: [{name: a, behavior: replace, literals: [x=4]}]",
        "sortOptions: {order: fifo}",
        "commonAnnotations: {note: $(A)-$(B), other: $(B)}",
        "vars: [{name: A, objref: {apiVersion: v1, kind: ConfigMap, name: fixed}}]",
        "vars: [{name: B, objref: {apiVersion: v1, kind: Secret, name: fixed}, fieldref: {fieldPath: type}}]",
        "replacements: [{source: {kind: ConfigMap, name: fixed}, targets: [{select: {name: 'a|b'}, reject: [{kind: Pod}], \
         fieldPaths: [metadata.labels.from, metadata.annotations.from], options: {create: true}}]}]",
        "replacements: [{source: {kind: Pod, name: fixed, fieldPath: 'spec.containers.0.image', options: {delimiter: ':', index: 0}}, \
         targets: [{select: {kind: Pod}, fieldPaths: ['spec.containers.*.tag', 'metadata.labels.app'], options: {create: true}}, \
         {select: {namespace: one}, fieldPaths: [data.x], options: {create: true}}]}]",
        "configurations: [config.yaml]",
        "crds: [schema.yaml]",
        "generators: ['{apiVersion: builtin, kind: ConfigMapGenerator, metadata: {name: b}, literals: [y=1]}']",
        "transformers: ['{apiVersion: builtin, kind: PrefixSuffixTransformer, metadata: {name: x}, prefix: q-, suffix: -z, \
         fieldSpecs: [{path: metadata/name, kind: ConfigMap}, {path: metadata/name, kind: Pod}]}']",
        "transformers: ['{apiVersion: builtin, kind: NamespaceTransformer, metadata: {name: x, namespace: one}, \
         unsetOnly: true, setRoleBindingSubjects: allServiceAccounts}']",
        "buildMetadata: [originAnnotations, transformerAnnotations, managedByLabel]",
    ]);
    prop::collection::btree_set(field, 0..6).prop_map(|fields| {
        let mut seen = std::collections::BTreeSet::new();
        let once = fields
            .into_iter()
            .filter(|field| seen.insert(field.split(':').next()));
        once.collect::<Vec<_>>().join("\n")
    })
}

/// Objects that are in every tree, for replacements and vars to take values from.
const FIXED: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: fixed}}\n---\n\
    {apiVersion: v1, kind: Secret, metadata: {name: fixed}, type: t}\n---\n\
    {apiVersion: v1, kind: Pod, metadata: {name: fixed}, spec: {containers: [{image: 'nginx:1'}, {image: x}]}}";

/// What the `configurations` and `crds` of [`fields`] refer to.
const CONFIGURATION: &str = "nameReference: [{kind: ConfigMap, fieldSpecs: [{path: spec/map, kind: Widget}, {path: \
    metadata/annotations/map}]}]\nvarReference: [{path: data/x, kind: ConfigMap}]\ncommonLabels: [{path: spec/selector, \
    kind: Widget, create: true}]";
const SCHEMA: &str = "example.com/v1.Widget: {Schema: {properties: {apiVersion: {}, kind: {}, metadata: {}, spec: {$ref: S}}}}\n\
    S: {Schema: {properties: {secret: {x-kubernetes-object-ref-api-version: v1, x-kubernetes-object-ref-kind: Secret}}}}";

fn kustomization(resources: &str, fields: &str) -> String {
    format!("resources: [{resources}]\n{fields}\n")
}

/// What may stand where a map or list is expected.
fn odd(proper: &'static str) -> impl Strategy<Value = String> {
    prop_oneof![
        4 => Just(proper.to_owned()),
        1 => select(vec!["null", "{}", "[]", "[{}]", "[null]", "text", "1"]).prop_map(str::to_owned),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: TREES, ..ProptestConfig::default() })]

    /// Objects in which something is missing, null, empty, or of another type. What we build kustomize builds too; what
    /// it builds of such objects beyond that is its own affair.
    #[test]
    fn odd_objects(
        kind in select(vec!["apps/v1, kind: Deployment", "apps/v1, kind: StatefulSet", "batch/v1, kind: CronJob",
            "v1, kind: Pod", "v1, kind: Service", "rbac.authorization.k8s.io/v1, kind: RoleBinding"]),
        labels in odd("{a: b}"),
        selector in odd("{matchLabels: {app: x}}"),
        match_labels in odd("{app: x}"),
        containers in odd("[{name: c, image: 'nginx:1', env: [{valueFrom: {configMapKeyRef: {name: m}}}]}]"),
        image in odd("nginx"),
        volumes in odd("[{configMap: {name: m}}, {emptyDir: {}}]"),
        template in odd("TEMPLATE"),
        spec in odd("SPEC"),
        subjects in odd("[{kind: ServiceAccount, name: default}, {kind: ServiceAccount, name: s, namespace: default}]"),
        field in select(vec!["namespace: one", "namePrefix: p-", "labels: [{pairs: {a: b}, includeSelectors: true}]",
            "labels: [{pairs: {a: b}, includeTemplates: true}]", "commonAnnotations: {a: b}",
            "images: [{name: nginx, newTag: '2'}]"]),
    ) {
        let pod = format!(
            "containers: {containers}, initContainers: [{{image: {image}}}], volumes: {volumes}, \
             topologySpreadConstraints: [{{labelSelector: {{matchLabels: {match_labels}}}}}]"
        );
        let template = template.replace("TEMPLATE", &format!("{{metadata: {{labels: {labels}}}, spec: {{{pod}}}}}"));
        let spec = spec.replace(
            "SPEC",
            &format!("{{selector: {selector}, template: {template}, jobTemplate: {{spec: {{template: {template}}}}}, {pod}}}"),
        );
        let object = format!(
            "{{apiVersion: {kind}, metadata: {{name: a, labels: {labels}}}, spec: {spec}, subjects: {subjects}}}"
        );
        let others = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m}}\n---\n\
                      {apiVersion: v1, kind: ServiceAccount, metadata: {name: s}}";
        let tree = MemoryTree::new([
            ("kustomization.yaml", &kustomization("a.yaml, b.yaml", field)),
            ("a.yaml", &object),
            ("b.yaml", others),
        ]);
        if let Ok(ours) = build(&tree, "") {
            let ours: Vec<_> = ours.iter().map(oracle::canonical).collect();
            prop_assert_eq!(Ok(ours), oracle::build(&tree, ""));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: TREES, ..ProptestConfig::default() })]

    /// An overlay over two others of one base, and a component.
    #[test]
    fn like_kustomize(
        files in [objects(), objects(), objects()],
        fields in [fields(), fields(), fields(), fields()],
        with_component in any::<bool>(),
        with_right in any::<bool>(),
        component in fields(),
    ) {
        let components = if with_component { "components: [../component]" } else { "" };
        let bases = if with_right { "../left, ../right, a.yaml" } else { "../left, a.yaml" };
        let tree = MemoryTree::new([
            ("top/kustomization.yaml", &(kustomization(bases, &fields[0]) + components)),
            ("top/a.yaml", &files[0]),
            ("top/config.yaml", CONFIGURATION),
            ("left/config.yaml", CONFIGURATION),
            ("right/config.yaml", CONFIGURATION),
            ("base/config.yaml", CONFIGURATION),
            ("component/config.yaml", CONFIGURATION),
            ("top/schema.yaml", SCHEMA),
            ("left/schema.yaml", SCHEMA),
            ("right/schema.yaml", SCHEMA),
            ("base/schema.yaml", SCHEMA),
            ("component/schema.yaml", SCHEMA),
            ("left/kustomization.yaml", &kustomization("../base, a.yaml", &fields[1])),
            ("left/a.yaml", &files[1]),
            ("right/kustomization.yaml", &kustomization("../base", &fields[2])),
            ("base/kustomization.yaml", &kustomization("a.yaml", &fields[3])),
            ("base/a.yaml", &format!("{FIXED}\n---\n{}", files[2])),
            ("component/kustomization.yaml", &format!("kind: Component\nresources: []\n{component}\n")),
        ]);
        let theirs = oracle::build(&tree, "top");
        match (build(&tree, "top"), theirs) {
            (Ok(ours), Ok(theirs)) => {
                let bytes = |objects: &[manifest_yaml::Value]| -> Vec<_> {
                    objects.iter().map(manifest_yaml::to_json_exposed).collect()
                };
                prop_assert_eq!(bytes(&ours), bytes(&build(&tree, "top").unwrap()), "built twice");
                let ours: Vec<_> = ours.iter().map(oracle::canonical).collect();
                prop_assert_eq!(ours, theirs);
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(error)) => prop_assert!(false, "kustomize refuses: {error}"),
            (Err(error), Ok(_)) => prop_assert!(false, "only we refuse: {}", chain(&error)),
        }
    }
}
