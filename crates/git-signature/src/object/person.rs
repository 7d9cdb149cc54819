//! The author, committer and tagger lines.

use std::borrow::Cow;

use jiff::Timestamp;

/// Minutes in an hour.
const HOUR: i16 = 60;

/// Who made a commit or tag, by their own account, and when: `name <email> seconds ±hhmm`.
///
/// Nothing here is proven. Whoever makes a commit writes what they like; only the signature says who it
/// was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person<'a> {
    /// The name; bytes that are not UTF-8 are replaced by U+FFFD (Git allows other encodings here).
    pub name: Cow<'a, str>,
    /// The address between the angle brackets, exactly as written.
    pub email: &'a str,
    /// The time, in whole seconds.
    pub time: Timestamp,
    /// Minutes east of UTC on the clock that gave the time.
    pub offset_minutes: i16,
}

impl<'a> Person<'a> {
    /// Reads a line by the rules of `git fsck`: one pair of angle brackets, a time without leading zeros or
    /// sign, an offset of four digits.
    pub(super) fn parse(line: &'a [u8]) -> Option<Self> {
        let (name, rest) = split_once(line, b'<')?;
        let (email, rest) = split_once(rest, b'>')?;
        if [name, email, rest]
            .iter()
            .any(|part| part.iter().any(|byte| b"<>".contains(byte)))
        {
            return None;
        }
        let name = if name.is_empty() {
            name
        } else {
            name.strip_suffix(b" ")?
        };
        let (seconds, offset) = split_once(rest.strip_prefix(b" ")?, b' ')?;
        Some(Self {
            name: String::from_utf8_lossy(name),
            email: std::str::from_utf8(email).ok()?,
            time: parse_seconds(seconds)?,
            offset_minutes: parse_offset(offset)?,
        })
    }
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&byte| byte == separator)?;
    let (head, tail) = bytes.split_at_checked(at)?;
    Some((head, tail.get(1..)?))
}

fn parse_seconds(digits: &[u8]) -> Option<Timestamp> {
    if !digits.iter().all(u8::is_ascii_digit) || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    let seconds = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

fn parse_offset(offset: &[u8]) -> Option<i16> {
    let &[sign, h1, h2, m1, m2] = offset else {
        return None;
    };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| i16::from(byte - b'0'));
    let hours = digit(h1)? * 10 + digit(h2)?;
    let minutes = digit(m1)? * 10 + digit(m2)?;
    if hours >= 24 || minutes >= HOUR {
        return None;
    }
    match sign {
        b'+' => Some(hours * HOUR + minutes),
        b'-' => Some(-(hours * HOUR + minutes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_git_writes_are_read() {
        let person = Person::parse("Ada L. <ada@example.org> 1700000000 -0330".as_bytes()).unwrap();
        assert_eq!(person.name, "Ada L.");
        assert_eq!(person.email, "ada@example.org");
        assert_eq!(person.time, Timestamp::from_second(1_700_000_000).unwrap());
        assert_eq!(person.offset_minutes, -210);
        assert_eq!(Person::parse(b"<> 0 +0000").unwrap().name, "");
        assert_eq!(
            Person::parse(b"J\xfcrgen <j@e> 1 +0100").unwrap().name,
            "J\u{fffd}rgen"
        );
    }

    #[test]
    fn other_lines_are_refused() {
        for line in [
            "",
            "Ada",
            "Ada <ada@example.org>",
            "Ada <ada@example.org> 1",
            "Ada <ada@example.org> 1 +00:00",
            "Ada <ada@example.org> 1 +0060",
            "Ada <ada@example.org> 1 +2400",
            "Ada <ada@example.org> 1 0000",
            "Ada <ada@example.org> 01 +0000",
            "Ada <ada@example.org> -1 +0000",
            "Ada <ada@example.org> +1 +0000",
            "Ada <ada@example.org>  1 +0000",
            "Ada <ada@example.org> 1 +0000 ",
            "Ada <ada@example.org> 99999999999999999999 +0000",
            "Ada <ada@example.org> 999999999999 +0000",
            "Ada<ada@example.org> 1 +0000",
            "Ada <ada@example.org> <eve@example.org> 1 +0000",
            "Ada <ada@<example.org> 1 +0000",
            "Ada> <ada@example.org> 1 +0000",
        ] {
            assert_eq!(Person::parse(line.as_bytes()), None, "{line:?}");
        }
        assert_eq!(Person::parse(b"Ada <\xff> 1 +0000"), None);
    }
}
