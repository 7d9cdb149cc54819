//! OpenSSH's pattern lists (`ssh_config(5)`, PATTERNS; match.c).

/// Patterns separated by commas. `*` stands for any text, `?` for any character, and a `!` in front excludes
/// what the rest matches, whatever else the list says. Case matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PatternList {
    first_positive: String,
    patterns: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Include(String),
    Exclude(String),
}

impl PatternList {
    /// Reads a list. It must be able to match something: a pattern without `!`, and no empty ones.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let patterns = text
            .split(',')
            .map(|pattern| match pattern.strip_prefix('!') {
                Some("") => None,
                Some(pattern) => Some(Pattern::Exclude(pattern.to_owned())),
                None if pattern.is_empty() => None,
                None => Some(Pattern::Include(pattern.to_owned())),
            })
            .collect::<Option<Vec<_>>>()?;
        let first_positive = patterns.iter().find_map(|pattern| match pattern {
            Pattern::Include(pattern) => Some(pattern.clone()),
            Pattern::Exclude(_) => None,
        })?;
        Some(Self {
            first_positive,
            patterns,
        })
    }

    /// The first pattern without `!`.
    pub(crate) fn first_positive(&self) -> &str {
        &self.first_positive
    }

    /// Whether a pattern includes every text and none excludes any.
    pub(crate) fn matches_anything(&self) -> bool {
        let all = |pattern: &str| !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*');
        let includes_all = |pattern: &Pattern| matches!(pattern, Pattern::Include(text) if all(text));
        let excludes = |pattern: &Pattern| matches!(pattern, Pattern::Exclude(_));
        self.patterns.iter().any(includes_all) && !self.patterns.iter().any(excludes)
    }

    /// Whether a pattern includes the text and none excludes it.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let mut included = false;
        for pattern in &self.patterns {
            match pattern {
                Pattern::Exclude(pattern) if glob(pattern, text) => return false,
                Pattern::Include(pattern) if glob(pattern, text) => included = true,
                Pattern::Exclude(_) | Pattern::Include(_) => {}
            }
        }
        included
    }
}

/// Matches byte by byte, as match.c does, in time of the product of both lengths at worst: on a mismatch
/// only the last `*` takes one more byte.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((after, taken)) => {
                    *taken += 1;
                    (p, t) = (*after + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_match_as_openssh_s_do() {
        for (list, text, matches) in [
            ("alice", "alice", true),
            ("alice", "Alice", false),
            ("alice", "alice2", false),
            ("alice,bob", "bob", true),
            ("*", "", true),
            ("*", "anyone", true),
            ("?", "", false),
            ("?", "a", true),
            ("*@example.org", "a@example.org", true),
            ("*@example.org", "a@example.org.evil.net", false),
            ("*@*.org", "a@b.c.org", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("**", "x", true),
            ("a?c", "abc", true),
            ("*,!eve", "eve", false),
            ("!eve,*", "eve", false),
            ("!eve,*", "alice", true),
            ("!e*,eve", "eve", false),
            ("al\\*", "al*", false),
        ] {
            assert_eq!(
                PatternList::parse(list).unwrap().matches(text),
                matches,
                "{list} {text}"
            );
        }
    }

    #[test]
    fn a_list_that_can_match_nothing_is_refused() {
        for list in ["", ",", "a,", ",a", "!", "!a", "!a,!b", "a,,b", "a,!"] {
            assert_eq!(PatternList::parse(list), None, "{list}");
        }
        assert_eq!(PatternList::parse("!a,b,c").unwrap().first_positive(), "b");
    }

    #[test]
    fn only_stars_match_anything() {
        for (list, anything) in [
            ("*", true),
            ("a,**", true),
            ("*@*", false),
            ("*,!eve", false),
            ("?*", false),
        ] {
            assert_eq!(
                PatternList::parse(list).unwrap().matches_anything(),
                anything,
                "{list}"
            );
        }
    }

    proptest! {
        #[test]
        fn globs_agree_with_a_definition_by_recursion(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
            fn defined(pattern: &[u8], text: &[u8]) -> bool {
                match (pattern, text) {
                    ([], rest) => rest.is_empty(),
                    ([b'*', tail @ ..], _) => {
                        defined(tail, text) || text.split_first().is_some_and(|(_, rest)| defined(pattern, rest))
                    }
                    ([b'?', tail @ ..], [_, rest @ ..]) => defined(tail, rest),
                    ([head, tail @ ..], [byte, rest @ ..]) => head == byte && defined(tail, rest),
                    (_, []) => false,
                }
            }
            prop_assert_eq!(glob(&pattern, &text), defined(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
