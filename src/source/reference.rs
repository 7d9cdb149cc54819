//! Which commit is wanted: `ref` of the spec as one of four wishes, and the names that references may have.

use std::fmt;

use git2::Oid;

use super::range::{InvalidRange, Range};
use crate::api::GitReference;

/// The branch that is followed when `ref` is absent, as in Flux.
const DEFAULT_BRANCH: &str = "master";
/// The longest name of a reference, in bytes: what fits into one file name, which is where Git keeps it.
pub const MAX_REFERENCE: usize = 255;

/// The full name of a reference, as git-check-ref-format(1) allows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReferenceName(String);

/// What `ref` asks for. Of several fields the first of commit, name, semver, tag, branch counts, as in Flux.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// A commit; with `branch`, only if it is on it.
    Commit {
        commit: Oid,
        branch: Option<ReferenceName>,
    },
    Reference(ReferenceName),
    /// The highest tag in a range.
    Version(Range),
}

/// Why `ref` is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidReference {
    /// Not a name that Git allows.
    #[error("{0:?} is not the name of a reference (git-check-ref-format(1))")]
    Name(String),
    /// Not below `refs/`.
    #[error("{0:?} is not the full name of a reference; it begins with refs/, for example refs/heads/main")]
    NotFull(String),
    /// Not 40 hexadecimal digits.
    #[error("{0:?} is not the full id of a commit: 40 hexadecimal digits")]
    Commit(String),
    /// Not a range of versions.
    #[error("{0:?} is not a range of versions")]
    Range(String, #[source] InvalidRange),
}

impl ReferenceName {
    /// Checks a full name.
    pub fn parse(name: &str) -> Result<Self, InvalidReference> {
        if !name.starts_with("refs/") {
            return Err(InvalidReference::NotFull(name.to_owned()));
        }
        if allowed(name) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidReference::Name(name.to_owned()))
        }
    }

    fn below(prefix: &str, name: &str) -> Result<Self, InvalidReference> {
        match Self::parse(&format!("{prefix}{name}")) {
            // A branch whose name begins with a dash cannot be made, but is a valid reference.
            Ok(full) if !name.starts_with('-') => Ok(full),
            _ => Err(InvalidReference::Name(name.to_owned())),
        }
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As people say it: `main`, `v1.0`; the whole name for what is neither a branch nor a tag.
    pub fn short(&self) -> &str {
        let branch = self.0.strip_prefix("refs/heads/");
        branch
            .or_else(|| self.0.strip_prefix("refs/tags/"))
            .unwrap_or(&self.0)
    }
}

impl fmt::Display for ReferenceName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Wanted {
    pub(super) fn parse(reference: Option<&GitReference>) -> Result<Self, InvalidReference> {
        let Some(reference) = reference else {
            return ReferenceName::below("refs/heads/", DEFAULT_BRANCH).map(Self::Reference);
        };
        let GitReference {
            branch,
            tag,
            semver,
            name,
            commit,
        } = reference;
        // Every field is checked, also one that does not count: a mistake in it will matter one day.
        let branch = branch
            .as_deref()
            .map(|branch| ReferenceName::below("refs/heads/", branch))
            .transpose()?;
        let tag = tag
            .as_deref()
            .map(|tag| ReferenceName::below("refs/tags/", tag))
            .transpose()?;
        let range = semver.as_deref().map(parse_range).transpose()?;
        let name = name.as_deref().map(ReferenceName::parse).transpose()?;
        Ok(match (commit, name, range, tag, branch) {
            (Some(commit), _, _, _, branch) => Self::Commit {
                commit: parse_commit(commit)?,
                branch,
            },
            (_, Some(name), ..) | (_, _, None, Some(name), _) | (_, _, None, None, Some(name)) => {
                Self::Reference(name)
            }
            (_, _, Some(range), ..) => Self::Version(range),
            (None, None, None, None, None) => {
                Self::Reference(ReferenceName::below("refs/heads/", DEFAULT_BRANCH)?)
            }
        })
    }
}

fn parse_range(text: &str) -> Result<Range, InvalidReference> {
    Range::parse(text).map_err(|error| InvalidReference::Range(text.to_owned(), error))
}

fn parse_commit(text: &str) -> Result<Oid, InvalidReference> {
    parse_oid(text).ok_or_else(|| InvalidReference::Commit(text.to_owned()))
}

