//! A Git repository made by git, signed by ssh-keygen, with files sealed by the real sops.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Scratch, tool};

/// A key that signs commits.
pub(crate) struct SigningKey {
    pub(crate) identity: String,
    private: PathBuf,
}

impl SigningKey {
    pub(crate) fn new(folder: &Path, identity: &str) -> Self {
        let private = folder.join(identity);
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-t", "ed25519", "-N", "", "-C", identity, "-f"])
            .arg(&private);
        run(&mut command);
        Self {
            identity: identity.to_owned(),
            private,
        }
    }

    /// Its line of `allowed_signers`.
    pub(crate) fn allowed_signer(&self) -> String {
        let public = self.public();
        let mut fields = public.split(' ');
        format!(
            "{} {} {}\n",
            self.identity,
            fields.next().unwrap(),
            fields.next().unwrap()
        )
    }

    pub(crate) fn public(&self) -> String {
        fs::read_to_string(self.private.with_added_extension("pub")).unwrap()
    }

    pub(crate) fn private(&self) -> &Path {
        &self.private
    }
}

/// An age identity, made by age-keygen.
pub(crate) struct AgeKey {
    pub(crate) text: String,
    pub(crate) recipient: String,
}

impl AgeKey {
    pub(crate) fn new() -> Self {
        let text = run(&mut Command::new(tool("age-keygen")));
        let recipient = text
            .lines()
            .find_map(|line| line.strip_prefix("# public key: "))
            .unwrap()
            .to_owned();
        Self { text, recipient }
    }
}

/// A secret OpenPGP key without a passphrase, made and exported by gpg, which has a home of its own.
pub(crate) struct OpenPgpKey {
    pub(crate) fingerprint: String,
    pub(crate) text: String,
    home: Scratch,
}

impl OpenPgpKey {
    pub(crate) fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let home = Scratch::new();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let gpg = |arguments: &[&str]| {
            run(Command::new("gpg")
                .args(["--batch", "--quiet"])
                .args(arguments)
                .env("GNUPGHOME", home.path()))
        };
        gpg(&[
            "--passphrase",
            "",
            "--quick-generate-key",
            "flux",
            "future-default",
            "default",
            "never",
        ]);
        let list = gpg(&["--with-colons", "--list-secret-keys"]);
        let fingerprint = list.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap();
        Self {
            fingerprint: fingerprint.trim_matches(':').to_owned(),
            text: gpg(&["--armor", "--export-secret-keys"]),
            home,
        }
    }

    /// What sops makes of a manifest, with the values of `data` and `stringData` sealed for this key alone.
    pub(crate) fn seal(&self, path: &str, content: &str) -> String {
        let mut command = Command::new(tool("sops"));
        command
            .args([
                "encrypt",
                "--pgp",
                &self.fingerprint,
                "--encrypted-regex",
                "^(data|stringData)$",
            ])
            .args(["--filename-override", path])
            .env("GNUPGHOME", self.home.path());
        run_with_input(&mut command, content)
    }
}

impl Drop for OpenPgpKey {
    fn drop(&mut self) {
        let agent = ["--kill", "all"];
        let _ = Command::new("gpgconf")
            .args(agent)
            .env("GNUPGHOME", self.home.path())
            .status();
    }
}

/// A work tree.
pub(crate) struct Repository {
    path: PathBuf,
}

impl Repository {
    pub(crate) fn new(path: PathBuf) -> Self {
        fs::create_dir_all(&path).unwrap();
        let repository = Self { path };
        repository.git(&["init", "-q", "-b", "main"]);
        repository
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Runs git without the settings of the machine.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        run(Command::new("git")
            .args(arguments)
            .current_dir(&self.path)
            .envs(SETTINGS))
    }

