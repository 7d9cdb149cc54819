//! The [SOPS](https://getsops.io) format: files whose values are sealed one by one, so that keys, order and comments
//! stay readable and diffs stay small.
//!
//! A sealed file is [opened](open) to values, or [decrypted](decrypt) to text; a plain text is [encrypted](encrypt).
//! Keys come in as a [`DataKeySource`]; [`AgeIdentities`] is one, with the feature `openpgp` `OpenPgpKeys` another. There is no input and output here: texts, keys, time
//! and random bytes are arguments.
//!
//! The message authentication code of a file is always checked. What it covers is what sops made it cover: the values,
//! and neither keys nor nulls, empty strings or comments. Who wrote a file is a matter for the signature on it.
//!
//! ```
//! use manifest_yaml::{Limits, Value};
//! use sops::{AgeIdentities, EncryptOptions, Format, GoRegex, MacScope, Rule};
//!
//! # let identity_file = sops::NewAgeIdentity::generate(sops::AgeKeyType::X25519);
//! # let mut random = |buffer: &mut [u8]| buffer.fill(7); // never do this
//! let identities = AgeIdentities::parse(identity_file.expose())?;
//! let options = EncryptOptions {
//!     recipients: identities.recipients().cloned().collect(),
//!     rule: Rule::EncryptedRegex(GoRegex::parse("^(data|stringData)$")?),
//!     mac_scope: MacScope::AllValues,
//!     limits: Limits::default(),
//! };
//! let plain = "kind: Secret\nstringData:\n  password: hunter2 # the old one\n";
//! let now = "2026-01-02T03:04:05Z".parse()?;
//! let sealed = sops::encrypt(plain, Format::Yaml, &options, now, &mut random)?;
//! assert!(sealed.starts_with("kind: Secret\nstringData:\n  password: ENC[AES256_GCM,data:"));
//!
//! let opened = sops::open(&sealed, Format::Yaml, &identities, &Limits::default())?;
//! let [document] = opened.documents.as_slice() else { panic!("one document") };
//! assert!(matches!(document.get_path(&["stringData", "password"]), Some(Value::Sensitive(_))));
//! assert_eq!(document.get_path(&["kind"]).and_then(Value::as_str), Some("Secret"));
//!
//! let text = sops::decrypt(&sealed, Format::Yaml, &identities, &Limits::default())?;
//! assert_eq!(*text, plain);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod age;
mod block;
mod block_edits;
mod cipher;
mod convert;
pub mod creation_rules;
mod data_key;
mod decrypt;
mod edit;
mod encrypt;
mod encrypted_value;
mod error;
mod format;
mod go_regex;
mod kept_blocks;
mod key_path;
mod mac;
mod marks;
mod metadata;
mod open;
#[cfg(feature = "openpgp")]
mod openpgp;
mod plain_text;
mod recipients;
mod rekey;
mod reusable;
mod rule;
mod scalar;
mod shamir;
mod survey;
mod time;
mod tree_edit;
mod unseal;
mod walk;

pub use age::{
    AgeIdentities, AgeKeyType, AgeRecipient, Attendant, BoxedIdentity, IdentityError, MAX_AGE_FILE_BYTES,
    NewAgeIdentity, RecipientError, WrapError,
};
pub use block::SOPS_VERSION;
pub use convert::ConvertError;
pub use data_key::{BrokenKey, DataKey, DataKeyError, DataKeySource, KeyKind, UnwrapError, WrappedKey};
pub use decrypt::{decrypt, decrypt_bytes};
pub use edit::{ChangeError, ChangeOptions, edit};
pub use encrypt::{EncryptOptions, encrypt, encrypt_bytes};
pub use encrypted_value::EncryptedValueError;
pub use error::{EncryptError, LeafError, OpenError, StructureError};
pub use format::{Format, SyntaxError, Tree};
pub use go_regex::{GoRegex, MAX_PATTERN_BYTES, RegexError};
pub use key_path::{KeyPath, PathStep};
pub use metadata::{MAX_KEY_GROUPS, MAX_WRAPPED_KEYS, Metadata, MetadataError, is_sealed};
pub use open::{Opened, open, read_plain};
#[cfg(feature = "openpgp")]
pub use openpgp::{MAX_OPENPGP_MESSAGE_BYTES, OpenPgpKeyError, OpenPgpKeys};
pub use recipients::{RecipientGroups, RecipientGroupsError};
pub use rekey::{RecipientChange, RekeyError, rotate, update_keys};
pub use rule::{DEFAULT_UNENCRYPTED_SUFFIX, MacScope, Rule};
pub use shamir::ShamirError;
pub use survey::first_clear_value;
pub use tree_edit::{TreeEditError, set_value, unset_value};
