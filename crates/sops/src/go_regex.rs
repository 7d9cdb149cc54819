//! Regular expressions with the meaning that Go's `regexp` gives them.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::bytes::{Regex, RegexBuilder};
use thiserror::Error;

/// Longest pattern taken, in bytes. Patterns name keys or paths; the longest seen in public repositories have a few
/// hundred bytes.
pub const MAX_PATTERN_BYTES: usize = 4096;

/// Go refuses repetitions above this (`regexp/syntax`, `p.repeat`).
const MAX_REPEAT: u32 = 1000;

/// A pattern in the syntax of Go's [`regexp/syntax`](https://pkg.go.dev/regexp/syntax), unanchored.
///
/// Rust's `regex` reads the same text differently in places: its `\d`, `\w`, `\s` and `\b` are Unicode, its character
/// classes nest and have set operators, and it lacks `\Q…\E`. So the pattern is translated, and what only one of the
/// two languages has is refused: a pattern that sops cannot compile matches nothing there, and would leave values in
/// clear.
#[derive(Clone)]
pub struct GoRegex {
    source: String,
    compiled: Regex,
}

/// Why a pattern is refused. Offsets count characters from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegexError {
    /// Longer than [`MAX_PATTERN_BYTES`].
    #[error("failed to read a regular expression of {length} bytes: the limit is {MAX_PATTERN_BYTES}")]
    TooLong {
        /// Bytes of the pattern.
        length: usize,
    },
    /// Go's syntax does not have this.
    #[error("failed to read the regular expression: {problem} at character {offset}")]
    Syntax {
        /// What is wrong.
        problem: &'static str,
        /// Where.
        offset: usize,
    },
    /// A repetition, a group or a class that is not well-formed, or a pattern that compiles to too much.
    #[error(
        "failed to compile the regular expression: a repetition or a group is not well-formed, or it is too large"
    )]
    Compile,
}

impl GoRegex {
    /// Reads a pattern.
    pub fn parse(source: &str) -> Result<Self, RegexError> {
        if source.len() > MAX_PATTERN_BYTES {
            return Err(RegexError::TooLong { length: source.len() });
        }
        let translated = Translator::new(source).translate()?;
        let compiled = RegexBuilder::new(&translated)
            .build()
            .map_err(|_| RegexError::Compile)?;
        Ok(Self {
            source: source.to_owned(),
            compiled,
        })
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether the pattern matches anywhere in the text.
    pub fn is_match(&self, text: &str) -> bool {
        self.compiled.is_match(text.as_bytes())
    }
}

/// Patterns are equal if they are written the same.
impl PartialEq for GoRegex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for GoRegex {}

impl std::fmt::Debug for GoRegex {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.source.fmt(formatter)
    }
}

/// Reads Go's syntax and writes Rust's, in which only constructs with one meaning are left.
struct Translator<'source> {
    rest: Peekable<Chars<'source>>,
    offset: usize,
    output: String,
}

/// What stood last, to see a repetition of a repetition.
#[derive(PartialEq, Eq)]
enum Previous {
    Repetition,
    Other,
}

impl<'source> Translator<'source> {
    fn new(source: &'source str) -> Self {
        Self {
            rest: source.chars().peekable(),
            offset: 0,
            output: String::with_capacity(source.len().saturating_mul(2)),
        }
    }

