//! Both schemas against what the Go readers said: the tables that `tests/truth/main.go` writes.
// clippy.toml excepts test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use manifest_yaml::syntax::{self, Content};
use manifest_yaml::{Limits, Scalar, Schema, from_yaml, resolve_scalar, to_json_exposed};
use serde_json::Value as Json;

const KUBERNETES: &str = include_str!("truth/kubernetes.jsonl");
const GO_YAML_V3: &str = include_str!("truth/go_yaml_v3.jsonl");

fn rows(table: &str) -> Vec<Json> {
    table
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Documents that `sigs.k8s.io/yaml` takes and we refuse, because two readers, or two runs of one, could disagree.
const REFUSED: &[(&str, &str)] = &[
    ("a: {\n\tb: 1}\n", "tab as indentation, in a flow map"),
    ("a: 1\na: 2\n", "duplicate key"),
    ("a: {b: 1, b: 2}\n", "duplicate key"),
    ("1: a\n\"1\": b\n", "duplicate key as strings"),
    ("true: a\nyes: b\n", "duplicate key as strings"),
    ("1: a\n1.0: b\n", "duplicate key as strings"),
    ("&k key: &v value\n*k : *v\n", "duplicate key by alias"),
    (
        "base: &base {a: 1, b: 2}\nuse:\n  b: 3\n  <<: *base\n",
        "merged over a written key",
    ),
    ("use:\n  <<: {a: 1}\n  <<: {b: 2}\n", "duplicate `<<`"),
    ("use:\n  <<: {a: 1}\n  <<: {a: 2}\n", "duplicate `<<`"),
    (
        "a b\n: 1\n",
        "text after a document without `---`, which go-yaml does not look at",
    ),
];

/// Documents that `sigs.k8s.io/yaml` refuses and we take, because YAML 1.2 gives them one meaning.
const TAKEN: &[(&str, &str)] = &[
    ("v: \"\\ud83d\\ude00\"\n", "surrogate pair, as in JSON"),
    (
        "{\"a\": 1e3, \"b\": 1.0, \"c\": 12345678901234567890, \"d\": \"\\u0041\\/\", \"e\": 1.50}\n",
        "escaped slash, as in JSON",
    ),
    ("%YAML 1.2\n---\na: yes\n", "version 1.2"),
    ("-\ta\n", "tab between indicator and scalar"),
    (
        "a: |\n  \ttab\nb: 1\n",
        "tab as the first character of a block scalar",
    ),
    ("# comment\n\n\t# tabbed comment\na: 1\n", "tab before a comment"),
    ("a: 1\n\t\nb: 2\n", "tab on a blank line"),
];

#[test]
fn kubernetes_reads_as_sigs_yaml() {
    let mut differences = Vec::new();
    for row in rows(KUBERNETES) {
        let text = row["yaml"].as_str().unwrap();
        let ours = from_yaml(text.as_bytes(), Schema::Kubernetes, &Limits::default());
        let ours = ours.map(|documents| match documents.as_slice() {
            [] => Json::Null,
            [document, ..] => serde_json::from_slice(&to_json_exposed(&document.value)).unwrap(),
        });
        let listed = |list: &[(&str, &str)]| list.iter().any(|(listed, _)| *listed == text);
        let as_expected = match (row.get("json"), &ours) {
            (None, Err(_)) => true,
            (None, Ok(_)) => listed(TAKEN),
            (Some(_), Err(_)) => listed(REFUSED),
            (Some(theirs), Ok(ours)) => same(theirs, ours) && !listed(REFUSED),
        };
        if !as_expected {
            differences.push(format!(
                "{text:?}: theirs {:?}, ours {ours:?}",
                row.get("json").map(Json::to_string)
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Equality with `-0` the same as `0`, as Kubernetes reads it.
fn same(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(left), Json::Number(right)) => {
            left == right || left.as_f64() == Some(0.0) && right.as_f64() == Some(0.0)
        }
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, left)| right.get(key).is_some_and(|right| same(left, right)))
        }
        _ => left == right,
    }
}

#[test]
fn scalars_have_the_types_of_go_yaml_v3() {
    let mut differences = Vec::new();
    for row in rows(GO_YAML_V3) {
        let text = row["yaml"].as_str().unwrap();
        let theirs = (
            row["type"].as_str().unwrap_or("error"),
            row["text"].as_str().unwrap_or_default().to_owned(),
        );
        let ours = typed(text);
        if theirs != ours && !TAKEN.iter().any(|(listed, _)| *listed == text) {
            differences.push(format!("{text:?}: theirs {theirs:?}, ours {ours:?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The type and the text of the value in `v: …`, as the table has them.
fn typed(text: &str) -> (&'static str, String) {
    let error = ("error", String::new());
    let Ok(stream) = syntax::parse_yaml(text, &Limits::default()) else {
        return error;
    };
    let document = stream.documents().first().unwrap();
    let [(_, node)] = document.root.as_ref().unwrap().as_entries().unwrap() else {
        return error;
    };
    let Content::Scalar { text, style } = &node.content else {
        return ("collection", String::new());
    };
    match resolve_scalar(Schema::GoYamlV3, text, *style, node.tag.as_ref()) {
        Err(_) => error,
        Ok(Scalar::Null) => ("null", String::new()),
        Ok(Scalar::Bool(value)) => ("bool", value.to_string()),
        Ok(Scalar::Int(value)) => ("int", value.to_string()),
        Ok(Scalar::Unsigned(value)) => ("unsigned", value.to_string()),
        Ok(Scalar::Float(value)) if value == f64::INFINITY => ("float", "+Inf".to_owned()),
        Ok(Scalar::Float(value)) if value == f64::NEG_INFINITY => ("float", "-Inf".to_owned()),
        Ok(Scalar::Float(value)) => ("float", value.to_string()),
        Ok(Scalar::String(text)) => ("string", text.into_owned()),
        Ok(Scalar::Timestamp(text)) => ("timestamp", text),
    }
}
