//! `fluxops secrets edit`, with editors that are scripts, and with vim.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{SECRET, World, fed, refused, succeeded};

/// Long enough for a loaded machine; nothing waits for it where all is well.
const PATIENCE: Duration = Duration::from_mins(1);

/// A script that edits the file `$1`. It leaves in `seen` where that file was.
fn editor(world: &World, name: &str, script: &str) -> PathBuf {
    let path = world.path("bin").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let seen = world.path("seen");
    let script = format!(
        "#!/bin/sh\nfor file; do :; done\necho \"$file\" >> {}\n{script}\n",
        seen.display()
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// `fluxops secrets edit …` with an editor and the first key.
fn edit(world: &World, editor: &Path, arguments: &[&str]) -> Command {
    let mut all = vec!["edit"];
    all.extend(arguments);
    let mut command = world.prepared(&all);
    command
        .env("SOPS_EDITOR", editor)
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("SOPS_AGE_KEY_FILE", world.path("0.agekey"));
    command
}

/// The folders that editors were given; all of them have to be gone.
fn folders(world: &World) -> Vec<PathBuf> {
    let seen = world.read("seen");
    let folders: Vec<PathBuf> = seen
        .lines()
        .map(|line| Path::new(line).parent().unwrap().to_owned())
        .collect();
    for folder in &folders {
        assert!(!folder.exists(), "{} is left", folder.display());
        assert!(!folder.starts_with(world.folder.path()));
    }
    folders
}

/// A sealed file as sops writes it, in `a.yaml`.
fn sealed(world: &World) -> String {
    world.write("a.yaml", SECRET);
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", &world.recipients[0], "a.yaml"]));
    world.read("a.yaml")
}

fn error_of(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_new_file_follows_the_creation_rules() {
    let world = World::new();
    world.write_config(
        ".sops.yaml",
        "creation_rules: [{encrypted_regex: ^stringData$, age: R1}]\n",
    );
    let script = editor(
        &world,
        "new",
        "printf 'kind: Secret\\nstringData: {password: hunter2}\\n' > \"$file\"",
    );
    succeeded(&mut edit(&world, &script, &["new.yaml"]));
    assert!(
        world
            .read("new.yaml")
            .starts_with("kind: Secret\nstringData: {password: \"ENC[")
    );
    assert!(world.sops_decrypt("new.yaml", &[1]).unwrap().contains("hunter2"));
    assert_eq!(folders(&world).len(), 1);
    // One that is left as it was offered is not made.
    let idle = editor(&world, "idle", "grep -q key: \"$file\"");
    let output = edit(&world, &idle, &["idle.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(error_of(&output).contains("has not changed"));
    assert!(!world.path("idle.yaml").exists());
}

/// The lines of the second text that the first one has not, but for the time, which may be of the same second.
fn new_lines<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let before: Vec<&str> = before.lines().collect();
    let is_new = |line: &&str| !before.contains(line) && !line.trim_start().starts_with("lastmodified:");
    after.lines().filter(is_new).collect()
}

#[test]
fn a_diff_shows_what_was_edited() {
    let world = World::new();
    let plain = "# about\na: one\nb:\n    - same\n    - same\n    - 7\n# behind\nc: {d: true, e: clear}\n";
    let list = format!("{},{}", world.recipients[0], world.recipients[1]);
    for name in ["sops.yaml", "fluxops.yaml"] {
        world.write(name, plain);
        let arguments = [
            "encrypt",
            "-i",
            "--age",
            &list,
            "--unencrypted-regex",
            "^e$",
            name,
        ];
        match name {
            "sops.yaml" => succeeded(&mut world.sops(&arguments)),
            _ => succeeded(&mut world.prepared(&arguments)),
        };
        let before = world.read(name);
        let script = editor(&world, "sed", "sed -i 's/one/hunter2/' \"$file\"");
        succeeded(&mut edit(&world, &script, &[name]));
        let after = world.read(name);
        let changed = new_lines(&before, &after);
        assert_eq!(changed.len(), 2, "{changed:?}");
        assert!(changed[0].starts_with("a: ENC["));
        assert!(changed[1].trim_start().starts_with("mac: ENC["));
        assert_eq!(before.lines().count(), after.lines().count());
        for key in [0, 1] {
            assert!(world.sops_decrypt(name, &[key]).unwrap().contains("a: hunter2\n"));
        }
        // Back again: what the value was sealed as before is not kept.
        let script = editor(
            &world,
            "sed",
            "sed -i -e 's/hunter2/one/' -e '/same/d' \"$file\"; echo 'f: 1.5' >> \"$file\"",
        );
        succeeded(&mut edit(&world, &script, &[name]));
        let opened = world.sops_decrypt(name, &[0]).unwrap();
        assert!(
            opened.contains("a: one\n") && !opened.contains("same") && opened.contains("f: 1.5"),
            "{opened}"
        );
    }
    folders(&world);
}

#[test]
fn every_format_is_edited() {
    let world = World::new();
    for (name, plain, script) in [
        (
            "a.json",
            "{\"a\": \"old\", \"n\": [1, 2.5, true]}",
            "sed -i 's/old/hunter2/'",
        ),
        ("a.env", "# note\nA=old\nB=x\n", "sed -i 's/old/hunter2/'"),
        ("a.ini", "[s]\na = old\nb = x\n", "sed -i 's/old/hunter2/'"),
        ("a.bin", "old\n", "printf 'hunter2\\377' >"),
        ("two.yaml", "a: old\n---\na: x\n", "sed -i 's/old/hunter2/'"),
    ] {
        world.write(name, plain);
        succeeded(&mut world.sops(&["encrypt", "-i", "--age", &world.recipients[0], name]));
        let before = world.read(name);
        let script = editor(&world, "changes", &format!("{script} \"$file\""));
        succeeded(&mut edit(&world, &script, &[name]));
        let theirs = succeeded(&mut world.sops(&["decrypt", name]));
        assert!(String::from_utf8_lossy(&theirs).contains("hunter2"), "{name}");
        // Whom it is sealed for is not touched.
        let after = world.read(name);
        let wrapped = |text: &str| {
            text.lines()
                .filter(|line| line.contains("BEGIN AGE"))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(wrapped(&before), wrapped(&after), "{name}");
    }
}

#[test]
fn keys_of_other_kinds_survive() {
    let world = World::new();
    let sealed = sealed(&world);
    let foreign = "sops:\n    kms:\n        - arn: arn:aws:kms:us-east-1:1:key/a\n          created_at: \"2026-01-02T03:04:05Z\"\n          \
                   enc: AQICAH\n          aws_profile: \"\"\n    pgp: []\n    new_field:\n        - deep: [1, null, \"2\"]\n";
    world.write("a.yaml", &sealed.replace("sops:\n", foreign));
    let script = editor(&world, "sed", "sed -i 's/hunter2/other/' \"$file\"");
    succeeded(&mut edit(&world, &script, &["a.yaml"]));
    let after = world.read("a.yaml");
    assert!(after.contains(foreign), "{after}");
    assert!(world.sops_decrypt("a.yaml", &[0]).unwrap().contains("other"));
}

#[test]
fn an_unchanged_file_is_not_written() {
    let world = World::new();
    let before = sealed(&world);
    let script = editor(&world, "idle", "touch \"$file\"");
    let output = edit(&world, &script, &["a.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert!(error_of(&output).contains("a.yaml has not changed"));
    assert_eq!(world.read("a.yaml"), before);
    folders(&world);
}

#[test]
fn the_file_of_the_editor_is_private_and_in_memory() {
    let world = World::new();
    sealed(&world);
    let facts = world.path("facts");
    let script = editor(
        &world,
        "look",
        &format!(
            "stat -c %a \"$file\" \"${{file%/*}}\" > {facts}\nstat -fc %T \"$file\" >> {facts}\n\
             basename \"$file\" >> {facts}\ncat \"$file\" | head -1 >> {facts}\n\
             echo ${{SOPS_AGE_KEY:-none}} >> {facts}",
            facts = facts.display()
        ),
    );
    let key = world.read("0.agekey");
    succeeded(edit(&world, &script, &["a.yaml"]).env("SOPS_AGE_KEY", key));
    assert_eq!(
        world.read("facts"),
        "600\n700\ntmpfs\na.yaml\nkind: Secret\nnone\n"
    );
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let world = World::new();
    let before = sealed(&world);
    for (name, script) in [
        ("fails", "echo changed: 1 > \"$file\"; exit 3"),
        ("killed", "echo changed: 1 > \"$file\"; kill -9 $$"),
        ("removes", "rm \"$file\""),
        ("folder", "rm \"$file\"; mkdir \"$file\""),
    ] {
        let script = editor(&world, name, script);
        refused(&edit(&world, &script, &["a.yaml"]).output().unwrap(), 1);
        assert_eq!(world.read("a.yaml"), before, "{name}");
    }
    assert_eq!(folders(&world).len(), 4);
    refused(
        &edit(&world, Path::new("no-such-editor"), &["a.yaml"])
            .output()
            .unwrap(),
        1,
    );
    let unclosed = edit(&world, Path::new("vim 'x"), &["a.yaml"]).output().unwrap();
    assert!(refused(&unclosed, 2).contains("SOPS_EDITOR"));
    let ignoring = edit(&world, Path::new("true"), &["--ignore-mac", "a.yaml"])
        .output()
        .unwrap();
    assert!(refused(&ignoring, 2).contains("--ignore-mac is not supported"));
    assert!(world.files_with("hunter2").is_empty());
}

#[test]
fn what_cannot_be_sealed_goes_back_to_the_editor() {
    let world = World::new();
    let script = editor(
        &world,
        "slips",
        "if grep -q open \"$file\"; then echo 'a: hunter2' > \"$file\"; else echo 'a: [open' > \"$file\"; fi",
    );
    let arguments = ["--age", &world.recipients[0], "new.yaml"];
    let output = fed(&mut edit(&world, &script, &arguments), b"\n");
    assert_eq!(output.status.code(), Some(0), "{}", error_of(&output));
    assert!(error_of(&output).contains("Press Enter to return to the editor"));
    assert_eq!(world.sops_decrypt("new.yaml", &[0]).unwrap(), "a: hunter2\n");
    assert_eq!(folders(&world).len(), 2);
    // Where nobody can press Enter it ends.
    std::fs::remove_file(world.path("new.yaml")).unwrap();
    let broken = editor(&world, "broken", "echo 'a: [hunter2' > \"$file\"");
    let output = fed(&mut edit(&world, &broken, &arguments), b"");
    assert!(!refused(&output, 1).contains("hunter2"));
    assert!(!world.path("new.yaml").exists());
    folders(&world);
    assert!(world.files_with("hunter2: ").is_empty());
}

#[test]
fn signals_remove_the_file() {
    let world = World::new();
    let before = sealed(&world);
    let ready = world.path("ready");
    // The first two reach an editor that ends by them, the others one that does not care.
    for (signal, script) in [
        (Signal::INT, "exec sleep 1000"),
        (Signal::QUIT, "exec sleep 1000"),
        (Signal::TERM, "trap '' TERM; while :; do sleep 0.01; done"),
        (Signal::HUP, "trap '' HUP; while :; do sleep 0.01; done"),
    ] {
        let script = format!(
            "trap - INT QUIT\necho changed: 1 >> \"$file\"\necho > {}\n{script}",
            ready.display()
        );
        let script = editor(&world, "sleeps", &script);
        let child = edit(&world, &script, &["a.yaml"])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while !ready.exists() {
            assert!(started.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(5));
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        refused(&output, 1);
        assert_eq!(world.read("a.yaml"), before, "{signal:?}");
        folders(&world);
        std::fs::remove_file(&ready).unwrap();
    }
}

#[test]
fn vim_leaves_no_copies() {
    let world = World::new();
    let copies = world.path("copies");
    std::fs::create_dir(&copies).unwrap();
    let vimrc = format!(
        "set nocompatible backup writebackup swapfile undofile updatecount=1\n\
         set backupdir={copies} directory={copies} undodir={copies} backupskip=\n\
         set viminfo='100,<100,n{copies}/viminfo\n",
        copies = copies.display()
    );
    world.write(".vimrc", &vimrc);
    // Edits, yanks the line into what viminfo would keep, shows where a swap file is, writes, leaves.
    let keys = format!(
        "vim -T dumb --not-a-term -c 'exe \"normal ggOmarker: hunter2\"' -c 'normal yy' -c 'redir! > {}' \
         -c 'silent swapname' -c 'redir END' -c 'preserve' -c wq",
        world.path("swap").display()
    );
    let run = |command: &mut Command| {
        command
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("SOPS_EDITOR", &keys)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command.output().unwrap()
    };
    let age = &world.recipients[0];
    let theirs = run(&mut world.sops(&["edit", "--age", age, "theirs.yaml"]));
    assert!(theirs.status.success(), "{}", error_of(&theirs));
    // With sops, which leaves the editor as it is, there are copies: the scan finds them.
    assert!(!world.files_with("hunter2").is_empty());
    std::fs::remove_dir_all(&copies).unwrap();
    std::fs::create_dir(&copies).unwrap();
    let ours = run(&mut world.prepared(&["edit", "--age", age, "ours.yaml"]));
    assert_eq!(ours.status.code(), Some(0), "{}", error_of(&ours));
    assert!(
        world
            .sops_decrypt("ours.yaml", &[0])
            .unwrap()
            .contains("marker: hunter2")
    );
    assert!(
        world.read("swap").contains("No swap file"),
        "{}",
        world.read("swap")
    );
    assert_eq!(world.files_with("hunter2"), Vec::<PathBuf>::new());
    assert_eq!(std::fs::read_dir(&copies).unwrap().count(), 0);
}
