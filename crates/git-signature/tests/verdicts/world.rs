//! A repository with real keys, made with the installed git, ssh-keygen and gpg.

use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use git_signature::ObjectKind;
use jiff::Timestamp;

use crate::object::Object;

/// A folder of its own, with nothing taken from the machine's settings; removed when dropped.
pub(crate) struct World {
    root: PathBuf,
    has_gpg: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with_ids("sha1")
    }

    /// With a repository whose object ids are of this format.
    pub(crate) fn with_ids(format: &str) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        // Short, because gpg puts sockets below it.
        let root = std::env::temp_dir().join(format!("gs-{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join("home")).unwrap();
        let world = Self { root, has_gpg: false };
        world.git(["init", "-q", "-b", "main", "--object-format", format]);
        world.git(["config", "user.name", "Ada"]);
        world.git(["config", "user.email", "ada@example.org"]);
        world
    }

    pub(crate) fn with_gpg() -> Self {
        let mut world = Self::new();
        world.has_gpg = true;
        world.folder("gpg");
        world
    }

    /// Makes a folder that nobody else may look into, as gpg demands.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = self.path(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        path
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

/// What a command prints that reads this from its standard input.
pub(crate) fn text_through(mut command: Command, input: &[u8]) -> String {
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
