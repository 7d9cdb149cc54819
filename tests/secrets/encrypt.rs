//! `fluxops secrets encrypt`

use super::{SECRET, World, fed, refused, succeeded};

#[test]
fn the_first_rule_that_matches_counts() {
    let world = World::new();
    world.write_config(
        ".sops.yaml",
        "creation_rules:\n\
         - {path_regex: ^apps/, encrypted_regex: ^stringData$, age: R0}\n\
         - {path_regex: ^shared/, key_groups: [{age: [R0]}, {age: [R1]}, {age: [R2]}], shamir_threshold: 2}\n",
    );
    for name in ["apps/a.yaml", "shared/a.yaml"] {
        world.write(name, SECRET);
    }
    succeeded(&mut world.prepared(&["encrypt", "-i", "apps/a.yaml", "apps/../shared/a.yaml"]));
    assert!(world.read("apps/a.yaml").starts_with("kind: Secret\n"));
    assert!(world.read("shared/a.yaml").starts_with("kind: ENC["));
    for (name, keys) in [
        ("apps/a.yaml", [0].as_slice()),
        ("shared/a.yaml", &[0, 2]),
        ("shared/a.yaml", &[1, 2]),
    ] {
        assert!(
            world.sops_decrypt(name, keys).unwrap().contains("hunter2"),
            "{name}"
        );
    }
    for (name, keys) in [("apps/a.yaml", [1, 2].as_slice()), ("shared/a.yaml", &[1])] {
        assert!(world.sops_decrypt(name, keys).is_err(), "{name}");
    }
}

#[test]
fn arguments_win_over_the_creation_rule_one_by_one() {
    let world = World::new();
    world.write_config(
        ".sops.yaml",
        "creation_rules: [{encrypted_regex: ^stringData$, age: R0}]\n",
    );
    world.write_config(
        "other.yaml",
        "creation_rules: [{encrypted_suffix: word, age: R2}]\n",
    );
    for name in ["a.yaml", "b.yaml"] {
        world.write(name, SECRET);
    }
    let [_, second, _] = &world.recipients;
    assert_eq!(
        world
            .fluxops(&["encrypt", "-i", "-a", second, "a.yaml"])
            .status
            .code(),
        Some(0)
    );
    assert!(
        world
            .read("a.yaml")
            .starts_with("kind: Secret\nstringData:\n  password: ENC[")
    );
    assert!(world.sops_decrypt("a.yaml", &[1]).is_ok());
    assert!(world.sops_decrypt("a.yaml", &[0]).is_err());
    let given = world.fluxops(&["encrypt", "-i", "--config", "other.yaml", "b.yaml"]);
    assert_eq!(given.status.code(), Some(0));
    assert!(world.read("b.yaml").contains("encrypted_suffix: word"));
    assert!(world.sops_decrypt("b.yaml", &[2]).is_ok());
}

#[test]
fn a_file_without_a_rule_stays_as_it_is_and_does_not_stop_the_others() {
    let world = World::new();
    world.write_config(".sops.yaml", "creation_rules: [{path_regex: ^a, age: R0}]\n");
    for name in ["a.yaml", "b.yaml"] {
        world.write(name, SECRET);
    }
    let sealed = world.fluxops(&["encrypt", "-i", "b.yaml", "a.yaml"]);
    assert_eq!(sealed.status.code(), Some(1));
    let error = String::from_utf8(sealed.stderr).unwrap();
    assert!(error.contains("b.yaml: no creation rule of"), "{error}");
    assert!(!error.contains("hunter2"));
    assert_eq!(world.read("b.yaml"), SECRET);
    assert!(world.sops_decrypt("a.yaml", &[0]).is_ok());
}

#[test]
fn without_recipients_nothing_is_sealed() {
    let world = World::new();
    world.write("a.yaml", SECRET);
    world.write(".sops.yaml", "stores: {yaml: {indent: 2}}\n");
    let sealed = world.fluxops(&["encrypt", "a.yaml"]);
    assert!(refused(&sealed, 2).contains("give --age"));
    assert!(sealed.stdout.is_empty());
    let [first, ..] = &world.recipients;
    assert_eq!(
        world
            .fluxops(&["encrypt", "--age", first, "a.yaml"])
            .status
            .code(),
        Some(0)
    );
}

/// Who can open what a command seals: by the keys that sops opens it with.
fn holders(world: &World, name: &str) -> Vec<usize> {
    (0..3)
        .filter(|key| world.sops_decrypt(name, &[*key]).is_ok())
        .collect()
}

