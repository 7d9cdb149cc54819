//! Variables in built objects. What is expected was written down from fluxcd/pkg/envsubst and sigs.k8s.io/yaml, which
//! are what Flux substitutes with.

use kustomize::{MissingVariable, Variable, Variables, substitute};
use manifest_yaml::{Limits, Schema, Value, from_yaml, to_json_exposed, to_yaml_masked};

use crate::tables::chain;

const MARKER: &str = "hunter2-marker";

fn variables() -> Variables {
    let mut variables = Variables::default();
    for (name, value) in [
        ("name", "Web-Shop"),
        ("path", "/srv/web/file.tar.gz"),
        ("n", "3"),
        ("yes", "true"),
        ("empty", ""),
        ("list", "[a, 1]"),
        ("map", "{a: b}"),
        ("quoted", "\"7\""),
        ("lines", "one\ntwo"),
        ("colon", "a: b"),
        ("comment", "a #b"),
        ("dash", "- a"),
        ("_under", "x"),
        ("unicode", "äöü"),
    ] {
        variables.insert(name, Variable::Plain(value.to_owned())).unwrap();
    }
    variables
        .insert("secret", Variable::Sensitive(MARKER.to_owned().into()))
        .unwrap();
    variables
        .insert("pin", Variable::Sensitive("1234".to_owned().into()))
        .unwrap();
    variables
}

fn parse(yaml: &str) -> Value {
    from_yaml(yaml.as_bytes(), Schema::Kubernetes, &Limits::default())
        .unwrap()
        .remove(0)
        .value
}

fn json(value: &Value) -> String {
    String::from_utf8(to_json_exposed(value).to_vec()).unwrap()
}

fn object(text: &str) -> Value {
    Value::Mapping([("a".to_owned(), Value::from(text))].into_iter().collect())
}

fn substituted(text: &str) -> Result<String, String> {
    let mut object = object(text);
    substitute(&mut object, &variables(), MissingVariable::Refuse).map_err(|error| chain(&error))?;
    Ok(json(object.as_mapping().unwrap().get("a").unwrap()))
}

