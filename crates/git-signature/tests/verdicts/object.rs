//! Objects of a repository, and how they are altered.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use git_signature::{ObjectId, ObjectKind};

/// An object as `git cat-file` gives it.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) kind: ObjectKind,
    pub(crate) raw: Vec<u8>,
}

impl Object {
    pub(crate) fn commit(raw: impl Into<Vec<u8>>) -> Self {
        Self {
            kind: ObjectKind::Commit,
            raw: raw.into(),
        }
    }

    pub(crate) fn id(&self) -> ObjectId {
        ObjectId::of(self.kind, &self.raw).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.raw).unwrap()
    }

    /// The same object with a piece of text replaced, which must be there.
    pub(crate) fn replace(&self, from: &str, to: &str) -> Self {
        assert!(self.text().contains(from), "{from:?} is not in {}", self.text());
        Self {
            kind: self.kind,
            raw: self.text().replacen(from, to, 1).into_bytes(),
        }
    }

    /// What git signed: the object without its signature.
    pub(crate) fn unsigned(&self) -> Vec<u8> {
        let text = self.text();
        let (start, end) = match self.kind {
            ObjectKind::Tag => (text.find("-----BEGIN").unwrap(), text.len()),
            ObjectKind::Commit | ObjectKind::Tree | ObjectKind::Blob => signature_span(text),
        };
        format!("{}{}", &text[..start], &text[end..]).into_bytes()
    }

    /// The same commit with another signature text.
    pub(crate) fn with_signature(&self, armored: &str) -> Self {
        let unsigned = String::from_utf8(self.unsigned()).unwrap();
        let (headers, body) = unsigned.split_once("\n\n").unwrap();
        let folded = armored.replace('\n', "\n ");
        Self::commit(format!("{headers}\ngpgsig {folded}\n\n{body}"))
    }

    /// The armored signature of a commit.
    pub(crate) fn signature(&self) -> String {
        let (start, end) = signature_span(self.text());
        self.text()[start..end]
            .strip_prefix("gpgsig ")
            .unwrap()
            .trim_end()
            .replace("\n ", "\n")
    }
}

fn signature_span(text: &str) -> (usize, usize) {
    let start = text.find("\ngpgsig ").expect("signed") + 1;
    let mut end = start;
    for (index, line) in text[start..].split_inclusive('\n').enumerate() {
        if index > 0 && !line.starts_with(' ') {
            break;
        }
        end += line.len();
    }
    (start, end)
}

/// The bytes in an armored block.
pub(crate) fn dearmor(armored: &str) -> Vec<u8> {
    let body = armored
        .split("-----\n")
        .nth(1)
        .unwrap()
        .split("\n-----")
        .next()
        .unwrap();
    let lines = body.trim_start().lines().filter(|line| !line.starts_with('='));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// An armored block without a checksum.
pub(crate) fn armor(label: &str, data: &[u8]) -> String {
    let base64 = STANDARD.encode(data);
    let lines: Vec<&str> = (0..base64.len())
        .step_by(64)
        .map(|at| &base64[at..base64.len().min(at + 64)])
        .collect();
    let blank = if label.starts_with("PGP") { "\n" } else { "" };
    format!(
        "-----BEGIN {label}-----\n{blank}{}\n-----END {label}-----",
        lines.join("\n")
    )
}

/// Replaces all occurrences of a piece of bytes, which must be there.
pub(crate) fn replace_bytes(data: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::new();
    let mut rest = data;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    assert!(rest.len() < data.len(), "not found");
    replaced.extend_from_slice(rest);
    replaced
}
