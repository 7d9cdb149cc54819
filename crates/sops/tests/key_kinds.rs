//! Every kind of age key, both ways with the real sops, and with files of the real age.

#![allow(clippy::unwrap_used)] // a test that fails, fails here

mod oracle;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use manifest_yaml::Limits;
use oracle::{Oracle, feed, tool};
use sops::{
    AgeIdentities, AgeKeyType, AgeRecipient, Attendant, BoxedIdentity, EncryptOptions, Format, IdentityError,
    MacScope, NewAgeIdentity, Rule,
};
use zeroize::Zeroizing;

const PLAIN: &str = "user: admin\npassword: hunter2\n";

fn encrypt(recipients: Vec<AgeRecipient>) -> String {
    let options = EncryptOptions {
        recipients: recipients.into_iter().collect(),
        rule: Rule::default(),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let mut next = 0_u8;
    let mut numbers = |buffer: &mut [u8]| {
        next = next.wrapping_add(1);
        buffer.fill(next);
    };
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    sops::encrypt(PLAIN, Format::Yaml, &options, now, &mut numbers).unwrap()
}

fn decrypt(sealed: &str, identities: &AgeIdentities) -> Result<String, sops::OpenError> {
    let plain = sops::decrypt(sealed, Format::Yaml, identities, &Limits::default())?;
    Ok(plain.to_string())
}

/// What one of us seals the other opens.
fn goes_both_ways(oracle: &Oracle) {
    let theirs = oracle.encrypt(Format::Yaml, PLAIN, &[]).unwrap();
    assert_eq!(decrypt(&theirs, &oracle.identities).unwrap(), PLAIN);
    let ours = encrypt(vec![oracle.recipient.clone()]);
    assert_eq!(oracle.decrypt(Format::Yaml, &ours, "yaml").unwrap(), PLAIN);
}

fn age_keygen(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(tool("age-keygen"));
    command.args(arguments);
    let output = feed(command, input);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A private key as ssh-keygen writes it.
fn ssh_keygen(name: &str, arguments: &[&str]) -> String {
    let directory = std::env::temp_dir().join(format!("sops-ssh-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path: &Path = &directory.join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-C", "me@home of mine", "-f"])
        .arg(path)
        .args(arguments)
        .status()
        .unwrap();
    assert!(made.success());
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    text
}

#[test]
fn post_quantum_keys_of_age_keygen() {
    let text = age_keygen(&["-pq"], "");
    let oracle = Oracle::with_identities(&text);
    assert_eq!(
        age_keygen(&["-y"], &text).trim_end(),
        oracle.recipient.to_string()
    );
    goes_both_ways(&oracle);
}

#[test]
fn our_new_keys_are_age_keys() {
    for key_type in [AgeKeyType::X25519, AgeKeyType::PostQuantum] {
        let new = NewAgeIdentity::generate(key_type);
        let recipient = age_keygen(&["-y"], new.expose());
        assert_eq!(recipient.trim_end(), new.recipient().to_string());
        goes_both_ways(&Oracle::with_identities(new.expose()));
    }
}

#[test]
fn a_file_may_have_recipients_of_every_kind() {
    let ssh_key = ssh_keygen("mixed", &["-t", "ed25519", "-N", ""]);
    let oracles = [
        Oracle::new(),
        Oracle::with_identities(&age_keygen(&["-pq"], "")),
        Oracle::with_identities(&ssh_key),
    ];
    let sealed = encrypt(oracles.iter().map(|oracle| oracle.recipient.clone()).collect());
    for oracle in &oracles {
        assert_eq!(decrypt(&sealed, &oracle.identities).unwrap(), PLAIN);
        assert_eq!(oracle.decrypt(Format::Yaml, &sealed, "yaml").unwrap(), PLAIN);
    }
    assert!(decrypt(&sealed, &Oracle::new().identities).is_err());
}

#[test]
fn ssh_keys() {
    let table: [(&str, &[&str]); 4] = [
        ("ed25519", &["-t", "ed25519", "-N", ""]),
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""]),
        ("rsa4096", &["-t", "rsa", "-b", "4096", "-N", ""]),
        ("pem", &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""]),
    ];
    for (name, arguments) in table {
        goes_both_ways(&Oracle::with_identities(&ssh_keygen(name, arguments)));
    }
}

#[test]
fn ssh_keys_that_age_does_not_take() {
    let text = ssh_keygen("ecdsa", &["-t", "ecdsa", "-N", ""]);
    assert_eq!(
        AgeIdentities::parse(&text).err(),
        Some(IdentityError::Unsupported {
            line: 1,
            kind: "SSH keys that are neither ed25519 nor RSA"
        })
    );
    // The line counts, and the comments before the key do not.
    assert!(matches!(
        AgeIdentities::parse(&format!("# mine\n{text}")),
        Err(IdentityError::Unsupported { line: 2, .. })
    ));
}

/// Knows a passphrase, and counts how often it is asked for it.
struct Person {
    passphrase: Option<&'static str>,
    asked: AtomicUsize,
}

impl Attendant for Person {
    fn passphrase(&self, recipient: &str) -> Option<Zeroizing<String>> {
        assert!(recipient.starts_with("ssh-"), "{recipient}");
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.passphrase.map(|text| Zeroizing::new(text.to_owned()))
    }

    fn plugin(&self, _: &str) -> Option<BoxedIdentity> {
        None
    }
}

#[test]
fn a_passphrase_is_asked_for_once_and_only_when_a_file_needs_it() {
    let text = ssh_keygen("locked", &["-t", "ed25519", "-N", "correct horse"]);
    assert_eq!(
        AgeIdentities::parse(&text).err(),
        Some(IdentityError::Protected { line: 1 })
    );
    let others = encrypt(vec![Oracle::new().recipient.clone()]);
    for (passphrase, opens) in [
        (Some("correct horse"), true),
        (Some("battery staple"), false),
        (None, false),
    ] {
        let person = Arc::new(Person {
            passphrase,
            asked: AtomicUsize::new(0),
        });
        let attendant: Arc<dyn Attendant> = person.clone();
        let identities = AgeIdentities::parse_attended(&text, &attendant).unwrap();
        assert!(decrypt(&others, &identities).is_err());
        assert_eq!(person.asked.load(Ordering::Relaxed), 0);

        let sealed = encrypt(identities.recipients().cloned().collect());
        for _ in 0..2 {
            match decrypt(&sealed, &identities) {
                Ok(plain) => assert!(opens && plain == PLAIN),
                Err(error) => assert!(!opens, "{error}"),
            }
        }
        assert_eq!(person.asked.load(Ordering::Relaxed), 1);
    }
}
