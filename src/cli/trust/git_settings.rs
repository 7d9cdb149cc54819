//! What git is configured to sign with.

use std::collections::BTreeMap;
use std::io;

use super::program::ask;

/// The settings that are asked for, as git's regular expression; others may hold credentials.
const NAMES: &str = "^(gpg\\.format|user\\.(email|signingkey)|(commit|tag)\\.gpgsign)$";

/// The settings of git-config(1) that have to do with signing, from where git itself would read them.
pub(super) struct GitSettings {
    values: BTreeMap<String, String>,
}

/// The value of `gpg.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignatureFormat {
    OpenPgp,
    Ssh,
    X509,
}

impl SignatureFormat {
    /// As git writes it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenPgp => "openpgp",
            Self::Ssh => "ssh",
            Self::X509 => "x509",
        }
    }
}

impl GitSettings {
    /// Asks git, in the current folder.
    pub(super) fn read() -> io::Result<Self> {
        let listing = ask("git", &["config", "--null", "--get-regexp", NAMES])?;
        Ok(Self::parse(&listing.unwrap_or_default()))
    }

    /// Each entry is `name\nvalue\0`; the last one of a name counts.
    fn parse(listing: &str) -> Self {
        let entries = listing.split_terminator('\0');
        let values = entries
            .map(|entry| entry.split_once('\n').unwrap_or((entry, "true")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { values }
    }

    fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }

    pub(super) fn format(&self) -> SignatureFormat {
        match self.get("gpg.format") {
            Some("ssh") => SignatureFormat::Ssh,
            Some("x509") => SignatureFormat::X509,
            _ => SignatureFormat::OpenPgp,
        }
    }

    /// `user.signingkey`: of SSH a file or the key itself, of OpenPGP whatever gpg finds a key by.
    pub(super) fn signing_key(&self) -> Option<&str> {
        self.get("user.signingkey")
    }

    pub(super) fn email(&self) -> Option<&str> {
        self.get("user.email")
    }

    /// The settings among these that git does not have yet.
    pub(super) fn missing<'a>(&self, wanted: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let has = |name: &str, value: &str| self.get(name).is_some_and(|known| known == value);
        let missing = wanted.iter().filter(|(name, value)| !has(name, value));
        missing.copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_a_name_alone_is_true() {
        let settings = GitSettings::parse(
            "user.email\na@example.org\0user.email\nb@example.org\0gpg.format\nssh\0commit.gpgsign\0user.signingkey\n\0",
        );
        assert_eq!(settings.email(), Some("b@example.org"));
        assert_eq!(settings.format(), SignatureFormat::Ssh);
        assert_eq!(settings.signing_key(), None);
        let wanted = [("commit.gpgsign", "true"), ("tag.gpgsign", "true")];
        assert_eq!(settings.missing(&wanted), [("tag.gpgsign", "true")]);
        assert_eq!(GitSettings::parse("").format(), SignatureFormat::OpenPgp);
    }
}