#[test]
fn creation_rules_are_looked_for_where_sops_looks() {
    let world = World::new();
    world.write_config(
        ".sops.yaml",
        "creation_rules: [{path_regex: ^inner/apps/, age: R0}]\n",
    );
    world.write_config(
        "inner/.sops.yaml",
        "creation_rules: [{path_regex: '^apps/', age: R1}, {age: R2}]\n",
    );
    world.write("inner/apps/a.yaml", SECRET);
    world.write("inner/deep/b.yaml", SECRET);
    world.write("elsewhere/.keep", "");
    // From where, with which config, which file.
    for (folder, config, file) in [
        (".", "", "inner/apps/a.yaml"),
        ("inner", "", "apps/a.yaml"),
        ("inner/apps", "", "a.yaml"),
        ("inner/deep", "", "../apps/a.yaml"),
        ("inner/deep", "", "b.yaml"),
        ("elsewhere", "../inner/.sops.yaml", "../inner/apps/a.yaml"),
        (".", "inner/.sops.yaml", "inner/deep/b.yaml"),
    ] {
        let mut sealed_for = Vec::new();
        for program in ["sops", "fluxops"] {
            let mut command = match program {
                "sops" => world.sops(&["encrypt", file]),
                _ => world.prepared(&["encrypt", file]),
            };
            command.current_dir(world.path(folder));
            if !config.is_empty() {
                command.env("SOPS_CONFIG", config);
            }
            let sealed = succeeded(&mut command);
            world.write("sealed.yaml", str::from_utf8(&sealed).unwrap());
            sealed_for.push(holders(&world, "sealed.yaml"));
        }
        assert_eq!(sealed_for[0], sealed_for[1], "{folder} {config} {file}");
        assert_eq!(sealed_for[0].len(), 1);
    }
    // The config of the file's folder does not count from elsewhere: sops fails too, and we say where it is.
    let mut from_elsewhere = world.prepared(&["encrypt", "../../inner/deep/b.yaml"]);
    world.write("elsewhere/deeper/.keep", "");
    std::fs::rename(world.path(".sops.yaml"), world.path("gone")).unwrap();
    let output = from_elsewhere
        .current_dir(world.path("elsewhere/deeper"))
        .output()
        .unwrap();
    assert!(refused(&output, 2).contains("inner/.sops.yaml does not count from here"));
}

#[test]
fn a_rule_with_other_keys_stops_its_own_files_only() {
    let world = World::new();
    world.write_config(
        ".sops.yaml",
        "creation_rules:\n\
         - {path_regex: ^kms/, kms: 'arn:aws:kms:us-east-1:1:key/a'}\n\
         - {path_regex: ^pgp/, key_groups: [{pgp: [FBC7]}]}\n\
         - {age: R0}\n",
    );
    for name in ["kms/a.yaml", "pgp/a.yaml", "age/a.yaml"] {
        world.write(name, SECRET);
    }
    let output = world.fluxops(&["encrypt", "-i", "kms/a.yaml", "pgp/a.yaml", "age/a.yaml"]);
    let error = refused(&output, 1);
    assert!(error.contains("kms/a.yaml") && error.contains("creation_rules[0].kms: it is not supported"));
    assert!(error.contains("creation_rules[1].key_groups[0].pgp: it is not supported"));
    assert_eq!(world.read("kms/a.yaml"), SECRET);
    assert_eq!(world.read("pgp/a.yaml"), SECRET);
    assert_eq!(holders(&world, "age/a.yaml"), [0]);
    // Recipients on the command line replace those of the rule, its other fields stay.
    succeeded(&mut world.prepared(&["encrypt", "-i", "--age", &world.recipients[1], "kms/a.yaml"]));
    assert_eq!(holders(&world, "kms/a.yaml"), [1]);
    // Keys that cannot be sealed for are refused wherever they come from.
    let pgp = world
        .prepared(&["encrypt", "age/a.yaml"])
        .env("SOPS_PGP_FP", "FBC7")
        .output();
    assert!(refused(&pgp.unwrap(), 2).contains("--pgp (SOPS_PGP_FP) is not supported"));
}

#[test]
fn rules_by_comments_come_from_arguments_and_creation_rules() {
    let world = World::new();
    let plain = "# sops:enc\npassword: hunter2\nname: shown\n";
    world.write_config(
        ".sops.yaml",
        "creation_rules: [{path_regex: ^a, encrypted_comment_regex: 'sops:enc', age: R0}]\n",
    );
    world.write("a.yaml", plain);
    world.write("b.yaml", &plain.replace("sops:enc", "clear"));
    succeeded(&mut world.prepared(&["encrypt", "-i", "a.yaml"]));
    world.write(".sops.yaml", "{}\n");
    succeeded(&mut world.prepared(&[
        "encrypt",
        "-i",
        "--unencrypted-comment-regex",
        "^ ?clear",
        "--age",
        &world.recipients[0],
        "b.yaml",
    ]));
    let sealed = world.read("a.yaml");
    assert!(sealed.contains("name: shown") && !sealed.contains("hunter2"));
    let sealed = world.read("b.yaml");
    assert!(sealed.contains("password: hunter2") && !sealed.contains("shown"));
    assert_eq!(world.sops_decrypt("a.yaml", &[0]).unwrap(), plain);
    assert_eq!(
        world.sops_decrypt("b.yaml", &[0]).unwrap(),
        plain.replace("sops:enc", "clear")
    );
}

