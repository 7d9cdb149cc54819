//! `fluxops secrets` beside the real sops.

#![allow(clippy::unwrap_used)] // a test that fails, fails here

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder with key pairs, for both programs to work in.
struct World {
    folder: TempDir,
    recipients: [String; 3],
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recipients = [0, 1, 2].map(|index| {
            let path = folder.path().join(format!("{index}.agekey"));
            let made = Command::new(tool("age-keygen"))
                .arg("-o")
                .arg(&path)
                .output()
                .unwrap();
            let line = String::from_utf8(made.stderr).unwrap();
            line.trim().rsplit(' ').next().unwrap().to_owned()
        });
        Self { folder, recipients }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Replaces `R0`, `R1` and `R2` by the recipients.
    fn write_config(&self, name: &str, text: &str) {
        let [first, second, third] = &self.recipients;
        let text = text
            .replace("R0", first)
            .replace("R1", second)
            .replace("R2", third);
        self.write(name, &text);
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.folder.path())
            .current_dir(self.folder.path());
        command
    }

    fn fluxops(&self, arguments: &[&str]) -> Output {
        let mut all = vec!["secrets"];
        all.extend(arguments);
        self.command(Path::new(env!("CARGO_BIN_EXE_fluxops")), &all)
            .output()
            .unwrap()
    }

    /// What sops makes of a file with some of the keys.
    fn sops_decrypt(&self, name: &str, keys: &[usize]) -> Result<String, String> {
        let texts: Vec<String> = keys
            .iter()
            .map(|index| self.read(&format!("{index}.agekey")))
            .collect();
        let output = self
            .command(&tool("sops"), &["-d", name])
            .env("SOPS_AGE_KEY", texts.join("\n"))
            .output()
            .unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools/bin")
        .join(name);
    assert!(path.exists(), "{} is missing: run `make tools`", path.display());
    path
}

const SECRET: &str = "kind: Secret\nstringData:\n  password: hunter2\n";

#[test]
fn encrypt_follows_the_nearest_creation_rules() {
    let world = World::new();
    world.write_config(
        ".sops.yaml",
        "creation_rules:\n\
         - {path_regex: ^apps/, encrypted_regex: ^stringData$, age: R0}\n\
         - {path_regex: ^shared/, key_groups: [{age: [R0]}, {age: [R1]}, {age: [R2]}], shamir_threshold: 2}\n",
    );
    world.write_config(
        "inner/.sops.yaml",
        "creation_rules: [{path_regex: ^apps/, age: R1}]\n",
    );
    for name in ["apps/a.yaml", "shared/a.yaml", "inner/apps/a.yaml"] {
        world.write(name, SECRET);
    }
    let sealed = world.fluxops(&[
        "encrypt",
        "-i",
        "apps/a.yaml",
        "shared/a.yaml",
        "inner/apps/../apps/a.yaml",
    ]);
    assert_eq!(
        sealed.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&sealed.stderr)
    );
    assert!(world.read("apps/a.yaml").starts_with("kind: Secret\n"));
    assert!(world.read("shared/a.yaml").starts_with("kind: ENC["));
    for (name, keys) in [
        ("apps/a.yaml", [0].as_slice()),
        ("inner/apps/a.yaml", &[1]),
        ("shared/a.yaml", &[0, 2]),
        ("shared/a.yaml", &[1, 2]),
    ] {
        assert!(
            world.sops_decrypt(name, keys).unwrap().contains("hunter2"),
            "{name}"
        );
    }
    for (name, keys) in [
        ("apps/a.yaml", [1, 2].as_slice()),
        ("inner/apps/a.yaml", &[0]),
        ("shared/a.yaml", &[1]),
    ] {
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
    assert_eq!(sealed.status.code(), Some(1));
    assert!(sealed.stdout.is_empty());
    assert!(String::from_utf8(sealed.stderr).unwrap().contains("give --age"));
    let [first, ..] = &world.recipients;
    assert_eq!(
        world
            .fluxops(&["encrypt", "--age", first, "a.yaml"])
            .status
            .code(),
        Some(0)
    );
}
