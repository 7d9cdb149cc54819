//! An annotated tag: what it names, and the signature below its message.

use super::header::{self, Reader};
use super::{ObjectError, ObjectId, ObjectKind, Person, check_bytes, subject};
use crate::armor::Signature;

/// An annotated tag, read strictly from the bytes of its object: the headers object, type, tag and tagger,
/// in this order and no others.
#[derive(Clone, Debug)]
pub struct Tag<'a> {
    /// The tag object's own name, recomputed from its bytes.
    pub id: ObjectId,
    /// The object that the tag stands for.
    pub object: ObjectId,
    /// The kind of that object, by the tag's account.
    pub kind: ObjectKind,
    /// The tag's name without `refs/tags/`.
    pub name: &'a str,
    /// Who made the tag, by their own account, and when.
    pub tagger: Person<'a>,
    /// The first paragraph of the message on one line, safe to show.
    pub subject: String,
    /// The signature, if there is one.
    pub signature: Option<Signature>,
    payload: &'a [u8],
}

impl<'a> Tag<'a> {
    /// Reads the content of a tag object (without the `tag <length>\0` in front) that was found under the
    /// name `id`.
    pub fn parse(raw: &'a [u8], id: ObjectId) -> Result<Self, ObjectError> {
        check_bytes(ObjectKind::Tag, raw, id)?;
        let parts = header::split(raw)?;
        let mut headers = Reader::new(&parts.headers);

        let object = headers.expect("object")?.object_id("object")?;
        let kind = headers.expect("type")?;
        let kind =
            ObjectKind::from_header(kind.single_line()?).ok_or(ObjectError::Kind { line: kind.line })?;
        let name = headers.expect("tag")?;
        let name = std::str::from_utf8(name.single_line()?)
            .ok()
            .filter(|text| !text.is_empty())
            .ok_or(ObjectError::TagName { line: name.line })?;
        let tagger = headers.expect("tagger")?.person("tagger")?;
        if let Some(header) = headers.rest().next() {
            return Err(ObjectError::HeaderMisplaced {
                line: header.line,
                name: header.name.to_owned(),
            });
        }

        let signature_start = signature_start(parts.body)?;
        let (message, signature) = match signature_start {
            Some(start) => parts.body.split_at_checked(start).unwrap_or((parts.body, &[])),
            None => (parts.body, &[][..]),
        };
        let signature = match signature_start {
            Some(_) => {
                let text = signature
                    .strip_suffix(b"\n")
                    .ok_or(ObjectError::UnterminatedSignature)?;
                Some(Signature::new(text.to_vec()))
            }
            None => None,
        };
        Ok(Self {
            id,
            object,
            kind,
            name,
            tagger,
            subject: subject(message),
            signature,
            payload: raw.get(..parts.body_start + message.len()).unwrap_or(raw),
        })
    }

    /// The bytes that a signature covers: the object up to the line that begins the signature.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Where the signature starts in a tag's body. Git takes the last line that begins one as the start and
/// everything before it as signed (gpg-interface.c, `parse_signed_buffer`); here there may be only one.
fn signature_start(body: &[u8]) -> Result<Option<usize>, ObjectError> {
    let mut found = None;
    let mut start = 0;
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        if Signature::begins_with(line) && found.replace(start).is_some() {
            return Err(ObjectError::MultipleSignatures);
        }
        start += line.len();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "object 1111111111111111111111111111111111111111\ntype commit\ntag v1\n\
                        tagger T <t@example.org> 3 +0000\n";

    fn parse(raw: &str) -> Result<Tag<'_>, ObjectError> {
        Tag::parse(
            raw.as_bytes(),
            ObjectId::of(ObjectKind::Tag, raw.as_bytes()).unwrap(),
        )
    }

    #[test]
    fn the_payload_ends_where_the_signature_begins() {
        let raw = format!("{HEAD}\nv1\n-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n");
        let tag = parse(&raw).unwrap();
        assert_eq!(
            (tag.name, tag.kind, tag.subject.as_str()),
            ("v1", ObjectKind::Commit, "v1")
        );
        assert_eq!(tag.payload(), format!("{HEAD}\nv1\n").as_bytes());
        assert!(tag.signature.unwrap().text().starts_with(b"-----BEGIN SSH"));
        assert!(parse(&format!("{HEAD}\nv1\n")).unwrap().signature.is_none());
    }

    #[test]
    fn two_signatures_are_refused() {
        let raw = format!("{HEAD}\nv1\n-----BEGIN SSH SIGNATURE-----\nx\n-----BEGIN PGP SIGNATURE-----\n");
        assert_eq!(parse(&raw).unwrap_err(), ObjectError::MultipleSignatures);
    }

    #[test]
    fn a_signature_without_its_last_newline_is_refused() {
        let raw = format!("{HEAD}\nv1\n-----BEGIN SSH SIGNATURE-----");
        assert_eq!(parse(&raw).unwrap_err(), ObjectError::UnterminatedSignature);
    }

    #[test]
    fn other_headers_are_refused() {
        for (raw, error) in [
            (
                format!("{HEAD}extra x\n\n"),
                ObjectError::HeaderMisplaced {
                    line: 5,
                    name: "extra".to_owned(),
                },
            ),
            (
                HEAD.replace("commit", "commits") + "\n",
                ObjectError::Kind { line: 2 },
            ),
            (
                HEAD.replace("tag v1", "tag ") + "\n",
                ObjectError::TagName { line: 3 },
            ),
            (
                HEAD.replace("tag v1\n", "tag v1\ntag v2\n") + "\n",
                ObjectError::HeaderExpected {
                    line: 4,
                    expected: "tagger",
                },
            ),
            (
                HEAD.replace("\ntagger T <t@example.org> 3 +0000", "") + "\n",
                ObjectError::HeaderExpected {
                    line: 4,
                    expected: "tagger",
                },
            ),
        ] {
            assert_eq!(parse(&raw).unwrap_err(), error, "{raw}");
        }
    }
}
