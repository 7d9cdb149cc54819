//! Patches at random, applied by us and by kustomize.

use kustomize::build;
use proptest::prelude::*;
use proptest::sample::select;

use crate::oracle;
use crate::tables::chain;
use crate::tree::MemoryTree;

/// How many trees are built; each runs kustomize once, for some 40 ms.
const TREES: u32 = 96;

/// What we refuse although kustomize prints something, since what it prints is not what the patch says.
const STRICTER: &[&str] = &[
    "kustomize does not replace single elements",
    "kustomize does not replace whole objects",
    "by which the list is merged, is missing",
    "has no effect; write the whole list",
    "of which kustomize makes a string",
    "that kustomize would spell otherwise",
    ": is null",
    "is no scalar",
    "kustomize adds an element that is to be deleted",
    "stands beside another one",
    "by which the list is merged, is null",
    "the patch has an element",
    "to kind of example.com/v1 Widget",
    "to metadata.name of example.com/v1 Widget",
    "there is no list that $patch could be for",
];

/// Where a text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Base,
    Patch,
}

/// Some of the fields of a map; in a patch some are null, and there may be a directive.
fn map(side: Side, fields: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<String> {
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(key, value)| {
            let null = Just(format!("{key}: null"));
            prop_oneof![
                5 => value.prop_map(move |value| Some(format!("{key}: {value}"))),
                4 => Just(None),
                1 => null.prop_map(Some),
            ]
        })
        .collect();
    let directive = match side {
        Side::Base => Just("").boxed(),
        Side::Patch => prop_oneof![
            12 => Just(""),
            1 => Just("$patch: delete"),
            1 => Just("$patch: replace"),
            1 => Just("$patch: merge"),
        ]
        .boxed(),
    };
    (fields, directive)
        .prop_map(|(fields, directive)| {
            let directive = (!directive.is_empty()).then(|| directive.to_owned());
            let entries: Vec<String> = fields.into_iter().flatten().chain(directive).collect();
            format!("{{{}}}", entries.join(", "))
        })
        .boxed()
}

/// Elements whose key is always there; in a patch there may be a directive for the list.
fn list(
    side: Side,
    key: &'static str,
    keys: Vec<&'static str>,
    fields: Vec<(&'static str, BoxedStrategy<String>)>,
) -> BoxedStrategy<String> {
    let element = (select(keys), map(side, fields)).prop_map(move |(value, rest)| match rest.as_str() {
        "{}" => format!("{{{key}: {value}}}"),
        rest => format!("{{{key}: {value}, {}", rest.trim_start_matches('{')),
    });
    let directive = match side {
        Side::Base => Just(None).boxed(),
        Side::Patch => prop_oneof![
            12 => Just(None),
            1 => Just(Some("{$patch: replace}")),
            1 => Just(Some("{$patch: delete}")),
        ]
        .boxed(),
    };
    (prop::collection::vec(element, 0..4), directive)
        .prop_map(|(elements, directive)| {
            let all: Vec<String> = elements.into_iter().chain(directive.map(str::to_owned)).collect();
            format!("[{}]", all.join(", "))
        })
        .boxed()
}

fn one_of(values: &'static [&'static str]) -> BoxedStrategy<String> {
    select(values).prop_map(str::to_owned).boxed()
}

fn container(side: Side) -> Vec<(&'static str, BoxedStrategy<String>)> {
    vec![
        ("image", one_of(&["nginx", "redis"])),
        ("command", one_of(&["[a]", "[b, c]", "[]"])),
        (
            "env",
            list(
                side,
                "name",
                vec!["X", "Y", "Z"],
                vec![("value", one_of(&["'1'", "'2'"]))],
            ),
        ),
        (
            "ports",
            list(
                side,
                "containerPort",
                vec!["80", "443"],
                vec![
                    ("protocol", one_of(&["TCP", "UDP"])),
                    ("name", one_of(&["a", "b"])),
                ],
            ),
        ),
        (
            "volumeMounts",
            list(
                side,
                "mountPath",
                vec!["/a", "/b"],
                vec![("name", one_of(&["v", "w"]))],
            ),
        ),
        (
            "resources",
            map(
                side,
                vec![("limits", one_of(&["{cpu: 1}", "{memory: 1Gi}", "{}"]))],
            ),
        ),
        ("envFrom", one_of(&["[{configMapRef: {name: a}}]", "[]"])),
    ]
}

