//! Why a file cannot be opened or sealed. Errors hold places, keys and key paths; never a value.

use manifest_yaml::{Position, ScalarError, SpliceError};
use thiserror::Error;

use crate::age::WrapError;
use crate::data_key::DataKeyError;
use crate::encrypted_value::EncryptedValueError;
use crate::format::SyntaxError;
use crate::key_path::KeyPath;
use crate::metadata::MetadataError;

/// Why a sealed file cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The text is not of its format, or crosses a limit.
    #[error("failed to parse the sealed file")]
    Parse(#[source] SyntaxError),
    /// There is no `sops` block in the first document, where sops looks for it.
    #[error("failed to open the file: its first document has no sops block")]
    NotSealed,
    /// Documents that were sealed one by one and then put into one file; sops cannot open that either.
    #[error(
        "failed to open the document at {position}: it was sealed apart from the first one; open the files one by one, \
         join them, and seal them together"
    )]
    SealedApart {
        /// The `sops` block that differs from the first one.
        position: Position,
    },
    /// The `sops` block cannot be used.
    #[error("failed to read the sops block")]
    Metadata(#[source] MetadataError),
    /// The documents are not of a form that sops has.
    #[error("failed to walk the sealed file")]
    Structure(#[source] StructureError),
    /// No key, or a broken one.
    #[error("failed to recover the data key")]
    DataKey(#[source] DataKeyError),
    /// A value cannot be opened.
    #[error("failed to open {path} at {position}")]
    Leaf {
        /// Where it is.
        position: Position,
        /// Which value it is.
        path: KeyPath,
        /// Why.
        #[source]
        error: LeafError,
    },
    /// The message authentication code of the file cannot be opened.
    #[error("failed to open the file's message authentication code at {position}")]
    UnreadableMac {
        /// The `mac` of the `sops` block.
        position: Position,
        /// Why.
        #[source]
        error: LeafError,
    },
    /// The values are not those that were sealed: one was changed, added, removed, moved or taken from another file.
    #[error("failed to authenticate the file: its values do not fit its message authentication code")]
    MacMismatch,
    /// A binary file whose content is not UTF-8, where a text is asked for.
    #[error("failed to read the opened file: it is not UTF-8")]
    NotText,
    /// The opened values cannot be put into the text.
    #[error("failed to write the opened file")]
    Write(#[source] SpliceError),
}

/// Why a plain file cannot be sealed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EncryptError {
    /// The text is not of its format, or crosses a limit.
    #[error("failed to parse the file")]
    Parse(#[source] SyntaxError),
    /// The documents are not of a form that sops has.
    #[error("failed to walk the file")]
    Structure(#[source] StructureError),
    /// A top-level `sops` key: the file is sealed already, or sops would take it for sealed.
    #[error("failed to seal the file: it has a sops key at {position}, so it is sealed already")]
    AlreadySealed {
        /// The key.
        position: Position,
    },
    /// sops reads its block from the first document.
    #[error("failed to seal the file: its first document is empty; remove it")]
    EmptyFirstDocument,
    /// Nobody could open the file.
    #[error("failed to seal the file: there is no recipient")]
    NoRecipients,
    /// A comment that decides what is sealed, at a place where readers differ on what it is about.
    #[error(
        "failed to apply {rule} to the comment at {position}: put it on a line of its own, right above a key or an item and in the same column"
    )]
    AmbiguousComment {
        /// The rule.
        rule: &'static str,
        /// The comment.
        position: Position,
    },
    /// A comment whose sealed form would decide what is sealed.
    #[error("failed to seal the comment at {position}: the pattern of the rule matches its sealed form")]
    SealedCommentMatches {
        /// The comment.
        position: Position,
    },
    /// A value cannot be sealed.
    #[error("failed to seal {path} at {position}")]
    Leaf {
        /// Where it is.
        position: Position,
        /// Which value it is.
        path: KeyPath,
        /// Why.
        #[source]
        error: LeafError,
    },
    /// The data key cannot be wrapped for a recipient.
    #[error("failed to wrap the data key")]
    Wrap(#[source] WrapError),
    /// A value is longer than AES-GCM can take.
    #[error("failed to encrypt a value")]
    Cipher,
    /// The sealed values cannot be put into the text.
    #[error("failed to write the sealed file")]
    Write(#[source] SpliceError),
    /// The suffix or pattern of the rule would read back as another one in this format.
    #[error("failed to write the rule: the format has no form for it")]
    UnwritableRule,
    /// The sealed text does not open to what was sealed. Nothing of it may be used.
    #[error("failed to read the sealed file back")]
    ReadBack(#[source] OpenError),
}

/// Why the documents of a file are not a tree that sops walks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StructureError {
    /// A document that is a list or a scalar (stores/yaml/store.go).
    #[error("failed to read the document at {position}: only maps can be sealed")]
    NotMap {
        /// The document's content.
        position: Position,
    },
    /// A key that is not a string.
    #[error("failed to read the map {path} at {position}: only strings can be keys")]
    UnsupportedKey {
        /// The key.
        position: Position,
        /// The map.
        path: KeyPath,
    },
    /// A key that is twice in a map. sops looks for these in the first document only.
    #[error("failed to read {path} at {position}: the key is already at {first}")]
    DuplicateKey {
        /// The second key.
        position: Position,
        /// The key.
        path: KeyPath,
        /// The first key.
        first: Position,
    },
    /// A section that is twice in an ini file, where a map of values is asked for.
    #[error(
        "failed to read {path} at {position}: the section is there before; only its text can be decrypted"
    )]
    RepeatedSection {
        /// The second section.
        position: Position,
        /// Its name.
        path: KeyPath,
    },
    /// A binary file that holds anything but `data`.
    #[error("failed to read the binary file at {position}: it has to hold a string data, and nothing else")]
    NotBinary {
        /// Where it is at fault.
        position: Position,
    },
    /// An alias of another document, or of what it stands in.
    #[error("failed to follow the alias at {position}")]
    DanglingAlias {
        /// The alias.
        position: Position,
    },
}

/// Why one value cannot be opened or sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LeafError {
    /// Not the text of a sealed value, where the rule says that the value is sealed.
    #[error("failed to take the value apart")]
    Encoding(#[source] EncryptedValueError),
    /// A number, a boolean or a time where the rule says that the value is sealed.
    #[error("failed to find a sealed value: there is a clear one of type {kind}")]
    Clear {
        /// The type, as sops names it.
        kind: &'static str,
    },
    /// Changed, moved from another key, or sealed with another key.
    #[error(
        "failed to authenticate the value: it was changed, moved from another key, or sealed with another data key"
    )]
    NotAuthentic,
    /// The plaintext is not of the type that stands beside it, or not UTF-8.
    #[error("failed to read the opened value as {kind}")]
    InvalidPlaintext {
        /// The type, as sops names it.
        kind: &'static str,
    },
    /// A sealed comment as the value of a key.
    #[error("failed to use the value: it is a comment")]
    UnexpectedComment,
    /// An alias in the sealed part of a file: sops expands aliases before it seals.
    #[error("failed to use an alias or its target where values are sealed; write the value out")]
    Alias,
    /// An integer that sops has no type for.
    #[error("failed to read the number: it is above 9223372036854775807")]
    IntegerOutOfRange,
    /// A number that neither JSON nor Kubernetes has.
    #[error("failed to use the number: it is not finite")]
    NotFinite,
    /// The tag promises what the scalar is not.
    #[error("failed to read the scalar")]
    Tag(#[source] ScalarError),
    /// A value that would read back as another one in this format, however it is written.
    #[error("failed to write the value: the format has no form for it")]
    Unwritable,
    /// A list or a map where a scalar belongs.
    #[error("failed to read a scalar: there is a list or a map")]
    NotScalar,
}

impl OpenError {
    /// Where the file is at fault, if it is at one place.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Parse(error) => Some(error.position()),
            Self::Metadata(error) => Some(error.position()),
            Self::Structure(error) => Some(error.position()),
            Self::SealedApart { position }
            | Self::Leaf { position, .. }
            | Self::UnreadableMac { position, .. } => Some(*position),
            Self::NotSealed | Self::DataKey(_) | Self::MacMismatch | Self::NotText | Self::Write(_) => None,
        }
    }
}

impl EncryptError {
    /// Where the file is at fault, if it is at one place.
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Parse(error) => Some(error.position()),
            Self::Structure(error) => Some(error.position()),
            Self::AlreadySealed { position }
            | Self::AmbiguousComment { position, .. }
            | Self::SealedCommentMatches { position }
            | Self::Leaf { position, .. } => Some(*position),
            Self::EmptyFirstDocument
            | Self::NoRecipients
            | Self::Wrap(_)
            | Self::Cipher
            | Self::Write(_)
            | Self::UnwritableRule
            | Self::ReadBack(_) => None,
        }
    }
}

impl StructureError {
    /// Where the file is at fault.
    pub fn position(&self) -> Position {
        match self {
            Self::NotMap { position }
            | Self::UnsupportedKey { position, .. }
            | Self::DuplicateKey { position, .. }
            | Self::RepeatedSection { position, .. }
            | Self::NotBinary { position }
            | Self::DanglingAlias { position } => *position,
        }
    }
}
