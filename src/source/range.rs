//! Ranges of versions, as Flux reads them: the language of `github.com/Masterminds/semver/v3`.
//!
//! The crate `semver` reads Cargo's language, in which `1.2.3` means `^1.2.3`, a space separates nothing, and a
//! range has no alternatives; it serves here for versions and their order alone.

use std::cmp::Ordering;

use semver::{Prerelease, Version};

/// The longest range, in bytes.
pub const MAX_RANGE: usize = 512;

/// Alternatives, parted by `||`, of conditions that all have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Range {
    text: String,
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    operator: Operator,
    version: Version,
    given: Given,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Tilde,
    Caret,
}

/// How much of a version was given before an `x`, a `*`, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Nothing,
    Major,
    Minor,
    Everything,
}

/// Why a range is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRange {
    /// Longer than [`MAX_RANGE`].
    #[error("it is longer than {MAX_RANGE} bytes")]
    TooLong,
    /// Nothing between `||`, or nothing at all.
    #[error("it has an empty part; write * for any version")]
    Empty,
    /// A condition that is not an operator and a version.
    #[error("{0:?} is not a condition like >=1.2.0, ~1.2, ^1 or 1.x")]
    Condition(String),
}

/// A tag's version: strict semantic versioning (semver.org, 2.0.0) with an optional `v`, as in Flux.
pub(super) fn version_of_tag(tag: &str) -> Option<Version> {
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

impl Range {
    pub(super) fn parse(text: &str) -> Result<Self, InvalidRange> {
        if text.len() > MAX_RANGE {
            return Err(InvalidRange::TooLong);
        }
        let alternatives = text.split("||").map(conditions).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            alternatives,
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|conditions| {
            // Prereleases are for those who ask: one condition with a prerelease opens its whole alternative.
            let asked = conditions
                .iter()
                .any(|condition| !condition.version.pre.is_empty());
            (version.pre.is_empty() || asked) && conditions.iter().all(|condition| condition.holds(version))
        })
    }
}

fn conditions(text: &str) -> Result<Vec<Condition>, InvalidRange> {
    let text = text.trim();
    if text.is_empty() {
        return Err(InvalidRange::Empty);
    }
    // An operator may stand apart from its version, a hyphen between two; otherwise white space and commas separate.
    let mut words = text
        .split([' ', '\t', ','])
        .filter(|word| !word.is_empty())
        .peekable();
    let mut conditions = Vec::new();
    while let Some(word) = words.next() {
        let (operator, rest) = operator(word);
        let version = if rest.is_empty() {
            words.next().unwrap_or_default()
        } else {
            rest
        };
        if operator.is_none() && words.next_if_eq(&"-").is_some() {
            conditions.push(condition(Operator::GreaterOrEqual, version)?);
            conditions.push(condition(
                Operator::LessOrEqual,
                words.next().unwrap_or_default(),
            )?);
        } else {
            conditions.push(condition(operator.unwrap_or(Operator::Equal), version)?);
        }
    }
    if conditions.is_empty() {
        Err(InvalidRange::Empty)
    } else {
        Ok(conditions)
    }
}

