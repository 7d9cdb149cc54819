//! Fetching through the whole binary to a real cluster: every way in, and what becomes of a server that fails.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value as Json, json};
use support::git_servers::{Certificates, GitServer, SshServer, keygen};
use support::random_hex;
use support::repository::damage;
use support::world::World;

/// A world whose repository is behind a server.
struct Served {
    world: World,
    folder: PathBuf,
}

impl Served {
    fn new() -> Self {
        let world = World::new();
        let folder = world.repository.path().parent().unwrap().to_owned();
        Self { world, folder }
    }

    /// Commits a version and pushes it to where it is served from.
    fn push(&self, version: &str) {
        self.world.commit_good(version);
        self.world.repository.publish(&self.root().join("apps.git"));
    }

    fn root(&self) -> PathBuf {
        self.folder.join("served")
    }

    /// Makes the source fetch from a URL, with a Secret of these entries.
    fn point(&mut self, url: &str, entries: &Json) {
        let spec = &mut self.world.source["spec"];
        spec["url"] = url.into();
        spec["secretRef"] = json!({"name": "git"});
        // Long for a server that answers, short for one that never does.
        spec["timeout"] = "3s".into();
        let metadata = json!({"name": "git", "namespace": self.world.namespace.name});
        self.world.more =
            vec![json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": entries})];
    }

    /// Runs until the cluster has a version that was pushed.
    fn deliver(&self, version: &str) {
        let run = self.world.once().expect(0);
        assert_eq!(self.world.version().as_deref(), Some(version));
        self.world.assert_no_leak(&run);
    }

    /// What it takes for the source to fail for a reason after `v1`, and to heal with what worked before.
    fn fails_and_heals(&mut self, url: &str, entries: &Json, reason: &str, words: &str) {
        let (source, more) = (self.world.source.clone(), self.world.more.clone());
        self.point(url, entries);
        let run = self.world.once().expect(1);
        self.world.assert_failed(&run, "gitsource/apps", reason, words);
        (self.world.source, self.world.more) = (source, more);
    }
}

/// HTTPS with a certificate of our own CA, and a password.
struct Https {
    served: Served,
    server: GitServer,
    certificates: Certificates,
    password: String,
}

impl Https {
    /// With `v1` delivered.
    fn start() -> Self {
        let mut served = Served::new();
        let certificates = Certificates::make(&served.folder);
        let password = format!("password-{}", random_hex(12));
        let file = served.folder.join("password");
        std::fs::write(&file, &password).unwrap();
        let login = format!("ada:{}", file.display());
        let (cert, key) = (certificates.path("server.crt"), certificates.path("server.key"));
        let arguments = ["--tls", &cert, &key, "--basic", &login];
        let git = GitServer::start(&served.root(), served.folder.join("requests"), &arguments);
        served.world.hidden = vec![password.clone(), STANDARD.encode(format!("ada:{password}"))];
        served.push("v1");
        let mut https = Self {
            served,
            server: git,
            certificates,
            password,
        };
        let entries = https.entries();
        https.served.point(&https.server.repository("apps.git"), &entries);
        https.served.deliver("v1");
        https
    }

    fn entries(&self) -> Json {
        json!({"username": "ada", "password": self.password, "ca.crt": self.certificates.text("ca.crt")})
    }