    /// The same at another time, in seconds or as RFC 3339, by the author's and the committer's account.
    pub(crate) fn git_at(&self, time: &str, arguments: &[&str]) -> String {
        run(Command::new("git")
            .args(arguments)
            .current_dir(&self.path)
            .envs(SETTINGS)
            .env("GIT_AUTHOR_DATE", time)
            .env("GIT_COMMITTER_DATE", time))
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let file = self.path.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path.join(path)).unwrap()
    }

    pub(crate) fn remove(&self, path: &str) {
        fs::remove_file(self.path.join(path)).unwrap();
    }

    /// Writes a file as sops seals it, with the values of `data` and `stringData` hidden.
    pub(crate) fn write_sealed(&self, path: &str, content: &str, recipient: &str) {
        self.write_sealed_where(path, content, recipient, "^(data|stringData)$");
    }

    /// Writes a file as sops seals it, with the values of the keys that match hidden.
    pub(crate) fn write_sealed_where(&self, path: &str, content: &str, recipient: &str, keys: &str) {
        // The plain text never becomes a file: the leak tests look at all of them.
        let mut command = Command::new(tool("sops"));
        command.args([
            "encrypt",
            "--age",
            recipient,
            "--encrypted-regex",
            keys,
            "--filename-override",
            path,
        ]);
        let sealed = run_with_input(&mut command, content);
        self.write(path, &sealed);
    }

    /// Commits everything, signed.
    pub(crate) fn commit(&self, key: &SigningKey, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.commit_index(key, message)
    }

    /// Commits what is in the index, signed.
    pub(crate) fn commit_index(&self, key: &SigningKey, message: &str) -> String {
        self.git_with(key, &["commit", "-q", "-S", "--allow-empty", "-m", message])
    }

    /// Runs git with a key to sign with; the head comes back.
    pub(crate) fn git_with(&self, key: &SigningKey, arguments: &[&str]) -> String {
        let signing_key = format!("user.signingkey={}", key.private.display());
        let settings = ["-c", "gpg.format=ssh", "-c", &signing_key];
        self.git(&[&settings[..], arguments].concat());
        self.head()
    }

    /// Commits everything, unsigned.
    pub(crate) fn commit_unsigned(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--no-gpg-sign", "--allow-empty", "-m", message]);
        self.head()
    }

    /// Makes the branch point to a commit object of these bytes.
    pub(crate) fn commit_raw(&self, raw: &str) -> String {
        let mut command = Command::new("git");
        command
            .args(["hash-object", "-t", "commit", "-w", "--stdin"])
            .current_dir(&self.path)
            .envs(SETTINGS);
        let id = run_with_input(&mut command, raw).trim().to_owned();
        self.git(&["reset", "-q", "--soft", &id]);
        id
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// A bare copy, for servers.
    pub(crate) fn publish(&self, bare: &Path) {
        if bare.exists() {
            self.git(&["push", "-q", "--force", &bare.display().to_string(), "main"]);
        } else {
            self.git(&["clone", "-q", "--bare", ".", &bare.display().to_string()]);
        }
    }
}

/// Spoils an object in the only pack of a bare repository, and nothing else.
pub(crate) fn damage(bare: &Path, id: &str) {
    let packs = fs::read_dir(bare.join("objects/pack")).unwrap();
    let pack = packs
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "pack"))
        .unwrap();
    let listed = run(Command::new("git").args(["verify-pack", "-v"]).arg(&pack));
    let line = listed.lines().find(|line| line.starts_with(id)).unwrap();
    let offset: usize = line.split_whitespace().nth(4).unwrap().parse().unwrap();
    let mut bytes = fs::read(&pack).unwrap();
    bytes[offset + 1..offset + 6].fill(0xff);
    // A pack is read-only, and a reader may have it open.
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, bytes).unwrap();
}

const SETTINGS: [(&str, &str); 7] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ("GIT_AUTHOR_NAME", "Alice"),
    ("GIT_AUTHOR_EMAIL", "alice@example.org"),
    ("GIT_COMMITTER_NAME", "Alice"),
    ("GIT_COMMITTER_EMAIL", "alice@example.org"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

/// Runs a program to its end; its standard output comes back.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn run_with_input(command: &mut Command, input: &str) -> String {
    use std::io::Write as _;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
