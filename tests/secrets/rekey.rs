//! `fluxops secrets rotate` and `updatekeys`

use super::{SECRET, World, fed, refused, succeeded};

/// `fluxops secrets …` with the first key.
fn run(world: &World, arguments: &[&str]) -> std::process::Output {
    let mut command = world.prepared(arguments);
    command.env("SOPS_AGE_KEY_FILE", world.path("0.agekey"));
    command.output().unwrap()
}

fn holders(world: &World, name: &str) -> Vec<usize> {
    let opens = |key: &usize| world.sops_decrypt(name, &[*key]).is_ok();
    (0..3).filter(opens).collect()
}

/// What a file in each format is, plain.
const FORMATS: [(&str, &str); 5] = [
    ("a.yaml", SECRET),
    ("a.json", "{\"a\": \"hunter2\", \"n\": [1, 2.5, true]}"),
    ("a.env", "# note\nA=hunter2\n"),
    ("a.ini", "[s]\na = hunter2\n"),
    ("a.bin", "hunter2\n"),
];

#[test]
fn rotate_seals_everything_anew() {
    let world = World::new();
    let [first, second, third] = &world.recipients;
    for (name, plain) in FORMATS {
        world.write(name, plain);
        let both = format!("{first},{second}");
        succeeded(&mut world.sops(&["encrypt", "-i", "--age", &both, name]));
        let opened = succeeded(&mut world.sops(&["decrypt", name]));
        let before = world.read(name);
        let output = run(
            &world,
            &["rotate", "-i", "--add-age", third, "--rm-age", second, name],
        );
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(holders(&world, name), [0, 2], "{name}");
        assert_eq!(succeeded(&mut world.sops(&["decrypt", name])), opened);
        // No ciphertext is left: under another data key there cannot be.
        let after = world.read(name);
        let sealed: Vec<&str> = before.split("ENC[").skip(1).collect();
        assert!(
            sealed.len() > 1 && sealed.iter().all(|value| !after.contains(value)),
            "{name}"
        );
    }
}