    /// What the server does when it is asked, at a URL that brings out a fault.
    fn fails_and_heals(mut self, url: &str, reason: &str, words: &str) -> Self {
        self.served.push("v2");
        let entries = self.entries();
        self.served.fails_and_heals(url, &entries, reason, words);
        self.served.deliver("v2");
        self
    }
}

#[test]
fn https_with_a_password_and_a_private_authority() {
    let mut https = Https::start();
    https.served.push("v2");
    let wrong = format!("wrong-{}", random_hex(12));
    https.served.world.hidden.push(wrong.clone());
    let mut entries = https.entries();
    entries["password"] = wrong.into();
    let url = https.server.repository("apps.git");
    https
        .served
        .fails_and_heals(&url, &entries, "AuthenticationFailed", "401");
    https.served.deliver("v2");
    let untrusted = json!({"username": "ada", "password": https.password});
    https.served.push("v3");
    https.served.point(&url, &untrusted);
    let run = https.served.world.once().expect(1);
    let ready = https.served.world.ready("gitsource/apps");
    assert_eq!(ready["reason"], "GitOperationFailed", "{ready}");
    https.served.world.assert_no_leak(&run);
}

#[test]
fn https_with_a_bearer_token() {
    let mut served = Served::new();
    let certificates = Certificates::make(&served.folder);
    let token = format!("token-{}", random_hex(12));
    let file = served.folder.join("token");
    std::fs::write(&file, &token).unwrap();
    let (cert, key) = (certificates.path("server.crt"), certificates.path("server.key"));
    let arguments = ["--tls", &cert, &key, "--bearer", &file.display().to_string()];
    let git = GitServer::start(&served.root(), served.folder.join("requests"), &arguments);
    served.world.hidden = vec![token.clone()];
    served.push("v1");
    let entries = json!({"bearerToken": token, "ca.crt": certificates.text("ca.crt")});
    served.point(&git.repository("apps.git"), &entries);
    served.deliver("v1");
    served.push("v2");
    served.deliver("v2");
    assert!(
        git.requests()
            .iter()
            .any(|request| request["authorization"] == "bearer")
    );
}

#[test]
fn ssh_with_a_key_and_known_hosts() {
    let mut served = Served::new();
    let sshd = SshServer::start(&served.root(), &served.folder, &[]);
    // A line of the key's body stands for it.
    served.world.hidden = vec![sshd.identity.lines().nth(2).unwrap().to_owned()];
    served.push("v1");
    let url = sshd.repository("apps.git");
    let entries = json!({"identity": sshd.identity, "known_hosts": sshd.known_hosts});
    served.point(&url, &entries);
    served.deliver("v1");

    served.push("v2");
    let other = served.folder.join("other");
    keygen(&other, "ed25519", "");
    let key = std::fs::read_to_string(other.with_extension("pub")).unwrap();
    let expects_another = format!("[127.0.0.1]:{} {key}", sshd.port());
    for (known_hosts, reason) in [
        (expects_another, "HostKeyMismatch"),
        (format!("git.example.org {}", sshd.host_key), "HostKeyUnknown"),
    ] {
        let entries = json!({"identity": sshd.identity, "known_hosts": known_hosts});
        served.fails_and_heals(&url, &entries, reason, "SHA256:");
        assert!(
            served.world.has_refused(reason),
            "{reason} is not in the audit log"
        );
    }
    served.deliver("v2");
}

#[test]
fn an_ssh_server_that_hangs() {
    let mut served = Served::new();
    let sshd = SshServer::start(&served.root(), &served.folder, &[]);
    served.push("v1");
    let entries = json!({"identity": sshd.identity, "known_hosts": sshd.known_hosts});
    served.point(&sshd.repository("apps.git"), &entries);
    served.deliver("v1");
    served.push("v2");
    let hanging = SshServer::start(&served.root(), &served.folder, &["--fault", "hang"]);
    let url = hanging.repository("apps.git");
    served.fails_and_heals(&url, &entries, "Timeout", "connecting");
    served.deliver("v2");
}

#[test]
fn a_git_server_that_hangs() {
    let https = Https::start();
    let url = https.server.repository("hang/apps.git");
    https.fails_and_heals(&url, "Timeout", "3s passed");
}

#[test]
fn a_git_server_that_stops_in_the_middle_of_a_pack() {
    let https = Https::start();
    let url = https.server.repository("stall/apps.git");
    https.fails_and_heals(&url, "Timeout", "receiving objects");
}

#[test]
fn a_git_server_that_sends_garbage() {
    let https = Https::start();
    let url = https.server.repository("garbage/apps.git");
    https.fails_and_heals(&url, "GitOperationFailed", "understand the server");
}

#[test]
fn a_git_server_that_redirects_to_another_host() {
    let https = Https::start();
    let folder = &https.served.folder;
    let (cert, key) = (
        https.certificates.path("server.crt"),
        https.certificates.path("server.key"),
    );
    let other = GitServer::start(
        &https.served.root(),
        folder.join("other-requests"),
        &["--tls", &cert, &key],
    );
    let url = https.server.redirect(other.url());
    let https = https.fails_and_heals(&url, "RedirectRefused", other.url());
    assert!(https.served.world.has_refused("RedirectRefused"));
    assert_eq!(other.requests().len(), 0, "the other host was asked");
}

#[test]
fn a_damaged_mirror_heals() {
    let world = World::new();
    world.commit_good("v1");
    world.once().expect(0);
    let mirrors = std::fs::read_dir(format!("{}/git", world.state_dir())).unwrap();
    let mirror = mirrors
        .map(|entry| entry.unwrap().path())
        .find(|path| path.is_dir())
        .unwrap();
    let file = world.repository.git(&["rev-parse", "HEAD:apps/version.yaml"]);
    damage(&mirror, file.trim());

    let run = world.once().expect(1);
    world.assert_failed(&run, "delivery/web", "GitOperationFailed", "apps/version.yaml");
    world.once().expect(0);
    world.write_version("v2");
    world.repository.commit(&world.alice, "Deliver v2");
    world.once().expect(0);
    assert_eq!(world.version().as_deref(), Some("v2"));
}
