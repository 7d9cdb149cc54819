//! Commits and tags as they lie in the object database, read strictly.
//!
//! Git forgives much in an object: headers twice, in any order, unknown ones beside the signature. Each
//! such freedom let a signature stand for something else than was signed in one verifier or another
//! (CVE-2026-45022, CVE-2026-44309). So an object is read once, by the rules below, and what was verified
//! and what is used come from the same reading.

mod commit;
mod header;
mod id;
mod person;
mod tag;

pub use commit::Commit;
pub use id::{CollisionAttack, ObjectId, ObjectIdError, ObjectKind};
pub use person::Person;
pub use tag::Tag;

/// Bytes that a commit or tag may have. Real ones have a few hundred; a merge of signed tags carries these
/// along and has some thousand.
pub const MAX_OBJECT_BYTES: usize = 1024 * 1024;

/// Why an object is not accepted as a commit or tag, before any signature is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It is larger than [`MAX_OBJECT_BYTES`].
    #[error("the object has {bytes} bytes, more than the {MAX_OBJECT_BYTES} that are read")]
    TooLarge {
        /// The object's size.
        bytes: usize,
    },
    /// Its bytes do not hash to the name under which it was found.
    #[error("the object's bytes hash to {actual}, not to {expected}")]
    IdMismatch {
        /// The name under which the object was found.
        expected: ObjectId,
        /// The name that its bytes have.
        actual: ObjectId,
    },
    /// Its name cannot be trusted.
    #[error(transparent)]
    CollisionAttack(#[from] CollisionAttack),
    /// It holds a NUL byte, at which other readers stop.
    #[error("the object holds a NUL byte")]
    Nul,
    /// A header line holds a carriage return.
    #[error("line {line}: the headers hold a carriage return")]
    CarriageReturn {
        /// The line, counted from 1.
        line: usize,
    },
    /// No empty line ends the headers.
    #[error("no empty line ends the headers")]
    NoBody,
    /// A line is neither `name value` nor the continuation of such a line.
    #[error("line {line}: not a header")]
    NotAHeader {
        /// The line, counted from 1.
        line: usize,
    },
    /// A header is missing, or stands in another place than Git writes it.
    #[error("line {line}: expected the header {expected:?}")]
    HeaderExpected {
        /// The line, counted from 1.
        line: usize,
        /// The header that belongs there.
        expected: &'static str,
    },
    /// A header stands where Git never writes it, or for the second time.
    #[error("line {line}: the header {name:?} is misplaced or repeated")]
    HeaderMisplaced {
        /// The line, counted from 1.
        line: usize,
        /// The header's name.
        name: String,
    },
    /// A header that has one line in Git goes on in a second.
    #[error("line {line}: the header {name:?} must be a single line")]
    HeaderContinued {
        /// The line, counted from 1.
        line: usize,
        /// The header's name.
        name: String,
    },
    /// There is more than one `gpgsig` header, or more than one signature below a tag's message.
    #[error("the object carries more than one signature")]
    MultipleSignatures,
    /// The last line of a tag's signature does not end.
    #[error("the signature does not end in a newline")]
    UnterminatedSignature,
    /// The object is signed for a repository with SHA-256 names.
    #[error("line {line}: the header {name:?} belongs to a repository with SHA-256 object ids")]
    Sha256Signature {
        /// The line, counted from 1.
        line: usize,
        /// The header's name.
        name: String,
    },
    /// A header should name an object and does not.
    #[error("line {line}: the header {name:?} does not name an object")]
    ObjectName {
        /// The line, counted from 1.
        line: usize,
        /// The header's name.
        name: &'static str,
        /// What is wrong with the value.
        #[source]
        source: ObjectIdError,
    },
    /// A header should name a person and a time and does not.
    #[error("line {line}: the header {name:?} is not `name <email> seconds ±hhmm`")]
    Person {
        /// The line, counted from 1.
        line: usize,
        /// The header's name.
        name: &'static str,
    },
    /// A tag's `type` is not a kind of object.
    #[error("line {line}: the tag's type is not commit, tag, tree or blob")]
    Kind {
        /// The line, counted from 1.
        line: usize,
    },
    /// A tag's name is empty or not UTF-8.
    #[error("line {line}: the tag's name is empty or not UTF-8")]
    TagName {
        /// The line, counted from 1.
        line: usize,
    },
}

/// Recomputes an object's name and applies the rules that do not depend on its kind.
fn check_bytes(kind: ObjectKind, raw: &[u8], id: ObjectId) -> Result<(), ObjectError> {
    if raw.len() > MAX_OBJECT_BYTES {
        return Err(ObjectError::TooLarge { bytes: raw.len() });
    }
    let actual = ObjectId::of(kind, raw)?;
    if actual != id {
        return Err(ObjectError::IdMismatch { expected: id, actual });
    }
    if raw.contains(&0) {
        return Err(ObjectError::Nul);
    }
    Ok(())
}

/// The first paragraph of a message on one line, with control characters made visible.
///
/// A commit's message is written by strangers and shown on terminals and in messages.
fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    text.lines()
        .skip_while(|line| line.trim().is_empty())
        .take_while(|line| !line.trim().is_empty())
        .flat_map(str::split_whitespace)
        .map(visible)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Replaces what would move a terminal's cursor or reorder text by U+FFFD.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_invisible(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

fn is_invisible(c: char) -> bool {
    // The bidirectional controls reorder what surrounds them ("Trojan Source", CVE-2021-42574).
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_the_first_paragraph_on_one_line() {
        assert_eq!(subject(b"one\n\ntwo\n"), "one");
        assert_eq!(subject(b"\n  one\n two\t\n\nthree"), "one two");
        assert_eq!(subject(b""), "");
        assert_eq!(
            subject(b"a\x1b[2Jb \xff \xe2\x80\xaex"),
            "a\u{fffd}[2Jb \u{fffd} \u{fffd}x"
        );
    }

    #[test]
    fn an_oversized_object_is_refused_before_it_is_hashed() {
        let raw = vec![b'a'; MAX_OBJECT_BYTES + 1];
        let id = ObjectId::from_bytes([0; 20]);
        assert_eq!(
            check_bytes(ObjectKind::Commit, &raw, id),
            Err(ObjectError::TooLarge {
                bytes: MAX_OBJECT_BYTES + 1
            })
        );
        let raw = vec![b'a'; MAX_OBJECT_BYTES];
        let id = ObjectId::of(ObjectKind::Commit, &raw).unwrap();
        assert_eq!(check_bytes(ObjectKind::Commit, &raw, id), Ok(()));
    }

    #[test]
    fn a_nul_byte_is_refused() {
        let id = ObjectId::of(ObjectKind::Commit, b"a\0b").unwrap();
        assert_eq!(
            check_bytes(ObjectKind::Commit, b"a\0b", id),
            Err(ObjectError::Nul)
        );
    }
}
