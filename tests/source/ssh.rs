//! SSH, against the real sshd: `known_hosts` decides, and the key of the Secret.

use std::process::Command;
use std::time::Instant;

use fluxops::source::{Fetch, FetchError};

use crate::support::git_servers::{SshServer, keygen};
use crate::world::{IMPATIENCE, PASSWORD, World, main_branch, remote};

fn trusting(ssh: &SshServer, known_hosts: &str) -> Fetch {
    with(ssh, &[("identity", &ssh.identity), ("known_hosts", known_hosts)])
}

fn with(ssh: &SshServer, entries: &[(&str, &str)]) -> Fetch {
    remote(&ssh.repository("apps.git"), entries)
}

#[tokio::test]
async fn ssh_trusts_known_hosts_alone() {
    let world = World::new();
    let ssh = world.serve_ssh(&[]);
    let host = format!("[127.0.0.1]:{}", ssh.port());
    keygen(&world.path("other"), "ed25519", "");
    let other = std::fs::read_to_string(world.path("other.pub")).unwrap();
    let hashed = hashed(&world, &ssh.known_hosts);
    assert!(hashed.starts_with("|1|"));
    let ecdsa_only = ssh
        .known_hosts
        .lines()
        .find(|line| line.contains("ecdsa"))
        .unwrap();
    let revoked = format!("{}\n@revoked * {}\n", ssh.known_hosts, ssh.host_key);
    for (known_hosts, wanted) in [
        (ssh.known_hosts.clone(), None),
        (hashed, None),
        (ecdsa_only.to_owned(), None),
        (format!("git.example {}", ssh.host_key), Some("HostKeyUnknown")),
        (format!("127.0.0.1 {}", ssh.host_key), Some("HostKeyUnknown")),
        (format!("{host} {other}"), Some("HostKeyMismatch")),
        (revoked, Some("HostKeyRevoked")),
    ] {
        let result = world.fetch(trusting(&ssh, &known_hosts), main_branch()).await;
        assert_eq!(
            result.as_ref().err().map(FetchError::reason),
            wanted,
            "{known_hosts}: {result:?}"
        );
    }
    let print = Command::new("ssh-keygen")
        .args(["-l", "-f", &world.text("host.pub")])
        .output()
        .unwrap()
        .stdout;
    let print = String::from_utf8(print).unwrap();
    let error = world
        .fetch(trusting(&ssh, &format!("{host} {other}")), main_branch())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(print.split(' ').nth(1).unwrap()),
        "{error} has not {print}"
    );
}

#[tokio::test]
async fn ssh_follows_a_branch() {
    let world = World::new();
    let ssh = world.serve_ssh(&[]);
    let first = world
        .fetch(trusting(&ssh, &ssh.known_hosts), main_branch())
        .await
        .unwrap();
    assert_eq!(
        world
            .fetch(trusting(&ssh, &ssh.known_hosts), main_branch())
            .await
            .unwrap(),
        first
    );
    let second = world.push("two");
    assert_eq!(
        world
            .fetch(trusting(&ssh, &ssh.known_hosts), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    world.git(&["-C", first.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

#[tokio::test]
async fn ssh_logs_in_with_the_secrets_key() {
    let world = World::new();
    let ssh = world.serve_ssh(&[]);
    keygen(&world.path("other"), "ed25519", "");
    let wrong = std::fs::read_to_string(world.path("other")).unwrap();
    for identity in [wrong.as_str(), "no key"] {
        let entries = [("identity", identity), ("known_hosts", &*ssh.known_hosts)];
        let error = world
            .fetch(with(&ssh, &entries), main_branch())
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "AuthenticationFailed", "{error:?}");
    }
    for kind in ["ed25519", "rsa", "ecdsa"] {
        keygen(&world.path(kind), kind, PASSWORD);
        std::fs::copy(world.path(&format!("{kind}.pub")), world.path("identity.pub")).unwrap();
        let identity = std::fs::read_to_string(world.path(kind)).unwrap();
        let locked = [("identity", &*identity), ("known_hosts", &*ssh.known_hosts)];
        assert!(
            world.fetch(with(&ssh, &locked), main_branch()).await.is_err(),
            "{kind}"
        );
        let entries = [&locked[..], &[("password", PASSWORD)]].concat();
        world
            .fetch(with(&ssh, &entries), main_branch())
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
    }
}

#[tokio::test]
async fn ssh_servers_that_misbehave_are_left() {
    let world = World::new();
    let ssh = world.serve_ssh(&[]);
    let url = format!("ssh://root@127.0.0.1:{}/absent.git", ssh.port());
    let entries = [("identity", &*ssh.identity), ("known_hosts", &*ssh.known_hosts)];
    let error = world
        .fetch(remote(&url, &entries), main_branch())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no repository") || error.reason() == "AuthenticationFailed",
        "{error}"
    );
    for (fault, reason) in [("hang", "Timeout"), ("garbage", "GitOperationFailed")] {
        let server = world.serve_ssh(&["--fault", fault]);
        let mut remote = with(&server, &entries);
        remote.timeout = IMPATIENCE;
        let began = Instant::now();
        let error = world.fetch(remote, main_branch()).await.expect_err(fault);
        assert!(
            error.reason() == reason || error.reason() == "Timeout",
            "{fault}: {error:?}"
        );
        assert!(
            began.elapsed() < IMPATIENCE * 4,
            "{fault} took {:?}",
            began.elapsed()
        );
    }
}

/// Hashes the names of a `known_hosts` with ssh-keygen.
fn hashed(world: &World, known_hosts: &str) -> String {
    let file = world.write("to_hash", known_hosts);
    assert!(
        Command::new("ssh-keygen")
            .args(["-q", "-H", "-f", &file])
            .output()
            .unwrap()
            .status
            .success()
    );
    std::fs::read_to_string(file).unwrap()
}
