//! Which values are sealed.

use crate::go_regex::GoRegex;

/// The suffix that keeps values clear where a file has no rule of its own (`DefaultUnencryptedSuffix` in sops.go).
pub const DEFAULT_UNENCRYPTED_SUFFIX: &str = "_unencrypted";

/// How it is decided, by the keys above it or by comments, whether a value is sealed (`shouldBeEncrypted` in sops.go). A file has one
/// rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// Everything is sealed but what is under a key with this suffix.
    UnencryptedSuffix(String),
    /// Only what is under a key with this suffix is sealed.
    EncryptedSuffix(String),
    /// Everything is sealed but what is under a key that matches.
    UnencryptedRegex(GoRegex),
    /// Only what is under a key that matches is sealed.
    EncryptedRegex(GoRegex),
    /// Everything is sealed but what stands below or beside a comment that matches, and the comment itself.
    UnencryptedCommentRegex(GoRegex),
    /// Only what stands below or beside a comment that matches is sealed. The comment itself stays clear.
    EncryptedCommentRegex(GoRegex),
}

/// What the message authentication code of a file covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MacScope {
    /// All values.
    #[default]
    AllValues,
    /// Sealed values only (`mac_only_encrypted`).
    SealedValues,
}

/// Whether a value is under the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    Sealed,
    Clear,
}

impl Rule {
    /// Whether one key decides for everything below it.
    pub(crate) fn matches(&self, key: &str) -> bool {
        match self {
            Self::UnencryptedSuffix(suffix) | Self::EncryptedSuffix(suffix) => key.ends_with(suffix.as_str()),
            Self::UnencryptedRegex(regex) | Self::EncryptedRegex(regex) => regex.is_match(key),
            Self::UnencryptedCommentRegex(_) | Self::EncryptedCommentRegex(_) => false,
        }
    }

    /// What comments are matched with, if they decide.
    pub(crate) fn comment_regex(&self) -> Option<&GoRegex> {
        match self {
            Self::UnencryptedCommentRegex(regex) | Self::EncryptedCommentRegex(regex) => Some(regex),
            _ => None,
        }
    }

    /// The scope of a value none of whose keys, or comments, match.
    pub(crate) fn scope_without_match(&self) -> Scope {
        match self {
            Self::UnencryptedSuffix(_) | Self::UnencryptedRegex(_) | Self::UnencryptedCommentRegex(_) => {
                Scope::Sealed
            }
            Self::EncryptedSuffix(_) | Self::EncryptedRegex(_) | Self::EncryptedCommentRegex(_) => {
                Scope::Clear
            }
        }
    }

    /// The scope of a value one of whose keys, or comments, matches.
    pub(crate) fn scope_with_match(&self) -> Scope {
        match self.scope_without_match() {
            Scope::Sealed => Scope::Clear,
            Scope::Clear => Scope::Sealed,
        }
    }

    /// The name of the rule in metadata and `.sops.yaml`.
    pub fn field(&self) -> &'static str {
        match self {
            Self::UnencryptedSuffix(_) => "unencrypted_suffix",
            Self::EncryptedSuffix(_) => "encrypted_suffix",
            Self::UnencryptedRegex(_) => "unencrypted_regex",
            Self::EncryptedRegex(_) => "encrypted_regex",
            Self::UnencryptedCommentRegex(_) => "unencrypted_comment_regex",
            Self::EncryptedCommentRegex(_) => "encrypted_comment_regex",
        }
    }

    /// The suffix or the pattern.
    pub fn operand(&self) -> &str {
        match self {
            Self::UnencryptedSuffix(suffix) | Self::EncryptedSuffix(suffix) => suffix,
            Self::UnencryptedRegex(regex)
            | Self::EncryptedRegex(regex)
            | Self::UnencryptedCommentRegex(regex)
            | Self::EncryptedCommentRegex(regex) => regex.as_str(),
        }
    }
}

/// [`DEFAULT_UNENCRYPTED_SUFFIX`] stays clear.
impl Default for Rule {
    fn default() -> Self {
        Self::UnencryptedSuffix(DEFAULT_UNENCRYPTED_SUFFIX.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_matching_key_decides() {
        let regex = || GoRegex::parse("^data$").unwrap();
        let table = [
            (Rule::default(), "a_unencrypted", true, Scope::Clear),
            (Rule::default(), "a", false, Scope::Sealed),
            (
                Rule::EncryptedSuffix("_secret".into()),
                "a_secret",
                true,
                Scope::Sealed,
            ),
            (
                Rule::EncryptedSuffix("_secret".into()),
                "a_secrets",
                false,
                Scope::Clear,
            ),
            (Rule::UnencryptedRegex(regex()), "data", true, Scope::Clear),
            (Rule::UnencryptedRegex(regex()), "metadata", false, Scope::Sealed),
            (Rule::EncryptedRegex(regex()), "data", true, Scope::Sealed),
            (Rule::EncryptedRegex(regex()), "metadata", false, Scope::Clear),
        ];
        for (rule, key, is_match, scope) in table {
            assert_eq!(rule.matches(key), is_match, "{rule:?} {key}");
            let found = if is_match {
                rule.scope_with_match()
            } else {
                rule.scope_without_match()
            };
            assert_eq!(found, scope, "{rule:?} {key}");
        }
    }
}
