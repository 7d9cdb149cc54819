//! From a sealed text and its edited plaintext to the sealed text: what was not edited stays sealed as it was.

use jiff::Timestamp;
use manifest_yaml::Limits;
use thiserror::Error;

use crate::block::Block;
use crate::cipher::Cipher;
use crate::data_key::{self, DataKeySource};
use crate::encrypt::{Plain, Terms, seal};
use crate::error::{EncryptError, OpenError};
use crate::format::Format;
use crate::reusable::Reusable;
use crate::time;
use crate::unseal;

/// Why a sealed file cannot be changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EditError {
    /// The sealed file cannot be opened.
    #[error(transparent)]
    Open(OpenError),
    /// The edited text cannot be sealed.
    #[error(transparent)]
    Encrypt(EncryptError),
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
    format: Format,
    keys: &dyn DataKeySource,
    limits: &Limits,
    now: Timestamp,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, EditError> {
    let tree = format
        .parse(sealed, limits)
        .map_err(|error| EditError::Open(OpenError::Parse(error)))?;
    let metadata = unseal::read_metadata(&tree).map_err(EditError::Open)?;
    let key = data_key::recover(&metadata.key_groups, keys)
        .map_err(|error| EditError::Open(OpenError::DataKey(error)))?;
    let cipher = Cipher::new(&key);
    unseal::check(&tree, &cipher).map_err(EditError::Open)?;
    let mut reusable = Reusable::collect(&tree, &metadata.rule, &cipher)
        .map_err(|error| EditError::Open(OpenError::Structure(error)))?;
    let (_, block) = tree
        .documents()
        .first()
        .and_then(|document| tree.find_block(document))
        .ok_or(EditError::Open(OpenError::NotSealed))?;
    let mut block = Block::read(block).map_err(|error| EditError::Open(OpenError::Metadata(error)))?;
    let last_modified = time::last_modified(now);
    let terms = Terms {
        cipher: &cipher,
        rule: &metadata.rule,
        mac_scope: metadata.mac_scope,
        limits,
        last_modified: &last_modified,
    };
    let plain = Plain::read(edited, format).map_err(EditError::Encrypt)?;
    let block = |mac, _: &mut dyn FnMut(&mut [u8])| {
        block.update(&last_modified, mac);
        Ok(block)
    };
    seal(&plain, format, &terms, &mut reusable, block, random).map_err(EditError::Encrypt)
}
