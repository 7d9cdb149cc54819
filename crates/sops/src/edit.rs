//! From a sealed text and its edited plaintext to the sealed text: what was not edited stays sealed as it was.

use jiff::Timestamp;
use manifest_yaml::Limits;
use thiserror::Error;

use crate::block::Block;
use crate::cipher::Cipher;
use crate::data_key::{self, DataKey, DataKeySource};
use crate::encrypt::{Former, Plain, Terms, seal};
use crate::error::{EncryptError, OpenError};
use crate::format::{Format, Tree};
use crate::kept_blocks::KeptBlocks;
use crate::metadata::Metadata;
use crate::reusable::Reusable;
use crate::time;
use crate::unseal;

/// What it takes to change a sealed file, whatever the change.
pub struct ChangeOptions<'a> {
    /// The format of the file.
    pub format: Format,
    /// The keys that open it.
    pub keys: &'a (dyn DataKeySource + 'a),
    /// How much the file may ask of the reader.
    pub limits: &'a Limits,
    /// What becomes `lastmodified`.
    pub now: Timestamp,
}

/// Why a sealed file cannot be changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// The sealed file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The changed text cannot be sealed.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
}

/// Seals the edited plaintext of a sealed file, as `sops edit` does: under the same data key, for the same recipients,
/// with the same rule. Values and comments that are as they were, where they were, keep their sealed form, and the fields
/// of the `sops` block that have nothing to do with the change keep their content, so that a diff shows what was edited.
///
/// `edited` is what [`decrypt_bytes`](crate::decrypt_bytes()) gave for `sealed`, changed at will. The sealed file is opened
/// and authenticated for this; the result is read back.
pub fn edit(
    sealed: &str,
    edited: &[u8],
    options: &ChangeOptions<'_>,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, ChangeError> {
    let file = Unlocked::open(sealed, options)?;
    let reusable = Reusable::collect(sealed, &file.tree, &file.metadata.rule, &file.cipher)
        .map_err(OpenError::Structure)?;
    let plain = Plain::read(edited, options.format)?;
    let last_modified = time::last_modified(options.now);
    let terms = Terms {
        cipher: &file.cipher,
        rule: &file.metadata.rule,
        mac_scope: file.metadata.mac_scope,
        limits: options.limits,
        last_modified: &last_modified,
    };
    let mut seal_with = |reusable| {
        let mut block = file.block()?;
        let block = |mac, _: &mut dyn FnMut(&mut [u8])| {
            block.update(&last_modified, mac);
            Ok(block)
        };
        let mut former = Former {
            reusable,
            blocks: KeptBlocks::of(sealed, &file.tree),
        };
        Ok(seal(&plain, options.format, &terms, &mut former, block, random)?)
    };
    let without_items = reusable.without_items();
    match (seal_with(reusable), without_items) {
        // A comment that was an item of a list may stand elsewhere now, where no item can be.
        (
            Err(ChangeError::Encrypt(EncryptError::ReadBack(_) | EncryptError::Write(_))),
            Some(without_items),
        ) => seal_with(without_items),
        (sealed, _) => sealed,
    }
}

/// A sealed file whose data key was recovered, and whose values were authenticated.
pub(crate) struct Unlocked {
    pub(crate) tree: Tree,
    pub(crate) metadata: Metadata,
    pub(crate) key: DataKey,
    pub(crate) cipher: Cipher,
}

impl Unlocked {
    pub(crate) fn open(sealed: &str, options: &ChangeOptions<'_>) -> Result<Self, OpenError> {
        let tree = options
            .format
            .parse(sealed, options.limits)
            .map_err(OpenError::Parse)?;
        let metadata = unseal::read_metadata(&tree)?;
        let key = data_key::recover(&metadata.key_groups, options.keys).map_err(OpenError::DataKey)?;
        let cipher = Cipher::new(&key);
        unseal::check(&tree, &cipher)?;
        Ok(Self {
            tree,
            metadata,
            key,
            cipher,
        })
    }

    /// Its block, to be written again.
    pub(crate) fn block(&self) -> Result<Block, OpenError> {
        let first = self.tree.documents().first();
        let (_, block) = first
            .and_then(|document| self.tree.find_block(document))
            .ok_or(OpenError::NotSealed)?;
        Block::read(block).map_err(OpenError::Metadata)
    }
}
