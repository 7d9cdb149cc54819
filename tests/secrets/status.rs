//! `fluxops secrets status`

use serde_json::{Value, json};

use super::{SECRET, World, refused, succeeded};

const CONFIG: &str = "creation_rules:\n\
    - {path_regex: 'secrets/.*\\.yaml$', encrypted_regex: ^(data|stringData)$, age: R0}\n\
    - {path_regex: '\\.pem$', pgp: FBC7}\n\
    - {path_regex: ^clear/, unencrypted_regex: ., age: R0}\n\
    - {encrypted_suffix: _secret, age: R1}\n";

/// What a run says of each file that it speaks of, and its exit code.
fn status(world: &World, arguments: &[&str]) -> (Vec<Value>, i32) {
    let mut all = vec!["status", "-o", "json"];
    all.extend(arguments);
    let output = world.fluxops(&all);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{error}");
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hunter2"));
    (findings, output.status.code().unwrap())
}

fn of<'a>(findings: &'a [Value], path: &str) -> Option<&'a Value> {
    findings.iter().find(|finding| finding["path"] == path)
}

/// A world with a config and sealed files in all formats, as sops writes them.
fn tree() -> World {
    let world = World::new();
    world.write_config(".sops.yaml", CONFIG);
    for (name, plain) in [
        ("secrets/a.yaml", SECRET),
        ("b.json", "{\"a\": \"hunter2\"}"),
        ("c.env", "A=hunter2\n"),
        ("d.ini", "[a]\nb = hunter2\n"),
        ("e.bin", "hunter2"),
    ] {
        world.write(name, plain);
        let recipient = &world.recipients[0];
        let mut rule = vec!["encrypt", "-i", "--age", recipient];
        if name.starts_with("secrets") {
            rule.extend(["--encrypted-regex", "^(data|stringData)$"]);
        }
        rule.push(name);
        succeeded(world.sops(&rule).env("SOPS_CONFIG", "/dev/null"));
    }
    world.write("README.md", "not sealed, and by no means to be\n");
    world.write("deployment.yaml", "kind: Deployment\nspec: {replicas: 1}\n");
    world.write("template.yaml", "{{ if .Values.x }}\n");
    world.write("clear/open.yaml", "a: b\n");
    world.write(".git/secrets/x.yaml", SECRET);
    world
}

#[test]
fn says_what_is_sealed_and_for_whom() {
    let world = tree();
    // What no rule can judge is no finding; this one a rule is for.
    std::fs::remove_file(world.path("template.yaml")).unwrap();
    let (findings, code) = status(&world, &[]);
    let paths: Vec<&str> = findings
        .iter()
        .map(|finding| finding["path"].as_str().unwrap())
        .collect();
    assert_eq!(paths, ["b.json", "c.env", "d.ini", "e.bin", "secrets/a.yaml"]);
    assert_eq!(code, 0);
    for finding in &findings {
        assert_eq!(finding["status"], "sealed");
        assert_eq!(
            finding["sealed"]["recipients"],
            json!([{"kind": "age", "recipient": world.recipients[0]}])
        );
        assert_eq!(finding["sealed"]["opens"], Value::Null);
    }
    let yaml = of(&findings, "secrets/a.yaml").unwrap();
    assert_eq!(
        yaml["sealed"]["rule"],
        json!({"encrypted_regex": "^(data|stringData)$"})
    );
    let text = String::from_utf8(succeeded(&mut world.prepared(&["status", "secrets"]))).unwrap();
    assert!(
        text.starts_with("FILE") && text.contains(&world.recipients[0]),
        "{text}"
    );
}

