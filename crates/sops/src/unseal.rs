//! The step that everything rests on: all sealed values of a file, opened and authenticated.

use std::ops::Range;

use manifest_yaml::Position;
use manifest_yaml::syntax::{CollectionStyle, Comment, Content, Node, ScalarStyle};
use zeroize::Zeroizing;

use crate::cipher::Cipher;
use crate::data_key::{self, DataKeySource};
use crate::encrypted_value::{EncryptedValue, PREFIX};
use crate::error::{LeafError, OpenError, StructureError};
use crate::format::{Format, Tree};
use crate::key_path::{KeyPath, PathStep};
use crate::mac::Mac;
use crate::metadata::Metadata;
use crate::rule::Scope;
use crate::scalar::{Kind, Scalar};
use crate::walk::{Leaf, Parent, Place, Sharing, Visitor, walk};

/// Most attempts at sealed comments in a file. A comment has several where it may have been sealed for another place;
/// see [`Unsealing::comment`].
pub(crate) const MAX_COMMENT_ATTEMPTS: usize = 10_000;

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
    /// Where it is, in formats that may have no form for a value; empty in the others, which cannot fail.
    pub(crate) path: KeyPath,
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

/// What tells a sealed value from a clear one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scoping {
    /// The rule, by the keys above it.
    ByPlace,
    /// That it has the form of a sealed one. Under a rule by comments, which may be read in more ways than one and are
    /// not authenticated, this opens what was sealed, however the writer read them. A value that was put in clear, or
    /// sealed elsewhere, still fails the authentication of the value or of the file.
    ByForm,
}

/// Opens all sealed values of a file, and checks its message authentication code.
pub(crate) fn unseal<'a>(
    tree: &'a Tree,
    keys: &dyn DataKeySource,
    comments: Comments,
) -> Result<Unsealed<'a>, OpenError> {
    let metadata = read_metadata(tree)?;
    let key = data_key::recover(&metadata.key_groups, keys).map_err(OpenError::DataKey)?;
    unseal_with(tree, &metadata, &Cipher::new(&key), comments)
}

/// The key of a sealed binary file's content.
pub(crate) const PAYLOAD_KEY: &str = "data";

/// What the content of a binary file is authenticated with.
const PAYLOAD_ASSOCIATED_DATA: &str = "data:";

/// The content of a binary file, which need not be text.
pub(crate) fn unseal_payload(tree: &Tree, keys: &dyn DataKeySource) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let metadata = read_metadata(tree)?;
    let key = data_key::recover(&metadata.key_groups, keys).map_err(OpenError::DataKey)?;
    open_payload(tree, &metadata, &Cipher::new(&key))
}

fn open_payload(tree: &Tree, metadata: &Metadata, cipher: &Cipher) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (node, written) = find_payload(tree)?;
    let failed = |error| OpenError::Leaf {
        position: node.position,
        path: KeyPath::from_iter([PathStep::Key(PAYLOAD_KEY.to_owned())]),
        error,
    };
    let scope = if metadata.rule.matches(PAYLOAD_KEY) {
        metadata.rule.scope_with_match()
    } else {
        metadata.rule.scope_without_match()
    };
    let payload = if written.is_empty() || scope == Scope::Clear {
        Zeroizing::new(written.as_bytes().to_vec())
    } else {
        let sealed = EncryptedValue::parse(written).map_err(|error| failed(LeafError::Encoding(error)))?;
        cipher
            .open_bytes(sealed, PAYLOAD_ASSOCIATED_DATA)
            .map_err(failed)?
    };
    let mut mac = Mac::new(metadata.mac_scope);
    mac.update_bytes(&payload, scope);
    verify(mac, cipher, metadata)?;
    Ok(payload)
}

