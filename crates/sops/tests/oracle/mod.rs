//! The real `sops`, built by `make tools`, and a scratch directory for it.

#![allow(clippy::unwrap_used, dead_code)] // a test that fails, fails here; no test uses all of it

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use sops::{AgeIdentities, AgeRecipient, Format};

/// A key pair of age's own making, and a directory that is removed at the end.
pub(crate) struct Oracle {
    directory: PathBuf,
    pub(crate) identities: AgeIdentities,
    pub(crate) recipient: AgeRecipient,
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let made = Command::new(tool("age-keygen")).output().unwrap();
        assert!(made.status.success());
        Self::with_identities(&String::from_utf8(made.stdout).unwrap())
    }

    /// With an identity file, or an SSH key.
    pub(crate) fn with_identities(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "sops-oracle-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        // sops looks for SSH keys elsewhere than for age's own, and refuses what it does not expect.
        let (ssh, age) = if text.starts_with("-----BEGIN") {
            (text, "")
        } else {
            ("", text)
        };
        std::fs::write(directory.join("keys.txt"), age).unwrap();
        if !ssh.is_empty() {
            std::fs::create_dir(directory.join(".ssh")).unwrap();
            std::fs::write(directory.join(".ssh/id_ed25519"), ssh).unwrap();
        }
        let identities = AgeIdentities::parse(text).unwrap();
        let recipient = identities.recipients().next().unwrap().clone();
        Self {
            directory,
            identities,
            recipient,
        }
    }

    /// What `sops encrypt` makes of a text.
    pub(crate) fn encrypt(&self, format: Format, text: &str, arguments: &[&str]) -> Result<String, String> {
        let recipient = self.recipient.to_string();
        let mut all = vec!["--encrypt", "--age", &recipient];
        all.extend(arguments);
        self.run(format, text, &all)
    }

    /// The same with a `.sops.yaml`.
    pub(crate) fn encrypt_with_config(
        &self,
        format: Format,
        text: &str,
        config: &str,
    ) -> Result<String, String> {
        let path = self.directory.join("config.yaml");
        std::fs::write(&path, config).unwrap();
        self.run(format, text, &["--config", path.to_str().unwrap(), "--encrypt"])
    }

    /// What `sops decrypt` makes of a text, as the given format.
    pub(crate) fn decrypt(&self, format: Format, text: &str, output: &str) -> Result<String, String> {
        self.run(format, text, &["--decrypt", "--output-type", output])
    }

    /// What a command of sops makes of a file in its place.
    pub(crate) fn change(
        &self,
        format: Format,
        text: &str,
        command: &[&str],
        arguments: &[&str],
    ) -> Result<String, String> {
        let extension = if format == Format::Dotenv {
            "env"
        } else {
            format.name()
        };
        let path = self.directory.join(format!("changed.{extension}"));
        std::fs::write(&path, text).unwrap();
        let output = Command::new(tool("sops"))
            .args(command)
            .arg(&path)
            .args(arguments)
            .env_clear()
            .env("HOME", &self.directory)
            .env("SOPS_AGE_KEY_FILE", self.directory.join("keys.txt"))
            .env("SOPS_CONFIG", "/dev/null")
            .current_dir(&self.directory)
            .output()
            .unwrap();
        if output.status.success() {
            Ok(std::fs::read_to_string(&path).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// Lets sops use the keys of another oracle besides its own.
    pub(crate) fn add_identities_of(&self, other: &Self) {
        let keys = |oracle: &Self| std::fs::read_to_string(oracle.directory.join("keys.txt")).unwrap();
        let own = keys(self);
        std::fs::write(self.directory.join("own.txt"), &own).unwrap();
        std::fs::write(self.directory.join("keys.txt"), own + &keys(other)).unwrap();
    }

    /// Undoes that.
    pub(crate) fn forget_added_identities(&self) {
        std::fs::rename(self.directory.join("own.txt"), self.directory.join("keys.txt")).unwrap();
    }

    fn run(&self, format: Format, text: &str, arguments: &[&str]) -> Result<String, String> {
        self.run_on_bytes(format, text.as_bytes(), arguments)
            .map(|output| String::from_utf8(output).unwrap())
    }

    /// The same for files that need not be text.
    pub(crate) fn run_on_bytes(
        &self,
        format: Format,
        bytes: &[u8],
        arguments: &[&str],
    ) -> Result<Vec<u8>, String> {
        let input = format.name();
        let extension = if format == Format::Dotenv { "env" } else { input };
        let mut command = Command::new(tool("sops"));
        command
            .args(arguments)
            .args([
                "--input-type",
                input,
                "--filename-override",
                &format!("file.{extension}"),
                "/dev/stdin",
            ])
            .env_clear()
            .env("HOME", &self.directory)
            .env("SOPS_AGE_KEY_FILE", self.directory.join("keys.txt"))
            .env("SOPS_CONFIG", "/dev/null")
            .current_dir(&self.directory);
        let output = feed(command, bytes);
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

pub(crate) fn feed(mut command: Command, input: impl AsRef<[u8]>) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let bytes = input.as_ref().to_owned();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&bytes);
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

pub(crate) fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../target/tools/bin")
        .join(name);
    assert!(path.exists(), "{} is missing: run `make tools`", path.display());
    path
}