fn pod(side: Side) -> BoxedStrategy<String> {
    map(
        side,
        vec![
            (
                "containers",
                list(side, "name", vec!["a", "b", "c"], container(side)),
            ),
            (
                "initContainers",
                list(side, "name", vec!["a", "b"], container(side)),
            ),
            (
                "volumes",
                list(
                    side,
                    "name",
                    vec!["v", "w"],
                    vec![
                        ("emptyDir", one_of(&["{}", "{medium: Memory}"])),
                        ("secret", one_of(&["{secretName: s}"])),
                    ],
                ),
            ),
            (
                "topologySpreadConstraints",
                list(
                    side,
                    "topologyKey",
                    vec!["zone", "host"],
                    vec![
                        ("whenUnsatisfiable", one_of(&["DoNotSchedule", "ScheduleAnyway"])),
                        ("maxSkew", one_of(&["1", "2"])),
                    ],
                ),
            ),
            ("tolerations", one_of(&["[{key: a}]", "[{key: b}, {key: c}]"])),
            (
                "hostAliases",
                list(
                    side,
                    "ip",
                    vec!["1.1.1.1", "2.2.2.2"],
                    vec![("hostnames", one_of(&["[a]", "[b]"]))],
                ),
            ),
            (
                "nodeSelector",
                map(side, vec![("a", one_of(&["b", "c"])), ("d", one_of(&["e"]))]),
            ),
        ],
    )
}

fn spec(side: Side) -> BoxedStrategy<String> {
    map(
        side,
        vec![
            ("replicas", one_of(&["1", "2"])),
            ("template", map(side, vec![("spec", pod(side))])),
            (
                "ports",
                list(
                    side,
                    "port",
                    vec!["80", "443"],
                    vec![
                        ("protocol", one_of(&["TCP", "UDP"])),
                        ("targetPort", one_of(&["1", "2"])),
                    ],
                ),
            ),
            (
                "strategy",
                map(
                    side,
                    vec![
                        ("type", one_of(&["Recreate"])),
                        ("rollingUpdate", one_of(&["{maxSurge: 1}"])),
                    ],
                ),
            ),
            (
                "anything",
                one_of(&["[{name: a}, {name: b}]", "{a: [1, 2]}", "text"]),
            ),
        ],
    )
}

fn metadata(side: Side) -> BoxedStrategy<String> {
    let entries = || match side {
        Side::Base => one_of(&["{a: b, d: '1'}", "{a: c}", "{}"]),
        Side::Patch => map(side, vec![("a", one_of(&["b", "c"])), ("d", one_of(&["'1'"]))]),
    };
    map(
        side,
        vec![
            ("labels", entries()),
            ("annotations", entries()),
            ("finalizers", one_of(&["[a]", "[b, c]", "[c, a]", "[]"])),
            (
                "ownerReferences",
                list(
                    side,
                    "uid",
                    vec!["'1'", "'2'"],
                    vec![("name", one_of(&["x", "y"]))],
                ),
            ),
        ],
    )
}

fn object(side: Side) -> impl Strategy<Value = String> {
    (metadata(side), spec(side)).prop_map(|(metadata, spec)| {
        let metadata = match metadata.trim_start_matches('{') {
            "}" => "{name: o}".to_owned(),
            rest => format!("{{name: o, {rest}"),
        };
        format!("metadata: {metadata}, spec: {spec}}}")
    })
}

