//! `fluxops secrets set` and `unset`, beside those of sops.

use std::io::Write as _;
use std::process::Stdio;

use super::{World, refused, succeeded};

const YAML: &str = "# the shop\napiVersion: v1\nkind: Secret # sealed\nstringData:\n    user: shop\n    list:\n        \
                    - one\n        - two\n    password: \"hunter2\" # old\n";
const JSON: &str =
    "{\n\t\"user\": \"shop\",\n\t\"list\": [\n\t\t\"one\",\n\t\t\"two\"\n\t],\n\t\"n\": 1\n}\n";

/// A format, its text, and the way to a text, to a list, and to what is not there.
const FORMATS: [(&str, &str, &str, Option<&str>, &str); 4] = [
    (
        "a.yaml",
        YAML,
        r#"["stringData"]["password"]"#,
        Some(r#"["stringData"]["list"]"#),
        r#"["stringData"]["new"]"#,
    ),
    ("a.json", JSON, r#"["user"]"#, Some(r#"["list"]"#), r#"["new"]"#),
    (
        "a.env",
        "# note\nA=hunter2\nB=shop\n",
        r#"["A"]"#,
        None,
        r#"["C"]"#,
    ),
    (
        "a.ini",
        "[s]\na = hunter2\nb = shop\n",
        r#"["s"]["a"]"#,
        None,
        r#"["s"]["c"]"#,
    ),
];

fn sealed(world: &World, name: &str, text: &str) -> String {
    world.write(name, text);
    let recipient = &world.recipients[0];
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", recipient, name]));
    world.read(name)
}

/// What is in a file, whatever its layout: as JSON, by sops.
fn values(world: &World, name: &str) -> String {
    let json = succeeded(&mut world.sops(&["decrypt", "--output-type", "json", name]));
    String::from_utf8(json).unwrap()
}

#[test]
fn the_values_are_those_that_sops_sets() {
    let world = World::new();
    let mut compared = 0;
    for (name, text, value, list, missing) in FORMATS {
        let before = sealed(&world, name, text);
        let item = list.map(|list| format!("{list}[1]"));
        let end = list.map(|list| format!("{list}[2]"));
        let below = list.map(|_| format!(r#"{missing}["deep"][0]"#));
        let mut edits = vec![
            vec!["set", name, value, r#""correct horse""#],
            vec!["set", name, value, "\"# not: a comment\""],
            vec!["set", name, missing, r#""staple""#],
            vec!["unset", name, value],
        ];
        for path in [&item, &end, &below].into_iter().flatten() {
            edits.push(vec!["set", name, path, r#""x""#]);
            edits.push(vec!["set", name, path, "12"]);
            edits.push(vec!["set", name, path, "true"]);
            edits.push(vec!["set", name, path, "1.5"]);
            edits.push(vec!["set", name, path, r#"{"b":1,"a":["c",null]}"#]);
        }
        if let (Some(list), Some(item)) = (list, &item) {
            edits.push(vec!["unset", name, list]);
            edits.push(vec!["unset", name, item]);
        }
        for edit in &edits {
            world.write(name, &before);
            succeeded(&mut world.sops(edit));
            let expected = values(&world, name);
            world.write(name, &before);
            world.fluxops_with_key(edit);
            assert_eq!(values(&world, name), expected, "{edit:?}");
            compared += 1;
        }
    }
    assert!(compared >= 50, "{compared}");
}

#[test]
fn only_the_value_and_what_dates_it_change() {
    let world = World::new();
    for (name, text, value, _, _) in FORMATS {
        let before = sealed(&world, name, text);
        world.fluxops_with_key(&["set", name, value, r#""correct""#]);
        let after = world.read(name);
        let changed: Vec<&str> = after
            .lines()
            .zip(before.lines())
            .filter(|(after, before)| after != before)
            .map(|(after, _)| after)
            .collect();
        assert_eq!(after.lines().count(), before.lines().count(), "{name}");
        assert!(changed.len() <= 3, "{name}: {changed:#?}");
        let others = changed
            .iter()
            .filter(|line| !line.contains("mac") && !line.contains("lastmodified"));
        assert_eq!(others.count(), 1, "{name}: {changed:#?}");
    }
}

#[test]
fn secrets_need_not_be_arguments() {
    let world = World::new();
    let path = r#"["stringData"]["password"]"#;
    for flag in ["--value-file", "--value-stdin"] {
        sealed(&world, "a.yaml", YAML);
        world.write("value.json", "\"correct horse\"\n");
        let mut arguments = vec!["set", flag, "a.yaml", path];
        if flag == "--value-file" {
            arguments.push("value.json");
        }
        let mut command = world.prepared(&arguments);
        command
            .env("SOPS_AGE_KEY_FILE", world.path("0.agekey"))
            .stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"\"correct horse\"\n")
            .unwrap();
        assert!(child.wait().unwrap().success());
        assert!(values(&world, "a.yaml").contains("correct horse"), "{flag}");
    }
}

#[test]
fn idempotent_leaves_alone_what_is_right() {
    let world = World::new();
    let before = sealed(&world, "a.yaml", YAML);
    let password = r#"["stringData"]["password"]"#;
    world.fluxops_with_key(&["set", "--idempotent", "a.yaml", password, r#""hunter2""#]);
    assert_eq!(world.read("a.yaml"), before);
    world.fluxops_with_key(&["unset", "--idempotent", "a.yaml", r#"["stringData"]["none"]"#]);
    assert_eq!(world.read("a.yaml"), before);
    world.fluxops_with_key(&["set", "--idempotent", "a.yaml", password, r#""other""#]);
    assert_ne!(world.read("a.yaml"), before);
}

#[test]
fn what_cannot_be_set_is_refused_and_the_file_stays() {
    let world = World::new();
    let before = sealed(&world, "a.yaml", YAML);
    let key = world.path("0.agekey");
    for (arguments, code, reason) in [
        (&["set", "a.yaml", r#"["a"]"#, "hunter3"][..], 2, "JSON"),
        (&["set", "a.yaml", "a", "1"], 2, "has to be written as"),
        (&["set", "a.yaml", r#"["a"]"#], 2, "VALUE"),
        (
            &["unset", "a.yaml", r#"["stringData"]["none"]"#],
            1,
            "failed to find stringData.none",
        ),
        (
            &["set", "a.yaml", r#"["stringData"][0]"#, "1"],
            1,
            "a list has no keys",
        ),
        (&["set", "a.yaml", r#"["sops"]"#, "1"], 1, "sops"),
        (&["set", "none.yaml", r#"["a"]"#, "1"], 1, "none.yaml"),
    ] {
        let output = world
            .prepared(arguments)
            .env("SOPS_AGE_KEY_FILE", &key)
            .output()
            .unwrap();
        let error = refused(&output, code);
        assert!(error.contains(reason), "{arguments:?}: {error}");
        assert!(!error.contains("hunter"), "{error}");
        assert_eq!(world.read("a.yaml"), before);
    }
    let error = refused(
        &world.fluxops(&["set", "a.yaml", r#"["stringData"]["user"]"#, "1"]),
        1,
    );
    assert!(error.contains("a.yaml"), "{error}");
    assert_eq!(world.read("a.yaml"), before);
}
