//! A commit: its headers, its message, and the signature that covers the rest.

use std::ops::Range;

use super::header::{self, Reader};
use super::{ObjectError, ObjectId, ObjectKind, Person, check_bytes, subject};
use crate::armor::Signature;

/// A commit, read strictly from the bytes of its object.
///
/// Headers stand in the order tree, parents, author, committer; none of tree, author, committer, encoding
/// and gpgsig is repeated; nothing else starts with `gpgsig`. Headers that Git does not know (jj's
/// `change-id`, for example) are allowed after the committer: the signature covers them.
#[derive(Clone, Debug)]
pub struct Commit<'a> {
    /// The commit's name, recomputed from its bytes.
    pub id: ObjectId,
    /// The tree that the commit stands for.
    pub tree: ObjectId,
    /// The commits it follows: none for the first, two or more for a merge.
    pub parents: Vec<ObjectId>,
    /// Who wrote the change, by the committer's account.
    pub author: Person<'a>,
    /// Who made the commit, by their own account, and when.
    pub committer: Person<'a>,
    /// The first paragraph of the message on one line, safe to show.
    pub subject: String,
    /// The signature, if there is one.
    pub signature: Option<Signature>,
    raw: &'a [u8],
    signature_span: Option<Range<usize>>,
}

impl<'a> Commit<'a> {
    /// Reads the content of a commit object (without the `commit <length>\0` in front) that was found under
    /// the name `id`.
    pub fn parse(raw: &'a [u8], id: ObjectId) -> Result<Self, ObjectError> {
        check_bytes(ObjectKind::Commit, raw, id)?;
        let parts = header::split(raw)?;
        let mut headers = Reader::new(&parts.headers);

        let tree = headers.expect("tree")?.object_id("tree")?;
        let mut parents = Vec::new();
        while let Some(parent) = headers.take("parent") {
            parents.push(parent.object_id("parent")?);
        }
        let author = headers.expect("author")?.person("author")?;
        let committer = headers.expect("committer")?.person("committer")?;

        let mut encoding = None;
        let mut gpgsig = None;
        for header in headers.rest() {
            match header.name {
                "encoding" if encoding.is_none() => encoding = Some(header.single_line()?),
                "gpgsig" if gpgsig.is_none() => gpgsig = Some(header),
                "gpgsig" => return Err(ObjectError::MultipleSignatures),
                "gpgsig-sha256" => {
                    return Err(ObjectError::Sha256Signature {
                        line: header.line,
                        name: header.name.to_owned(),
                    });
                }
                "tree" | "parent" | "author" | "committer" | "encoding" => {
                    return Err(ObjectError::HeaderMisplaced {
                        line: header.line,
                        name: header.name.to_owned(),
                    });
                }
                // Git leaves every such header out of what is signed (commit.c, parse_signed_commit).
                name if name.starts_with("gpgsig") => {
                    return Err(ObjectError::HeaderMisplaced {
                        line: header.line,
                        name: name.to_owned(),
                    });
                }
                _ => {}
            }
        }

        Ok(Self {
            id,
            tree,
            parents,
            author,
            committer,
            subject: subject(parts.body),
            signature: gpgsig.map(|header| Signature::new(header.unfolded())),
            raw,
            signature_span: gpgsig.map(|header| header.span.clone()),
        })
    }

