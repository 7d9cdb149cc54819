//! The step that everything rests on: all sealed values of a file, opened and authenticated.

use std::ops::Range;

use manifest_yaml::Position;
use manifest_yaml::syntax::{CollectionStyle, Comment, Node, Stream};

use crate::cipher::Cipher;
use crate::data_key::{self, DataKeySource};
use crate::encrypted_value::{EncryptedValue, PREFIX};
use crate::error::{LeafError, OpenError, StructureError};
use crate::format::Format;
use crate::mac::Mac;
use crate::metadata::{self, Metadata};
use crate::rule::Scope;
use crate::scalar::{Kind, Scalar};
use crate::walk::{Leaf, Parent, Place, Sharing, Visitor, walk};

/// Most attempts at sealed comments in a file. A comment has several where it may have been sealed for another place;
/// see [`Unsealing::comment`].
const MAX_COMMENT_ATTEMPTS: usize = 10_000;

/// The sealed values of a file whose message authentication code fits. Only [`unseal`] makes one.
pub(crate) struct Unsealed<'a> {
    /// In the order of the file.
    pub(crate) leaves: Vec<UnsealedLeaf<'a>>,
    /// Sealed comments that could be opened.
    pub(crate) comments: Vec<UnsealedComment>,
}

/// One sealed value.
pub(crate) struct UnsealedLeaf<'a> {
    pub(crate) node: &'a Node,
    pub(crate) parent: Parent<'a>,
    pub(crate) layout: CollectionStyle,
    pub(crate) scalar: Scalar<'static>,
}

/// One sealed comment.
pub(crate) struct UnsealedComment {
    pub(crate) span: Range<usize>,
    pub(crate) scalar: Scalar<'static>,
}

/// Whether sealed comments are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comments {
    Opened,
    Ignored,
}

/// Opens all sealed values of a file, and checks its message authentication code.
pub(crate) fn unseal<'a>(
    stream: &'a Stream,
    format: Format,
    keys: &dyn DataKeySource,
    comments: Comments,
) -> Result<Unsealed<'a>, OpenError> {
    let metadata = read_metadata(stream)?;
    let key = data_key::recover(&metadata.key_groups, keys).map_err(OpenError::DataKey)?;
    unseal_with(stream, format, &metadata, &Cipher::new(&key), comments)
}

/// Checks that a file opens with a data key: what was just sealed is read back before anybody relies on it.
pub(crate) fn check(stream: &Stream, format: Format, cipher: &Cipher) -> Result<(), OpenError> {
    let metadata = read_metadata(stream)?;
    unseal_with(stream, format, &metadata, cipher, Comments::Ignored).map(drop)
}

fn read_metadata(stream: &Stream) -> Result<Metadata, OpenError> {
    let metadata = Metadata::read(stream)
        .map_err(OpenError::Metadata)?
        .ok_or(OpenError::NotSealed)?;
    refuse_documents_sealed_apart(stream, &metadata)?;
    Ok(metadata)
}

fn unseal_with<'a>(
    stream: &'a Stream,
    format: Format,
    metadata: &Metadata,
    cipher: &Cipher,
    comments: Comments,
) -> Result<Unsealed<'a>, OpenError> {
    let mut unsealing = Unsealing {
        cipher,
        format,
        comments,
        comment_attempts: 0,
        mac: Mac::new(metadata.mac_scope),
        unsealed: Unsealed {
            leaves: Vec::new(),
            comments: Vec::new(),
        },
    };
    walk(stream, &metadata.rule, &mut unsealing)?;
    let Unsealing { mac, unsealed, .. } = unsealing;
    let expected = open_mac(cipher, metadata).map_err(|error| OpenError::UnreadableMac {
        position: metadata.mac_position,
        error,
    })?;
    if mac.verify(expected.as_str()) {
        Ok(unsealed)
    } else {
        Err(OpenError::MacMismatch)
    }
}

fn open_mac(cipher: &Cipher, metadata: &Metadata) -> Result<Scalar<'static>, LeafError> {
    let sealed = EncryptedValue::parse(&metadata.mac).map_err(LeafError::Encoding)?;
    cipher.open(sealed, &metadata.last_modified)
}

