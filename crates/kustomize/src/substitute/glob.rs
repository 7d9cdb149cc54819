//! The patterns of `${v#p}` and its kin: those of Go's `path.Match`, in which a slash is a character like others.

/// A pattern.
pub(super) struct Glob(Vec<Part>);

enum Part {
    /// `*`
    Any,
    /// `?`
    One,
    /// `[a-z]`, `[^a-z]`
    Class {
        ranges: Vec<(char, char)>,
        is_negated: bool,
    },
    Character(char),
}

impl Glob {
    /// Nothing for what is no pattern.
    pub(super) fn parse(pattern: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut characters = pattern.chars().peekable();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '*' => Part::Any,
                '?' => Part::One,
                '\\' => Part::Character(characters.next()?),
                '[' => {
                    let is_negated = characters.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    loop {
                        let first = match characters.next()? {
                            ']' if !ranges.is_empty() => break,
                            '\\' => characters.next()?,
                            ']' | '-' => return None,
                            first => first,
                        };
                        let last = match characters.next_if_eq(&'-') {
                            None => first,
                            Some(_) => match characters.next()? {
                                '\\' => characters.next()?,
                                ']' | '-' => return None,
                                last => last,
                            },
                        };
                        ranges.push((first, last));
                    }
                    Part::Class { ranges, is_negated }
                }
                other => Part::Character(other),
            });
        }
        Some(Self(parts))
    }

    /// Whether it matches all of a text.
    pub(super) fn matches(&self, text: &str) -> bool {
        // The positions in the pattern that the text so far can have led to.
        let mut reached = vec![false; self.0.len() + 1];
        self.reach(&mut reached, 0);
        for character in text.chars() {
            let mut next = vec![false; self.0.len() + 1];
            for (position, part) in self.0.iter().enumerate() {
                if !reached.get(position).copied().unwrap_or_default() {
                    continue;
                }
                let is_match = match part {
                    Part::Any | Part::One => true,
                    Part::Character(wanted) => *wanted == character,
                    Part::Class { ranges, is_negated } => {
                        let is_in = ranges
                            .iter()
                            .any(|(first, last)| (*first..=*last).contains(&character));
                        is_in != *is_negated
                    }
                };
                if is_match {
                    let stays = matches!(part, Part::Any);
                    self.reach(&mut next, if stays { position } else { position + 1 });
                }
            }
            reached = next;
        }
        reached.last().copied().unwrap_or_default()
    }

    /// Marks a position, and those behind stars, which may match nothing.
    fn reach(&self, positions: &mut [bool], mut position: usize) {
        loop {
            if let Some(mark) = positions.get_mut(position) {
                *mark = true;
            }
            match self.0.get(position) {
                Some(Part::Any) => position += 1,
                _ => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("*", "a/b", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("?b", "ab", true),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            (r"\*", "*", true),
            (r"[\]]", "]", true),
            ("**a", "xya", true),
        ] {
            assert_eq!(
                Glob::parse(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        for pattern in ["[", "[]", "[a", r"\", "[-a]"] {
            assert!(Glob::parse(pattern).is_none(), "{pattern}");
        }
    }
}