fn operator(word: &str) -> (Option<Operator>, &str) {
    const OPERATORS: [(&str, Operator); 11] = [
        ("!=", Operator::NotEqual),
        (">=", Operator::GreaterOrEqual),
        ("=>", Operator::GreaterOrEqual),
        ("<=", Operator::LessOrEqual),
        ("=<", Operator::LessOrEqual),
        ("~>", Operator::Tilde),
        ("=", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("~", Operator::Tilde),
        ("^", Operator::Caret),
    ];
    let found = OPERATORS
        .iter()
        .find_map(|(sign, operator)| Some((*operator, word.strip_prefix(sign)?)));
    found.map_or((None, word), |(operator, rest)| (Some(operator), rest))
}

fn condition(operator: Operator, text: &str) -> Result<Condition, InvalidRange> {
    let (version, given) = partial_version(text).ok_or_else(|| InvalidRange::Condition(text.to_owned()))?;
    Ok(Condition {
        operator,
        version,
        given,
    })
}

/// A version of which parts may be missing or be `x`, `X` or `*`.
fn partial_version(text: &str) -> Option<(Version, Given)> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = text
        .split_once('+')
        .map_or((text, None), |(text, build)| (text, Some(build)));
    semver::BuildMetadata::new(build.unwrap_or_default()).ok()?;
    let (numbers, pre) = text
        .split_once('-')
        .map_or((text, ""), |(numbers, pre)| (numbers, pre));
    let pre = Prerelease::new(pre).ok()?;
    let parts: Vec<&str> = numbers.split('.').collect();
    if parts.len() > 3 {
        return None;
    }
    let mut values = Vec::with_capacity(3);
    for part in parts {
        let wild = matches!(part, "x" | "X" | "*");
        if !wild && (part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit())) {
            return None;
        }
        values.push(if wild { None } else { Some(part.parse().ok()?) });
    }
    let part = |index: usize| values.get(index).copied().flatten();
    let (numbers, given) = match (part(0), part(1), part(2)) {
        (None, ..) => ((0, 0, 0), Given::Nothing),
        (Some(major), None, _) => ((major, 0, 0), Given::Major),
        (Some(major), Some(minor), None) => ((major, minor, 0), Given::Minor),
        (Some(major), Some(minor), Some(patch)) => ((major, minor, patch), Given::Everything),
    };
    let (major, minor, patch) = numbers;
    Some((
        Version {
            major,
            minor,
            patch,
            pre,
            build: semver::BuildMetadata::EMPTY,
        },
        given,
    ))
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        // The build does not count in the order of versions (semver.org, item 10).
        let order = version.cmp_precedence(&self.version);
        let same_major = version.major == self.version.major;
        let same_minor = same_major && version.minor == self.version.minor;
        match self.operator {
            Operator::Equal if self.given == Given::Everything => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => match self.given {
                Given::Nothing => order.is_ge(),
                Given::Major => order.is_ge() && same_major,
                Given::Minor => order.is_ge() && same_minor,
                // In the original ~0.0.0 allows everything.
                Given::Everything => order.is_ge() && (same_minor || self.is_zero()),
            },
            Operator::NotEqual => match self.given {
                Given::Nothing | Given::Everything => order != Ordering::Equal,
                Given::Major => !same_major,
                Given::Minor => !same_minor,
            },
            Operator::Greater => match self.given {
                Given::Nothing | Given::Everything => order.is_gt(),
                Given::Major => version.major > self.version.major,
                Given::Minor => (version.major, version.minor) > (self.version.major, self.version.minor),
            },
            Operator::GreaterOrEqual => order.is_ge(),
            Operator::Less => order.is_lt(),
            Operator::LessOrEqual => match self.given {
                Given::Nothing => version.major == 0,
                Given::Everything => order.is_le(),
                Given::Major => version.major <= self.version.major,
                Given::Minor => (version.major, version.minor) <= (self.version.major, self.version.minor),
            },
            Operator::Caret => order.is_ge() && self.caret_holds(version),
        }
    }

    /// Whether nothing left of the first number that is not zero differs.
    fn caret_holds(&self, version: &Version) -> bool {
        let same_major = version.major == self.version.major;
        let same_minor = same_major && version.minor == self.version.minor;
        match self.given {
            Given::Nothing => true,
            _ if self.version.major > 0 => same_major,
            Given::Major => same_major,
            Given::Minor => same_minor,
            Given::Everything if self.version.minor > 0 => same_minor,
            Given::Everything => same_minor && version.patch == self.version.patch,
        }
    }

    fn is_zero(&self) -> bool {
        (self.version.major, self.version.minor, self.version.patch) == (0, 0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_as_in_flux() {
        for (range, inside, outside) in [
            (
                "1.2.3",
                &["1.2.3", "1.2.3+build"][..],
                &["1.2.4", "1.2.3-rc.1"][..],
            ),
            ("=1.2", &["1.2.0", "1.2.9"], &["1.3.0"]),
            (
                ">=1.2.0 <2.0.0",
                &["1.2.0", "1.9.9"],
                &["2.0.0", "1.1.9", "1.5.0-rc.1"],
            ),
            (">= 1.2.0, < 2.0.0", &["1.2.0"], &["2.0.0"]),
            ("<1.0.0 || >=3", &["0.9.0", "3.0.0"], &["1.0.0", "2.9.9"]),
            ("1.2 - 1.4.5", &["1.2.0", "1.4.5"], &["1.1.9", "1.4.6"]),
            ("1.2 - 1.4", &["1.4.9"], &["1.5.0"]),
            ("*", &["0.0.0", "9.9.9"], &["1.0.0-rc.1"]),
            ("1.x", &["1.0.0", "1.9.0"], &["2.0.0", "0.9.0"]),
            ("~1.2.3", &["1.2.3", "1.2.9"], &["1.3.0", "1.2.2"]),
            ("~1", &["1.9.0"], &["2.0.0"]),
            ("~>2.0", &["2.0.7"], &["2.1.0"]),
            ("^1.2.3", &["1.2.3", "1.9.0"], &["2.0.0"]),
            ("^0.2.3", &["0.2.9"], &["0.3.0"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4"]),
            ("^0.0", &["0.0.9"], &["0.1.0"]),
            ("^0", &["0.9.0"], &["1.0.0"]),
            (">11", &["12.0.0"], &["11.1.0"]),
            (">11.1", &["11.2.0"], &["11.1.1"]),
            ("<=1", &["1.9.9"], &["2.0.0"]),
            ("<=1.2", &["1.2.9", "0.9.0"], &["1.3.0"]),
            ("!=1.2", &["1.3.0"], &["1.2.7"]),
            ("!=1.2.3", &["1.2.4"], &["1.2.3"]),
            (">=1.0.0-0", &["2.0.0-beta.1", "1.0.0-rc.1"], &["0.9.0"]),
            (">=1.0.0-0 <2.0.0", &["1.5.0-rc.1"], &["2.0.0"]),
            ("v1.2.3", &["1.2.3"], &["1.2.4"]),
        ] {
            let parsed = Range::parse(range).unwrap();
            for version in inside {
                assert!(
                    parsed.contains(&Version::parse(version).unwrap()),
                    "{version} in {range}"
                );
            }
            for version in outside {
                assert!(
                    !parsed.contains(&Version::parse(version).unwrap()),
                    "{version} not in {range}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "", "  ", "1.2 ||", "latest", ">=", "1.2.3.4", ">>1", "1.2.", "~a.b", "1.2 -", "- 1.2",
        ] {
            assert!(Range::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            Range::parse(&"1".repeat(MAX_RANGE + 1)),
            Err(InvalidRange::TooLong)
        );
    }

    #[test]
    fn tags_are_versions_with_or_without_v() {
        assert_eq!(version_of_tag("v1.2.3"), Some(Version::new(1, 2, 3)));
        assert_eq!(version_of_tag("1.2.3"), Some(Version::new(1, 2, 3)));
        for tag in ["1.2", "V1.2.3", "vv1.2.3", "release-1.2.3", "01.2.3"] {
            assert_eq!(version_of_tag(tag), None, "{tag}");
        }
    }
}