/// sops writes the same block into every document. One with another MAC comes from another run, with another data key.
fn refuse_documents_sealed_apart(stream: &Stream, metadata: &Metadata) -> Result<(), OpenError> {
    for document in stream.documents().iter().skip(1) {
        let Some((key, block)) = metadata::find_block(document) else {
            continue;
        };
        let mac = block
            .as_entries()
            .and_then(|fields| fields.iter().find(|(field, _)| field.as_scalar() == Some("mac")))
            .and_then(|(_, mac)| mac.as_scalar());
        if mac != Some(&metadata.mac) {
            return Err(OpenError::SealedApart {
                position: key.position,
            });
        }
    }
    Ok(())
}

struct Unsealing<'a, 'walk> {
    cipher: &'walk Cipher,
    format: Format,
    comments: Comments,
    comment_attempts: usize,
    mac: Mac,
    unsealed: Unsealed<'a>,
}

impl<'a> Unsealing<'a, '_> {
    fn leaf(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), LeafError> {
        let Some(written) = Scalar::resolve(leaf.node, self.format)? else {
            return Ok(());
        };
        let scope = leaf.place.scope();
        if scope == Scope::Clear || (written.kind() == Kind::String && written.is_empty()) {
            self.mac.update(&written, scope);
            return Ok(());
        }
        if written.kind() != Kind::String {
            return Err(LeafError::Clear {
                kind: written.kind().name(),
            });
        }
        let sealed = EncryptedValue::parse(written.as_str()).map_err(LeafError::Encoding)?;
        if leaf.place.sharing() == Sharing::Shared {
            return Err(LeafError::Alias);
        }
        let scalar = self.cipher.open(sealed, leaf.place.associated_data())?;
        match (scalar.kind(), leaf.parent) {
            (Kind::Float, _) if self.format == Format::Json && !scalar.is_finite() => {
                return Err(LeafError::NotFinite);
            }
            // sops up to 3.13 seals the comments of a list as items of it.
            (Kind::Comment, Parent::List(_)) => {}
            (Kind::Comment, Parent::Map(_)) => return Err(LeafError::UnexpectedComment),
            _ => self.mac.update(&scalar, scope),
        }
        self.unsealed.leaves.push(UnsealedLeaf {
            node: leaf.node,
            parent: leaf.parent,
            layout: leaf.place.layout(),
            scalar,
        });
        Ok(())
    }

    fn open_comment(&mut self, text: &str, associated_data: &str) -> Option<Scalar<'static>> {
        self.comment_attempts += 1;
        let sealed = EncryptedValue::parse(text).ok()?;
        let scalar = self.cipher.open(sealed, associated_data).ok()?;
        (scalar.kind() == Kind::Comment).then_some(scalar)
    }
}

impl<'a> Visitor<'a> for Unsealing<'a, '_> {
    type Error = OpenError;

    fn scalar(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), OpenError> {
        self.leaf(leaf)
            .map_err(|error| at(leaf.node.position, leaf.place, error))
    }

    /// Opens a sealed comment. Which map a comment belongs to is a matter of taste: a comment below the last value of
    /// a map may belong to the map around it, so the places above are tried too. One that fits nowhere is taken as a
    /// clear one, as sops does; comments are not under the message authentication code.
    fn comment(&mut self, comment: &'a Comment, place: &Place<'a>) -> Result<(), OpenError> {
        if self.comments == Comments::Ignored || !comment.text.starts_with(PREFIX) {
            return Ok(());
        }
        let text = comment.text.trim_end();
        let opened = place.associated_data_upwards().find_map(|associated_data| {
            let is_allowed = self.comment_attempts < MAX_COMMENT_ATTEMPTS;
            is_allowed
                .then(|| self.open_comment(text, associated_data))
                .flatten()
        });
        if let Some(scalar) = opened {
            self.unsealed.comments.push(UnsealedComment {
                span: comment.span.clone(),
                scalar,
            });
        }
        Ok(())
    }
}

fn at(position: Position, place: &Place<'_>, error: LeafError) -> OpenError {
    OpenError::Leaf {
        position,
        path: place.path(),
        error,
    }
}

impl From<StructureError> for OpenError {
    fn from(error: StructureError) -> Self {
        Self::Structure(error)
    }
}