    fn translate(mut self) -> Result<String, RegexError> {
        let mut previous = Previous::Other;
        while let Some(character) = self.next() {
            let mut current = Previous::Other;
            match character {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' | '^' | '$' | '|' | ')' => self.output.push(character),
                '*' | '+' | '?' => {
                    self.output.push(character);
                    current = Previous::Repetition;
                }
                '{' if self.counted_repetition()? => current = Previous::Repetition,
                other => self.literal(other),
            }
            if current == Previous::Repetition {
                if previous == Previous::Repetition {
                    return Err(self.syntax("a repetition of a repetition"));
                }
                if self.take('?') {
                    self.output.push('?');
                }
            }
            previous = current;
        }
        Ok(self.output)
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest.next()?;
        self.offset += 1;
        Some(character)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.rest.peek() == Some(&wanted);
        if found {
            self.next();
        }
        found
    }

    fn syntax(&self, problem: &'static str) -> RegexError {
        RegexError::Syntax {
            problem,
            offset: self.offset.saturating_sub(1),
        }
    }

    fn push(&mut self, arguments: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.output.write_fmt(arguments);
    }

    /// One character that stands for itself.
    fn literal(&mut self, character: char) {
        self.push(format_args!("\\x{{{:X}}}", u32::from(character)));
    }

    /// After a backslash outside of a class.
    fn escape(&mut self) -> Result<(), RegexError> {
        match self.rest.peek().copied() {
            Some('Q') => {
                self.next();
                self.quoted();
                return Ok(());
            }
            Some(anchor @ ('A' | 'z')) => {
                self.output.push('\\');
                self.output.push(anchor);
            }
            Some(boundary @ ('b' | 'B')) => self.push(format_args!("(?-u:\\{boundary})")),
            _ => {
                if let Some(class) = self.class_escape()? {
                    self.output.push_str(&class);
                } else {
                    let character = self.character_escape()?;
                    self.literal(character);
                }
                return Ok(());
            }
        }
        self.next();
        Ok(())
    }

    /// After `\Q`: everything up to `\E`, or to the end, stands for itself.
    fn quoted(&mut self) {
        while let Some(character) = self.next() {
            if character == '\\' && self.take('E') {
                return;
            }
            self.literal(character);
        }
    }

    /// `\d` and its kind, which Go takes as ASCII, and `\p`; `None` if the escape is of another kind.
    fn class_escape(&mut self) -> Result<Option<String>, RegexError> {
        let class = match self.rest.peek() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('s') => r"[\t\n\x0C\r\x20]",
            Some('S') => r"[^\t\n\x0C\r\x20]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('p' | 'P') => return self.unicode_class().map(Some),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(class.to_owned()))
    }

    /// `\pL`, `\p{Lu}`, `\P{^Nd}`: the general categories. Scripts are refused; no key needs them.
    fn unicode_class(&mut self) -> Result<String, RegexError> {
        let mut negated = self.next() == Some('P');
        let mut name = String::new();
        if self.take('{') {
            if self.take('^') {
                negated = !negated;
            }
            loop {
                match self.next() {
                    Some('}') => break,
                    Some(character) => name.push(character),
                    None => return Err(self.syntax("a Unicode class without an end")),
                }
            }
        } else {
            name.extend(self.next());
        }
        if !GENERAL_CATEGORIES.contains(&name.as_str()) {
            return Err(self.syntax("a Unicode class other than a general category"));
        }
        Ok(format!("\\{}{{{name}}}", if negated { 'P' } else { 'p' }))
    }

    /// After a backslash: an escape that stands for one character (`parseEscape`).
    fn character_escape(&mut self) -> Result<char, RegexError> {
        let Some(first) = self.next() else {
            return Err(self.syntax("a backslash at the end"));
        };
        let code = match first {
            '0'..='7' => {
                let next_is_octal = self.rest.peek().is_some_and(|next| next.is_digit(8));
                if first != '0' && !next_is_octal {
                    return Err(self.syntax("a back-reference"));
                }
                let mut code = first.to_digit(8).unwrap_or_default();
                for _ in 0..2 {
                    let Some(digit) = self.rest.peek().and_then(|next| next.to_digit(8)) else {
                        break;
                    };
                    self.next();
                    code = code * 8 + digit;
                }
                code
            }
            'x' => self.hexadecimal()?,
            'a' => 0x07,
            'f' => 0x0C,
            't' => 0x09,
            'n' => 0x0A,
            'r' => 0x0D,
            'v' => 0x0B,
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
            _ => return Err(self.syntax("an unknown escape")),
        };
        char::from_u32(code).ok_or_else(|| self.syntax("a code that is no character"))
    }

    /// After `\x`: two digits, or any number of them in braces.
    fn hexadecimal(&mut self) -> Result<u32, RegexError> {
        let mut digits = String::new();
        if self.take('{') {
            while !self.take('}') {
                match self.next() {
                    Some(digit) if digit.is_ascii_hexdigit() => digits.push(digit),
                    _ => return Err(self.syntax("a hexadecimal code without an end")),
                }
            }
        } else {
            digits.extend(self.next());
            digits.extend(self.next());
        }
        if digits.starts_with('+') {
            return Err(self.syntax("an unknown escape"));
        }
        u32::from_str_radix(&digits, 16).map_err(|_| self.syntax("a hexadecimal code out of range"))
    }

    /// After `(`: a group, named or not, with Go's flags.
    fn group(&mut self) -> Result<(), RegexError> {
        self.output.push('(');
        if !self.take('?') {
            return Ok(());
        }
        self.output.push('?');
        if self.take('P') {
            if self.rest.peek() != Some(&'<') {
                return Err(self.syntax("an unknown group"));
            }
            self.output.push('P');
        }
        if self.take('<') {
            self.output.push('<');
            return self.group_name();
        }
        while let Some(character) = self.next() {
            self.output.push(character);
            match character {
                ':' | ')' => return Ok(()),
                'i' | 'm' | 's' | 'U' | '-' => {}
                _ => return Err(self.syntax("an unknown group or flag")),
            }
        }
        Err(self.syntax("a group without an end"))
    }

    fn group_name(&mut self) -> Result<(), RegexError> {
        while let Some(character) = self.next() {
            self.output.push(character);
            match character {
                '>' => return Ok(()),
                '_' => {}
                other if other.is_ascii_alphanumeric() => {}
                _ => break,
            }
        }
        Err(self.syntax("an invalid group name"))
    }

    /// After `{`: `n}`, `n,}` or `n,m}` is a repetition; anything else is a brace that stands for itself, and is not
    /// consumed.
    fn counted_repetition(&mut self) -> Result<bool, RegexError> {
        let ahead: String = self
            .rest
            .clone()
            .take_while(|character| *character != '}')
            .collect();
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        let (least, most) = ahead.split_once(',').unwrap_or((&ahead, &ahead));
        let is_count = |text: &str| {
            !text.is_empty()
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && (text == "0" || !text.starts_with('0'))
        };
        if !closed || !is_count(least) || !(most.is_empty() || is_count(most)) {
            return Ok(false);
        }
        let is_allowed =
            |text: &str| text.is_empty() || text.parse::<u32>().is_ok_and(|count| count <= MAX_REPEAT);
        if !is_allowed(least) || !is_allowed(most) {
            return Err(self.syntax("a repetition above 1000"));
        }
        for _ in 0..=ahead.chars().count() {
            self.next();
        }
        self.push(format_args!("{{{ahead}}}"));
        Ok(true)
    }

    /// After `[`: Go's classes do not nest and have no operators.
    fn class(&mut self) -> Result<(), RegexError> {
        self.output.push('[');
        if self.take('^') {
            self.output.push('^');
        }
        let mut is_first = true;
        loop {
            let Some(character) = self.next() else {
                return Err(self.syntax("a class without an end"));
            };
            match character {
                ']' if !is_first => break,
                '[' if self.rest.peek() == Some(&':') && self.has_posix_end() => self.posix_class()?,
                '\\' => {
                    if let Some(class) = self.class_escape()? {
                        self.output.push_str(&class);
                    } else {
                        let low = self.character_escape()?;
                        self.class_range(low)?;
                    }
                }
                low => self.class_range(low)?,
            }
            is_first = false;
        }
        self.output.push(']');
        Ok(())
    }

    /// A character in a class, and the range it may start.
    fn class_range(&mut self, low: char) -> Result<(), RegexError> {
        self.literal(low);
        let mut ahead = self.rest.clone();
        let starts_range = ahead.next() == Some('-') && ahead.next().is_some_and(|end| end != ']');
        if !starts_range {
            return Ok(());
        }
        self.next();
        let high = match self.next() {
            Some('\\') => self.character_escape()?,
            Some(high) => high,
            None => return Err(self.syntax("a class without an end")),
        };
        if high < low {
            return Err(self.syntax("a range that ends before it starts"));
        }
        self.output.push('-');
        self.literal(high);
        Ok(())
    }

    fn has_posix_end(&self) -> bool {
        let ahead: String = self.rest.clone().skip(1).collect();
        ahead.contains(":]")
    }

    /// After `[` in a class: `:alpha:]` and its kind, which are ASCII in both languages.
    fn posix_class(&mut self) -> Result<(), RegexError> {
        self.next();
        let negated = self.take('^');
        let mut name = String::new();
        while let Some(character) = self.next() {
            if character == ':' && self.take(']') {
                break;
            }
            name.push(character);
        }
        if !POSIX_CLASSES.contains(&name.as_str()) {
            return Err(self.syntax("an unknown POSIX class"));
        }
        let sign = if negated { "^" } else { "" };
        self.push(format_args!("[:{sign}{name}:]"));
        Ok(())
    }
}

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

