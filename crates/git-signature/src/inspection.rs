//! What is noteworthy about trust material, before anything is signed or judged by it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::openpgp;
use crate::refusal::{KeyName, Refusal};
use crate::ssh;
use crate::ssh::revoked::RevokedKeys;
use crate::trust::TrustErrorReason;
use crate::trust::file::{self, Item};

/// How long before its end a key is worth a notice: time to make another, and to have it trusted everywhere.
pub const EXPIRY_NOTICE: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Something about trust material that its keeper should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where it stands.
    pub place: Place,
    /// The key that it is about, where it is about one.
    pub key: Option<KeyName>,
    /// What it is.
    pub problem: Problem,
}

/// Where in trust material something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file's name; empty where the material as a whole is meant.
    pub file: String,
    /// The line, counted from 1, where it is known; of an OpenPGP certificate the first one of its block.
    pub line: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            None if self.file.is_empty() => f.write_str("the folder"),
            None => f.write_str(&self.file),
            Some(line) => write!(f, "{}:{line}", self.file),
        }
    }
}

/// What is noteworthy about a place in trust material.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It cannot be read, which makes all of the material unusable.
    Unreadable(TrustErrorReason),
    /// Whatever the key signs now is refused, for this reason: it has expired, is not valid yet, was revoked, is
    /// weak, or may not sign for Git.
    Refused(Refusal),
    /// The key will expire within [`EXPIRY_NOTICE`].
    ExpiresSoon {
        /// When its validity ends.
        until: Timestamp,
    },
    /// The same key counts by an earlier entry at the same time: which of the two names a signer has depends on
    /// their order, and whoever takes one away leaves the other.
    Duplicated {
        /// The earlier entry.
        first: Place,
    },
    /// Every certificate of the authority counts here, also those that it gives for logins or files.
    AuthorityForAllNamespaces,
    /// The authority can name signers as it pleases.
    AuthorityForAnybody,
}

impl Problem {
    /// One word for the problem; stable, for programs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "Unreadable",
            Self::Refused(refusal) => refusal.reason(),
            Self::ExpiresSoon { .. } => "ExpiresSoon",
            Self::Duplicated { .. } => "Duplicated",
            Self::AuthorityForAllNamespaces => "AuthorityForAllNamespaces",
            Self::AuthorityForAnybody => "AuthorityForAnybody",
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "correct it or take it out: until then nothing here is trusted",
            Self::Refused(Refusal::Revoked { .. }) => "take it out of the trust material",
            Self::Refused(Refusal::NotYetValid { .. }) => "wait, or correct when it begins",
            Self::Refused(Refusal::Expired { .. }) => "extend its validity, or take it out",
            Self::Refused(Refusal::NamespaceNotAllowed { .. }) => {
                "add \"git\" to its namespaces, or take it out"
            }
            Self::Refused(_) => "replace it by another key, such as Ed25519",
            Self::ExpiresSoon { .. } => "extend its validity, or have another key trusted in time",
            Self::Duplicated { .. } => "keep one of the two",
            Self::AuthorityForAllNamespaces => "add namespaces=\"git\" to the line",
            Self::AuthorityForAnybody => "write whom it may name, such as *@example.org",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "it cannot be used: {reason}"),
            Self::Refused(refusal) => write!(f, "what it signs is refused: {}", refusal.explanation()),
            Self::ExpiresSoon { until } => write!(f, "it expires soon, at {until}"),
            Self::Duplicated { first } => write!(f, "the same key already counts by {first}"),
            Self::AuthorityForAllNamespaces => f.write_str(
                "certificates that this authority gives for any purpose, logins among them, count for Git",
            ),
            Self::AuthorityForAnybody => f.write_str("this authority may give out certificates in any name"),
        }
    }
}

