//! Changing for whom a file is sealed.

use manifest_yaml::splice;
use thiserror::Error;

use crate::age::{AgeRecipient, WrapError};
use crate::block_edits;
use crate::cipher::Cipher;
use crate::data_key::{DataKey, KeyKind};
use crate::decrypt::decrypt_bytes;
use crate::edit::{ChangeOptions, Unlocked};
use crate::encrypt::{Former, Plain, Terms, seal};
use crate::error::{EncryptError, OpenError};
use crate::kept_blocks::KeptBlocks;
use crate::metadata::Metadata;
use crate::recipients::{RecipientGroups, RecipientGroupsError};
use crate::time;
use crate::unseal;

/// Why a file cannot be sealed for others.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RekeyError {
    /// The sealed file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be sealed again.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// It is also sealed for a key that nothing can be wrapped for here.
    #[error(
        "failed to wrap a new data key for the {} key {recipient}: only age recipients are supported; remove it, or \
         use sops itself",
        .kind.name()
    )]
    ForeignKey {
        /// What kind of key it is.
        kind: KeyKind,
        /// Its name.
        recipient: String,
    },
    /// An age recipient of the file that is none.
    #[error("failed to read the age recipient {recipient} of the file")]
    InvalidRecipient {
        /// What the file says.
        recipient: String,
    },
    /// Nobody, or too few groups, would be left.
    #[error("failed to change the recipients")]
    Groups(#[source] RecipientGroupsError),
    /// The data key cannot be wrapped.
    #[error("failed to wrap the data key")]
    Wrap(#[source] WrapError),
}

/// Who is to come, and who is to go.
#[derive(Debug, Clone, Default)]
pub struct RecipientChange {
    /// Recipients that are added to the first key group.
    pub add: Vec<AgeRecipient>,
    /// The names of keys that are removed from every group, of whatever kind they are.
    pub remove: Vec<String>,
}

impl RecipientChange {
    /// The groups of a file after the change.
    fn apply(&self, metadata: &Metadata) -> Result<RecipientGroups, RekeyError> {
        let mut groups = Vec::new();
        for (index, group) in metadata.key_groups.groups.iter().enumerate() {
            let mut recipients = Vec::new();
            for key in group.iter().filter(|key| !self.remove.contains(&key.recipient)) {
                if key.kind != KeyKind::Age {
                    return Err(RekeyError::ForeignKey {
                        kind: key.kind,
                        recipient: key.recipient.clone(),
                    });
                }
                let recipient = key.recipient.parse().map_err(|_| RekeyError::InvalidRecipient {
                    recipient: key.recipient.clone(),
                })?;
                recipients.push(recipient);
            }
            if index == 0 {
                let is_kept = |recipient: &&AgeRecipient| !self.remove.contains(&recipient.to_string());
                recipients.extend(self.add.iter().filter(is_kept).cloned());
            }
            groups.push(recipients);
        }
        RecipientGroups::new(groups, Some(metadata.key_groups.threshold)).map_err(RekeyError::Groups)
    }
}

/// Seals a file under a new data key, as `sops rotate` does: everything in it is sealed anew, for its recipients after
/// the change. Who is no longer among them cannot open what the file says from now on; what it said before they may have
/// kept.
pub fn rotate(
    sealed: &str,
    change: &RecipientChange,
    options: &ChangeOptions<'_>,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, RekeyError> {
    let file = Unlocked::open(sealed, options)?;
    let recipients = change.apply(&file.metadata)?;
    let mut block = file.block()?;
    let plain = decrypt_bytes(sealed, options.format, options.keys, options.limits)?;
    let key = DataKey::generate(random);
    let last_modified = time::last_modified(options.now);
    let terms = Terms {
        cipher: &Cipher::new(&key),
        rule: &file.metadata.rule,
        mac_scope: file.metadata.mac_scope,
        limits: options.limits,
        last_modified: &last_modified,
    };
    let block = |mac, random: &mut dyn FnMut(&mut [u8])| {
        let keys = recipients.wrap(&key, random).map_err(EncryptError::Wrap)?;
        block.update(&last_modified, mac);
        block.set_keys(&keys);
        Ok(block)
    };
    let plain = Plain::read(&plain, options.format)?;
    Ok(seal(
        &plain,
        options.format,
        &terms,
        &mut Former::default(),
        block,
        random,
    )?)
}

/// Wraps the data key of a file for other recipients, as `sops updatekeys` does: values, their message authentication
/// code and `lastmodified` stay. Who was removed can still open the file with the data key that they had, until it is
/// [rotated](rotate()).
pub fn update_keys(
    sealed: &str,
    recipients: &RecipientGroups,
    options: &ChangeOptions<'_>,
    random: &mut dyn FnMut(&mut [u8]),
) -> Result<String, RekeyError> {
    let file = Unlocked::open(sealed, options)?;
    let mut block = file.block()?;
    block.set_keys(&recipients.wrap(&file.key, random).map_err(RekeyError::Wrap)?);
    let written = |error| RekeyError::Encrypt(EncryptError::Write(error));
    let bare = splice(sealed, block_edits::removals(sealed, &file.tree)).map_err(written)?;
    let tree = options
        .format
        .parse(&bare, options.limits)
        .map_err(OpenError::Parse)?;
    let updated = splice(
        &bare,
        block_edits::additions(&bare, &tree, &block, &KeptBlocks::default())?,
    )
    .map_err(written)?;
    let tree = options
        .format
        .parse(&updated, options.limits)
        .map_err(|error| EncryptError::ReadBack(OpenError::Parse(error)))?;
    unseal::check(&tree, &file.cipher).map_err(EncryptError::ReadBack)?;
    Ok(updated.to_string())
}