#[test]
fn plaintext_that_a_rule_seals_fails_the_hook() {
    for (name, text, value) in [
        ("secrets/plain.yaml", SECRET, json!("stringData.password")),
        (
            "secrets/two.yaml",
            "kind: List\n---\ndata: {a: hunter2}\n",
            json!("data.a"),
        ),
        ("tls.pem", "hunter2", Value::Null),
        (
            "values.yaml",
            "db: {password_secret: hunter2}\n",
            json!("db.password_secret"),
        ),
    ] {
        let world = tree();
        std::fs::remove_file(world.path("template.yaml")).unwrap();
        world.write(name, text);
        let (findings, code) = status(&world, &[]);
        let finding = of(&findings, name).unwrap();
        assert_eq!(
            (finding["status"].as_str(), code),
            (Some("plaintext"), 1),
            "{name}"
        );
        assert_eq!(finding["value"], value, "{name}");
        // Alone, as a hook names it.
        assert_eq!(status(&world, &[name]).1, 1);
        assert_eq!(status(&world, &["README.md", "deployment.yaml"]).1, 0);
    }
}

#[test]
fn what_cannot_be_read_is_not_passed_over() {
    let world = tree();
    let (findings, code) = status(&world, &[]);
    assert_eq!(of(&findings, "template.yaml").unwrap()["status"], "unusable");
    assert_eq!(code, 1);
    // Without a rule only what was sealed counts.
    world.write(".sops.yaml", "{}\n");
    assert_eq!(status(&world, &[]).1, 0);
    let sealed = world.read("secrets/a.yaml");
    world.write("secrets/a.yaml", &sealed.replace("kind: Secret", "kind: [Secret"));
    let (findings, code) = status(&world, &[]);
    assert_eq!(of(&findings, "secrets/a.yaml").unwrap()["status"], "unusable");
    assert_eq!(code, 1);
    assert!(refused(&world.fluxops(&["status", "gone"]), 2).contains("gone"));
}

#[test]
fn a_clear_value_in_a_sealed_file_is_found_without_a_key() {
    let world = tree();
    let sealed = world.read("secrets/a.yaml");
    world.write(
        "secrets/a.yaml",
        &sealed.replacen("stringData:\n", "stringData:\n    added: hunter2\n", 1),
    );
    let (findings, code) = status(&world, &["secrets"]);
    assert_eq!(findings[0]["status"], "exposed");
    assert_eq!(findings[0]["value"], "stringData.added");
    assert_eq!(code, 1);
}

#[test]
fn a_key_is_told_which_files_it_opens() {
    let world = tree();
    std::fs::remove_file(world.path("template.yaml")).unwrap();
    world.write("other.yaml", "a_secret: hunter2\n");
    succeeded(&mut world.prepared(&["encrypt", "-i", "other.yaml"]));
    let opens = |arguments: &[&str]| {
        let (findings, code) = status(&world, arguments);
        let opens = findings.iter().map(|finding| {
            (
                finding["path"].as_str().unwrap().to_owned(),
                finding["sealed"]["opens"].clone(),
            )
        });
        (opens.collect::<Vec<_>>(), code)
    };
    let (first, code) = opens(&["--age-key-file", "0.agekey"]);
    assert_eq!(code, 1);
    for (path, opens) in &first {
        assert_eq!(*opens, json!(path != "other.yaml"), "{path}");
    }
    let (second, code) = opens(&["--age-key-file", "1.agekey", "other.yaml"]);
    assert_eq!((second[0].1.clone(), code), (json!(true), 0));
    // A key that happens to be at hand need not open all.
    let mut command = world.prepared(&["status", "other.yaml"]);
    let text = succeeded(command.env("SOPS_AGE_KEY_FILE", world.path("0.agekey")));
    assert!(
        str::from_utf8(&text)
            .unwrap()
            .contains("does not open with this key")
    );
    // With a key, values that were swapped are seen.
    let sealed = world.read("c.env");
    world.write("c.env", &sealed.replacen("A=", "B=", 1));
    let (findings, code) = status(&world, &["--age-key-file", "0.agekey", "c.env"]);
    assert_eq!((findings[0]["status"].as_str(), code), (Some("unusable"), 1));
}
