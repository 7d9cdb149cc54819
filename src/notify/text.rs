//! Text that may be shown to anybody, and how much of it.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The most characters of one [`Public`] text. Longer than anything a message shows of it.
pub const MAX_PUBLIC_CHARS: usize = 2_000;
/// The most characters of a [`Reason`]; `metav1.Condition` allows 1024, words are shorter.
pub const MAX_REASON_CHARS: usize = 64;
/// What stands where text was cut off.
pub(super) const ELLIPSIS: char = '…';

/// Text in which everything sensitive is masked already, so that it can be stored and sent.
///
/// It is one idea of a text: no control characters but the newline, no characters that reorder what is shown
/// (Unicode bidirectional controls, with which a commit subject could pretend to be another), and at most
/// [`MAX_PUBLIC_CHARS`] characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Public(String);

impl Public {
    /// Takes a text whose author answers for it: nothing sensitive is in it.
    pub fn masked(text: impl AsRef<str>) -> Self {
        let shown = text
            .as_ref()
            .trim()
            .chars()
            .filter(|&character| is_shown(character));
        Self(shorten(shown, MAX_PUBLIC_CHARS, |_| 1))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Public {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Public {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::masked)
    }
}

/// One word for machines, as in `metav1.Condition`: `Unsigned`, `Forbidden`.
///
/// Free text can not become one. That is what lets a failure be recognised when it happens again with another
/// duration or request id in its message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Reason(String);

impl Reason {
    /// A word of ours, or one that somebody else reported. What is not a word becomes `Unknown`.
    pub fn word(word: &str) -> Self {
        let is_word = word.len() <= MAX_REASON_CHARS
            && word.starts_with(|first: char| first.is_ascii_alphabetic())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
        Self(if is_word { word } else { "Unknown" }.to_owned())
    }

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|word| Self::word(&word))
    }
}

/// Whether a character shows as itself: no control but the newline, nothing that reorders or hides.
fn is_shown(character: char) -> bool {
    const INVISIBLE: [std::ops::RangeInclusive<char>; 5] = [
        '\u{061c}'..='\u{061c}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2066}'..='\u{2069}',
        '\u{feff}'..='\u{feff}',
    ];
    character == '\n' || !(character.is_control() || INVISIBLE.iter().any(|range| range.contains(&character)))
}

/// The characters while their costs add up to at most `limit`; an ellipsis takes the place of what is left.
pub(super) fn shorten(
    text: impl IntoIterator<Item = char>,
    limit: usize,
    cost: impl Fn(char) -> usize,
) -> String {
    let mut shortened = String::new();
    let (mut spent, mut end_with_ellipsis) = (0, 0);
    for character in text {
        if spent + cost(ELLIPSIS) <= limit {
            end_with_ellipsis = shortened.len();
        }
        spent += cost(character);
        if spent > limit {
            shortened.truncate(end_with_ellipsis);
            if cost(ELLIPSIS) <= limit {
                shortened.push(ELLIPSIS);
            }
            return shortened;
        }
        shortened.push(character);
    }
    shortened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reorders_or_hides_is_taken_out() {
        assert_eq!(
            Public::masked("a\u{202e}b\u{200b}c\u{7}\n d ").as_str(),
            "abc\n d"
        );
    }

    #[test]
    fn a_text_is_cut_at_its_limit() {
        let cut = Public::masked("ä".repeat(MAX_PUBLIC_CHARS + 1));
        assert_eq!(cut.as_str().chars().count(), MAX_PUBLIC_CHARS);
        assert!(cut.as_str().ends_with(ELLIPSIS));
        let whole = "ä".repeat(MAX_PUBLIC_CHARS);
        assert_eq!(Public::masked(&whole).as_str(), whole);
    }

    #[test]
    fn a_reason_is_one_word() {
        for (given, kept) in [
            ("Unsigned", "Unsigned"),
            ("InternalError", "InternalError"),
            ("", "Unknown"),
            ("two words", "Unknown"),
            ("<!channel>", "Unknown"),
            ("4xx", "Unknown"),
        ] {
            assert_eq!(Reason::word(given).as_str(), kept, "{given}");
        }
        let limit = "a".repeat(MAX_REASON_CHARS);
        assert_eq!(Reason::word(&limit).as_str(), limit);
        assert_eq!(
            Reason::word(&"a".repeat(MAX_REASON_CHARS + 1)).as_str(),
            "Unknown"
        );
    }

    #[test]
    fn what_is_shortened_costs_at_most_the_limit() {
        let cost = |character: char| if character == '&' { 5 } else { 1 };
        for (text, limit, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("a&b", 7, "a&b"),
            ("a&bc", 7, "a&…"),
            ("&&", 5, "…"),
            ("abc", 0, ""),
        ] {
            assert_eq!(shorten(text.chars(), limit, cost), expected, "{text} in {limit}");
        }
    }
}