/// Both build the same, both refuse, or we refuse what kustomize does not do as it is told.
fn compare(tree: &MemoryTree) -> Result<(), TestCaseError> {
    match (build(tree, ""), oracle::build(tree, "")) {
        (Ok(ours), Ok(theirs)) => {
            let ours: Vec<_> = ours.iter().map(oracle::canonical).collect();
            prop_assert_eq!(ours, theirs);
        }
        (Err(_), Err(_)) => {}
        (Ok(_), Err(error)) => prop_assert!(false, "kustomize refuses: {error}"),
        (Err(error), Ok(_)) => {
            let error = chain(&error);
            let is_stated = STRICTER.iter().any(|stated| error.contains(stated));
            prop_assert!(is_stated, "only we refuse: {error}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: TREES, ..ProptestConfig::default() })]

    #[test]
    fn strategic_patches(
        kind in select(vec!["apps/v1, kind: Deployment", "apps/v1, kind: StatefulSet", "v1, kind: Service",
            "batch/v1, kind: Job", "v1, kind: PodTemplate", "example.com/v1, kind: Widget"]),
        base in object(Side::Base),
        patch in object(Side::Patch),
        form in select(vec!["patches: [{path: p.yaml}]", "patches: [{path: p.yaml, target: {name: o}}]",
            "patchesStrategicMerge: [p.yaml]", "patches: [{path: p.yaml, options: {allowNameChange: true}}]"]),
    ) {
        let tree = MemoryTree::new([
            ("kustomization.yaml", &format!("resources: [o.yaml]\n{form}\n")),
            ("o.yaml", &format!("{{apiVersion: {kind}, {base}")),
            ("p.yaml", &format!("{{apiVersion: {kind}, {patch}")),
        ]);
        compare(&tree)?;
    }
}

fn pointer() -> impl Strategy<Value = String> {
    let token = select(vec![
        "metadata",
        "name",
        "labels",
        "annotations",
        "n",
        "spec",
        "list",
        "map",
        "a",
        "b",
        "0",
        "1",
        "-1",
        "-",
        "2",
        "a~1b",
        "",
    ]);
    let known = select(vec![
        "/spec/list/0",
        "/spec/list/-",
        "/spec/map/a",
        "/spec/map",
        "/spec/list",
        "/spec/list/1/x",
        "/metadata/labels/a",
        "/metadata/annotations/n",
        "/spec",
        "/metadata/name",
        "/spec/map/new",
        "/spec/nothing/here",
        "/spec/list/-1",
        "/kind",
    ]);
    prop_oneof![
        3 => known.prop_map(str::to_owned),
        1 => prop::collection::vec(token, 1..4).prop_map(|tokens| format!("/{}", tokens.join("/"))),
    ]
}

fn operation() -> impl Strategy<Value = String> {
    let value = select(vec![
        "1",
        "text",
        "null",
        "true",
        "{x: 1}",
        "[1, 2]",
        "{name: a}",
        "'1'",
        "1.5",
        "{x: y, z: null}",
    ]);
    (
        select(vec!["add", "add", "replace", "remove", "move", "copy", "test"]),
        pointer(),
        pointer(),
        value,
    )
        .prop_map(|(op, path, from, value)| {
            format!("- {{op: {op}, path: {path}, from: {from}, value: {value}}}")
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: TREES, ..ProptestConfig::default() })]

    #[test]
    fn json_patches(
        operations in prop::collection::vec(operation(), 1..4),
        form in select(vec!["patches", "patchesJson6902"]),
        reference in any::<bool>(),
    ) {
        let reference = if reference { "namePrefix: p-" } else { "" };
        let tree = MemoryTree::new([
            ("kustomization.yaml", &format!("resources: [o.yaml]\n{reference}\n{form}: [{{path: p.yaml, target: {{name: o}}}}]\n")),
            (
                "o.yaml",
                "{apiVersion: example.com/v1, kind: Widget, metadata: {name: o, labels: {a: b}}, spec: {list: [1, {x: y}, null], map: {a: b, n: null}}}",
            ),
            ("p.yaml", &operations.join("\n")),
        ]);
        compare(&tree)?;
    }
}
