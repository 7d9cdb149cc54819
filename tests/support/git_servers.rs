//! Git's own upload-pack behind HTTP, HTTPS and SSH, with what it takes to be trusted and let in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use super::outside::Program;
use super::repository::run;

/// `git_http_server.py`.
pub(crate) struct GitServer {
    program: Program,
    log: PathBuf,
}

impl GitServer {
    /// Serves the bare repositories in a folder. Requests are logged in a file.
    pub(crate) fn start(root: &Path, log: PathBuf, more: &[&str]) -> Self {
        let (served, requests) = (root.display().to_string(), log.display().to_string());
        let usual = ["--root", &served, "--request-log", &requests];
        let program = Program::start("git_http_server.py", &[&usual[..], more].concat());
        Self { program, log }
    }

    /// The URL of a repository; the name may begin with a fault.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.program.url)
    }

    pub(crate) fn url(&self) -> &str {
        &self.program.url
    }

    pub(crate) fn port(&self) -> &str {
        self.program.port()
    }

    /// A fault that answers with a redirect to another server.
    pub(crate) fn redirect(&self, to: &str) -> String {
        let escaped = to.replace(':', "%3A").replace('/', "%2F");
        format!("{}/redirect/{escaped}/apps.git", self.program.url)
    }

    pub(crate) fn requests(&self) -> Vec<Json> {
        requests(&self.log)
    }
}

/// What a server logged, a request a line.
pub(crate) fn requests(log: &Path) -> Vec<Json> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// `sshd.py`, and what is in a Secret for it.
pub(crate) struct SshServer {
    program: Program,
    /// The private key that is let in.
    pub(crate) identity: String,
    /// The lines of its host keys, an ed25519 and an ecdsa one.
    pub(crate) known_hosts: String,
    /// The ed25519 host key: type and base64.
    pub(crate) host_key: String,
}

impl SshServer {
    /// Serves the bare repositories in a folder. Its keys are in another one: `host`, `host_ecdsa`, and `identity`,
    /// which is let in as long as `identity.pub` says so.
    pub(crate) fn start(root: &Path, keys: &Path, more: &[&str]) -> Self {
        for (name, kind) in [
            ("host", "ed25519"),
            ("host_ecdsa", "ecdsa"),
            ("identity", "ed25519"),
        ] {
            if !keys.join(name).exists() {
                keygen(&keys.join(name), kind, "");
            }
        }
        let file = |name: &str| keys.join(name).display().to_string();
        let known_hosts = keys.join("known_hosts");
        let arguments = [
            ("--root", root.display().to_string()),
            ("--host-key", file("host")),
            ("--host-key", file("host_ecdsa")),
            ("--authorized-keys", file("identity.pub")),
            ("--known-hosts", known_hosts.display().to_string()),
        ];
        let arguments: Vec<&str> = arguments
            .iter()
            .flat_map(|(name, value)| [*name, value])
            .chain(more.iter().copied())
            .collect();
        let program = Program::start("sshd.py", &arguments);
        let read = |name: &str| fs::read_to_string(keys.join(name)).unwrap();
        Self {
            program,
            identity: read("identity"),
            known_hosts: read("known_hosts"),
            host_key: read("host.pub").split(' ').take(2).collect::<Vec<_>>().join(" "),
        }
    }

    /// The URL of a repository, for the user that the server runs as.
    pub(crate) fn repository(&self, name: &str) -> String {
        let user = run(Command::new("id").arg("-un"));
        format!("ssh://{}@127.0.0.1:{}/{name}", user.trim(), self.port())
    }

    pub(crate) fn port(&self) -> &str {
        self.program.port()
    }
}

/// Makes a key and its `.pub`; one that was there is gone.
pub(crate) fn keygen(file: &Path, kind: &str, passphrase: &str) {
    let _ = fs::remove_file(file);
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", kind, "-N", passphrase, "-f"]).arg(file);
    run(&mut command);
}

/// A CA (`ca.crt`), a certificate that it gave a server on loopback (`server.crt`, `server.key`), and one for a
/// client called fluxops (`client.crt`, `client.key`), made by openssl in a folder.
pub(crate) struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Self {
        let openssl = |words: &str| {
            let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
            let words = words.replace("NEWKEY", key);
            run(Command::new("openssl").args(words.split(' ')).current_dir(folder));
        };
        openssl("req -x509 -days 2 -subj /CN=test-CA -keyout ca.key -out ca.crt NEWKEY");
        for (name, subject, extension) in [
            ("server", "server", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            ("client", "fluxops", "extendedKeyUsage=clientAuth"),
        ] {
            fs::write(folder.join(format!("{name}.ext")), extension).unwrap();
            openssl(&format!(
                "req -subj /CN={subject} -keyout {name}.key -out {name}.csr NEWKEY"
            ));
            openssl(&format!(
                "x509 -req -in {name}.csr -extfile {name}.ext -out {name}.crt -CA ca.crt -CAkey ca.key -CAcreateserial -days 2"
            ));
        }
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The path of one of the files.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// The text of one of the files.
    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }
}
