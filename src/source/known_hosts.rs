//! Which key an SSH server must show: the `known_hosts` of sshd(8), read strictly.
//!
//! The entries decide alone. A host that has none is refused, and so is one whose key is not among them: there is
//! no trust on first use. `@cert-authority` is refused when the file is read, since a certificate would be ignored.

use ring::hmac;
use ssh_key::known_hosts::{HostPatterns, Marker};
use ssh_key::{Fingerprint, HashAlg};

/// The most entries of a `known_hosts`; the keys of one server are a handful.
pub const MAX_KNOWN_HOSTS: usize = 10_000;
/// The port for which entries have no `[host]:port`.
const DEFAULT_PORT: u16 = 22;

/// Host keys that are known.
pub(super) struct KnownHosts(Vec<Entry>);

struct Entry {
    standing: Standing,
    hosts: HostPatterns,
    /// As the server sends it (RFC 4253 §6.6).
    key: Vec<u8>,
    algorithm: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Known,
    Revoked,
}

/// Why a `known_hosts` is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKnownHosts {
    /// Not an entry of sshd(8).
    #[error("line {0} is not a known_hosts entry")]
    Line(usize),
    /// Certificates of hosts are not checked.
    #[error("line {0} has @cert-authority, which is not supported; name the host's own keys")]
    CertificateAuthority(usize),
    /// No entry at all.
    #[error(
        "there is no entry; `ssh-keyscan HOST` prints some, to be compared with what the host's owner publishes"
    )]
    Empty,
    /// More than [`MAX_KNOWN_HOSTS`].
    #[error("there are more than {MAX_KNOWN_HOSTS} entries")]
    TooMany,
}

/// What the entries say about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The host has this key.
    Known,
    /// There is an entry `@revoked` with this key for the host.
    Revoked,
    /// The host has other keys.
    Mismatch,
    /// The host has no entry.
    Unknown,
}

impl KnownHosts {
    /// Reads the file's text.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidKnownHosts> {
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if entries.len() == MAX_KNOWN_HOSTS {
                return Err(InvalidKnownHosts::TooMany);
            }
            entries.push(entry(line, index + 1)?);
        }
        if entries.is_empty() {
            return Err(InvalidKnownHosts::Empty);
        }
        Ok(Self(entries))
    }

    /// Judges the key that a server showed. It is compared byte by byte, never by its kind.
    pub(super) fn verdict(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        let mut verdict = Verdict::Unknown;
        for entry in self.0.iter().filter(|entry| entry.names(host, port)) {
            match (entry.standing, entry.key == key) {
                (Standing::Revoked, true) => return Verdict::Revoked,
                (Standing::Known, true) => verdict = Verdict::Known,
                (Standing::Known, false) if verdict == Verdict::Unknown => verdict = Verdict::Mismatch,
                _ => {}
            }
        }
        verdict
    }

    /// The host key algorithms to ask a server for, so that it shows a key that can be compared: those of its
    /// entries, as OpenSSH's client orders its wishes. Empty for an unknown host.
    pub(super) fn algorithms(&self, host: &str, port: u16) -> Vec<&str> {
        let mut algorithms = Vec::new();
        let known = |entry: &&Entry| entry.standing == Standing::Known && entry.names(host, port);
        for entry in self.0.iter().filter(known) {
            // One RSA key serves three signature algorithms (RFC 8332); the one with SHA-1 is left out.
            let names: &[&str] = match entry.algorithm.as_str() {
                "ssh-rsa" => &["rsa-sha2-512", "rsa-sha2-256"],
                name => &[name],
            };
            for name in names {
                if !algorithms.contains(name) {
                    algorithms.push(*name);
                }
            }
        }
        algorithms
    }
}

/// A key's fingerprint as `ssh-keygen -l` prints it.
pub(super) fn fingerprint(key: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, key);
    match <[u8; 32]>::try_from(digest.as_ref()) {
        Ok(digest) => Fingerprint::Sha256(digest).to_string(),
        Err(_) => HashAlg::Sha256.to_string(),
    }
}

fn entry(line: &str, number: usize) -> Result<Entry, InvalidKnownHosts> {
    // Fields may be parted by any white space (sshd(8)); the parser wants single spaces.
    let line = line.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
    let entry: ssh_key::known_hosts::Entry = line.parse().map_err(|_| InvalidKnownHosts::Line(number))?;
    let standing = match entry.marker() {
        None => Standing::Known,
        Some(Marker::Revoked) => Standing::Revoked,
        Some(Marker::CertAuthority) => return Err(InvalidKnownHosts::CertificateAuthority(number)),
    };
    let key = entry.public_key();
    Ok(Entry {
        standing,
        hosts: entry.host_patterns().clone(),
        key: key.to_bytes().map_err(|_| InvalidKnownHosts::Line(number))?,
        algorithm: key.algorithm().to_string(),
    })
}

