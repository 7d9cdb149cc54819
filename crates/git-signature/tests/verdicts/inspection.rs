//! What is noteworthy about trust material.

use git_signature::{EXPIRY_NOTICE, Finding, Problem, TrustStore, inspect};
use jiff::{SignedDuration, Timestamp};

use crate::material::{days_ago, stamp};
use crate::openpgp::at;
use crate::world::World;

/// Each finding as `FILE:LINE REASON`.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let found = inspect(files.iter().copied(), Timestamp::now());
    let unusable = found
        .iter()
        .any(|finding| matches!(finding.problem, Problem::Unreadable(_)));
    assert_eq!(unusable, TrustStore::parse(files.iter().copied()).is_err());
    found.iter().map(short).collect()
}

fn short(finding: &Finding) -> String {
    assert!(!finding.problem.to_string().is_empty() && !finding.problem.remedy().is_empty());
    format!("{} {}", finding.place, finding.problem.reason())
}

#[test]
fn entries_of_ssh_keys_are_looked_through() {
    let world = World::new();
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let bob = world.ssh_key("bob", &["-t", "ecdsa"]);
    let weak = world.ssh_key("weak", &["-t", "rsa", "-b", "1024"]);
    let after = |days| format!("valid-after=\"{}\"", stamp(days_ago(days)));
    let before = |days| format!("valid-before=\"{}\"", stamp(days_ago(days)));
    for (text, expected) in [
        (format!("ada {ada}\nbob {bob}"), vec![]),
        (
            format!("# who\n\nold {} {ada}", before(5)),
            vec!["allowed_signers:3 Expired"],
        ),
        (
            format!("new {} {ada}", after(-5)),
            vec!["allowed_signers:1 NotYetValid"],
        ),
        (
            format!("ada {} {ada}", before(-5)),
            vec!["allowed_signers:1 ExpiresSoon"],
        ),
        (format!("ada {} {ada}", before(-90)), vec![]),
        (format!("weak {weak}"), vec!["allowed_signers:1 WeakKey"]),
        (
            format!("ada namespaces=\"file\" {ada}"),
            vec!["allowed_signers:1 NamespaceNotAllowed"],
        ),
        (
            format!("ada {ada}\nbob {bob}\neve {ada}"),
            vec!["allowed_signers:3 Duplicated"],
        ),
        // The same key twice: for two spans of time, for two purposes, in two roles.
        (
            format!("ada {} {ada}\nada {} {ada}", before(-60), after(-61)),
            vec!["allowed_signers:2 NotYetValid"],
        ),
        (
            format!("ada {} {ada}\nada {ada}", before(-60)),
            vec!["allowed_signers:2 Duplicated"],
        ),
        (format!("ada {ada}\nada namespaces=\"g*\" {ada}"), vec![]),
        (
            format!("ada {ada}\nada cert-authority,namespaces=\"git\" {ada}"),
            vec![],
        ),
        (
            format!("*@example.org cert-authority,namespaces=\"git\" {ada}"),
            vec![],
        ),
        (
            format!("*@example.org cert-authority {ada}"),
            vec!["allowed_signers:1 AuthorityForAllNamespaces"],
        ),
        (
            format!("* cert-authority {ada}"),
            vec![
                "allowed_signers:1 AuthorityForAllNamespaces",
                "allowed_signers:1 AuthorityForAnybody",
            ],
        ),
        (
            format!(
                "ada {ada}\nnonsense\nbob {bob}\nold {} {weak}\nbob ssh-dss AAAA",
                before(5)
            ),
            vec![
                "allowed_signers:2 Unreadable",
                "allowed_signers:4 WeakKey",
                "allowed_signers:5 Unreadable",
            ],
        ),
        ("# nobody".to_owned(), vec!["the folder Unreadable"]),
    ] {
        assert_eq!(findings(&[("allowed_signers", &text)]), expected, "{text}");
    }
}

