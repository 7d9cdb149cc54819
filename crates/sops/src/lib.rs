//! The [SOPS](https://getsops.io) format: files whose values are sealed one by one, so that keys, order and comments
//! stay readable and diffs stay small.
//!
//! A sealed file is [opened](open) to values, or [decrypted](decrypt) to text; a plain text is [encrypted](encrypt).
//! Keys come in as a [`DataKeySource`]; [`AgeIdentities`] is one. There is no input and output here: texts, keys, time
//! and random bytes are arguments.
//!
//! The message authentication code of a file is always checked. What it covers is what sops made it cover: the values,
//! and neither keys nor nulls, empty strings or comments. Who wrote a file is a matter for the signature on it.
#![forbid(unsafe_code)]

mod age;
mod block;
mod cipher;
mod data_key;
mod decrypt;
mod encrypt;
mod encrypted_value;
mod error;
mod format;
mod go_regex;
mod key_path;
mod mac;
mod metadata;
mod open;
mod plain_text;
mod rule;
mod scalar;
mod shamir;
mod time;
mod unseal;
mod walk;

pub use age::{AgeIdentities, AgeRecipient, IdentityError, MAX_AGE_FILE_BYTES, RecipientError, WrapError};
pub use block::SOPS_VERSION;
pub use data_key::{BrokenKey, DataKey, DataKeyError, DataKeySource, KeyKind, UnwrapError, WrappedKey};
pub use decrypt::decrypt;
pub use encrypt::{EncryptOptions, encrypt};
pub use encrypted_value::EncryptedValueError;
pub use error::{EncryptError, LeafError, OpenError, StructureError};
pub use format::Format;
pub use go_regex::{GoRegex, MAX_PATTERN_BYTES, RegexError};
pub use key_path::{KeyPath, PathStep};
pub use metadata::{MAX_KEY_GROUPS, MAX_WRAPPED_KEYS, Metadata, MetadataError, is_sealed};
pub use open::{Opened, open};
pub use rule::{DEFAULT_UNENCRYPTED_SUFFIX, MacScope, Rule};
pub use shamir::ShamirError;