const GENERAL_CATEGORIES: [&str; 36] = [
    "C", "Cc", "Cf", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl", "No",
    "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs", "Any",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        GoRegex::parse(pattern).unwrap().is_match(text)
    }

    /// Each line was checked against `regexp.MatchString` of Go 1.26.
    #[test]
    fn means_what_go_means() {
        let table = [
            (r"^(data|stringData)$", "data", true),
            (r"^(data|stringData)$", "metadata", false),
            (r"data", "metadata", true),
            (r"^\d+$", "42", true),
            (r"^\d+$", "٤٢", false),
            (r"^\w+$", "clé", false),
            (r"^\W$", "é", true),
            (r"\s", "a\u{a0}b", false),
            (r"\s", "a\u{b}b", false),
            (r"\S", "\u{a0}", true),
            (r"\bkey\b", "ékeyé", true),
            (r"\bkey\b", "akeyb", false),
            (r"(?i)^PASSWORD$", "password", true),
            (r"(?i)^k$", "\u{212a}", true),
            (r"(?i)^\w$", "\u{212a}", true),
            (r"[[]", "[", true),
            (r"[a&&b]", "&", true),
            (r"[a&&b]", "a", true),
            (r"[]a]", "]", true),
            (r"[^]a]", "]", false),
            (r"[\d\-x]", "-", true),
            (r"[^\d]", "é", true),
            (r"[[:alpha:]_]", "_", true),
            (r"[[:^alpha:]]", "1", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"a{2}", "aa", true),
            (r"a{2}", "a", false),
            (r"a{,2}", "a{,2}", true),
            (r"a{x}", "a{x}", true),
            (r"a{", "a{", true),
            (r"\<", "<", true),
            (r"\x41\x{42}\103", "ABC", true),
            (r"\pL", "é", true),
            (r"^\p{Lu}$", "é", false),
            (r"^\P{^Lu}$", "É", true),
            (r"a.b", "a\nb", false),
            (r"(?s)a.b", "a\nb", true),
            (r"^b$", "a\nb", false),
            (r"(?m)^b$", "a\nb", true),
            (r"a b#c", "a b#c", true),
            (r"x*?y", "y", true),
            (r"", "anything", true),
            (r"a|", "b", true),
        ];
        for (pattern, text, expected) in table {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for pattern in [
            "[",
            "(",
            ")",
            "*",
            "a**",
            "a+*",
            "a{2}{3}",
            "a{1001}",
            "a{2,1}",
            r"\1",
            r"\y",
            r"\",
            "(?x)a",
            "(?u)a",
            "(?P=a)",
            "[b-a]",
            "[a--z]",
            r"[a-\d]",
            r"\p{Nope}",
            r"\E",
            r"\C",
            r"\Z",
            "[[:nope:]]",
            "(?=a)",
            "(?<!a)",
            r"\xZZ",
        ] {
            assert!(GoRegex::parse(pattern).is_err(), "{pattern:?}");
        }
    }

    #[test]
    fn refuses_patterns_beyond_the_limit() {
        assert!(GoRegex::parse(&"a".repeat(MAX_PATTERN_BYTES)).is_ok());
        assert_eq!(
            GoRegex::parse(&"a".repeat(MAX_PATTERN_BYTES + 1)),
            Err(RegexError::TooLong {
                length: MAX_PATTERN_BYTES + 1
            })
        );
    }
}
