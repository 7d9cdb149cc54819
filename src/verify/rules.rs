//! Who has to have signed what (`verify.rules`). Pure.

use std::fmt;

use ring::digest::{SHA256, digest};

use super::glob::Glob;
use crate::api::Rule as Spec;
use crate::name::hex;
use crate::source::{APPROVALS, ReferenceName};

/// The most paths that rules may name, all of them together.
pub const MAX_RULE_PATHS: usize = 64;
/// The most people that a rule may ask for.
pub const MAX_THRESHOLD: u32 = 16;

/// What stands at certain paths, and how many people have to have signed it there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// One path and who has to have signed what stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) path: RulePath,
    signers: Vec<Glob>,
    pub(super) threshold: usize,
}

/// A folder with all below it, or a file, from the root of the repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RulePath(String);

/// Why a rule cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRule {
    /// It is about nothing.
    #[error("a rule names no path")]
    NoPath,
    /// There are too many paths.
    #[error("the rules name more than {MAX_RULE_PATHS} paths")]
    TooMany,
    /// It is no path of one folder or file.
    #[error(
        "{0:?} is no path of a rule: it names one folder or file from the root, as in clusters/prod or \
         clusters/prod/**, without other patterns"
    )]
    Path(String),
    /// Nobody, or a crowd.
    #[error("the rule for {path} asks for {threshold} signers; it has to be 1 to {MAX_THRESHOLD}")]
    Threshold {
        /// Which rule.
        path: RulePath,
        /// What it says.
        threshold: u32,
    },
    /// It names fewer people than it asks for.
    #[error("the rule for {path} asks for {threshold} signers and names {named}")]
    TooFewSigners {
        /// Which rule.
        path: RulePath,
        /// How many it asks for.
        threshold: u32,
        /// How many it names.
        named: usize,
    },
    /// No tag can be named after it.
    #[error(
        "the rule for {0} asks for several signers, who sign tags below {APPROVALS}, and Git allows no tag of that \
         name (git-check-ref-format(1)): name a folder above it"
    )]
    Unnameable(RulePath),
}

impl Rules {
    /// Reads the rules of a spec.
    pub fn parse(rules: &[Spec]) -> Result<Self, InvalidRule> {
        let mut parsed = Vec::new();
        for rule in rules {
            if rule.paths.is_empty() {
                return Err(InvalidRule::NoPath);
            }
            for path in &rule.paths {
                parsed.push(Rule::parse(RulePath::parse(path)?, rule)?);
            }
        }
        if parsed.len() > MAX_RULE_PATHS {
            return Err(InvalidRule::TooMany);
        }
        Ok(Self(parsed))
    }