#[test]
fn files_are_looked_through_together() {
    let world = World::new();
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let bob = world.ssh_key("bob", &["-t", "ecdsa"]);
    let signers = format!("ada {ada}\nbob {bob}\n");
    let (ada, signers) = (ada.as_str(), signers.as_str());
    for (other, expected) in [
        // Files come by name.
        (("ada.sshpub", ada), vec!["allowed_signers:1 Duplicated"]),
        (("bob.sshpub", bob.as_str()), vec!["bob.sshpub:1 Duplicated"]),
        (("revoked_keys", ada), vec!["allowed_signers:1 Revoked"]),
        (("revoked_keys", "ada"), vec!["revoked_keys:1 Unreadable"]),
        (("README.md", "who signs here"), vec!["README.md Unreadable"]),
        (("ada.asc", "\n\nno key"), vec!["ada.asc:3 Unreadable"]),
        (("notes.sshpub", "# nothing"), vec![]),
    ] {
        assert_eq!(
            findings(&[("allowed_signers", signers), other]),
            expected,
            "{other:?}"
        );
    }
    let twice = inspect(
        [("allowed_signers", signers), ("allowed_signers", signers)],
        Timestamp::now(),
    );
    assert_eq!(
        twice.iter().map(short).collect::<Vec<_>>(),
        ["allowed_signers Unreadable"]
    );
}

#[test]
fn certificates_are_looked_through() {
    let world = World::with_gpg();
    let make = |user: &str, algorithm: &str, expires: &str| {
        let user = format!("{user} <a@example.org>");
        world.gpg([
            &at(days_ago(40)),
            "--quick-generate-key",
            &user,
            algorithm,
            "sign",
            expires,
        ]);
        world.gpg_fingerprints(&user).remove(0)
    };
    let lasting = make("lasting", "ed25519", "0");
    let expired = make("expired", "ed25519", "10d");
    let soon = make("soon", "ed25519", "50d");
    let later = make("later", "ed25519", "100d");
    let weak = make("weak", "rsa1024", "0");
    let dsa = make("dsa", "dsa2048", "0");
    let revoked = make("revoked", "ed25519", "0");
    let before = world.gpg_export(&revoked);
    world.gpg_revoke(&revoked, days_ago(10), "1", &[]);
    let subkey = world.gpg_key("subkey <a@example.org>", "ed25519", "cert", "0");
    world.gpg(["--quick-add-key", &subkey, "ed25519", "sign", "10d"]);
    let certifier = world.gpg_key("certifier <a@example.org>", "ed25519", "cert", "0");
    for (key, expected) in [
        (&lasting, vec![]),
        (&expired, vec!["a.asc:1 Expired"]),
        (&soon, vec!["a.asc:1 ExpiresSoon"]),
        (&later, vec![]),
        (&weak, vec!["a.asc:1 WeakKey"]),
        (&dsa, vec!["a.asc:1 UnsupportedAlgorithm"]),
        (&revoked, vec!["a.asc:1 Revoked"]),
        (&subkey, vec!["a.asc:1 ExpiresSoon"]),
        (&certifier, vec!["a.asc:1 UnusableKey"]),
    ] {
        assert_eq!(findings(&[("a.asc", &world.gpg_export(key))]), expected);
    }
    // In a file of several blocks, the line of the block; a revocation counts wherever it stands.
    let (one, two) = (world.gpg_export(&lasting), world.gpg_export(&expired));
    let line = one.lines().count() + 1;
    assert_eq!(
        findings(&[("a.asc", &format!("{one}{two}"))]),
        [format!("a.asc:{line} Expired")]
    );
    assert_eq!(
        findings(&[("a.asc", &one), ("b.asc", &one)]),
        ["b.asc:1 Duplicated"]
    );
    let after = world.gpg_export(&revoked);
    assert_eq!(
        findings(&[("a.asc", &before), ("b.asc", &after)]),
        ["a.asc:1 Revoked", "b.asc:1 Duplicated"]
    );
}

#[test]
fn notice_is_given_from_its_bound_on() {
    let world = World::new();
    let ada = world.ssh_key("ada", &["-t", "ed25519"]);
    let end: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    let text = format!("ada valid-before=\"{}\" {ada}", stamp(end));
    let count = |now| inspect([("allowed_signers", &text)], now).len();
    assert_eq!(count(end - EXPIRY_NOTICE), 0);
    assert_eq!(count(end - EXPIRY_NOTICE + SignedDuration::from_secs(1)), 1);
}