#[test]
fn rotate_refuses_what_it_cannot_do_and_writes_nothing() {
    let world = World::new();
    let [first, second, _] = &world.recipients;
    world.write("a.yaml", SECRET);
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", first, "a.yaml"]));
    let sealed = world.read("a.yaml");
    let with_pgp = sealed.replace(
        "sops:\n",
        "sops:\n    pgp:\n        - fp: FBC7\n          enc: x\n",
    );
    for (text, arguments, reason) in [
        (&sealed, ["--rm-age", first].as_slice(), "names no recipient"),
        (&with_pgp, &["--add-age", second], "the pgp key FBC7"),
        (
            &sealed.replace("kind: ENC", "king: ENC"),
            &[],
            "failed to authenticate",
        ),
    ] {
        world.write("a.yaml", text);
        let mut all = vec!["rotate", "-i", "a.yaml"];
        all.extend(arguments);
        let error = refused(&run(&world, &all), 1);
        assert!(error.contains(reason), "{error}");
        assert_eq!(world.read("a.yaml"), *text);
    }
    world.write("a.yaml", &with_pgp);
    let output = run(&world, &["rotate", "-i", "--rm-pgp", "FBC7", "a.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!world.read("a.yaml").contains("pgp"));
    assert_eq!(holders(&world, "a.yaml"), [0]);
    assert!(refused(&run(&world, &["rotate", "--add-age", "age1x", "a.yaml"]), 2).contains("age"));
}

#[test]
fn updatekeys_leaves_the_values_alone() {
    let world = World::new();
    let [first, second, _] = &world.recipients;
    world.write_config(".sops.yaml", "creation_rules: [{age: 'R0,R2'}]\n");
    for (name, plain) in FORMATS {
        world.write(name, plain);
        let both = format!("{first},{second}");
        succeeded(&mut world.sops(&["encrypt", "-i", "--age", &both, name]));
        let before = world.read(name);
        let output = run(&world, &["updatekeys", "-y", name]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let [_, second, third] = &world.recipients;
        assert!(
            said.contains(&format!("    {first}\n+++ {third}\n--- {second}\n")),
            "{said}"
        );
        assert!(said.contains("fluxops secrets rotate"), "{said}");
        assert_eq!(holders(&world, name), [0, 2], "{name}");
        let after = world.read(name);
        let sealed = |text: &str| -> Vec<String> {
            let values = text.split("ENC[").skip(1);
            values
                .map(|value| value.split(']').next().unwrap().to_owned())
                .collect()
        };
        // The code among them is bound to the time, so that stays too where sops opens the file.
        assert_eq!(sealed(&before), sealed(&after), "{name}");
        let again = run(&world, &["updatekeys", "-y", name]);
        assert!(String::from_utf8(again.stderr).unwrap().contains("is up to date"));
        assert_eq!(world.read(name), after);
    }
}

#[test]
fn updatekeys_asks_first() {
    let world = World::new();
    world.write_config(".sops.yaml", "creation_rules: [{age: 'R0,R1'}]\n");
    world.write("a.yaml", SECRET);
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", &world.recipients[0], "a.yaml"]));
    let before = world.read("a.yaml");
    let ask = |answer: &str| {
        let mut command = world.prepared(&["updatekeys", "a.yaml"]);
        fed(
            command.env("SOPS_AGE_KEY_FILE", world.path("0.agekey")),
            answer.as_bytes(),
        )
    };
    assert_eq!(ask("n\n").status.code(), Some(0));
    assert_eq!(world.read("a.yaml"), before);
    assert!(refused(&ask(""), 2).contains("--yes"));
    assert_eq!(world.read("a.yaml"), before);
    // Nobody is removed, so there is nothing to warn of.
    let output = ask("what\ny\n");
    assert_eq!(output.status.code(), Some(0));
    assert!(!String::from_utf8(output.stdout).unwrap().contains("rotate"));
    assert_eq!(holders(&world, "a.yaml"), [0, 1]);
}

#[test]
fn updatekeys_makes_and_unmakes_key_groups() {
    let world = World::new();
    world.write("a.yaml", SECRET);
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", &world.recipients[0], "a.yaml"]));
    world.write_config(
        ".sops.yaml",
        "creation_rules: [{key_groups: [{age: [R0]}, {age: [R1]}, {age: [R2]}], shamir_threshold: 2}]\n",
    );
    let output = run(&world, &["updatekeys", "-y", "a.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(holders(&world, "a.yaml").is_empty());
    assert!(world.sops_decrypt("a.yaml", &[1, 2]).is_ok());
    // One key does not open it, and so cannot change it either.
    world.write_config(".sops.yaml", "creation_rules: [{age: R0}]\n");
    let shared = world.read("a.yaml");
    assert!(refused(&run(&world, &["updatekeys", "-y", "a.yaml"]), 1).contains("1 of 2"));
    assert_eq!(world.read("a.yaml"), shared);
    let mut command = world.prepared(&["updatekeys", "-y", "a.yaml"]);
    let keys = format!("{} {}", world.read("0.agekey"), world.read("2.agekey"));
    succeeded(command.env("SOPS_AGE_KEY", keys));
    assert_eq!(holders(&world, "a.yaml"), [0]);
}

#[test]
fn updatekeys_needs_rules_and_sealed_files() {
    let world = World::new();
    world.write("a.yaml", SECRET);
    assert!(refused(&run(&world, &["updatekeys", "-y", "a.yaml"]), 2).contains(".sops.yaml"));
    world.write_config(".sops.yaml", "creation_rules: [{path_regex: ^a, age: R0}]\n");
    assert!(refused(&run(&world, &["updatekeys", "-y", "a.yaml"]), 1).contains("no sops block"));
    assert_eq!(world.read("a.yaml"), SECRET);
}