/// Looks through trust material, given as to [`TrustStore::parse`](crate::TrustStore::parse), at the time `now`.
///
/// Unlike there, all that can be read is looked at. The material is usable exactly if no problem is
/// [`Problem::Unreadable`]. Findings come by file and line.
pub fn inspect<N, B>(entries: impl IntoIterator<Item = (N, B)>, now: Timestamp) -> Vec<Finding>
where
    N: AsRef<str>,
    B: AsRef<[u8]>,
{
    let mut material = Material::default();
    let mut files: BTreeMap<String, B> = BTreeMap::new();
    for (name, bytes) in entries {
        let name = name.as_ref().to_owned();
        if files.insert(name.clone(), bytes).is_some() {
            material.unreadable(
                Place {
                    file: name,
                    line: None,
                },
                TrustErrorReason::Repeated,
            );
        }
    }
    for (name, bytes) in &files {
        material.read(name, bytes.as_ref());
    }
    material.judge(now)
}

/// What could be read of trust material.
#[derive(Default)]
struct Material {
    ssh: Vec<(Place, ssh::Entry)>,
    revoked: RevokedKeys,
    certificates: Vec<(Place, KeyName)>,
    openpgp: openpgp::Keyring,
    findings: Vec<Finding>,
}

impl Material {
    fn read(&mut self, name: &str, bytes: &[u8]) {
        for line in file::read(name, bytes) {
            let place = Place {
                file: name.to_owned(),
                line: line.number,
            };
            match line.item {
                Ok(Item::SshKey(entry)) => self.ssh.push((place, entry)),
                Ok(Item::RevokedKeys(revoked)) => self.revoked = revoked,
                Ok(Item::Certificate(certificate)) => {
                    let key = openpgp::certificate_name(&certificate);
                    match self.openpgp.add(*certificate) {
                        Ok(()) => self.certificates.push((place, key)),
                        Err(error) => self.unreadable(place, error.into()),
                    }
                }
                Err(reason) => self.unreadable(place, reason),
            }
        }
    }

    fn unreadable(&mut self, place: Place, reason: TrustErrorReason) {
        self.findings.push(Finding {
            place,
            key: None,
            problem: Problem::Unreadable(reason),
        });
    }

    fn judge(mut self, now: Timestamp) -> Vec<Finding> {
        if self.findings.is_empty() && self.ssh.is_empty() && self.certificates.is_empty() {
            let folder = Place {
                file: String::new(),
                line: None,
            };
            self.unreadable(folder, TrustErrorReason::Empty);
        }
        let mut findings = self.findings;
        let mut report = |place: &Place, key: KeyName, problem| {
            findings.push(Finding {
                place: place.clone(),
                key: Some(key),
                problem,
            });
        };
        let mut entries: HashMap<_, Vec<&(Place, ssh::Entry)>> = HashMap::new();
        for listed @ (place, entry) in &self.ssh {
            for problem in entry.problems(&self.revoked, now) {
                report(place, entry.key.name(), problem);
            }
            let earlier = entries.entry(&entry.key).or_default();
            if let Some((first, _)) = earlier.iter().find(|(_, other)| entry.repeats(other)) {
                let first = first.clone();
                report(place, entry.key.name(), Problem::Duplicated { first });
            }
            earlier.push(listed);
        }
        let mut certificates: HashMap<&KeyName, &Place> = HashMap::new();
        for (place, key) in &self.certificates {
            if let Some(&first) = certificates.get(key) {
                let first = first.clone();
                report(place, key.clone(), Problem::Duplicated { first });
                continue;
            }
            certificates.insert(key, place);
            if let Some(problem) = self.openpgp.problem(key, now) {
                report(place, key.clone(), problem);
            }
        }
        findings.sort_by(|one, other| one.place.cmp(&other.place));
        findings
    }
}

/// Whether something that ends then is worth a notice now.
pub(crate) fn expires_soon(until: Timestamp, now: Timestamp) -> Option<Problem> {
    (until.duration_since(now) < EXPIRY_NOTICE).then_some(Problem::ExpiresSoon { until })
}