/// Texts, and what they become as JSON.
const CASES: &[(&str, &str)] = &[
    ("no variable", r#""no variable""#),
    ("$name", r#""$name""#),
    ("$${name}", r#""${name}""#),
    ("$$$${name}", r#""$${name}""#),
    ("$$${name}", r#""$Web-Shop""#),
    ("a$$b", r#""a$b""#),
    ("${name}", r#""Web-Shop""#),
    ("x-${name}-${_under}", r#""x-Web-Shop-x""#),
    ("${n}", "3"),
    ("${n}.5", "3.5"),
    ("v${n}", r#""v3""#),
    ("${yes}", "true"),
    ("${empty}", "null"),
    ("a${empty}", r#""a""#),
    ("${list}", r#"["a",1]"#),
    ("${map}", r#"{"a":"b"}"#),
    ("${quoted}", r#""7""#),
    ("${lines}", r#""onetwo""#),
    ("line\n${n}", r#""line\n3""#),
    ("${n}: a", r#""3: a""#),
    ("'${n}'", r#""'3'""#),
    ("[${n}]", r#""[3]""#),
    ("${#name}", "8"),
    ("${#unicode}", "6"),
    ("${name,}", r#""web-Shop""#),
    ("${name,,}", r#""web-shop""#),
    ("${_under^}", r#""X""#),
    ("${name^^}", r#""WEB-SHOP""#),
    ("${unicode^}", r#""Äöü""#),
    ("${missing:-d}", r#""d""#),
    ("${missing:=5}", "5"),
    ("${missing=d}", r#""d""#),
    ("${missing:=}", "null"),
    ("${empty:-d}", r#""d""#),
    ("${empty=d}", r#""d""#),
    ("${name:-d}", r#""Web-Shop""#),
    ("${missing:=${name,,}}", r#""web-shop""#),
    ("${missing:=a-${missing:-b-${n}}}", r#""a-b-3""#),
    ("${missing:=\"true\"}", r#""true""#),
    ("${name:4}", r#""Shop""#),
    ("${name:0:3}", r#""Web""#),
    ("${name:4:99}", r#""Shop""#),
    ("${name:99}", "null"),
    ("${name:-4}", r#""Web-Shop""#),
    ("${name:x}", r#""Web-Shop""#),
    ("${path#*/}", r#""srv/web/file.tar.gz""#),
    ("${path##*/}", r#""file.tar.gz""#),
    ("${path%.*}", r#""/srv/web/file.tar""#),
    ("${path%%.*}", r#""/srv/web/file""#),
    ("${path#srv}", r#""/srv/web/file.tar.gz""#),
    ("${path##[/s]*b}", r#""/file.tar.gz""#),
    ("${path/web/app}", r#""/srv/app/file.tar.gz""#),
    ("${path//r/R}", r#""/sRv/web/file.taR.gz""#),
    ("${path/\\/srv/}", r#""/web/file.tar.gz""#),
    ("${path//\\//-}", r#""-srv-web-file.tar.gz""#),
    ("${path/#\\/srv/x}", r#""x/web/file.tar.gz""#),
    ("${path/%gz/xz}", r#""/srv/web/file.tar.xz""#),
    ("${path/#web/x}", r#""/srv/web/file.tar.gz""#),
    ("${path//${_under}/y}", r#""/srv/web/file.tar.gz""#),
    ("${name/#/p-}", r#""p-Web-Shop""#),
];

#[test]
fn as_flux_does() {
    for (text, expected) in CASES {
        assert_eq!(substituted(text).as_deref(), Ok(*expected), "{text}");
    }
}

/// A default for `${v-d}`, which Flux documents and refuses.
#[test]
fn more_than_flux_does() {
    assert_eq!(substituted("${missing-d}").as_deref(), Ok(r#""d""#));
    assert_eq!(substituted("${name-d}").as_deref(), Ok(r#""Web-Shop""#));
}

#[test]
fn refusals() {
    for (text, expected) in [
        (
            "${missing}",
            "failed to substitute in a: the variable missing has no value; give it one, or a default: ${missing:=…}",
        ),
        ("${missing^^}", "the variable missing has no value"),
        ("${#missing}", "the variable missing has no value"),
        ("${missing/a/b}", "the variable missing has no value"),
        ("${name:=${missing}}", "the variable missing has no value"),
        ("${empty:=${missing}}", "the variable missing has no value"),
        ("${}", "${ is followed by no name"),
        ("${name", "${name is not closed"),
        ("${name!}", "${name is not closed"),
        ("${name:+x}", "${name:+…} is not supported, as in Flux"),
        ("${name:?x}", "${name:?…} is not supported, as in Flux"),
        ("${name/a}", "a second / is missing"),
        ("${name/#W/}", "has an empty replacement"),
        ("${name:}", "has no offset"),
        ("${unicode:1}", "cuts a character in two"),
        ("${colon}", "failed to substitute in a: what comes out is no YAML"),
        ("${comment}", "what comes out would be taken for a comment"),
        ("${dash}", "what comes out is no YAML"),
        ("${list", "is not closed"),
    ] {
        match substituted(text) {
            Ok(_) => assert!(expected.is_empty(), "{text} is substituted"),
            Err(error) => assert!(
                !expected.is_empty() && error.contains(expected),
                "{text}: {error}"
            ),
        }
    }
    let nested = "${name:=".repeat(40) + &"}".repeat(40);
    assert!(substituted(&nested).unwrap_err().contains("stand in one another"));
}

#[test]
fn missing_ones_can_be_nothing() {
    let mut object = object("a${missing}${missing^^}b${#missing}");
    substitute(&mut object, &variables(), MissingVariable::Empty).unwrap();
    assert_eq!(json(&object), r#"{"a":"ab0"}"#);
}

#[test]
fn everywhere_in_an_object() {
    let mut object = parse(
        "{kind: C, metadata: {name: '${name,,}', labels: {'app-${n}': x}}, list: ['${n}', ['${list}'], {a: '${yes}'}], count: 1, b: true, z: null}",
    );
    substitute(&mut object, &variables(), MissingVariable::Refuse).unwrap();
    assert_eq!(
        json(&object),
        r#"{"kind":"C","metadata":{"name":"web-shop","labels":{"app-3":"x"}},"list":[3,[["a",1]],{"a":true}],"count":1,"b":true,"z":null}"#
    );
    let mut twice = parse("{'${n}': a, '3': b}");
    let error = substitute(&mut twice, &variables(), MissingVariable::Refuse).unwrap_err();
    assert!(
        chain(&error).contains("is no name for a field of its own"),
        "{error}"
    );
}

#[test]
fn secrets_stay_secret() {
    for text in [
        "${secret}",
        "a ${secret} b",
        "${secret^^}",
        "${secret#h}",
        "${missing:=${secret}}",
        "${name/Web/${secret}}",
        "[${secret}]",
    ] {
        let mut object = object(text);
        substitute(&mut object, &variables(), MissingVariable::Refuse).unwrap();
        let masked = to_yaml_masked(&object).to_lowercase();
        assert!(!masked.contains("marker"), "{text}: {masked}");
        assert!(json(&object).to_lowercase().contains("marker"), "{text}");
    }
    let mut number = object("${pin}");
    substitute(&mut number, &variables(), MissingVariable::Refuse).unwrap();
    assert_eq!(json(&number), r#"{"a":1234}"#);
    assert!(number.as_mapping().unwrap().get("a").unwrap().is_sensitive());
    // A template that is a secret itself.
    let sealed = manifest_yaml::Sensitive::string(format!("{MARKER}-${{n}}"));
    let mut sealed = Value::Mapping([("a".to_owned(), Value::Sensitive(sealed))].into_iter().collect());
    substitute(&mut sealed, &variables(), MissingVariable::Refuse).unwrap();
    assert!(!to_yaml_masked(&sealed).contains(MARKER));
    assert_eq!(json(&sealed), format!(r#"{{"a":"{MARKER}-3"}}"#));
}

#[test]
fn secrets_are_no_names_of_fields() {
    let mut key = parse("{'${secret}': a}");
    let error = chain(&substitute(&mut key, &variables(), MissingVariable::Refuse).unwrap_err());
    assert!(
        error.contains("a sensitive value would become the name of a field"),
        "{error}"
    );
    let mut variables = variables();
    let map = format!("{{{MARKER}: a}}");
    variables.insert("map", Variable::Sensitive(map.into())).unwrap();
    let error = chain(&substitute(&mut object("${map}"), &variables, MissingVariable::Refuse).unwrap_err());
    assert!(
        error.contains("a sensitive value would become the name of a field"),
        "{error}"
    );
    assert!(!error.contains(MARKER), "{error}");
}

#[test]
fn names_are_checked() {
    for name in ["", "1a", "a-b", "ä", "a b"] {
        let error = Variables::default()
            .insert(name, Variable::Plain(String::new()))
            .unwrap_err();
        assert!(error.to_string().contains("failed to take"), "{name}");
    }
}
