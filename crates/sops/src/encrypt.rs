//! From a plain text to the sealed one: only what is to be sealed changes.

use std::ops::Range;

use jiff::Timestamp;
use manifest_yaml::syntax::{CollectionStyle, Comment, Content, Node, ScalarStyle, Stream};
use manifest_yaml::{Edit, Limits, splice};
use zeroize::Zeroizing;

use crate::age::AgeRecipient;
use crate::block::{Block, JsonLayout};
use crate::cipher::Cipher;
use crate::data_key::DataKey;
use crate::encrypted_value::IV_BYTES;
use crate::error::{EncryptError, LeafError, StructureError};
use crate::format::Format;
use crate::mac::Mac;
use crate::metadata;
use crate::plain_text::{double_quoted, line_break_of};
use crate::rule::{MacScope, Rule, Scope};
use crate::scalar::{Kind, Scalar};
use crate::time;
use crate::unseal;
use crate::walk::{Leaf, Place, Sharing, Visitor, is_null, walk};

/// For whom a file is sealed, and what is sealed in it.
#[derive(Debug, Clone)]
pub struct EncryptOptions {
    /// Each of them can open the file alone. Repeated ones count once.
    pub recipients: Vec<AgeRecipient>,
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
/// initialisation vectors come from it. (Wrapping the data key takes the operating system's source besides.)
///
/// The result is read back and authenticated before it is returned.
pub fn encrypt(
    text: &str,
    format: Format,
    options: &EncryptOptions,
    now: Timestamp,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, EncryptError> {
    let stream = format.parse(text, &options.limits).map_err(EncryptError::Parse)?;
    refuse_unfit_documents(&stream)?;
    let recipients = distinct(&options.recipients);
    if recipients.is_empty() {
        return Err(EncryptError::NoRecipients);
    }
    let key = DataKey::generate(random);
    let cipher = Cipher::new(&key);
    let mut sealing = Sealing {
        cipher: &cipher,
        format,
        text_end: text.len(),
        mac: Mac::new(options.mac_scope),
        random,
        values: Vec::new(),
        comments: Vec::new(),
    };
    walk(&stream, &options.rule, &mut sealing)?;
    let Sealing {
        mac,
        values,
        comments,
        ..
    } = sealing;

    let last_modified = time::last_modified(now);
    let block = Block {
        age: recipients
            .into_iter()
            .map(|recipient| {
                Ok((
                    recipient,
                    recipient.wrap(key.expose()).map_err(EncryptError::Wrap)?,
                ))
            })
            .collect::<Result<_, EncryptError>>()?,
        rule: &options.rule,
        mac_scope: options.mac_scope,
        last_modified: &last_modified,
        mac: cipher
            .seal(
                Kind::String,
                &mac.finish(),
                &last_modified,
                initialisation_vector(random),
            )
            .map_err(|_| EncryptError::Cipher)?,
    };
    let mut edits = value_edits(values, comments);
    edits.extend(block_edits(text, format, &stream, &block));
    let sealed = splice(text, edits).map_err(EncryptError::Write)?;
    read_back(&sealed, format, &options.limits, &cipher)?;
    Ok(sealed.to_string())
}

/// sops needs a block in the first document, and takes any text with one for sealed.
fn refuse_unfit_documents(stream: &Stream) -> Result<(), EncryptError> {
    for document in stream.documents() {
        if let Some((key, _)) = metadata::find_block(document) {
            return Err(EncryptError::AlreadySealed {
                position: key.position,
            });
        }
    }
    let first = stream
        .documents()
        .first()
        .and_then(|document| document.root.as_ref());
    match first {
        Some(root) if !is_null(root) => Ok(()),
        _ => Err(EncryptError::EmptyFirstDocument),
    }
}

fn distinct(recipients: &[AgeRecipient]) -> Vec<&AgeRecipient> {
    let mut distinct: Vec<&AgeRecipient> = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        if !distinct.contains(&recipient) {
            distinct.push(recipient);
        }
    }
    distinct
}

fn initialisation_vector(random: &mut dyn FnMut(&mut [u8])) -> [u8; IV_BYTES] {
    let mut iv = [0; IV_BYTES];
    random(&mut iv);
    iv
}

/// The block adds bytes and nodes to the text, so the limits that the plain text kept do not bind the sealed one.
fn read_back(sealed: &str, format: Format, limits: &Limits, cipher: &Cipher) -> Result<(), EncryptError> {
    let limits = Limits {
        max_bytes: limits.max_bytes.saturating_add(sealed.len()),
        max_nodes: limits.max_nodes.saturating_mul(2),
        ..*limits
    };
    let read_back = |error| EncryptError::ReadBack(error);
    let stream = format
        .parse(sealed, &limits)
        .map_err(|error| read_back(crate::error::OpenError::Parse(error)))?;
    unseal::check(&stream, format, cipher).map_err(read_back)
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
    text: String,
    scope: Scope,
}

struct Sealing<'walk> {
    cipher: &'walk Cipher,
    format: Format,
    text_end: usize,
    mac: Mac,
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
        if is_block && node.span.end == self.text_end && !scalar.as_str().ends_with('\n') {
            self.values.push(WrittenValue {
                span: node.span.clone(),
                text: double_quoted(scalar.as_str()).to_string(),
                layout: CollectionStyle::Block,
            });
        }
    }

    fn seal(&mut self, kind: Kind, plaintext: &str, place: &Place<'_>) -> Result<String, EncryptError> {
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
        self.mac.update(&scalar, scope);
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
        let sealed = self.seal(scalar.kind(), scalar.as_str(), leaf.place)?;
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

    fn comment(&mut self, comment: &'a Comment, place: &Place<'a>) -> Result<(), EncryptError> {
        let scope = if comment.text.is_empty() {
            Scope::Clear
        } else {
            place.scope()
        };
        let text = match scope {
            Scope::Sealed => self.seal(Kind::Comment, &comment.text, place)?,
            Scope::Clear => comment.text.clone(),
        };
        self.comments.push(WrittenComment {
            span: comment.span.clone(),
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
                edits.push(edit(comment.span, format!("#{}", comment.text)));
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

/// The block, at the end of every document that has content.
fn block_edits(text: &str, format: Format, stream: &Stream, block: &Block<'_>) -> Vec<Edit> {
    let line_break = line_break_of(text);
    let roots = stream
        .documents()
        .iter()
        .filter_map(|document| document.root.as_ref());
    roots
        .filter_map(|root| match &root.content {
            Content::Mapping {
                entries,
                style: CollectionStyle::Block,
            } => Some(yaml_block_edit(text, root, entries, block, line_break)),
            Content::Mapping { entries, .. } => {
                Some(flow_block_edit(text, format, root, entries, block, line_break))
            }
            _ => None,
        })
        .collect()
}

/// Behind the last line of the document, comments and blank lines included: they may belong to a block scalar.
fn yaml_block_edit(
    text: &str,
    root: &Node,
    entries: &[(Node, Node)],
    block: &Block<'_>,
    line_break: &str,
) -> Edit {
    let mut end = line_end(text, root.span.end);
    while end < text.len() {
        let next = line_end(text, end);
        let content = text.get(end..next).unwrap_or_default().trim();
        if !content.is_empty() && !content.starts_with('#') {
            break;
        }
        end = next;
    }
    let lines = block.to_yaml(indent_of(text, root, entries), line_break);
    let is_at_line_start = text
        .get(..end)
        .is_some_and(|before| before.ends_with(['\n', '\r']));
    edit(
        end..end,
        if is_at_line_start {
            lines
        } else {
            format!("{line_break}{lines}")
        },
    )
}

/// The spaces before the entries of a map. Where it has a tag or an anchor, it begins with that, on a line above.
fn indent_of(text: &str, root: &Node, entries: &[(Node, Node)]) -> usize {
    if root.tag.is_none() && root.anchor.is_none() {
        return usize::try_from(root.position.column.saturating_sub(1)).unwrap_or(0);
    }
    let before = entries
        .first()
        .and_then(|(key, _)| text.get(..key.span.start))
        .unwrap_or_default();
    let line = before
        .rsplit(['\n', '\r'])
        .next()
        .unwrap_or_default()
        .trim_start_matches('\u{feff}');
    line.len() - line.trim_start_matches(' ').len()
}

/// The end of the line at an offset, its line break included: LF, CRLF or CR.
fn line_end(text: &str, offset: usize) -> usize {
    let rest = text.get(offset..).unwrap_or_default();
    match rest.find(['\n', '\r']) {
        None => text.len(),
        Some(at) if rest.get(at..).is_some_and(|end| end.starts_with("\r\n")) => offset + at + 2,
        Some(at) => offset + at + 1,
    }
}

/// Behind the last entry, in the indentation of the first one if that has a line of its own.
fn flow_block_edit(
    text: &str,
    format: Format,
    root: &Node,
    entries: &[(Node, Node)],
    block: &Block<'_>,
    line_break: &str,
) -> Edit {
    let default_unit = match format {
        Format::Json => "\t",
        Format::Yaml => "  ",
    };
    let first_indent = entries.first().and_then(|(key, _)| {
        let (_, indent) = text.get(..key.span.start)?.rsplit_once('\n')?;
        let is_indent = !indent.is_empty() && indent.bytes().all(|byte| matches!(byte, b' ' | b'\t'));
        is_indent.then_some(indent)
    });
    let layout = JsonLayout {
        unit: first_indent.unwrap_or(default_unit),
        line_break,
    };
    let entry = format!("{}{}", layout.start_of_line(1), block.to_json(&layout));
    if let Some((key, value)) = entries.last() {
        let end = value.span.end.max(key.span.end);
        // A value that is left out may have a comment right behind its colon.
        let is_before_comment = text.get(end..).is_some_and(|rest| rest.starts_with('#'));
        let space = if is_before_comment { " " } else { "" };
        edit(end..end, format!(",{entry}{space}"))
    } else {
        let end = root.span.end.saturating_sub(1);
        edit(end..end, format!("{entry}{}", layout.start_of_line(0)))
    }
}

impl From<StructureError> for EncryptError {
    fn from(error: StructureError) -> Self {
        Self::Structure(error)
    }
}