#[test]
fn a_binary_file_need_not_be_text() {
    let world = World::new();
    let bytes: Vec<u8> = (0..=255).collect();
    std::fs::write(world.path("key.bin"), &bytes).unwrap();
    succeeded(&mut world.prepared(&["encrypt", "-i", "--age", &world.recipients[0], "key.bin"]));
    assert_eq!(succeeded(&mut world.sops(&["decrypt", "key.bin"])), bytes);
    assert_eq!(world.fluxops_with_key(&["decrypt", "key.bin"]), bytes);
    world.fluxops_with_key(&["decrypt", "-i", "key.bin"]);
    assert_eq!(std::fs::read(world.path("key.bin")).unwrap(), bytes);
    // In a format that is text it is refused, and stays.
    std::fs::write(world.path("a.yaml"), &bytes).unwrap();
    let output = world.fluxops(&["encrypt", "-i", "--age", &world.recipients[0], "a.yaml"]);
    assert!(refused(&output, 1).contains("UTF-8"));
    assert_eq!(std::fs::read(world.path("a.yaml")).unwrap(), bytes);
}

#[test]
fn standard_input_needs_a_name() {
    let world = World::new();
    world.write_config(".sops.yaml", "creation_rules: [{path_regex: ^apps/, age: R1}]\n");
    let nameless = fed(&mut world.prepared(&["encrypt"]), SECRET.as_bytes());
    assert!(refused(&nameless, 2).contains("--filename-override"));
    let in_place = fed(
        &mut world.prepared(&["encrypt", "-i", "--filename-override", "apps/a.yaml"]),
        SECRET.as_bytes(),
    );
    assert!(refused(&in_place, 2).contains("--in-place"));
    let arguments = [
        "encrypt",
        "--filename-override",
        "apps/a.yaml",
        "--output",
        "sealed.yaml",
    ];
    let sealed = fed(&mut world.prepared(&arguments), SECRET.as_bytes());
    assert_eq!(sealed.status.code(), Some(0), "{sealed:?}");
    assert!(sealed.stdout.is_empty());
    assert_eq!(holders(&world, "sealed.yaml"), [1]);
    // sops takes 4 spaces.
    assert_eq!(
        world.sops_decrypt("sealed.yaml", &[1]).unwrap(),
        SECRET.replace("  ", "    ")
    );
}

#[test]
fn the_format_may_change_on_the_way() {
    let world = World::new();
    let recipient = &world.recipients[0];
    world.write("a.env", "USER=me\nPASSWORD=hunter2\n");
    world.write("note.txt", "hunter2\n");
    for (name, input, output) in [
        ("a.env", "dotenv", "yaml"),
        ("a.env", "dotenv", "json"),
        ("note.txt", "binary", "yaml"),
    ] {
        let arguments = ["encrypt", "--age", recipient, "--output-type", output, name];
        let theirs = succeeded(&mut world.sops(&arguments));
        let ours = succeeded(&mut world.prepared(&arguments));
        let mut plain = Vec::new();
        for sealed in [theirs, ours] {
            let sealed_name = format!("sealed.{output}");
            world.write(&sealed_name, str::from_utf8(&sealed).unwrap());
            plain.push(world.sops_decrypt(&sealed_name, &[0]).unwrap());
        }
        assert_eq!(plain[0], plain[1], "{name} from {input} to {output}");
    }
}

#[test]
fn what_is_wrong_leaves_the_file_and_nothing_beside_it() {
    let world = World::new();
    let recipient = world.recipients[0].clone();
    for (name, text) in [
        ("list.yaml", "- hunter2\n"),
        ("broken.yaml", "a: [hunter2\n"),
        ("sealed.yaml", "a: hunter2\nsops: {}\n"),
        ("twice.json", "{\"a\": 1, \"a\": \"hunter2\"}"),
    ] {
        world.write(name, text);
        let before = std::fs::read_dir(world.folder.path()).unwrap().count();
        let output = world.fluxops(&["encrypt", "-i", "--age", &recipient, name]);
        assert!(refused(&output, 1).contains(name));
        assert_eq!(world.read(name), text);
        assert_eq!(std::fs::read_dir(world.folder.path()).unwrap().count(), before);
    }
    for (pattern, reason) in [("(", "regular expression"), ("a(?=b)", "regular expression")] {
        let output = world.fluxops(&[
            "encrypt",
            "--age",
            &recipient,
            "--encrypted-regex",
            pattern,
            "list.yaml",
        ]);
        let error = refused(&output, 2);
        assert!(error.contains("pattern") || error.contains(reason), "{error}");
    }
}
