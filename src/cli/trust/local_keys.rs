//! The user's own keys, where git, ssh and gpg keep them. Only public halves are read.

use std::io;
use std::path::{Path, PathBuf};

use super::git_settings::{GitSettings, SignatureFormat};
use super::program::ask;

/// A public key that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LocalKey {
    /// An SSH key.
    Ssh(SshKey),
    /// An OpenPGP certificate.
    OpenPgp(Certificate),
}

/// An SSH key, and how git would name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SshKey {
    /// `type base64`.
    pub(super) key: String,
    /// What stands behind the key in its file.
    pub(super) comment: String,
    /// For `user.signingkey`: the file, or the key itself.
    pub(super) setting: String,
}

/// An OpenPGP certificate, as gpg exports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// Of its primary key, in upper-case hexadecimal digits.
    pub(super) fingerprint: String,
    /// In armor.
    pub(super) armored: String,
}

/// What was found, and what was looked at in vain.
#[derive(Debug, Default)]
pub(super) struct LocalKeys {
    pub(super) keys: Vec<LocalKey>,
    /// What cannot be used, with the reason.
    pub(super) passed_over: Vec<String>,
}

impl LocalKeys {
    /// The key that git is configured to sign with.
    pub(super) fn configured(settings: &GitSettings, signing_key: &str) -> io::Result<Self> {
        let mut found = Self::default();
        match settings.format() {
            SignatureFormat::Ssh => found.add_configured_ssh_key(signing_key),
            SignatureFormat::OpenPgp => found.add_certificates(&[signing_key])?,
            SignatureFormat::X509 => {
                let reason = "git signs with X.509 certificates (gpg.format), which are not supported";
                found.passed_over.push(reason.to_owned());
            }
        }
        if found.keys.is_empty() && found.passed_over.is_empty() {
            let reason = format!("gpg has no secret key for {signing_key:?} (user.signingkey)");
            found.passed_over.push(reason);
        }
        Ok(found)
    }

    /// All keys: in `~/.ssh`, of the SSH agent, and of gpg.
    pub(super) fn all() -> io::Result<Self> {
        let mut found = Self::default();
        found.add_ssh_folder();
        if let Some(listing) = ask("ssh-add", &["-L"])? {
            for line in listing.lines() {
                found.add_ssh_line(line, None);
            }
        }
        found.add_certificates(&[])?;
        Ok(found)
    }

    /// `user.signingkey` of SSH (git-config(1)): the key itself, with `key::` in front or not, or a file with either
    /// half of it.
    fn add_configured_ssh_key(&mut self, signing_key: &str) {
        let literal = signing_key.strip_prefix("key::");
        if let Some(line) = literal.or_else(|| signing_key.starts_with("ssh-").then_some(signing_key)) {
            self.add_ssh_line(line, None);
            return;
        }
        let path = match (signing_key.strip_prefix("~/"), home()) {
            (Some(below), Some(home)) => home.join(below),
            _ => PathBuf::from(signing_key),
        };
        let public = match path.extension() {
            Some(extension) if extension == "pub" => path,
            _ => PathBuf::from(format!("{}.pub", path.display())),
        };
        self.add_ssh_file(&public, signing_key);
    }

