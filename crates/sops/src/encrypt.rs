//! From a plain text to the sealed one: only what is to be sealed changes.

use std::ops::Range;

use jiff::Timestamp;
use manifest_yaml::syntax::{CollectionStyle, Comment, Content, Node, ScalarStyle};
use manifest_yaml::{Edit, Limits, ParseError, Position, splice};
use zeroize::Zeroizing;

use crate::block::{Block, NewBlock};
use crate::block_edits;
use crate::cipher::Cipher;
use crate::data_key::DataKey;
use crate::encrypted_value::IV_BYTES;
use crate::error::{EncryptError, LeafError, OpenError, StructureError};
use crate::format::{Format, SyntaxError, Tree, ini};
use crate::kept_blocks::KeptBlocks;
use crate::mac::Mac;
use crate::metadata::Metadata;
use crate::plain_text::double_quoted;
use crate::recipients::RecipientGroups;
use crate::reusable::Reusable;
use crate::rule::{MacScope, Rule, Scope};
use crate::scalar::{Kind, Scalar};
use crate::time;
use crate::unseal::{self, PAYLOAD_KEY};
use crate::walk::{Leaf, Place, Sharing, Visitor, is_null, walk};

/// For whom a file is sealed, and what is sealed in it.
#[derive(Debug, Clone)]
pub struct EncryptOptions {
    /// Who can open the file.
    pub recipients: RecipientGroups,
    /// What is sealed.
    pub rule: Rule,
    /// What the message authentication code covers.
    pub mac_scope: MacScope,
    /// How much the plain text may ask of the reader.
    pub limits: Limits,
}

