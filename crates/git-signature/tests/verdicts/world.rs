//! A repository with real keys, made with the installed git, ssh-keygen and gpg.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git_signature::{ObjectId, ObjectKind, Refusal, Signer, TrustStore};
use jiff::{SignedDuration, Timestamp};

/// A folder of its own, with nothing taken from the machine's settings; removed when dropped.
pub(crate) struct World {
    root: PathBuf,
    has_gpg: bool,
}

/// An object as `git cat-file` gives it.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) raw: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Short, because gpg puts sockets below it.
        let root = std::env::temp_dir().join(format!("gs-{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join("home")).unwrap();
        let world = Self { root, has_gpg: false };
        world.git(["init", "-q", "-b", "main"]);
        world.git(["config", "user.name", "Ada"]);
        world.git(["config", "user.email", "ada@example.org"]);
        world
    }

    pub(crate) fn with_gpg() -> Self {
        let mut world = Self::new();
        world.has_gpg = true;
        let home = world.path("gpg");
        std::fs::create_dir(&home).unwrap();
        Command::new("chmod").arg("700").arg(&home).status().unwrap();
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        std::fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn read_text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.root)
            .env("HOME", self.path("home"))
            .env("GNUPGHOME", self.path("gpg"))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .env_remove("SSH_AUTH_SOCK")
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, program: &str, args: impl IntoIterator<Item = S>) -> Vec<u8> {
        expect_success(program, &self.command(program).args(args).output().unwrap())
    }

    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        String::from_utf8(self.run("git", args))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Makes an SSH key `NAME` with the comment `NAME@example.org`; returns the line of its public key.
    pub(crate) fn ssh_key(&self, name: &str, options: &[&str]) -> String {
        let comment = format!("{name}@example.org");
        let file = self.path(name);
        let mut command = self.command("ssh-keygen");
        command
            .args(["-q", "-N", "", "-C", &comment])
            .args(options)
            .arg("-f")
            .arg(&file);
        expect_success("ssh-keygen", &command.output().unwrap());
        self.read_text(&format!("{name}.pub")).trim().to_owned()
    }

    /// Makes an OpenPGP key with gpg's `--quick-generate-key`, and returns its fingerprint.
    pub(crate) fn gpg_key(&self, user: &str, algorithm: &str, usage: &str, expires: &str) -> String {
        self.gpg(["--quick-generate-key", user, algorithm, usage, expires]);
        self.gpg_fingerprints(user).remove(0)
    }

    /// The fingerprints of a key and its subkeys.
    pub(crate) fn gpg_fingerprints(&self, user: &str) -> Vec<String> {
        let listing = self.gpg(["--with-colons", "--list-keys", "--", user]);
        String::from_utf8(listing)
            .unwrap()
            .lines()
            .filter_map(|line| line.strip_prefix("fpr:"))
            .map(|rest| rest.trim_matches(':').to_owned())
            .collect()
    }

    pub(crate) fn gpg<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Vec<u8> {
        let mut command = self.command("gpg");
        command.args([
            "--batch",
            "--no-tty",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        expect_success("gpg", &command.args(args).output().unwrap())
    }

    pub(crate) fn gpg_export(&self, user: &str) -> String {
        String::from_utf8(self.gpg(["--export", "--armor", "--", user])).unwrap()
    }

    /// A commit by git, signed with an SSH key.
    pub(crate) fn commit_ssh(&self, key: &str) -> Object {
        let key = self.path(&format!("{key}.pub"));
        self.commit_with(&["-c", "gpg.format=ssh"], key.as_os_str(), Timestamp::now())
    }

    /// A commit by git, signed with an OpenPGP key.
    pub(crate) fn commit_gpg(&self, user: &str) -> Object {
        self.commit_with(&[], user.as_ref(), Timestamp::now())
    }

    pub(crate) fn commit_ssh_at(&self, key: &str, time: Timestamp) -> Object {
        let key = self.path(&format!("{key}.pub"));
        self.commit_with(&["-c", "gpg.format=ssh"], key.as_os_str(), time)
    }

    fn commit_with(&self, config: &[&str], key: &OsStr, time: Timestamp) -> Object {
        let mut option = std::ffi::OsString::from("-S");
        option.push(key);
        let mut command = self.command("git");
        command
            .args(config)
            .args([
                "commit",
                "-q",
                "--allow-empty",
                "-m",
                "Change something\n\nAnd say why.",
            ])
            .arg(option)
            .env("GIT_COMMITTER_DATE", format!("{} +0100", time.as_second()))
            .env("GIT_AUTHOR_DATE", format!("{} +0100", time.as_second()));
        expect_success("git commit", &command.output().unwrap());
        self.object("HEAD", ObjectKind::Commit)
    }

    pub(crate) fn tag_ssh(&self, key: &str, name: &str, target: &str) -> Object {
        let key = self.path(&format!("{key}.pub"));
        let key = format!("user.signingkey={}", key.display());
        self.git([
            "-c",
            "gpg.format=ssh",
            "-c",
            &key,
            "tag",
            "-s",
            "-m",
            "A release",
            name,
            target,
        ]);
        self.object(name, ObjectKind::Tag)
    }

    pub(crate) fn tag_gpg(&self, user: &str, name: &str, target: &str) -> Object {
        self.git(["tag", "-u", user, "-m", "A release", name, target]);
        self.object(name, ObjectKind::Tag)
    }

    pub(crate) fn object(&self, name: &str, kind: ObjectKind) -> Object {
        Object {
            kind,
            raw: self.run("git", ["cat-file", kind.as_str(), name]),
        }
    }

    /// Signs with `ssh-keygen -Y sign`, and returns the armored text without its last newline.
    pub(crate) fn ssh_sign(&self, key: &str, namespace: &str, payload: &[u8], options: &[&str]) -> String {
        let mut command = self.command("ssh-keygen");
        command.args(["-q", "-Y", "sign", "-n", namespace]).args(options);
        command.arg("-f").arg(self.path(key));
        text_through(command, payload)
    }

    /// Signs with `gpg --detach-sign`.
    pub(crate) fn gpg_sign(&self, user: &str, payload: &[u8], options: &[&str]) -> String {
        let mut command = self.command("gpg");
        command.args([
            "--batch",
            "--no-tty",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ]);
        command
            .args(options)
            .args(["--armor", "--detach-sign", "-u", user]);
        text_through(command, payload)
    }
}

fn text_through(mut command: Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = expect_success("sign", &child.wait_with_output().unwrap());
    String::from_utf8(output).unwrap().trim_end().to_owned()
}

fn expect_success(what: &str, output: &Output) -> Vec<u8> {
    assert!(
        output.status.success(),
        "{what} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout.clone()
}

impl Drop for World {
    fn drop(&mut self) {
        if self.has_gpg {
            let _ = self.command("gpgconf").args(["--kill", "all"]).output();
        }
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

impl Object {
    pub(crate) fn commit(raw: impl Into<Vec<u8>>) -> Self {
        Self {
            kind: ObjectKind::Commit,
            raw: raw.into(),
        }
    }

    pub(crate) fn id(&self) -> ObjectId {
        ObjectId::of(self.kind, &self.raw).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.raw).unwrap()
    }

    /// The same object with a piece of text replaced, which must be there.
    pub(crate) fn replace(&self, from: &str, to: &str) -> Self {
        assert!(self.text().contains(from), "{from:?} is not in {}", self.text());
        Self {
            kind: self.kind,
            raw: self.text().replacen(from, to, 1).into_bytes(),
        }
    }

    /// What git signed: the object without its signature.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        let text = self.text();
        let (start, end) = match self.kind {
            ObjectKind::Tag => (text.find("-----BEGIN").unwrap(), text.len()),
            ObjectKind::Commit | ObjectKind::Tree | ObjectKind::Blob => signature_span(text),
        };
        format!("{}{}", &text[..start], &text[end..]).into_bytes()
    }

    /// The same commit with another signature text.
    pub(crate) fn with_signature(&self, armored: &str) -> Self {
        let unsigned = String::from_utf8(self.unsigned()).unwrap();
        let (headers, body) = unsigned.split_once("\n\n").unwrap();
        let folded = armored.replace('\n', "\n ");
        Self::commit(format!("{headers}\ngpgsig {folded}\n\n{body}"))
    }

    /// The armored signature of a commit.
    pub(crate) fn signature(&self) -> String {
        let (start, end) = signature_span(self.text());
        self.text()[start..end]
            .strip_prefix("gpgsig ")
            .unwrap()
            .trim_end()
            .replace("\n ", "\n")
    }
}

fn signature_span(text: &str) -> (usize, usize) {
    let start = text.find("\ngpgsig ").expect("signed") + 1;
    let mut end = start;
    for (index, line) in text[start..].split_inclusive('\n').enumerate() {
        if index > 0 && !line.starts_with(' ') {
            break;
        }
        end += line.len();
    }
    (start, end)
}

/// The bytes in an armored block.
pub(crate) fn dearmor(armored: &str) -> Vec<u8> {
    let body = armored
        .split("-----\n")
        .nth(1)
        .unwrap()
        .split("\n-----")
        .next()
        .unwrap();
    let lines = body.trim_start().lines().filter(|line| !line.starts_with('='));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// An armored block without a checksum.
pub(crate) fn armor(label: &str, data: &[u8]) -> String {
    let base64 = STANDARD.encode(data);
    let lines: Vec<&str> = (0..base64.len())
        .step_by(64)
        .map(|at| &base64[at..base64.len().min(at + 64)])
        .collect();
    let blank = if label.starts_with("PGP") { "\n" } else { "" };
    format!(
        "-----BEGIN {label}-----\n{blank}{}\n-----END {label}-----",
        lines.join("\n")
    )
}

/// Replaces all occurrences of a piece of bytes, which must be there.
pub(crate) fn replace_bytes(data: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    assert!(rest.len() < data.len(), "not found");
    replaced.extend_from_slice(rest);
    replaced
}

/// Trust material from names and texts.
pub(crate) fn trust<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> TrustStore {
    TrustStore::parse(files).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn allowed_signers(text: &str) -> TrustStore {
    trust([("allowed_signers", text.as_bytes())])
}

/// The verdict on a commit at this moment.
pub(crate) fn verify(trust: &TrustStore, commit: &Object) -> Result<Signer, Refusal> {
    trust.verify_commit(&commit.raw, commit.id(), Timestamp::now())
}

/// The verdict as one word: the identity, or the reason of the refusal.
pub(crate) fn verdict(trust: &TrustStore, commit: &Object) -> String {
    match verify(trust, commit) {
        Ok(signer) => signer.identity,
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            refusal.reason().to_owned()
        }
    }
}

pub(crate) fn days_ago(days: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(24 * days)
}

/// A time as `allowed_signers` has it.
pub(crate) fn stamp(time: Timestamp) -> String {
    time.strftime("%Y%m%d%H%M%SZ").to_string()
}