    /// Whether they ask for nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The paths that they are about.
    pub fn paths(&self) -> impl Iterator<Item = &RulePath> {
        self.0.iter().map(|rule| &rule.path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// SHA-256 over what they ask for, by which one set of rules is told from another; None where there are none.
    pub fn digest(&self) -> Option<String> {
        let asked: Vec<_> = self
            .0
            .iter()
            .map(|rule| {
                let signers: Vec<&str> = rule.signers.iter().map(Glob::as_str).collect();
                serde_json::json!([rule.path.as_str(), rule.threshold, signers])
            })
            .collect();
        let text = serde_json::Value::from(asked).to_string();
        (!self.is_empty()).then(|| format!("sha256:{}", hex(digest(&SHA256, text.as_bytes()).as_ref())))
    }
}

impl Rule {
    fn parse(path: RulePath, rule: &Spec) -> Result<Self, InvalidRule> {
        let threshold = rule.threshold.unwrap_or(1);
        if !(1..=MAX_THRESHOLD).contains(&threshold) {
            return Err(InvalidRule::Threshold { path, threshold });
        }
        let signers: Vec<Glob> = rule.signers.iter().map(|text| Glob::new(text)).collect();
        let wanted = threshold as usize;
        let is_open = signers.is_empty() || signers.iter().any(Glob::has_wildcard);
        if !is_open && signers.len() < wanted {
            let named = signers.len();
            return Err(InvalidRule::TooFewSigners {
                path,
                threshold,
                named,
            });
        }
        if wanted > 1 && ReferenceName::parse(&path.approval("name")).is_err() {
            return Err(InvalidRule::Unnameable(path));
        }
        Ok(Self {
            path,
            signers,
            threshold: wanted,
        })
    }

    /// Whether the signature of somebody with this address or key counts. No list lets everybody sign who is trusted.
    pub(super) fn takes(&self, address: &str, fingerprint: &str) -> bool {
        self.signers.is_empty()
            || self
                .signers
                .iter()
                .any(|glob| glob.matches(address) || glob.as_str() == fingerprint)
    }
}

impl RulePath {
    /// Reads a path: `clusters/prod`, `clusters/prod/**` for the same, and `**` for all that there is.
    pub fn parse(text: &str) -> Result<Self, InvalidRule> {
        let path = match text {
            "**" => "",
            text => text.strip_suffix("/**").unwrap_or(text),
        };
        let is_name = |name: &str| {
            !matches!(name, "" | "." | "..")
                && !name.contains(|c: char| c.is_control() || "*?[]\\".contains(c))
        };
        if text == "**" || path.split('/').all(is_name) {
            Ok(Self(path.to_owned()))
        } else {
            Err(InvalidRule::Path(text.to_owned()))
        }
    }

    /// The path without a slash at its ends; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether something is there or below.
    pub fn covers(&self, path: &str) -> bool {
        let below = |rest: &str| rest.is_empty() || rest.starts_with('/');
        self.0.is_empty() || path.strip_prefix(self.as_str()).is_some_and(below)
    }

    /// The names from the root to it.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|name| !name.is_empty())
    }

    /// The reference of a tag that approves what stands there. The last part is for people to tell tags apart by.
    pub(super) fn approval(&self, label: &str) -> String {
        if self.0.is_empty() {
            format!("{APPROVALS}{label}")
        } else {
            format!("{APPROVALS}{self}/{label}")
        }
    }

    /// Whether a tag of this reference is about this path.
    pub(super) fn is_approved_by(&self, reference: &str) -> bool {
        let name = reference.strip_prefix(APPROVALS);
        name.is_some_and(|name| name.rsplit_once('/').map_or("", |(path, _)| path) == self.0)
    }
}

/// The path; `the repository` for its root.
impl fmt::Display for RulePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() {
            "the repository"
        } else {
            &self.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(paths: &[&str], signers: &[&str], threshold: Option<u32>) -> Spec {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Spec {
            paths: texts(paths),
            signers: texts(signers),
            threshold,
        }
    }

    #[test]
    fn paths_name_one_folder_or_file() {
        for (text, expected) in [
            ("clusters/prod", Some("clusters/prod")),
            ("clusters/prod/**", Some("clusters/prod")),
            ("a.yaml", Some("a.yaml")),
            (".sops.yaml", Some(".sops.yaml")),
            ("**", Some("")),
            ("", None),
            ("/", None),
            ("/a", None),
            ("a/", None),
            ("a//b", None),
            ("./a", None),
            ("a/..", None),
            ("../a", None),
            ("*", None),
            ("a/*", None),
            ("a/**/b", None),
            ("a?", None),
            ("a\n", None),
            ("/**", None),
        ] {
            let parsed = RulePath::parse(text).ok();
            assert_eq!(parsed.as_ref().map(RulePath::as_str), expected, "{text:?}");
        }
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below() {
        let path = |text| RulePath::parse(text).unwrap();
        for (rule, other, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", true),
            ("a/b", "a/bc", false),
            ("a/b", "a", false),
            ("**", "a", true),
            ("**", "", true),
        ] {
            assert_eq!(path(rule).covers(other), expected, "{rule} {other}");
        }
    }

    #[test]
    fn the_name_of_a_tag_says_which_path_it_approves() {
        let path = |text| RulePath::parse(text).unwrap();
        for (rule, reference, expected) in [
            ("a/b", "refs/tags/approvals/a/b/x", true),
            ("a/b", "refs/tags/approvals/a/b/x/y", false),
            ("a", "refs/tags/approvals/a/b/x", false),
            ("a", "refs/tags/approvals/a/b", true),
            ("**", "refs/tags/approvals/a", true),
            ("**", "refs/tags/approvals/a/b", false),
            ("a", "refs/tags/a/b", false),
            ("a", "refs/heads/approvals/a/b", false),
        ] {
            assert_eq!(
                path(rule).is_approved_by(reference),
                expected,
                "{rule} {reference}"
            );
        }
        for rule in ["a/b", "**"] {
            assert!(path(rule).is_approved_by(&path(rule).approval("x")));
        }
    }

    #[test]
    fn rules_that_nobody_could_keep_are_refused() {
        let path = |text| RulePath::parse(text).unwrap();
        for (rule, refused) in [
            (spec(&[], &[], None), InvalidRule::NoPath),
            (spec(&["*"], &[], None), InvalidRule::Path("*".to_owned())),
            (
                spec(&["a"], &[], Some(0)),
                InvalidRule::Threshold {
                    path: path("a"),
                    threshold: 0,
                },
            ),
            (
                spec(&["a"], &[], Some(MAX_THRESHOLD + 1)),
                InvalidRule::Threshold {
                    path: path("a"),
                    threshold: MAX_THRESHOLD + 1,
                },
            ),
            (
                spec(&["a"], &["x@example.org"], Some(2)),
                InvalidRule::TooFewSigners {
                    path: path("a"),
                    threshold: 2,
                    named: 1,
                },
            ),
            (
                spec(&[".sops.yaml"], &[], Some(2)),
                InvalidRule::Unnameable(path(".sops.yaml")),
            ),
            (spec(&["a"; MAX_RULE_PATHS + 1], &[], None), InvalidRule::TooMany),
        ] {
            assert_eq!(Rules::parse(&[rule]), Err(refused));
        }
        for rule in [
            spec(&["a"], &["*@example.org"], Some(2)),
            spec(&["a"], &[], Some(MAX_THRESHOLD)),
            spec(&[".sops.yaml"], &["x@example.org"], None),
            spec(&["a"; MAX_RULE_PATHS], &[], None),
        ] {
            assert!(Rules::parse(&[rule]).is_ok());
        }
    }

    #[test]
    fn a_digest_tells_rules_apart() {
        let digest = |rule: Spec| Rules::parse(&[rule]).unwrap().digest();
        let one = digest(spec(&["a"], &["x"], None));
        assert_eq!(one, digest(spec(&["a/**"], &["x"], Some(1))));
        for other in [
            spec(&["b"], &["x"], None),
            spec(&["a"], &["y"], None),
            spec(&["a"], &[], None),
            spec(&["a"], &["x", "y"], Some(2)),
        ] {
            assert_ne!(one, digest(other));
        }
        assert_eq!(Rules::default().digest(), None);
    }
}
