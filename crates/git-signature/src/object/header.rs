//! The header block of a commit or tag: lines `name value`, continued by lines that start with a space.

use std::ops::Range;

use super::{ObjectError, ObjectId, Person};

/// One header with its continuation lines.
#[derive(Clone, Debug)]
pub(super) struct Header<'a> {
    pub(super) name: &'a str,
    /// The value as it stands in the object: continuation lines keep their leading space.
    pub(super) value: &'a [u8],
    /// The bytes of the object that the header takes, its last newline included.
    pub(super) span: Range<usize>,
    /// The line of the header's name, counted from 1.
    pub(super) line: usize,
}

/// An object taken apart at the empty line that ends its headers.
pub(super) struct Parts<'a> {
    pub(super) headers: Vec<Header<'a>>,
    /// Where the body starts, in bytes from the start of the object.
    pub(super) body_start: usize,
    pub(super) body: &'a [u8],
}

/// Splits an object into its headers and its body.
pub(super) fn split(raw: &[u8]) -> Result<Parts<'_>, ObjectError> {
    let end = raw
        .windows(2)
        .position(|pair| pair == b"\n\n")
        .ok_or(ObjectError::NoBody)?;
    let (block, _) = raw.split_at_checked(end + 1).ok_or(ObjectError::NoBody)?;
    let (_, body) = raw.split_at_checked(end + 2).ok_or(ObjectError::NoBody)?;

    let mut headers: Vec<Header<'_>> = Vec::new();
    let mut start = 0;
    for (index, text) in block.split_inclusive(|&byte| byte == b'\n').enumerate() {
        let line = index + 1;
        let span = start..start + text.len();
        start = span.end;
        if text.contains(&b'\r') {
            return Err(ObjectError::CarriageReturn { line });
        }
        if text.starts_with(b" ") {
            let header = headers.last_mut().ok_or(ObjectError::NotAHeader { line })?;
            header.span.end = span.end;
            let value_start = header.span.start + header.name.len() + 1;
            header.value = block
                .get(value_start..span.end - 1)
                .ok_or(ObjectError::NotAHeader { line })?;
        } else {
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            let (name, value) = name_and_value(text).ok_or(ObjectError::NotAHeader { line })?;
            headers.push(Header {
                name,
                value,
                span,
                line,
            });
        }
    }
    Ok(Parts {
        headers,
        body_start: end + 2,
        body,
    })
}

/// Header names are what Git and its known extensions write (`change-id`, `HG:extra`): visible ASCII.
fn name_and_value(line: &[u8]) -> Option<(&str, &[u8])> {
    let space = line.iter().position(|&byte| byte == b' ')?;
    let (name, value) = line.split_at_checked(space)?;
    let name = std::str::from_utf8(name).ok()?;
    let named = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    named.then_some((name, value.get(1..)?))
}

impl<'a> Header<'a> {
    /// The value of a header that Git writes on one line.
    pub(super) fn single_line(&self) -> Result<&'a [u8], ObjectError> {
        if self.value.contains(&b'\n') {
            return Err(ObjectError::HeaderContinued {
                line: self.line,
                name: self.name.to_owned(),
            });
        }
        Ok(self.value)
    }

    /// The value with the leading space of each continuation line taken off.
    pub(super) fn unfolded(&self) -> Vec<u8> {
        let mut unfolded = Vec::with_capacity(self.value.len());
        for (index, line) in self.value.split(|&byte| byte == b'\n').enumerate() {
            if index == 0 {
                unfolded.extend_from_slice(line);
            } else {
                unfolded.push(b'\n');
                unfolded.extend_from_slice(line.strip_prefix(b" ").unwrap_or(line));
            }
        }
        unfolded
    }

    pub(super) fn object_id(&self, name: &'static str) -> Result<ObjectId, ObjectError> {
        ObjectId::from_hex(self.single_line()?).map_err(|source| ObjectError::ObjectName {
            line: self.line,
            name,
            source,
        })
    }

    pub(super) fn person(&self, name: &'static str) -> Result<Person<'a>, ObjectError> {
        Person::parse(self.single_line()?).ok_or(ObjectError::Person {
            line: self.line,
            name,
        })
    }
}

/// Takes headers in the order in which Git writes them.
pub(super) struct Reader<'h, 'a> {
    headers: std::iter::Peekable<std::slice::Iter<'h, Header<'a>>>,
    line_after_last: usize,
}

impl<'h, 'a> Reader<'h, 'a> {
    pub(super) fn new(headers: &'h [Header<'a>]) -> Self {
        let line_after_last = headers.last().map_or(1, |header| header.line + 1);
        Self {
            headers: headers.iter().peekable(),
            line_after_last,
        }
    }

    /// The next header, if it has this name.
    pub(super) fn take(&mut self, name: &str) -> Option<&'h Header<'a>> {
        self.headers.next_if(|header| header.name == name)
    }

    /// The next header, which must have this name.
    pub(super) fn expect(&mut self, name: &'static str) -> Result<&'h Header<'a>, ObjectError> {
        let line = self
            .headers
            .peek()
            .map_or(self.line_after_last, |header| header.line);
        self.take(name)
            .ok_or(ObjectError::HeaderExpected { line, expected: name })
    }

    /// The headers that have not been taken.
    pub(super) fn rest(self) -> impl Iterator<Item = &'h Header<'a>> {
        self.headers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_keep_their_place_and_their_continuations() {
        let parts = split(b"a 1\nb 2\n  two\n \nc 3\n\nbody\n\n").unwrap();
        let read: Vec<_> = parts
            .headers
            .iter()
            .map(|h| (h.name, h.unfolded(), h.span.clone(), h.line))
            .collect();
        assert_eq!(
            read,
            [
                ("a", b"1".to_vec(), 0..4, 1),
                ("b", b"2\n two\n".to_vec(), 4..16, 2),
                ("c", b"3".to_vec(), 16..20, 5),
            ]
        );
        assert_eq!((parts.body_start, parts.body), (21, &b"body\n\n"[..]));
    }

    #[test]
    fn what_is_not_a_header_block_is_refused_with_its_line() {
        let refused = |raw: &[u8]| split(raw).err().unwrap();
        assert_eq!(refused(b""), ObjectError::NoBody);
        assert_eq!(refused(b"a 1\n"), ObjectError::NoBody);
        assert_eq!(refused(b"\n\nbody"), ObjectError::NotAHeader { line: 1 });
        assert_eq!(refused(b" a 1\n\n"), ObjectError::NotAHeader { line: 1 });
        assert_eq!(refused(b"a 1\nb\n\n"), ObjectError::NotAHeader { line: 2 });
        assert_eq!(refused(b"a 1\n\x80 2\n\n"), ObjectError::NotAHeader { line: 2 });
        assert_eq!(
            refused(b"a 1\r\nb 2\n\n"),
            ObjectError::CarriageReturn { line: 1 }
        );
    }
}