    fn add_ssh_folder(&mut self) {
        let Some(folder) = home().map(|home| home.join(".ssh")) else {
            return;
        };
        let Ok(entries) = std::fs::read_dir(folder) else {
            return;
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "pub"))
            .collect();
        files.sort();
        for file in files {
            self.add_ssh_file(&file, &file.to_string_lossy());
        }
    }

    fn add_ssh_file(&mut self, file: &Path, setting: &str) {
        match std::fs::read_to_string(file) {
            Ok(text) => {
                for line in text.lines() {
                    self.add_ssh_line(line, Some(setting));
                }
            }
            Err(error) => self.passed_over.push(format!("{}: {error}", file.display())),
        }
    }

    /// Adds the key of a line `type base64 [comment]`, once.
    fn add_ssh_line(&mut self, line: &str, setting: Option<&str>) {
        let mut fields = line.split_whitespace();
        let (Some(key_type), Some(base64)) = (fields.next(), fields.next()) else {
            return;
        };
        let key = format!("{key_type} {base64}");
        let known = |found: &LocalKey| matches!(found, LocalKey::Ssh(ssh) if ssh.key == key);
        if key_type.starts_with('#') || self.keys.iter().any(known) {
            return;
        }
        self.keys.push(LocalKey::Ssh(SshKey {
            setting: setting.map_or_else(|| format!("key::{key}"), str::to_owned),
            key,
            comment: fields.collect::<Vec<_>>().join(" "),
        }));
    }

    /// Adds the certificates whose secret keys gpg has: all of them, or those that a name finds.
    fn add_certificates(&mut self, names: &[&str]) -> io::Result<()> {
        const LIST: [&str; 5] = ["--batch", "--no-tty", "--with-colons", "--list-secret-keys", "--"];
        const EXPORT: [&str; 5] = ["--batch", "--no-tty", "--armor", "--export", "--"];
        let Some(listing) = ask("gpg", &[&LIST, names].concat())? else {
            return Ok(());
        };
        for fingerprint in primary_fingerprints(&listing) {
            if let Some(armored) = ask("gpg", &[&EXPORT[..], &[fingerprint]].concat())? {
                self.keys.push(LocalKey::OpenPgp(Certificate {
                    fingerprint: fingerprint.to_owned(),
                    armored,
                }));
            }
        }
        Ok(())
    }
}

/// The fingerprints of the primary keys in a listing of gpg (doc/DETAILS, "Format of the colon listings"): the `fpr`
/// that follows a `sec`.
fn primary_fingerprints(listing: &str) -> Vec<&str> {
    const FINGERPRINT_FIELD: usize = 9;
    let mut fingerprints = Vec::new();
    let mut in_primary = false;
    for line in listing.lines() {
        let mut fields = line.split(':');
        match fields.next() {
            Some("sec") => in_primary = true,
            Some("fpr") if in_primary => {
                fingerprints.extend(fields.nth(FINGERPRINT_FIELD - 1));
                in_primary = false;
            }
            _ => {}
        }
    }
    fingerprints
}

fn home() -> Option<PathBuf> {
    std::env::home_dir().filter(|home| !home.as_os_str().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_of_subkeys_are_not_taken() {
        let listing = "sec:u:255:22:AAAA:1:::u:::scESC:::+:::23::0:\nfpr:::::::::0123AAAA:\ngrp:::::::::99:\n\
                       uid:u::::1::X::a <a@b>::::::::::0:\nssb:u:255:18:BBBB:1::::::e:::+:::23:\n\
                       fpr:::::::::4567BBBB:\nsec:u:255:22:CCCC:1:::u:::scESC:::+:::23::0:\nfpr:::::::::89CCCC:\n";
        assert_eq!(primary_fingerprints(listing), ["0123AAAA", "89CCCC"]);
        assert!(primary_fingerprints("").is_empty());
    }

    #[test]
    fn a_key_is_taken_once_and_its_comment_kept() {
        let mut found = LocalKeys::default();
        for line in [
            "# none",
            "",
            "ssh-ed25519 AAAA ada at work",
            "ssh-ed25519 AAAA",
            "ssh-ed25519 BBBB",
        ] {
            found.add_ssh_line(line, None);
        }
        let keys: Vec<_> = found
            .keys
            .iter()
            .map(|key| match key {
                LocalKey::Ssh(key) => (key.setting.as_str(), key.comment.as_str()),
                LocalKey::OpenPgp(_) => ("", ""),
            })
            .collect();
        assert_eq!(
            keys,
            [
                ("key::ssh-ed25519 AAAA", "ada at work"),
                ("key::ssh-ed25519 BBBB", "")
            ]
        );
    }
}