/// The one entry of a binary file beside the block.
pub(crate) fn find_payload(tree: &Tree) -> Result<(&Node, &str), OpenError> {
    let not_binary = |position| OpenError::Structure(StructureError::NotBinary { position });
    let root = tree
        .documents()
        .first()
        .and_then(|document| document.root.as_ref());
    let mut payload = None;
    for (key, value) in root.and_then(Node::as_entries).unwrap_or_default() {
        let is_payload = key.as_scalar() == Some(PAYLOAD_KEY);
        match &value.content {
            Content::Scalar {
                text,
                style: ScalarStyle::DoubleQuoted,
            } if is_payload => payload = Some((value, text.as_str())),
            _ if tree.is_block_key(key) => {}
            _ => return Err(not_binary(key.position)),
        }
    }
    payload.ok_or_else(|| not_binary(root.map_or(Position::START, |root| root.position)))
}

/// Checks that a file opens with a data key: what was just sealed is read back before anybody relies on it.
pub(crate) fn check(tree: &Tree, cipher: &Cipher) -> Result<(), OpenError> {
    let metadata = read_metadata(tree)?;
    if tree.format() == Format::Binary {
        return open_payload(tree, &metadata, cipher).map(drop);
    }
    unseal_with(tree, &metadata, cipher, Comments::Ignored).map(drop)
}

/// The block of a sealed file, the same in all of its documents.
pub(crate) fn read_metadata(tree: &Tree) -> Result<Metadata, OpenError> {
    let metadata = Metadata::read(tree)
        .map_err(OpenError::Metadata)?
        .ok_or(OpenError::NotSealed)?;
    refuse_documents_sealed_apart(tree, &metadata)?;
    Ok(metadata)
}

fn unseal_with<'a>(
    tree: &'a Tree,
    metadata: &Metadata,
    cipher: &Cipher,
    comments: Comments,
) -> Result<Unsealed<'a>, OpenError> {
    let mut unsealing = Unsealing {
        cipher,
        format: tree.format(),
        scoping: match metadata.rule.comment_regex() {
            None => Scoping::ByPlace,
            Some(_) => Scoping::ByForm,
        },
        comments,
        comment_attempts: 0,
        mac: Mac::new(metadata.mac_scope),
        unsealed: Unsealed {
            leaves: Vec::new(),
            comments: Vec::new(),
        },
    };
    walk(tree, &metadata.rule, &mut unsealing)?;
    let Unsealing { mac, unsealed, .. } = unsealing;
    verify(mac, cipher, metadata)?;
    Ok(unsealed)
}

/// Compares the code of the values with that of the file.
fn verify(mac: Mac, cipher: &Cipher, metadata: &Metadata) -> Result<(), OpenError> {
    let expected = open_mac(cipher, metadata).map_err(|error| OpenError::UnreadableMac {
        position: metadata.mac_position,
        error,
    })?;
    if mac.verify(expected.as_str()) {
        Ok(())
    } else {
        Err(OpenError::MacMismatch)
    }
}

fn open_mac(cipher: &Cipher, metadata: &Metadata) -> Result<Scalar<'static>, LeafError> {
    let sealed = EncryptedValue::parse(&metadata.mac).map_err(LeafError::Encoding)?;
    cipher.open(sealed, &metadata.last_modified)
}

/// sops writes the same block into every document. One with another MAC comes from another run, with another data key.
fn refuse_documents_sealed_apart(tree: &Tree, metadata: &Metadata) -> Result<(), OpenError> {
    for document in tree.documents().iter().skip(1) {
        let Some((key, block)) = tree.find_block(document) else {
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
    scoping: Scoping,
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
        let scope = match self.scoping {
            Scoping::ByPlace => leaf.place.scope(),
            Scoping::ByForm if written.kind() == Kind::String && written.as_str().starts_with(PREFIX) => {
                Scope::Sealed
            }
            Scoping::ByForm => Scope::Clear,
        };
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
            (Kind::Float, _)
                if matches!(self.format, Format::Json | Format::Binary) && !scalar.is_finite() =>
            {
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
            path: match self.format {
                Format::Dotenv | Format::Ini => leaf.place.path(),
                Format::Yaml | Format::Json | Format::Binary => KeyPath::default(),
            },
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
