//! The writers: masking, style, and that what they write reads back.
// clippy.toml excepts test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use manifest_yaml::{
    Limits, Mapping, Number, Schema, Sensitive, Value, from_json, from_yaml, to_json_exposed, to_json_masked,
    to_yaml_exposed, to_yaml_masked,
};
use proptest::prelude::*;

fn manifest(text: &str) -> Value {
    let documents = from_yaml(text.as_bytes(), Schema::Kubernetes, &Limits::default()).unwrap();
    documents.into_iter().next().unwrap().value
}

#[test]
fn yaml_is_written_as_kubectl_does() {
    let text = "\
apiVersion: v1
kind: ConfigMap
metadata:
  name: web-1
  labels: {}
  annotations:
    example.com/empty: \"\"
data:
  port: \"8080\"
  enabled: \"yes\"
  octal: \"0777\"
  version: \"1.20\"
  date: \"2024-01-01\"
  time: \"12:30:45\"
  image: nginx:1.25
  size: 10Gi
  url: https://example.com/a?b=c#d
  glob: \"*.example.com\"
  quote: '- \"hi\"'
  bell: \"\\u0007\"
  script: |
    #!/bin/sh
    echo \"a: b\"

    exit 0
  no-newline: |-
    a
    b
  more-newlines: |+
    a

  indented: \"  a\\nb\"
list:
- a
- --flag
- k: v
  l:
  - 1
  - -2.5
- - x
  - []
- null
- true
";
    assert_eq!(to_yaml_masked(&manifest(text)), text);
}

#[test]
fn sensitive_scalars_are_masked_everywhere_but_in_exposed() {
    let mut mapping = Mapping::new();
    mapping.insert(
        "s",
        Value::Sensitive(Sensitive::string("hunter2\nyes".to_owned())),
    );
    mapping.insert("b", Value::Sensitive(Sensitive::bool(true)));
    mapping.insert("n", Value::Sensitive(Sensitive::number(Number::Integer(4711))));
    let value = Value::Sequence(vec![Value::Mapping(mapping)]);
    assert_eq!(to_json_masked(&value), r#"[{"s":"***","b":"***","n":"***"}]"#);
    assert_eq!(
        to_yaml_masked(&value),
        "- s: \"***\"\n  b: \"***\"\n  \"n\": \"***\"\n"
    );
    assert_eq!(format!("{value:?}"), r#"[{"s": ***, "b": ***, "n": ***}]"#);
    assert_eq!(
        to_json_exposed(&value).as_slice(),
        br#"[{"s":"hunter2\nyes","b":true,"n":4711}]"#
    );
    assert_eq!(
        to_yaml_exposed(&value).as_str(),
        "- s: |-\n    hunter2\n    yes\n  b: true\n  \"n\": 4711\n"
    );
    assert!(value.is_sensitive());
}

#[test]
fn numbers_are_written_as_go_does() {
    for (number, expected) in [
        (Number::Integer(i64::MIN), "-9223372036854775808"),
        (Number::Unsigned(u64::MAX), "18446744073709551615"),
        (Number::Float(1.0), "1"),
        (Number::Float(-0.5), "-0.5"),
        (Number::Float(-0.0), "-0"),
        (Number::Float(1e20), "100000000000000000000"),
        (Number::Float(1e21), "1e+21"),
        (Number::Float(1.5e300), "1.5e+300"),
        (Number::Float(0.000_001), "0.000001"),
        (Number::Float(0.000_000_1), "1e-7"),
    ] {
        assert_eq!(to_json_masked(&Value::Number(number)), expected);
        assert_eq!(to_yaml_masked(&Value::Number(number)), format!("{expected}\n"));
    }
}

#[test]
fn a_long_key_is_still_a_key() {
    let mut mapping = Mapping::new();
    mapping.insert("k".repeat(2000), Value::Bool(true));
    mapping.insert("after", Value::Sequence(vec![Value::Null]));
    assert_reads_back(&Value::Mapping(mapping));
}

/// Strings that some YAML reader takes for something else, or that a careless writer breaks.
const HARD: &[&str] = &[
    "",
    "y",
    "Y",
    "n",
    "yes",
    "No",
    "ON",
    "off",
    "true",
    "False",
    "null",
    "NULL",
    "~",
    "<<",
    "=",
    "0777",
    "0o17",
    "08",
    "0x1F",
    "0b1",
    "1_000",
    "1.5",
    ".5",
    "1.",
    "1e3",
    "+1",
    "-",
    "--",
    "---",
    "...",
    ".inf",
    "-.INF",
    ".NaN",
    "2024-01-01",
    "2024-01-01T10:00:00Z",
    "2024-01-01 10:00:00",
    "12:30",
    "190:20:30",
    "1:2",
    "- a",
    "a: b",
    "a:",
    ":a",
    "a #b",
    "a#b",
    "#a",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a",
    "|",
    ">",
    "?",
    "? a",
    "[a]",
    "{a}",
    "a, b",
    "'",
    "\"",
    "'a'",
    "\"a\"",
    "a\\b",
    "a\"b'c",
    " a",
    "a ",
    "\ta",
    "a\t",
    "a\tb",
    "\n",
    "a\n",
    "\na",
    "a\n\n",
    "a\nb",
    "a\n b",
    " a\nb",
    "a \nb",
    "a\n \nb",
    "a\n\nb\n\n\n",
    "a\r\nb",
    "\r",
    "---\na",
    "a\n---\nb",
    "a\n...\n",
    "#a\nb",
    "a: b\nc: d\n",
    "\u{0}",
    "\u{7}",
    "\u{85}",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffe}",
    "é",
    "日本",
    "😀",
    "{{ .Values.x }}",
    "$(A)",
    "100m",
    "1.2.3",
];

#[test]
fn hard_strings_stay_strings_in_every_place() {
    for text in HARD {
        let mut mapping = Mapping::new();
        mapping.insert(*text, Value::from(*text));
        mapping.insert(
            "list of ours",
            Value::Sequence(vec![Value::from(*text), Value::from(*text)]),
        );
        let value = Value::Mapping(mapping);
        assert_reads_back(&value);
        assert_reads_back(&Value::Sequence(vec![
            value.share(),
            Value::Sequence(vec![value]),
        ]));
        assert_reads_back(&Value::from(*text));
    }
}

fn assert_reads_back(value: &Value) {
    let json = to_json_exposed(value);
    let from_json = from_json(&json, &Limits::default()).unwrap();
    assert!(
        same(
            value,
            from_json.first().map_or(&Value::Null, |document| &document.value)
        ),
        "{json:?}"
    );
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&json)
            .map(|_| ())
            .ok(),
        Some(())
    );
    let yaml = to_yaml_exposed(value);
    for schema in [Schema::Kubernetes, Schema::GoYamlV3] {
        let read = from_yaml(yaml.as_bytes(), schema, &Limits::default());
        let read = read.unwrap_or_else(|error| panic!("{schema:?}: {error}\n{}", yaml.as_str()));
        let read = read.first().map_or(&Value::Null, |document| &document.value);
        assert!(
            same(value, read),
            "{schema:?}: {value:?} became {read:?}\n{}",
            yaml.as_str()
        );
    }
}