impl Entry {
    fn names(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let name = if port == DEFAULT_PORT {
            host
        } else {
            format!("[{host}]:{port}")
        };
        match &self.hosts {
            HostPatterns::HashedName { salt, hash } => {
                let salt = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, salt);
                hmac::sign(&salt, name.as_bytes()).as_ref() == hash
            }
            HostPatterns::Patterns(patterns) => {
                let excluded =
                    |pattern: &String| pattern.strip_prefix('!').is_some_and(|rest| matches(rest, &name));
                patterns.iter().any(|pattern| matches(pattern, &name)) && !patterns.iter().any(excluded)
            }
        }
    }
}

/// Whether a pattern with `*` and `?` matches (`ssh_config(5)`, PATTERNS).
fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut in_name) = (0, 0);
    // Where to go on when the text after the last star does not fit: one character of the name further.
    let mut star: Option<(usize, usize)> = None;
    while let Some(wanted) = name.get(in_name) {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at + 1, in_name));
                at += 1;
            }
            Some(byte) if byte == wanted || *byte == b'?' => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((after_star, skipped)) = star else {
                    return false;
                };
                star = Some((after_star, skipped + 1));
                at = after_star;
                in_name = skipped + 1;
            }
        }
    }
    pattern
        .get(at..)
        .unwrap_or_default()
        .iter()
        .all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn bytes(key: &str) -> Vec<u8> {
        key.parse::<ssh_key::PublicKey>().unwrap().to_bytes().unwrap()
    }

    #[test]
    fn entries_decide_as_sshd_8_says() {
        use Verdict::{Known, Mismatch, Revoked, Unknown};
        for (entries, host, port, wanted) in [
            (
                format!("git.example {KEY} comment # no comment"),
                "git.example",
                22,
                Known,
            ),
            (format!("Git.Example\t{KEY}"), "git.EXAMPLE", 22, Known),
            (format!("other,git.example {KEY}"), "git.example", 22, Known),
            (format!("git.example {KEY}"), "git.example", 2222, Unknown),
            (format!("[git.example]:2222 {KEY}"), "git.example", 2222, Known),
            (format!("[git.example]:2222 {KEY}"), "git.example", 22, Unknown),
            (format!("*.example {KEY}"), "git.example", 22, Known),
            (
                format!("*.example,!git.example {KEY}"),
                "git.example",
                22,
                Unknown,
            ),
            (format!("git.exampl? {KEY}"), "git.example", 22, Known),
            (format!("git.example {OTHER}"), "git.example", 22, Mismatch),
            (
                format!("git.example {OTHER}\ngit.example {KEY}"),
                "git.example",
                22,
                Known,
            ),
            (
                format!("git.example {KEY}\ngit.example {OTHER}"),
                "git.example",
                22,
                Known,
            ),
            (
                format!("git.example {KEY}\n@revoked git.example {KEY}"),
                "git.example",
                22,
                Revoked,
            ),
            (
                format!("@revoked * {KEY}\ngit.example {KEY}"),
                "git.example",
                22,
                Revoked,
            ),
            (
                format!("@revoked * {OTHER}\ngit.example {KEY}"),
                "git.example",
                22,
                Known,
            ),
            (
                format!("@revoked git.example {OTHER}"),
                "git.example",
                22,
                Unknown,
            ),
            (format!("git.example.evil {KEY}"), "git.example", 22, Unknown),
        ] {
            let hosts = KnownHosts::parse(&entries).unwrap();
            assert_eq!(
                hosts.verdict(host, port, &bytes(KEY)),
                wanted,
                "{entries} for {host}:{port}"
            );
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_line() {
        for (text, wanted) in [
            (String::new(), InvalidKnownHosts::Empty),
            ("# nothing\n\n".into(), InvalidKnownHosts::Empty),
            (format!("git.example {KEY}\nnonsense"), InvalidKnownHosts::Line(2)),
            ("git.example ssh-ed25519 AAAA".into(), InvalidKnownHosts::Line(1)),
            (format!("@unheard git.example {KEY}"), InvalidKnownHosts::Line(1)),
            (
                format!("\n@cert-authority * {KEY}"),
                InvalidKnownHosts::CertificateAuthority(2),
            ),
            (
                format!("h {KEY}\n").repeat(MAX_KNOWN_HOSTS + 1),
                InvalidKnownHosts::TooMany,
            ),
        ] {
            assert_eq!(KnownHosts::parse(&text).err(), Some(wanted));
        }
    }

    #[test]
    fn the_server_is_asked_for_keys_that_are_known() {
        let hosts = KnownHosts::parse(&format!("a {KEY}\na {OTHER}\n@revoked b {KEY}")).unwrap();
        assert_eq!(hosts.algorithms("a", 22), ["ssh-ed25519"]);
        assert!(hosts.algorithms("b", 22).is_empty());
    }

    #[test]
    fn patterns_are_those_of_ssh_config() {
        for (pattern, name, wanted) in [
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbXbX", false),
            ("?", "", false),
            ("a*", "a", true),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
    }
}
