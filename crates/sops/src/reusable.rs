//! Sealed values that may stay as they are when a file is sealed anew under the same data key.

use std::collections::{HashMap, VecDeque};

use manifest_yaml::syntax::Comment;
use sha2::{Digest as _, Sha256};

use crate::cipher::Cipher;
use crate::encrypted_value::{EncryptedValue, PREFIX};
use crate::error::StructureError;
use crate::format::{Format, Tree};
use crate::rule::Rule;
use crate::scalar::{Kind, Scalar};
use crate::unseal::MAX_COMMENT_ATTEMPTS;
use crate::walk::{Leaf, Place, Visitor, walk};

/// The sealed forms of a file's values and comments, by what is sealed and where (sops keeps its initialisation vectors
/// for the same end). Equal values at the same place are taken in the order of the file.
#[derive(Default)]
pub(crate) struct Reusable(HashMap<[u8; 32], VecDeque<String>>);

impl Reusable {
    /// What a file holds. It has been authenticated before; what does not open is no value.
    pub(crate) fn collect(tree: &Tree, rule: &Rule, cipher: &Cipher) -> Result<Self, StructureError> {
        let mut collection = Collection {
            cipher,
            format: tree.format(),
            comment_attempts: 0,
            found: Self::default(),
        };
        walk(tree, rule, &mut collection)?;
        Ok(collection.found)
    }

    /// The sealed form of a value, which is then used up.
    pub(crate) fn take(&mut self, associated_data: &str, kind: Kind, plaintext: &[u8]) -> Option<String> {
        self.0
            .get_mut(&fingerprint(associated_data, kind, plaintext))?
            .pop_front()
    }

    fn add(&mut self, associated_data: &str, kind: Kind, plaintext: &[u8], sealed: &str) {
        let forms = self
            .0
            .entry(fingerprint(associated_data, kind, plaintext))
            .or_default();
        forms.push_back(sealed.to_owned());
    }
}

/// Of a value in its place; the plaintext itself need not be kept.
fn fingerprint(associated_data: &str, kind: Kind, plaintext: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [associated_data.as_bytes(), kind.name().as_bytes()] {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.update(plaintext);
    hash.finalize().into()
}

struct Collection<'walk> {
    cipher: &'walk Cipher,
    format: Format,
    comment_attempts: usize,
    found: Reusable,
}

impl Collection<'_> {
    /// Whether a text opens at a place; then it is remembered.
    fn add(&mut self, sealed: &str, associated_data: &str) -> bool {
        let Ok(value) = EncryptedValue::parse(sealed) else {
            return false;
        };
        let kind = value.kind;
        let Ok(plaintext) = self.cipher.open_bytes(value, associated_data) else {
            return false;
        };
        self.found.add(associated_data, kind, &plaintext, sealed);
        true
    }
}

impl<'a> Visitor<'a> for Collection<'_> {
    type Error = StructureError;

    fn scalar(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), StructureError> {
        if let Ok(Some(scalar)) = Scalar::resolve(leaf.node, self.format)
            && scalar.kind() == Kind::String
            && scalar.as_str().starts_with(PREFIX)
        {
            self.add(scalar.as_str(), leaf.place.associated_data());
        }
        Ok(())
    }

    fn comment(&mut self, comment: &'a Comment, place: &Place<'a>) -> Result<(), StructureError> {
        let text = comment.text.trim_end();
        if !text.starts_with(PREFIX) {
            return Ok(());
        }
        for associated_data in place.associated_data_upwards() {
            self.comment_attempts += 1;
            if self.comment_attempts > MAX_COMMENT_ATTEMPTS || self.add(text, associated_data) {
                break;
            }
        }
        Ok(())
    }
}
