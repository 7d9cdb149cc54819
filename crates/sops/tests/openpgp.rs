//! Data keys that are wrapped for OpenPGP keys, with the real gpg, and the real sops that calls it.

#![allow(clippy::unwrap_used)] // a test that fails, fails here

mod oracle;

use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use manifest_yaml::{Limits, Position};
use oracle::{feed, tool};
use sops::{
    AgeIdentities, AgeKeyType, DataKeySource, Format, KeyKind, MAX_OPENPGP_MESSAGE_BYTES, NewAgeIdentity,
    OpenError, OpenPgpKeyError, OpenPgpKeys, UnwrapError, WrappedKey,
};
use zeroize::Zeroizing;

const PLAIN: &str = "user: admin\npassword: hunter2\n";

/// A home of gpg's own, with its agent, which ends with it.
struct Gpg(PathBuf);

impl Gpg {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        // Short: the agent's socket is in it.
        let name = format!(
            "gpg-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let home = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&home).unwrap();
        let mut mode = std::fs::metadata(&home).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut mode, 0o700);
        std::fs::set_permissions(&home, mode).unwrap();
        Self(home)
    }

    fn run(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command
            .args([
                "--batch",
                "--quiet",
                "--trust-model",
                "always",
                "--pinentry-mode",
                "loopback",
            ])
            .args(arguments)
            .env("GNUPGHOME", &self.0);
        let output = feed(command, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "gpg {arguments:?}: {error}");
        output.stdout
    }

    fn text(&self, arguments: &[&str], input: impl AsRef<[u8]>) -> String {
        String::from_utf8(self.run(arguments, input)).unwrap()
    }

    /// A new key; its fingerprint.
    fn new_key(&self, name: &str, algorithm: &str, passphrase: &str) -> String {
        let make = [
            "--passphrase",
            passphrase,
            "--quick-generate-key",
            name,
            algorithm,
            "default",
            "never",
        ];
        self.run(&make, "");
        let list = self.text(&["--with-colons", "--list-secret-keys", name], "");
        let line = list.lines().find(|line| line.starts_with("fpr:")).unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    fn export(&self, name: &str) -> String {
        self.text(&["--armor", "--export-secret-keys", name], "")
    }

    fn keys(&self, name: &str) -> OpenPgpKeys {
        OpenPgpKeys::parse(&self.export(name)).unwrap()
    }

    fn sops(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(tool("sops"));
        command
            .args(arguments)
            .args([
                "--input-type",
                "yaml",
                "--filename-override",
                "file.yaml",
                "/dev/stdin",
            ])
            .env("GNUPGHOME", &self.0)
            .env("HOME", &self.0)
            .env("SOPS_CONFIG", "/dev/null");
        let output = feed(command, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sops {arguments:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", &self.0)
            .status();
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn wrapped(message: impl Into<String>) -> WrappedKey {
    WrappedKey {
        kind: KeyKind::Pgp,
        recipient: "A".repeat(40),
        wrapped: message.into(),
        position: Position::START,
    }
}

fn problem(result: Result<Option<Zeroizing<Vec<u8>>>, UnwrapError>) -> &'static str {
    match result {
        Err(UnwrapError::InvalidOpenPgpMessage { problem }) => problem,
        Err(_) => "another error",
        Ok(None) => "for others",
        Ok(Some(_)) => "opened",
    }
}

#[test]
fn what_sops_seals_with_gpg_opens_with_the_exported_key() {
    let gpg = Gpg::new();
    for (primary, encryption) in [
        ("ed25519", "cv25519"),
        ("rsa2048", "rsa2048"),
        ("rsa4096", "rsa4096"),
        ("nistp256", "nistp256"),
        ("nistp384", "nistp384"),
    ] {
        let fingerprint = gpg.new_key(primary, primary, "");
        gpg.run(
            &[
                "--passphrase",
                "",
                "--quick-add-key",
                &fingerprint,
                encryption,
                "encr",
            ],
            "",
        );
        let sealed = gpg.sops(&["--encrypt", "--pgp", &fingerprint], PLAIN);
        let opened = sops::decrypt(&sealed, Format::Yaml, &gpg.keys(&fingerprint), &Limits::default());
        assert_eq!(*opened.unwrap(), PLAIN, "{encryption}");
    }
}

/// Flux keeps them so: `gpg --export-secret-keys --armor`, one key or several.
#[test]
fn keys_may_be_many_in_a_block_or_in_blocks_one_after_the_other() {
    let gpg = Gpg::new();
    let fingerprints = ["one", "two"].map(|name| gpg.new_key(name, "future-default", ""));
    let apart = fingerprints
        .iter()
        .map(|fingerprint| gpg.export(fingerprint))
        .collect::<Vec<_>>()
        .join("\n");
    let together = gpg.text(&["--armor", "--export-secret-keys"], "");
    for text in [apart, together] {
        let keys = OpenPgpKeys::parse(&text).unwrap();
        for fingerprint in &fingerprints {
            let sealed = gpg.sops(&["--encrypt", "--pgp", fingerprint], PLAIN);
            assert!(sops::decrypt(&sealed, Format::Yaml, &keys, &Limits::default()).is_ok());
        }
    }
}

/// Keys of either kind, for key groups that need both.
struct Both(AgeIdentities, OpenPgpKeys);

impl DataKeySource for Both {
    fn unwrap_key(&self, key: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        match key.kind {
            KeyKind::Age => self.0.unwrap_key(key),
            _ => self.1.unwrap_key(key),
        }
    }
}

#[test]
fn shares_of_key_groups_open_too() {
    let gpg = Gpg::new();
    let fingerprint = gpg.new_key("shared", "future-default", "");
    let age = NewAgeIdentity::generate(AgeKeyType::X25519);
    let config = gpg.0.join("config.yaml");
    let rules = format!(
        "creation_rules: [{{shamir_threshold: 2, key_groups: [{{pgp: [{fingerprint}]}}, {{age: [{}]}}]}}]",
        age.recipient()
    );
    std::fs::write(&config, rules).unwrap();
    let sealed = gpg.sops(&["--config", config.to_str().unwrap(), "--encrypt"], PLAIN);
    let open = |keys: &dyn DataKeySource| sops::decrypt(&sealed, Format::Yaml, keys, &Limits::default());
    let identities = || AgeIdentities::parse(age.expose()).unwrap();
    assert_eq!(*open(&Both(identities(), gpg.keys("shared"))).unwrap(), PLAIN);
    assert!(matches!(open(&identities()), Err(OpenError::DataKey(_))));
    assert!(matches!(open(&gpg.keys("shared")), Err(OpenError::DataKey(_))));
}

#[test]
fn messages_in_the_forms_that_gpg_can_write() {
    let gpg = Gpg::new();
    for name in ["ours", "theirs"] {
        gpg.new_key(name, "future-default", "");
    }
    let (ours, theirs) = (gpg.keys("ours"), gpg.keys("theirs"));
    let data_key = [7; 32];
    let table: [&[&str]; 6] = [
        &["--recipient", "ours"],
        &["--recipient", "theirs", "--recipient", "ours"],
        &["--hidden-recipient", "ours"],
        &["--recipient", "ours", "--compress-algo", "zip"],
        &["--recipient", "ours", "--compress-algo", "zlib"],
        &[
            "--recipient",
            "ours",
            "--compress-algo",
            "none",
            "--sign",
            "--local-user",
            "theirs",
        ],
    ];
    for arguments in table {
        let message = gpg.text(&[&["--armor", "--encrypt"], arguments].concat(), data_key);
        let key = wrapped(message);
        let opened = ours.unwrap_key(&key).unwrap().map(|bytes| bytes.to_vec());
        assert_eq!(opened, Some(data_key.to_vec()), "{arguments:?}");
        let is_theirs = arguments.contains(&"theirs") && !arguments.contains(&"--sign");
        assert_eq!(
            theirs.unwrap_key(&key).unwrap().is_some(),
            is_theirs,
            "{arguments:?}"
        );
    }
}

#[test]
fn an_expired_key_opens_what_it_opened_before() {
    let gpg = Gpg::new();
    let then = ["--faked-system-time", "20200101T000000"];
    let make = [
        "--passphrase",
        "",
        "--quick-generate-key",
        "old",
        "future-default",
        "default",
        "1y",
    ];
    gpg.run(&[then.as_slice(), &make].concat(), "");
    let encrypt = ["--armor", "--encrypt", "--recipient", "old"];
    let before = gpg.text(&[then.as_slice(), &encrypt].concat(), [7; 32]);
    let list = gpg.text(&["--with-colons", "--list-keys", "old"], "");
    assert!(list.lines().any(|line| line.starts_with("pub:e:")), "{list}");
    assert!(gpg.keys("old").unwrap_key(&wrapped(before)).unwrap().is_some());
}

#[test]
fn broken_messages_are_told_from_those_for_others() {
    let gpg = Gpg::new();
    gpg.new_key("ours", "future-default", "");
    gpg.new_key("theirs", "future-default", "");
    let ours = gpg.keys("ours");
    let encrypt = |bytes: &[u8]| {
        let message = [
            "--armor",
            "--encrypt",
            "--compress-algo",
            "none",
            "--recipient",
            "ours",
        ];
        gpg.text(&message, bytes)
    };
    let good = encrypt(&[7; 32]);
    let begin = "-----BEGIN PGP MESSAGE-----\n\n";
    let dearmored = gpg.run(&["--dearmor"], &good);
    let rearmored = |bytes: &[u8]| {
        let text = gpg.text(&["--enarmor"], bytes);
        text.replace("PGP ARMORED FILE", "PGP MESSAGE")
            .replace("Comment: Use \"gpg --dearmor\" for unpacking\n", "")
    };
    let mut flipped = dearmored.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let cut = dearmored.get(..dearmored.len() - 10).unwrap();
    let does_not_open = "it does not open with the key that it names";
    let malformed = "it is malformed, or not encrypted";
    let bomb = gpg.text(
        &[
            "--armor",
            "--encrypt",
            "--compress-algo",
            "zip",
            "--recipient",
            "ours",
        ],
        vec![0; 20 << 20],
    );
    let table = [
        ("as it was", rearmored(&dearmored), "opened"),
        ("a bit of its end", rearmored(&flipped), does_not_open),
        ("cut off", rearmored(cut), does_not_open),
        ("nothing", rearmored(&[]), malformed),
        (
            "no armor",
            good.replace("BEGIN PGP MESSAGE", "BEGIN SOMETHING"),
            "it is not armored",
        ),
        ("empty", String::new(), "it is not armored"),
        (
            "not OpenPGP",
            format!("{begin}AAAA\n-----END PGP MESSAGE-----\n"),
            malformed,
        ),
        (
            "not encrypted",
            gpg.text(&["--armor", "--store"], [7; 32]),
            malformed,
        ),
        (
            "signed only",
            gpg.text(&["--armor", "--sign", "--local-user", "ours"], [7; 32]),
            malformed,
        ),
        (
            "under a passphrase",
            gpg.text(&["--armor", "--symmetric", "--passphrase", "x"], [7; 32]),
            "for others",
        ),
        ("of 64 bytes", encrypt(&[7; 64]), "opened"),
        (
            "of 65 bytes",
            encrypt(&[7; 65]),
            "its payload is too large for a data key",
        ),
        (
            "that unpacks to 20 MB",
            bomb,
            "its payload is too large for a data key",
        ),
        (
            "too large",
            format!("{good}{}", " ".repeat(MAX_OPENPGP_MESSAGE_BYTES)),
            "it is too large",
        ),
    ];
    for (name, message, expected) in table {
        assert_eq!(problem(ours.unwrap_key(&wrapped(message))), expected, "{name}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused_by_name() {
    let gpg = Gpg::new();
    let locked = gpg.new_key("locked", "future-default", "correct horse");
    let sealed_key = gpg.text(
        &[
            "--armor",
            "--passphrase",
            "correct horse",
            "--export-secret-keys",
            &locked,
        ],
        "",
    );
    let refused = |text: &str| OpenPgpKeys::parse(text).err().unwrap();
    let protected = OpenPgpKeyError::Protected {
        fingerprint: locked.clone(),
    };
    assert_eq!(refused(&sealed_key), protected);
    assert!(refused(&sealed_key).to_string().contains(&locked));

    let signing = gpg.new_key("signing", "ed25519/sign", "");
    let no_secret = OpenPgpKeyError::NoSecretKey {
        fingerprint: signing.clone(),
    };
    assert_eq!(refused(&gpg.export(&signing)), no_secret);

    let public = gpg.text(&["--armor", "--export", &locked], "");
    let good = {
        gpg.new_key("good", "future-default", "");
        gpg.export("good")
    };
    let (half, _) = good.split_at(good.len() / 2);
    let tampered = good.replacen("\n\n", "\n\nAAAA", 1);
    let two = format!("{good}\n{half}");
    for (text, expected) in [
        ("", OpenPgpKeyError::NotArmored),
        ("hunter2", OpenPgpKeyError::NotArmored),
        (public.as_str(), OpenPgpKeyError::NotArmored),
        (half, OpenPgpKeyError::Invalid { block: 1 }),
        (two.as_str(), OpenPgpKeyError::Invalid { block: 2 }),
        (tampered.as_str(), OpenPgpKeyError::Invalid { block: 1 }),
    ] {
        assert_eq!(refused(text), expected);
    }
    let after = format!("{good}hunter2");
    assert_eq!(refused(&after), OpenPgpKeyError::NotArmored);
}

/// An export of the subkeys alone leaves a stub in place of the primary key.
#[test]
fn subkeys_alone_are_enough() {
    let gpg = Gpg::new();
    let fingerprint = gpg.new_key("laptop", "future-default", "");
    let subkeys = gpg.text(&["--armor", "--export-secret-subkeys", &fingerprint], "");
    let keys = OpenPgpKeys::parse(&subkeys).unwrap();
    let sealed = gpg.sops(&["--encrypt", "--pgp", &fingerprint], PLAIN);
    assert_eq!(
        *sops::decrypt(&sealed, Format::Yaml, &keys, &Limits::default()).unwrap(),
        PLAIN
    );
}