/// A whole object id in lower case; git2 alone would fill up a shorter one with zeros.
pub(super) fn parse_oid(text: &str) -> Option<Oid> {
    const DIGITS: usize = 40;
    let whole = text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let id = if whole { Oid::from_str(text).ok() } else { None };
    id.filter(|id| !id.is_zero())
}

/// The rules of git-check-ref-format(1), in its order.
fn allowed(name: &str) -> bool {
    name.len() <= MAX_REFERENCE
        && name
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.') && !has_lock_suffix(part))
        && name.contains('/')
        && !name.contains("..")
        && !name
            .chars()
            .any(|char| char.is_control() || matches!(char, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\'))
        && !name.ends_with('.')
        && !name.contains("@{")
}

fn has_lock_suffix(part: &str) -> bool {
    part.as_bytes().ends_with(b".lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn names_are_those_of_git_check_ref_format() {
        for (name, wanted) in [
            ("refs/heads/main", true),
            ("refs/heads/feature/x", true),
            ("refs/pull/420/head", true),
            ("refs/tags/v1.0+build", true),
            ("refs/heads/../../x", false),
            ("refs/heads/..", false),
            ("refs/heads/.x", false),
            ("refs/heads//x", false),
            ("refs/heads/", false),
            ("refs/heads/x.lock", false),
            ("refs/heads/x.lock/y", false),
            ("refs/heads/x.", false),
            ("refs/heads/a b", false),
            ("refs/heads/a\u{7f}", false),
            ("refs/heads/a\nb", false),
            ("refs/heads/a~1", false),
            ("refs/heads/a@{1}", false),
            ("refs/heads/a\\b", false),
            ("refs/heads/a*", false),
        ] {
            assert_eq!(ReferenceName::parse(name).is_ok(), wanted, "{name}");
            let oracle = std::process::Command::new("git")
                .args(["check-ref-format", name])
                .status()
                .unwrap();
            assert_eq!(oracle.success(), wanted, "git on {name}");
        }
        assert!(ReferenceName::parse("HEAD").is_err());
        assert!(ReferenceName::parse("main").is_err());
        assert!(ReferenceName::parse(&format!("refs/heads/{}", "a".repeat(MAX_REFERENCE))).is_err());
    }

    #[test]
    fn the_first_of_commit_name_semver_tag_branch_counts() {
        let all = GitReference {
            commit: Some(COMMIT.into()),
            name: Some("refs/pull/1/head".into()),
            semver: Some(">=1.0.0".into()),
            tag: Some("v1".into()),
            branch: Some("dev".into()),
        };
        let name = |name: &str| Wanted::Reference(ReferenceName::parse(name).unwrap());
        let wanted = |reference: &GitReference| Wanted::parse(Some(reference)).unwrap();
        let dev = ReferenceName::parse("refs/heads/dev").unwrap();
        assert_eq!(
            wanted(&all),
            Wanted::Commit {
                commit: COMMIT.parse().unwrap(),
                branch: Some(dev)
            }
        );
        let without = GitReference { commit: None, ..all };
        assert_eq!(wanted(&without), name("refs/pull/1/head"));
        let without = GitReference {
            name: None,
            ..without
        };
        assert_eq!(
            wanted(&without),
            Wanted::Version(Range::parse(">=1.0.0").unwrap())
        );
        let without = GitReference {
            semver: None,
            ..without
        };
        assert_eq!(wanted(&without), name("refs/tags/v1"));
        let without = GitReference { tag: None, ..without };
        assert_eq!(wanted(&without), name("refs/heads/dev"));
        assert_eq!(wanted(&GitReference::default()), name("refs/heads/master"));
        assert_eq!(Wanted::parse(None).unwrap(), name("refs/heads/master"));
    }

    #[test]
    fn what_git_would_not_take_is_refused() {
        let commit = |text: &str| GitReference {
            commit: Some(text.into()),
            ..GitReference::default()
        };
        for text in [
            "0123456",
            "HEAD",
            &COMMIT.to_uppercase(),
            &"0".repeat(40),
            &"a".repeat(64),
        ] {
            assert!(Wanted::parse(Some(&commit(text))).is_err(), "{text}");
        }
        for branch in ["--upload-pack=id", "../../x", "", "a..b"] {
            let reference = GitReference {
                branch: Some(branch.into()),
                ..GitReference::default()
            };
            assert!(Wanted::parse(Some(&reference)).is_err(), "{branch}");
        }
    }
}