    /// The bytes that a signature covers: the object without its `gpgsig` header.
    pub fn payload(&self) -> Vec<u8> {
        let Some(span) = &self.signature_span else {
            return self.raw.to_vec();
        };
        let (before, after) = (self.raw.get(..span.start), self.raw.get(span.end..));
        [before.unwrap_or_default(), after.unwrap_or_default()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";
    const PARENT: &str = "parent 1111111111111111111111111111111111111111\n";
    const AUTHOR: &str = "author A <a@example.org> 1 +0000\n";
    const COMMITTER: &str = "committer C <c@example.org> 2 +0000\n";

    fn parse(raw: &str) -> Result<Commit<'_>, ObjectError> {
        Commit::parse(
            raw.as_bytes(),
            ObjectId::of(ObjectKind::Commit, raw.as_bytes()).unwrap(),
        )
    }

    #[test]
    fn the_payload_is_the_object_without_its_signature() {
        let raw = format!(
            "{TREE}{PARENT}{AUTHOR}{COMMITTER}gpgsig one\n  two\n \nchange-id x\n\nsubject\n\nbody\n"
        );
        let commit = parse(&raw).unwrap();
        assert_eq!(commit.parents.len(), 1);
        assert_eq!(commit.subject, "subject");
        assert_eq!(commit.signature.as_ref().unwrap().text(), b"one\n two\n");
        assert_eq!(
            String::from_utf8(commit.payload()).unwrap(),
            format!("{TREE}{PARENT}{AUTHOR}{COMMITTER}change-id x\n\nsubject\n\nbody\n")
        );
    }

    #[test]
    fn a_signature_inside_a_mergetag_or_the_message_is_not_the_commit_s() {
        let raw = format!("{TREE}{AUTHOR}{COMMITTER}mergetag object 1\n gpgsig x\n\ngpgsig y\n");
        let commit = parse(&raw).unwrap();
        assert!(commit.signature.is_none());
        assert_eq!(commit.payload(), raw.as_bytes());
    }

    #[test]
    fn headers_out_of_order_or_repeated_are_refused() {
        let expected = |line, expected| -> ObjectError { ObjectError::HeaderExpected { line, expected } };
        let misplaced = |line, name: &str| ObjectError::HeaderMisplaced {
            line,
            name: name.to_owned(),
        };
        for (raw, error) in [
            (format!("{AUTHOR}{COMMITTER}\n"), expected(1, "tree")),
            (
                format!("{PARENT}{TREE}{AUTHOR}{COMMITTER}\n"),
                expected(1, "tree"),
            ),
            (
                format!("{TREE}{TREE}{AUTHOR}{COMMITTER}\n"),
                expected(2, "author"),
            ),
            (
                format!("{TREE}{AUTHOR}{PARENT}{COMMITTER}\n"),
                expected(3, "committer"),
            ),
            (
                format!("{TREE}{AUTHOR}{AUTHOR}{COMMITTER}\n"),
                expected(3, "committer"),
            ),
            (format!("{TREE}{COMMITTER}{AUTHOR}\n"), expected(2, "author")),
            (format!("{TREE}{AUTHOR}\n"), expected(3, "committer")),
            (
                format!("gpgsig x\n{TREE}{AUTHOR}{COMMITTER}\n"),
                expected(1, "tree"),
            ),
            (format!("{TREE}{AUTHOR}{COMMITTER}{TREE}\n"), misplaced(4, "tree")),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}{PARENT}\n"),
                misplaced(4, "parent"),
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}{AUTHOR}\n"),
                misplaced(4, "author"),
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}{COMMITTER}\n"),
                misplaced(4, "committer"),
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}encoding x\nencoding y\n\n"),
                misplaced(5, "encoding"),
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}gpgsig-foo junk\n\n"),
                misplaced(4, "gpgsig-foo"),
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}gpgsigfoo junk\n\n"),
                misplaced(4, "gpgsigfoo"),
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}gpgsig x\ngpgsig x\n\n"),
                ObjectError::MultipleSignatures,
            ),
            (
                format!("{TREE}{AUTHOR}{COMMITTER}gpgsig-sha256 x\n\n"),
                ObjectError::Sha256Signature {
                    line: 4,
                    name: "gpgsig-sha256".to_owned(),
                },
            ),
            (
                format!("{}{AUTHOR}{COMMITTER}\n", TREE.replace('\n', "\n \n")),
                ObjectError::HeaderContinued {
                    line: 1,
                    name: "tree".to_owned(),
                },
            ),
            (
                format!(
                    "{}{AUTHOR}{COMMITTER}\n",
                    TREE.to_uppercase().replace("TREE", "tree")
                ),
                ObjectError::ObjectName {
                    line: 1,
                    name: "tree",
                    source: ObjectIdError::NotLowerHex,
                },
            ),
            (
                format!("tree {}\n{AUTHOR}{COMMITTER}\n", "a".repeat(64)),
                ObjectError::ObjectName {
                    line: 1,
                    name: "tree",
                    source: ObjectIdError::Sha256,
                },
            ),
        ] {
            assert_eq!(parse(&raw).unwrap_err(), error, "{raw}");
        }
    }

    #[test]
    fn an_object_under_another_name_is_refused() {
        let raw = format!("{TREE}{AUTHOR}{COMMITTER}\n");
        let expected = ObjectId::from_bytes([1; 20]);
        let actual = ObjectId::of(ObjectKind::Commit, raw.as_bytes()).unwrap();
        assert_eq!(
            Commit::parse(raw.as_bytes(), expected).unwrap_err(),
            ObjectError::IdMismatch { expected, actual }
        );
    }

    use super::super::ObjectIdError;
}
