//! Limits, and what must not be reached.

use kustomize::{BuildError, MAX_BASE_DEPTH, MAX_KUSTOMIZATIONS, MAX_OBJECTS, build};

use crate::tables::chain;
use crate::tree::MemoryTree;

fn refusal(tree: &MemoryTree, directory: &str) -> BuildError {
    build(tree, directory).unwrap_err()
}

fn innermost(mut error: BuildError) -> BuildError {
    while let BuildError::Base { source, .. } = error {
        error = *source;
    }
    error
}

/// A tree in which kustomization `n` has `copies` of kustomization `n + 1` as bases.
fn tower(levels: usize, copies: &[&str]) -> MemoryTree {
    let mut tree = MemoryTree::default();
    for level in 0..levels {
        let bases: Vec<String> = copies
            .iter()
            .map(|copy| format!("../{copy}{}", level + 1))
            .collect();
        let resources = if level + 1 == levels {
            "[]".to_owned()
        } else {
            format!("[{}]", bases.join(", "))
        };
        for copy in copies {
            let text = format!("resources: {resources}");
            tree.files
                .insert(format!("{copy}{level}/kustomization.yaml"), text.into_bytes());
        }
    }
    tree
}

#[test]
fn depth() {
    assert!(build(&tower(MAX_BASE_DEPTH, &["a"]), "a0").unwrap().is_empty());
    let error = innermost(refusal(&tower(MAX_BASE_DEPTH + 1, &["a"]), "a0"));
    assert!(
        matches!(
            error,
            BuildError::Limit {
                limit: MAX_BASE_DEPTH,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn bases_that_double() {
    let error = innermost(refusal(&tower(40, &["a", "b"]), "a0"));
    assert!(
        matches!(
            error,
            BuildError::Limit {
                limit: MAX_KUSTOMIZATIONS,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn objects() {
    let item = "- {apiVersion: v1, kind: C, metadata: {name: a}}\n";
    let list = format!(
        "apiVersion: v1\nkind: List\nitems:\n{}",
        "- {}\n".repeat(MAX_OBJECTS + 1)
    );
    let tree = MemoryTree::new([("kustomization.yaml", "resources: [a.yaml]"), ("a.yaml", &list)]);
    let error = refusal(&tree, "");
    assert!(
        matches!(
            error,
            BuildError::Limit {
                limit: MAX_OBJECTS,
                ..
            }
        ),
        "{error}"
    );
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{item}");
    let tree = MemoryTree::new([("kustomization.yaml", "resources: [a.yaml]"), ("a.yaml", &list)]);
    assert_eq!(build(&tree, "").unwrap().len(), 1);
}

/// kustomize would go and fetch these.
#[test]
fn remote() {
    for (field, path) in [
        ("resources", "https://example.com/a.yaml"),
        ("resources", "github.com/org/repo//base?ref=v1"),
        ("resources", "git@github.com:org/repo.git"),
        ("resources", "ssh://git@example.com/org/repo"),
        ("bases", "example.com/org/repo?ref=v1"),
        ("components", "https://github.com/org/repo"),
    ] {
        let text = format!("{field}: [{path:?}]");
        let error = refusal(&MemoryTree::new([("kustomization.yaml", &text)]), "");
        assert!(matches!(error, BuildError::Remote { .. }), "{path}: {error}");
    }
    let text = "configMapGenerator: [{name: a, files: ['https://example.com/a']}]";
    let error = refusal(&MemoryTree::new([("kustomization.yaml", text)]), "");
    assert!(matches!(error, BuildError::Remote { .. }), "{error}");
    // A folder of that name does not change what kustomize would do.
    let tree = MemoryTree::new([
        ("kustomization.yaml", "resources: [github.com/org/repo]"),
        ("github.com/org/repo/kustomization.yaml", "resources: []"),
    ]);
    assert!(matches!(refusal(&tree, ""), BuildError::Remote { .. }));
}

/// kustomize would run a program for these.
#[test]
fn charts() {
    for text in [
        "helmCharts: [{name: a, repo: 'https://example.com'}]",
        "helmChartInflationGenerator: [{chartName: a}]",
    ] {
        let error = refusal(&MemoryTree::new([("kustomization.yaml", text)]), "");
        assert!(
            chain(&error).contains("render the chart and commit the result"),
            "{error}"
        );
    }
}

#[test]
fn folders() {
    let tree = MemoryTree::new([("a/kustomization.yaml", "resources: []")]);
    assert!(build(&tree, "a").unwrap().is_empty());
    assert!(build(&tree, "./a/").unwrap().is_empty());
    for directory in ["b", "a/kustomization.yaml", "..", "a/../.."] {
        let error = refusal(&tree, directory);
        assert!(
            matches!(error, BuildError::NotADirectory { .. }),
            "{directory}: {error}"
        );
    }
}

/// Go's scanner gives up on such a line, and kustomize leaves out what follows.
#[test]
fn long_lines_of_env_files() {
    let build_with = |length: usize| {
        let text = format!("A={}\nB=1\n", "x".repeat(length - 2));
        let tree = MemoryTree::new([
            (
                "kustomization.yaml",
                "configMapGenerator: [{name: a, envs: [a.env]}]",
            ),
            ("a.env", &text),
        ]);
        (build(&tree, ""), crate::oracle::build(&tree, "").unwrap())
    };
    let (ours, theirs) = build_with(64 * 1024 - 1);
    assert_eq!(
        ours.unwrap()
            .iter()
            .map(crate::oracle::canonical)
            .collect::<Vec<_>>(),
        theirs
    );
    let (ours, theirs) = build_with(64 * 1024);
    assert!(chain(&ours.unwrap_err()).contains("line 1 is too long"));
    assert!(theirs[0].get("data").is_none());
}

/// A few lines of operations can double an object again and again, or make it deep.
#[test]
fn of_json_patches() {
    let refused = |operations: String| {
        let tree = MemoryTree::new([
            (
                "kustomization.yaml",
                "resources: [a.yaml]\npatches: [{path: p.yaml, target: {name: a}}]",
            ),
            (
                "a.yaml",
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {a: {x: [1, 2, 3]}}}",
            ),
            ("p.yaml", &operations),
        ]);
        chain(&build(&tree, "").unwrap_err())
    };
    let doubling: Vec<String> = (0..30)
        .map(|index| format!("- {{op: copy, from: /data, path: /data/{index}}}\n"))
        .collect();
    let error = refused(doubling.concat());
    assert!(
        error.contains("the patch copies more than 100000 values"),
        "{error}"
    );
    let deepening: String = (0..200)
        .map(|_| {
            "- {op: add, path: /new, value: {}}\n- {op: move, from: /data, path: /new/data}\n\
             - {op: move, from: /new, path: /data}\n"
        })
        .collect();
    let error = refused(deepening);
    assert!(error.contains("the object would be deeper than 100"), "{error}");
}