/// Equality, for numbers as numbers: a float without fraction is written as an integer.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::String(left), Value::String(right)) => left == right,
        (Value::Number(left), Value::Number(right)) => {
            left == right
                || as_float(*left).to_bits() == as_float(*right).to_bits()
                || is_zero(*left) && is_zero(*right)
        }
        (Value::Sequence(left), Value::Sequence(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Mapping(left), Value::Mapping(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right.iter())
                    .all(|((key, left), (other, right))| key == other && same(left, right))
        }
        _ => false,
    }
}

/// Either zero: `-0` is read as an integer.
fn is_zero(number: Number) -> bool {
    as_float(number).abs().to_bits() == 0
}

#[allow(clippy::cast_precision_loss)] // compared with a float
fn as_float(number: Number) -> f64 {
    match number {
        Number::Float(value) => value,
        Number::Integer(value) => value as f64,
        Number::Unsigned(value) => value as f64,
    }
}

fn strings() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\n\t]{0,20}",
        "[-+0-9a-fxob_.:TZe ]{0,8}",
        proptest::collection::vec(proptest::sample::select(HARD), 0..4).prop_map(|parts| parts.concat()),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(()).prop_map(|()| Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (i64::MAX as u64 + 1..).prop_map(|number| Value::Number(Number::Unsigned(number))),
        any::<f64>()
            .prop_filter("finite", |value| value.is_finite())
            .prop_map(|number| Value::Number(Number::Float(number))),
        strings().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((strings(), inner), 0..5)
                .prop_map(|entries| Value::Mapping(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_written_reads_back(value in values()) {
        assert_reads_back(&value);
    }
}