/// Seals a plain text under a new data key, as `sops encrypt` does, and keeps every other byte: order, indentation,
/// clear comments, quotes and line ends.
///
/// Comments in the rule's scope are sealed too. sops decides by go-yaml's reading which map a comment belongs to, and
/// leaves those that it places otherwise sealed when it decrypts; [`decrypt`](crate::decrypt()) opens all. Comments
/// inside a node that an alias refers to stay clear.
///
/// `now` becomes `lastmodified`. `random` fills a buffer with bytes that nobody can predict: the data key and the
/// initialisation vectors come from it, and the shares of several key groups. (Wrapping the data key takes the operating system's source besides.)
///
/// The result is read back and authenticated before it is returned.
///
/// A binary file is sealed whole, whatever the rule; for one that is not UTF-8 there is [`encrypt_bytes`].
pub fn encrypt(
    text: &str,
    format: Format,
    options: &EncryptOptions,
    now: Timestamp,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, EncryptError> {
    let plain = match format {
        Format::Binary => Plain::Payload(text.as_bytes()),
        _ => Plain::Text(text),
    };
    seal_new(&plain, format, options, now, random)
}

/// [`encrypt`](crate::encrypt()) for a file that need not be text. Only the binary format takes one that is not UTF-8.
pub fn encrypt_bytes(
    plain: &[u8],
    format: Format,
    options: &EncryptOptions,
    now: Timestamp,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, EncryptError> {
    seal_new(&Plain::read(plain, format)?, format, options, now, random)
}

/// Seals under a new data key. Rules do not apply to binary files.
fn seal_new(
    plain: &Plain<'_>,
    format: Format,
    options: &EncryptOptions,
    now: Timestamp,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, EncryptError> {
    let (rule, mac_scope) = match plain {
        Plain::Text(_) => (options.rule.clone(), options.mac_scope),
        Plain::Payload(_) => (Rule::default(), MacScope::AllValues),
    };
    if options.recipients.iter().next().is_none() {
        return Err(EncryptError::NoRecipients);
    }
    let key = DataKey::generate(random);
    let last_modified = time::last_modified(now);
    let terms = Terms {
        cipher: &Cipher::new(&key),
        rule: &rule,
        mac_scope,
        limits: &options.limits,
        last_modified: &last_modified,
    };
    let block = |mac, random: &mut dyn FnMut(&mut [u8])| {
        let keys = options
            .recipients
            .wrap(&key, random)
            .map_err(EncryptError::Wrap)?;
        Ok(NewBlock {
            keys,
            rule: &rule,
            mac_scope,
            last_modified: &last_modified,
            mac,
        }
        .into_block())
    };
    seal(plain, format, &terms, &mut Former::default(), block, random)
}

/// What is sealed.
pub(crate) enum Plain<'a> {
    /// A text whose values are sealed one by one.
    Text(&'a str),
    /// The content of a binary file.
    Payload(&'a [u8]),
}

impl<'a> Plain<'a> {
    /// Only a binary file need not be text.
    pub(crate) fn read(plain: &'a [u8], format: Format) -> Result<Self, EncryptError> {
        if format == Format::Binary {
            return Ok(Self::Payload(plain));
        }
        str::from_utf8(plain).map(Self::Text).map_err(|error| {
            let valid = plain.get(..error.valid_up_to()).unwrap_or_default();
            let valid = Zeroizing::new(String::from_utf8_lossy(valid).into_owned());
            let position = Position::START.after(&valid);
            EncryptError::Parse(SyntaxError::Document(ParseError::NotUtf8 { position }))
        })
    }
}

/// How it is sealed.
pub(crate) struct Terms<'a> {
    pub(crate) cipher: &'a Cipher,
    pub(crate) rule: &'a Rule,
    pub(crate) mac_scope: MacScope,
    pub(crate) limits: &'a Limits,
    pub(crate) last_modified: &'a str,
}

/// What a file was before it was changed, as far as it may stay.
#[derive(Default)]
pub(crate) struct Former {
    pub(crate) reusable: Reusable,
    pub(crate) blocks: KeptBlocks,
}

/// Seals values, and writes the block that `block` makes of their message authentication code. What `former` has stays
/// in the form that it has there.
pub(crate) fn seal(
    plain: &Plain<'_>,
    format: Format,
    terms: &Terms<'_>,
    former: &mut Former,
    block: impl FnOnce(String, &mut dyn FnMut(&mut [u8])) -> Result<Block, EncryptError>,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, EncryptError> {
    let place;
    let (text, payload) = match plain {
        Plain::Text(text) => (*text, None),
        // A JSON object with the bytes as `data`, laid out as sops does it.
        Plain::Payload(payload) => {
            let value = if payload.is_empty() { "\"\"" } else { "\"data\"" };
            place = format!("{{\n\t\"{PAYLOAD_KEY}\": {value}\n}}\n");
            (place.as_str(), Some(*payload))
        }
    };
    let tree = format.parse(text, terms.limits).map_err(EncryptError::Parse)?;
    refuse_unfit_documents(&tree)?;
    let mut sealing = Sealing {
        cipher: terms.cipher,
        format,
        rule: terms.rule,
        text,
        payload,
        mac: Mac::new(terms.mac_scope),
        reusable: &mut former.reusable,
        random,
        values: Vec::new(),
        comments: Vec::new(),
    };
    walk(&tree, terms.rule, &mut sealing)?;
    let Sealing {
        mac,
        values,
        comments,
        random,
        ..
    } = sealing;
    let mac = terms
        .cipher
        .seal(
            Kind::String,
            mac.finish().as_bytes(),
            terms.last_modified,
            initialisation_vector(random),
        )
        .map_err(|_| EncryptError::Cipher)?;
    let block = block(mac, random)?;
    let mut edits = value_edits(values, comments);
    edits.extend(block_edits::additions(text, &tree, &block, &former.blocks)?);
    let sealed = splice(text, edits).map_err(EncryptError::Write)?;
    read_back(&sealed, format, terms)?;
    Ok(sealed.to_string())
}

/// sops needs a block in the first document, and takes any text with one for sealed.
fn refuse_unfit_documents(tree: &Tree) -> Result<(), EncryptError> {
    for document in tree.documents() {
        if let Some((key, _)) = tree.find_block(document) {
            return Err(EncryptError::AlreadySealed {
                position: key.position,
            });
        }
    }
    let first = tree
        .documents()
        .first()
        .and_then(|document| document.root.as_ref());
    match first {
        Some(root) if !is_null(root) => Ok(()),
        _ => Err(EncryptError::EmptyFirstDocument),
    }
}

fn initialisation_vector(random: &mut dyn FnMut(&mut [u8])) -> [u8; IV_BYTES] {
    let mut iv = [0; IV_BYTES];
    random(&mut iv);
    iv
}

/// The block adds bytes and nodes to the text, so the limits that the plain text kept do not bind the sealed one.
fn read_back(sealed: &str, format: Format, terms: &Terms<'_>) -> Result<(), EncryptError> {
    let limits = Limits {
        max_bytes: terms.limits.max_bytes.saturating_add(sealed.len()),
        max_nodes: terms.limits.max_nodes.saturating_mul(2).saturating_add(100),
        ..*terms.limits
    };
    let tree = format
        .parse(sealed, &limits)
        .map_err(|error| EncryptError::ReadBack(OpenError::Parse(error)))?;
    unseal::check(&tree, terms.cipher).map_err(EncryptError::ReadBack)?;
    let metadata =
        Metadata::read(&tree).map_err(|error| EncryptError::ReadBack(OpenError::Metadata(error)))?;
    match metadata {
        Some(metadata) if metadata.rule() == terms.rule => Ok(()),
        _ => Err(EncryptError::UnwritableRule),
    }
}

/// A value and the text that is to stand for it.
struct WrittenValue {
    span: Range<usize>,
    text: String,
    /// In flow, something may follow on the same line.
    layout: CollectionStyle,
}

/// A comment and the text that is to stand for it: sealed, or as it was.
struct WrittenComment {
    span: Range<usize>,
    /// What it starts with: `#`, but in ini files, and where sops has it as an item of a list.
    mark: String,
    text: String,
    scope: Scope,
}

struct Sealing<'walk> {
    cipher: &'walk Cipher,
    format: Format,
    rule: &'walk Rule,
    text: &'walk str,
    payload: Option<&'walk [u8]>,
    mac: Mac,
    reusable: &'walk mut Reusable,
    random: &'walk mut dyn FnMut(&mut [u8]),
    values: Vec<WrittenValue>,
    comments: Vec<WrittenComment>,
}

impl Sealing<'_> {
    /// Keeps a clear block scalar what it is if the text ends in its last line: once lines follow, it would have a line
    /// break at its end.
    fn keep_without_line_break(&mut self, node: &Node, scalar: &Scalar<'_>) {
        let is_block = matches!(
            node.content,
            Content::Scalar {
                style: ScalarStyle::Literal | ScalarStyle::Folded,
                ..
            }
        );
        if is_block && node.span.end == self.text.len() && !scalar.as_str().ends_with('\n') {
            self.values.push(WrittenValue {
                span: node.span.clone(),
                text: double_quoted(scalar.as_str()).to_string(),
                layout: CollectionStyle::Block,
            });
        }
    }

    fn seal(&mut self, kind: Kind, plaintext: &[u8], place: &Place<'_>) -> Result<String, EncryptError> {
        let kept = match kind {
            // It may have been taken for one of a map further up.
            Kind::Comment => place
                .associated_data_upwards()
                .find_map(|associated_data| self.reusable.take(associated_data, kind, plaintext)),
            // A float without a fraction reads like an integer in a plain text, as with sops.
            Kind::Integer => [Kind::Integer, Kind::Float]
                .into_iter()
                .find_map(|kind| self.reusable.take(place.associated_data(), kind, plaintext)),
            _ => self.reusable.take(place.associated_data(), kind, plaintext),
        };
        if let Some(sealed) = kept {
            return Ok(sealed);
        }
        let iv = initialisation_vector(self.random);
        self.cipher
            .seal(kind, plaintext, place.associated_data(), iv)
            .map_err(|_| EncryptError::Cipher)
    }
}

impl<'a> Visitor<'a> for Sealing<'_> {
    type Error = EncryptError;

    fn scalar(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), EncryptError> {
        let failed = |error| EncryptError::Leaf {
            position: leaf.node.position,
            path: leaf.place.path(),
            error,
        };
        let Some(scalar) = Scalar::resolve(leaf.node, self.format).map_err(failed)? else {
            return Ok(());
        };
        let scope = leaf.place.scope();
        let plaintext = self.payload.unwrap_or(scalar.as_str().as_bytes());
        self.mac.update_bytes(plaintext, scope);
        if scope == Scope::Clear {
            self.keep_without_line_break(leaf.node, &scalar);
            return Ok(());
        }
        if scalar.is_empty() {
            return Ok(());
        }
        if leaf.place.sharing() == Sharing::Shared {
            return Err(failed(LeafError::Alias));
        }
        let sealed = self.seal(scalar.kind(), plaintext, leaf.place)?;
        self.values.push(WrittenValue {
            span: leaf.node.span.clone(),
            text: match leaf.place.layout() {
                CollectionStyle::Block => sealed,
                CollectionStyle::Flow => format!("\"{sealed}\""),
            },
            layout: leaf.place.layout(),
        });
        Ok(())
    }

    fn ambiguous_comment(&mut self, comment: &'a Comment) -> Result<(), EncryptError> {
        Err(EncryptError::AmbiguousComment {
            rule: self.rule.field(),
            position: comment.position,
        })
    }

    fn comment(&mut self, comment: &'a Comment, place: &Place<'a>) -> Result<(), EncryptError> {
        let scope = if comment.text.is_empty() {
            Scope::Clear
        } else {
            place.scope()
        };
        let text = match scope {
            Scope::Sealed => self.seal(Kind::Comment, comment.text.as_bytes(), place)?,
            Scope::Clear => comment.text.clone(),
        };
        let as_item = match scope {
            Scope::Sealed => self.reusable.item_lead(&text).map(str::to_owned),
            Scope::Clear => None,
        };
        // Its sealed form must not decide where its plain one did not.
        if scope == Scope::Sealed
            && self
                .rule
                .comment_regex()
                .is_some_and(|regex| regex.is_match(&text))
        {
            return Err(EncryptError::SealedCommentMatches {
                position: comment.position,
            });
        }
        self.comments.push(WrittenComment {
            span: comment.span.clone(),
            mark: match (self.format, as_item) {
                (_, Some(lead)) => lead,
                (Format::Ini, None) => {
                    ini::comment_mark(self.text.get(comment.span.clone()).unwrap_or_default()).to_owned()
                }
                (_, None) => "#".to_owned(),
            },
            text,
            scope,
        });
        Ok(())
    }
}

/// Values and comments in their places. A comment inside a value, as beside the header of a block scalar, goes behind
/// the sealed value.
fn value_edits(mut values: Vec<WrittenValue>, comments: Vec<WrittenComment>) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(values.len() + comments.len());
    for comment in comments {
        let following = values.partition_point(|value| value.span.start <= comment.span.start);
        let around = following
            .checked_sub(1)
            .and_then(|index| values.get_mut(index))
            .filter(|value| value.span.end >= comment.span.end);
        match around {
            Some(value) => {
                value.text.push_str(" #");
                value.text.push_str(&comment.text);
                if value.layout == CollectionStyle::Flow {
                    value.text.push_str("\n ");
                }
            }
            None if comment.scope == Scope::Sealed => {
                edits.push(edit(comment.span, format!("{}{}", comment.mark, comment.text)));
            }
            None => {}
        }
    }
    edits.extend(values.into_iter().map(|value| edit(value.span, value.text)));
    edits
}

fn edit(range: Range<usize>, replacement: String) -> Edit {
    Edit {
        range,
        replacement: Zeroizing::new(replacement),
    }
}

impl From<StructureError> for EncryptError {
    fn from(error: StructureError) -> Self {
        Self::Structure(error)
    }
}
