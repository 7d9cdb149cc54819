//! Sealed values that may stay as they are when a file is sealed anew under the same data key.

use std::collections::{HashMap, VecDeque};

use manifest_yaml::syntax::{CollectionStyle, Comment};
use sha2::{Digest as _, Sha256};

use crate::cipher::Cipher;
use crate::encrypted_value::{EncryptedValue, PREFIX};
use crate::error::StructureError;
use crate::format::{Format, Tree};
use crate::rule::Rule;
use crate::scalar::{Kind, Scalar};
use crate::unseal::MAX_COMMENT_ATTEMPTS;
use crate::walk::{Leaf, Parent, Place, Visitor, walk};

/// The sealed forms of a file's values and comments, by what is sealed and where (sops keeps its initialisation vectors
/// for the same end). Equal values at the same place are taken in the order of the file.
#[derive(Default)]
pub(crate) struct Reusable {
    forms: HashMap<[u8; 32], VecDeque<String>>,
    /// What stands before a sealed comment that sops wrote as an item of a list: a dash and blanks.
    item_leads: HashMap<String, String>,
}

impl Reusable {
    /// What a file holds. It has been authenticated before; what does not open is no value.
    pub(crate) fn collect(
        text: &str,
        tree: &Tree,
        rule: &Rule,
        cipher: &Cipher,
    ) -> Result<Self, StructureError> {
        let mut collection = Collection {
            text,
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
        self.forms
            .get_mut(&fingerprint(associated_data, kind, plaintext))?
            .pop_front()
    }

    /// What stands before a sealed comment, if it was an item of a list.
    pub(crate) fn item_lead(&self, sealed: &str) -> Option<&str> {
        self.item_leads.get(sealed).map(String::as_str)
    }

    /// The same with comments as comments everywhere, if any was an item of a list.
    pub(crate) fn without_items(&self) -> Option<Self> {
        (!self.item_leads.is_empty()).then(|| Self {
            forms: self.forms.clone(),
            item_leads: HashMap::new(),
        })
    }

    fn add(&mut self, associated_data: &str, kind: Kind, plaintext: &[u8], sealed: &str) {
        let forms = self
            .forms
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
    text: &'walk str,
    cipher: &'walk Cipher,
    format: Format,
    comment_attempts: usize,
    found: Reusable,
}

impl Collection<'_> {
    /// What stands before an item of a block list on its line: a dash and blanks.
    fn item_lead(&self, leaf: &Leaf<'_, '_>) -> Option<&str> {
        let (Parent::List(_), CollectionStyle::Block) = (leaf.parent, leaf.place.layout()) else {
            return None;
        };
        let before = self.text.get(..leaf.node.span.start)?;
        let dash = before.trim_end_matches(' ').strip_suffix('-')?.len();
        before.get(dash..)
    }

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
            let opens = self.add(scalar.as_str(), leaf.place.associated_data());
            let is_comment =
                || EncryptedValue::parse(scalar.as_str()).is_ok_and(|it| it.kind == Kind::Comment);
            if opens
                && is_comment()
                && let Some(lead) = self.item_lead(leaf).map(str::to_owned)
            {
                self.found.item_leads.insert(scalar.as_str().to_owned(), lead);
            }
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
