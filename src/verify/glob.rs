//! Patterns for people's addresses.

/// A pattern in which `*` stands for any characters and `?` for one. Case counts: an address that differs is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob(String);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }

    /// The pattern as it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it may match several texts.
    pub(super) fn has_wildcard(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Whether it matches the whole text.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.0.chars().collect(), text.chars().collect());
        // Which beginnings of the pattern match what was read of the text.
        let mut matched = vec![false; pattern.len() + 1];
        let skip_stars = |matched: &mut [bool]| {
            for (place, sign) in pattern.iter().enumerate() {
                if *sign == '*'
                    && matched.get(place) == Some(&true)
                    && let Some(next) = matched.get_mut(place + 1)
                {
                    *next = true;
                }
            }
        };
        if let Some(start) = matched.first_mut() {
            *start = true;
        }
        skip_stars(&mut matched);
        for character in text {
            let mut next = vec![false; matched.len()];
            for (place, sign) in pattern.iter().enumerate() {
                if matched.get(place) != Some(&true) {
                    continue;
                }
                let goes_to = match sign {
                    '*' => place,
                    '?' => place + 1,
                    sign if *sign == character => place + 1,
                    _ => continue,
                };
                if let Some(reached) = next.get_mut(goes_to) {
                    *reached = true;
                }
            }
            skip_stars(&mut next);
            matched = next;
        }
        matched.last() == Some(&true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_addresses() {
        for (pattern, text, expected) in [
            ("a@example.org", "a@example.org", true),
            ("a@example.org", "a@example.orgs", false),
            ("a@example.org", "A@example.org", false),
            ("*@example.org", "anybody@example.org", true),
            ("*@example.org", "@example.org", true),
            ("*@example.org", "a@example.org@evil.org", false),
            ("*@*.example.org", "a@b.example.org", true),
            ("?@example.org", "é@example.org", true),
            ("?@example.org", "ab@example.org", false),
            ("*", "", true),
            ("**a*", "bca", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(
                Glob(pattern.to_owned()).matches(text),
                expected,
                "{pattern} {text}"
            );
        }
    }
}
