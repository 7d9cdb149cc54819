//! `fluxops secrets` beside the real sops.

#![allow(clippy::unwrap_used)] // a test that fails, fails here

mod decrypt;
mod edit;
mod encrypt;
mod many;
mod plugin;
mod rekey;
mod set;
mod status;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

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

    /// `fluxops secrets …`, ready to run.
    fn prepared(&self, arguments: &[&str]) -> Command {
        let mut all = vec!["secrets"];
        all.extend(arguments);
        self.command(Path::new(env!("CARGO_BIN_EXE_fluxops")), &all)
    }

    fn fluxops(&self, arguments: &[&str]) -> Output {
        self.prepared(arguments).output().unwrap()
    }

    /// The same with the first key at hand, which has to go well.
    fn fluxops_with_key(&self, arguments: &[&str]) -> Vec<u8> {
        succeeded(
            self.prepared(arguments)
                .env("SOPS_AGE_KEY_FILE", self.path("0.agekey")),
        )
    }

    /// sops with the first key at hand.
    fn sops(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&tool("sops"), arguments);
        command.env("SOPS_AGE_KEY_FILE", self.path("0.agekey"));
        command
    }

    /// All files below the folder that hold a text, whatever their names.
    fn files_with(&self, text: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut pending = vec![self.folder.path().to_owned()];
        while let Some(folder) = pending.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    pending.push(path);
                } else if std::fs::read(&path)
                    .unwrap()
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
                {
                    found.push(path);
                }
            }
        }
        found
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

/// The output of a command that has to go well.
fn succeeded(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{error}");
    output.stdout
}

/// The error of a command that has to fail with this code.
fn refused(output: &Output, code: i32) -> String {
    let error = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
    error
}

/// Runs a command with this on its standard input.
fn fed(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

const SECRET: &str = "kind: Secret\nstringData:\n  password: hunter2\n";
