//! Object names: the SHA-1 of an object, and how it is recomputed.

use std::fmt;
use std::str::FromStr;

use sha1collisiondetection::Sha1CD;

/// Bytes in a SHA-1 object name.
const SHA1_BYTES: usize = 20;

/// Hexadecimal digits of a SHA-256 object name, recognised only to be refused by name.
const SHA256_HEX_DIGITS: usize = 64;

/// What kind of object a name stands for, as `git cat-file -t` spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// A revision: tree, parents, author, committer, message.
    Commit,
    /// An annotated tag.
    Tag,
    /// A directory.
    Tree,
    /// A file's content.
    Blob,
}

impl ObjectKind {
    /// The word that Git hashes in front of the content and writes in a tag's `type` header.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tag => "tag",
            Self::Tree => "tree",
            Self::Blob => "blob",
        }
    }

    pub(crate) fn from_header(word: &[u8]) -> Option<Self> {
        [Self::Commit, Self::Tag, Self::Tree, Self::Blob]
            .into_iter()
            .find(|kind| kind.as_str().as_bytes() == word)
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name of a Git object: its SHA-1, shown as 40 lower-case hexadecimal digits.
///
/// ```
/// use git_signature::ObjectId;
///
/// let id: ObjectId = "4b825dc642cb6eb9a060e54bf8d69288fbee4904".parse()?;
/// assert_eq!(id.to_string(), "4b825dc642cb6eb9a060e54bf8d69288fbee4904");
/// # Ok::<(), git_signature::ObjectIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; SHA1_BYTES]);

/// Why a text is not the name of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObjectIdError {
    /// It has the length of a SHA-256 name.
    #[error("SHA-256 object ids are not supported; use a repository with the SHA-1 object format")]
    Sha256,
    /// It is not 40 hexadecimal digits in lower case, which is the only way Git writes a name.
    #[error("an object id is 40 lower-case hexadecimal digits")]
    NotLowerHex,
}

/// The bytes of an object belong to a known attack on SHA-1, so that its name proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the object is part of a SHA-1 collision attack")]
pub struct CollisionAttack;

impl ObjectId {
    /// The name with these bytes, as libraries that read object databases hand it over.
    pub const fn from_bytes(bytes: [u8; SHA1_BYTES]) -> Self {
        Self(bytes)
    }

    /// The twenty bytes of the name.
    pub const fn as_bytes(&self) -> &[u8; SHA1_BYTES] {
        &self.0
    }

    /// Computes the name of an object: SHA-1 over `"<kind> <length>\0"` and the content.
    ///
    /// The computation detects the published collision attacks, as Git's own does (`sha1dc`).
    pub fn of(kind: ObjectKind, content: &[u8]) -> Result<Self, CollisionAttack> {
        let mut hash = Sha1CD::default();
        hash.update(format!("{kind} {}\0", content.len()).as_bytes());
        hash.update(content);
        match hash.finalize_cd() {
            Ok(digest) => Ok(Self(digest.into())),
            Err(_) => Err(CollisionAttack),
        }
    }

    pub(crate) fn from_hex(hex: &[u8]) -> Result<Self, ObjectIdError> {
        let mut bytes = [0; SHA1_BYTES];
        if hex.len() != SHA1_BYTES * 2 {
            return Err(
                if hex.len() == SHA256_HEX_DIGITS && hex.iter().all(|&digit| nibble(digit).is_some()) {
                    ObjectIdError::Sha256
                } else {
                    ObjectIdError::NotLowerHex
                },
            );
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let &[high, low] = pair else {
                return Err(ObjectIdError::NotLowerHex);
            };
            let (Some(high), Some(low)) = (nibble(high), nibble(low)) else {
                return Err(ObjectIdError::NotLowerHex);
            };
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(hex: &str) -> Result<Self, ObjectIdError> {
        Self::from_hex(hex.as_bytes())
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_tree_has_its_well_known_name() {
        assert_eq!(
            ObjectId::of(ObjectKind::Tree, b"").unwrap().to_string(),
            "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        );
    }

    #[test]
    fn only_forty_lower_case_digits_are_a_name() {
        let refused = |hex: &str| hex.parse::<ObjectId>().unwrap_err();
        assert_eq!(refused(""), ObjectIdError::NotLowerHex);
        assert_eq!(
            refused("4B825DC642CB6EB9A060E54BF8D69288FBEE4904"),
            ObjectIdError::NotLowerHex
        );
        assert_eq!(
            refused("4b825dc642cb6eb9a060e54bf8d69288fbee490"),
            ObjectIdError::NotLowerHex
        );
        assert_eq!(
            refused("4b825dc642cb6eb9a060e54bf8d69288fbee490g"),
            ObjectIdError::NotLowerHex
        );
        assert_eq!(refused(&"a".repeat(64)), ObjectIdError::Sha256);
    }
}
