//! `fluxops trust`: folders with the keys of those who may sign, made and looked through.

#![allow(clippy::unwrap_used)] // a test that fails, fails here

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// A user with a home of their own, and nothing of the machine's.
struct User {
    root: TempDir,
    agent: Option<Child>,
}

/// What a run printed.
struct Run {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl User {
    fn new() -> Self {
        let root = tempfile::Builder::new().prefix("tr").tempdir().unwrap();
        std::fs::create_dir_all(root.path().join(".ssh")).unwrap();
        Self { root, agent: None }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.root.path())
            .env("HOME", self.root.path())
            .env("GNUPGHOME", self.path(".gnupg"))
            .env("SSH_AUTH_SOCK", self.path("agent"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("GIT_CONFIG_GLOBAL")
            .env_remove("XDG_CONFIG_HOME");
        command
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let output = self.command(program).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output
    }

    fn git_config(&self, name: &str, value: &str) {
        self.run("git", &["config", "--global", name, value]);
    }

    /// Makes `~/.ssh/NAME` and its public half.
    fn ssh_key(&self, name: &str, kind: &[&str]) -> String {
        let file = format!(".ssh/{name}");
        let mut arguments = vec!["-q", "-N", "", "-C", "work laptop", "-f", &file];
        arguments.extend(kind);
        self.run("ssh-keygen", &arguments);
        let line = self.read(&format!("{file}.pub"));
        line.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn gpg_key(&self, user: &str, algorithm: &str) -> String {
        use std::os::unix::fs::DirBuilderExt as _;
        let mut home = std::fs::DirBuilder::new();
        home.recursive(true)
            .mode(0o700)
            .create(self.path(".gnupg"))
            .unwrap();
        let options = [
            "--batch",
            "--quiet",
            "--pinentry-mode",
            "loopback",
            "--passphrase",
            "",
        ];
        let make = ["--quick-generate-key", user, algorithm, "sign", "0"];
        self.run("gpg", &[&options[..], &make].concat());
        let listing = self
            .run("gpg", &["--with-colons", "--list-keys", "--", user])
            .stdout;
        let listing = String::from_utf8(listing).unwrap();
        let line = listing
            .lines()
            .find_map(|line| line.strip_prefix("fpr:"))
            .unwrap();
        line.trim_matches(':').to_owned()
    }

    /// Starts an SSH agent that holds a key.
    fn agent_with(&mut self, key: &str) {
        let socket = self.path("agent");
        let mut agent = self.command("ssh-agent");
        agent.arg("-D").arg("-a").arg(&socket).stdout(Stdio::null());
        self.agent = Some(agent.spawn().unwrap());
        // ssh-add(1): 2 means that there is no agent.
        while self.command("ssh-add").arg("-l").output().unwrap().status.code() == Some(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.run("ssh-add", &["-q", key]);
    }

    fn trust(&self, arguments: &[&str]) -> Run {
        let mut command = self.command(env!("CARGO_BIN_EXE_fluxops"));
        let output = command.arg("trust").args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Run {
    #[track_caller]
    fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        self
    }
}

impl Drop for User {
    fn drop(&mut self) {
        if let Some(agent) = &mut self.agent {
            let _ = agent.kill();
            let _ = agent.wait();
        }
        if self.path(".gnupg").exists() {
            let _ = self.command("gpgconf").args(["--kill", "all"]).output();
        }
    }
}

fn fluxops_verifies(user: &User, folder: &Path) -> bool {
    let mut verify = user.command(env!("CARGO_BIN_EXE_fluxops"));
    verify
        .args(["verify", "--repo", "fleet", "--mode", "head", "--trust"])
        .arg(folder);
    verify.output().unwrap().status.success()
}

/// Runs what `trust init` says to, and commits.
fn sign_a_commit(user: &User, said: &str) {
    for line in said.lines().filter_map(|line| line.trim().strip_prefix("git ")) {
        let words = shlex::split(line).unwrap();
        user.run("git", &words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    user.git_config("user.name", "Ada");
    user.git_config("user.email", "ada@example.org");
    user.run("git", &["init", "-q", "fleet"]);
    user.run(
        "git",
        &["-C", "fleet", "commit", "-q", "--allow-empty", "-m", "Sign this"],
    );
}

#[test]
fn a_folder_that_is_fine_and_one_that_is_not() {
    let user = User::new();
    let ada = user.ssh_key("ada", &["-t", "ed25519"]);
    let weak = user.ssh_key("weak", &["-t", "rsa", "-b", "1024"]);
    let signers = user.path("trust/allowed_signers");
    std::fs::create_dir(user.path("trust")).unwrap();

    std::fs::write(&signers, format!("ada {ada}\n")).unwrap();
    let run = user.trust(&["check", "trust"]).expect(0);
    assert_eq!(run.stdout, "trust: all is well\n");
    assert_eq!(
        user.trust(&["check", "trust", "-o", "json"]).expect(0).stdout,
        "[]\n"
    );

    std::fs::write(&signers, format!("# us\nada {ada}\nweak {weak}\neve {ada}\n")).unwrap();
    let run = user.trust(&["check", "trust"]).expect(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(
        lines[0].starts_with("trust/allowed_signers:3: WeakKey: "),
        "{}",
        run.stdout
    );
    assert!(
        lines[1].starts_with("trust/allowed_signers:4: Duplicated: "),
        "{}",
        run.stdout
    );
    assert!(
        lines[1].contains("allowed_signers:2; keep one of the two"),
        "{}",
        run.stdout
    );
    let run = user.trust(&["check", "trust", "-o", "json"]).expect(1);
    let findings: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(findings[0]["file"], "allowed_signers");
    assert_eq!(findings[0]["line"], 3);
    assert_eq!(findings[0]["reason"], "WeakKey");
    assert!(findings[0]["key"].as_str().unwrap().starts_with("SHA256:"));

    // All of it is looked through, though one line makes it unusable.
    std::fs::write(&signers, format!("nonsense\nweak {weak}\n")).unwrap();
    let run = user.trust(&["check", "trust"]).expect(2);
    let reasons: Vec<_> = run
        .stdout
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    assert_eq!(reasons, ["Unreadable", "WeakKey"]);

    std::fs::write(&signers, "# nobody\n").unwrap();
    let run = user.trust(&["check", "trust"]).expect(2);
    assert!(run.stdout.starts_with("trust: Unreadable: "), "{}", run.stdout);
    let run = user.trust(&["check", "nowhere"]).expect(2);
    assert!(run.stderr.contains("nowhere"), "{}", run.stderr);
    std::fs::create_dir(user.path("trust/old")).unwrap();
    let run = user.trust(&["check", "trust"]).expect(2);
    assert!(run.stderr.contains("trust/old"), "{}", run.stderr);
}

#[test]
fn the_ssh_key_that_git_signs_with_is_trusted() {
    let user = User::new();
    let ada = user.ssh_key("ada", &["-t", "ed25519"]);
    user.ssh_key("other", &["-t", "ed25519"]);
    user.git_config("user.email", "ada@example.org");
    user.git_config("gpg.format", "ssh");
    // Git takes the private half and the public one.
    for (number, setting) in ["~/.ssh/ada", "~/.ssh/ada.pub"].into_iter().enumerate() {
        user.git_config("user.signingkey", setting);
        let folder = format!("trust-{number}");
        let run = user.trust(&["init", &folder]).expect(0);
        assert_eq!(
            user.read(&format!("{folder}/allowed_signers")),
            format!("ada@example.org namespaces=\"git\" {ada} work laptop\n")
        );
        assert!(
            run.stdout.contains("git config --global commit.gpgsign true"),
            "{}",
            run.stdout
        );
        assert!(!run.stdout.contains("user.signingkey"), "{}", run.stdout);
        user.trust(&["check", &folder]).expect(0);
    }
    user.git_config("user.signingkey", &format!("key::{ada}"));
    let run = user.trust(&["init", "literal", "--principal", "Ada.L"]).expect(0);
    assert_eq!(
        user.read("literal/allowed_signers"),
        format!("Ada.L namespaces=\"git\" {ada}\n")
    );

    user.git_config("user.signingkey", "~/.ssh/ada.pub");
    sign_a_commit(&user, &run.stdout);
    assert!(fluxops_verifies(&user, &user.path("trust-0")));
    let run = user.trust(&["init", "again"]).expect(0);
    assert!(
        run.stdout.contains("Git signs with this key already"),
        "{}",
        run.stdout
    );
}

#[test]
fn without_settings_all_keys_are_taken_that_can_sign() {
    let mut user = User::new();
    let ada = user.ssh_key("ada", &["-t", "ed25519"]);
    user.ssh_key("weak", &["-t", "rsa", "-b", "1024"]);
    let agent = user.ssh_key("agent", &["-t", "ecdsa"]);
    user.agent_with(".ssh/agent");
    std::fs::remove_file(user.path(".ssh/agent.pub")).unwrap();
    std::fs::write(user.path(".ssh/note.pub"), "no key\n").unwrap();
    let certificate = user.gpg_key("Ada <ada@example.org>", "ed25519");

    let run = user.trust(&["init"]).expect(2);
    assert!(run.stderr.contains("--principal"), "{}", run.stderr);
    let run = user.trust(&["init", "--principal", "ada@example.org"]).expect(0);
    let signers = user.read("trust/allowed_signers");
    let keys: Vec<_> = signers
        .lines()
        .map(|line| line.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(keys, [ada, agent]);
    assert!(
        user.read(&format!("trust/{certificate}.asc"))
            .contains("PUBLIC KEY")
    );
    assert!(
        run.stderr.contains("weak.pub: what it signs is refused"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("note.pub"), "{}", run.stderr);
    user.trust(&["check", "trust"]).expect(0);

    // The settings that it shows are enough to sign, and what is signed is trusted.
    assert!(run.stdout.contains("gpg.format ssh"), "{}", run.stdout);
    sign_a_commit(&user, &run.stdout);
    assert!(fluxops_verifies(&user, &user.path("trust")));
}

#[test]
fn the_openpgp_key_that_git_signs_with_is_trusted() {
    let user = User::new();
    let ada = user.gpg_key("Ada <ada@example.org>", "ed25519");
    let dsa = user.gpg_key("Old <old@example.org>", "dsa2048");
    user.git_config("user.signingkey", &ada);
    let run = user.trust(&["init"]).expect(0);
    let files: Vec<_> = std::fs::read_dir(user.path("trust")).unwrap().collect();
    assert_eq!(files.len(), 1);
    assert!(!run.stdout.contains("gpg.format"), "{}", run.stdout);
    sign_a_commit(&user, &run.stdout);
    assert!(fluxops_verifies(&user, &user.path("trust")));

    user.git_config("user.signingkey", &dsa);
    let run = user.trust(&["init", "dsa"]).expect(1);
    assert!(
        run.stderr.contains(&format!("passed over {dsa}")),
        "{}",
        run.stderr
    );
    user.git_config("user.signingkey", "nobody@example.org");
    let run = user.trust(&["init", "nobody"]).expect(1);
    assert!(
        run.stderr.contains("no secret key for \"nobody@example.org\""),
        "{}",
        run.stderr
    );
    user.git_config("gpg.format", "x509");
    assert!(user.trust(&["init", "x509"]).expect(1).stderr.contains("X.509"));
    for folder in ["dsa", "nobody", "x509"] {
        assert!(!user.path(folder).exists(), "{folder}");
    }
}

#[test]
fn a_file_that_is_there_stays() {
    let user = User::new();
    let ada = user.ssh_key("ada", &["-t", "ed25519"]);
    let init = ["init", "trust", "--principal", "ada"];
    user.trust(&init).expect(0);
    let run = user.trust(&init).expect(0);
    assert!(run.stdout.contains("is as it would be written"), "{}", run.stdout);

    std::fs::write(user.path("trust/allowed_signers"), "bob ssh-ed25519 AAAA\n").unwrap();
    let run = user.trust(&init).expect(1);
    assert_eq!(user.read("trust/allowed_signers"), "bob ssh-ed25519 AAAA\n");
    assert!(run.stdout.contains("left as it is"), "{}", run.stdout);
    assert!(
        run.stdout.contains(&format!("ada namespaces=\"git\" {ada}")),
        "{}",
        run.stdout
    );
}

#[test]
fn a_principal_is_one_name() {
    let user = User::new();
    user.ssh_key("ada", &["-t", "ed25519"]);
    for principal in ["", "*", "a,b", "a b", "!a", "\"a\"", "#a", "a\n"] {
        let run = user.trust(&["init", "--principal", principal]).expect(2);
        assert!(run.stderr.contains("no name of one signer"), "{}", run.stderr);
    }
    assert!(!user.path("trust").exists());
}

#[test]
fn without_any_key_it_says_how_to_make_one() {
    let user = User::new();
    let run = user.trust(&["init"]).expect(1);
    assert!(run.stderr.contains("ssh-keygen -t ed25519"), "{}", run.stderr);
}
