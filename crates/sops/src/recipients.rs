//! For whom a file is sealed.

use thiserror::Error;

use crate::age::{AgeRecipient, WrapError};
use crate::block::Field;
use crate::data_key::{DataKey, KeyKind};
use crate::metadata::{MAX_KEY_GROUPS, MAX_WRAPPED_KEYS};
use crate::shamir;

/// Groups of recipients. With one group, each of its recipients opens the file alone. With several, the data key is
/// shared out by Shamir's scheme: as many groups as the threshold says have to be opened, each by any of its recipients
/// (`key_groups` and `shamir_threshold` of sops).
///
/// Collected from an iterator, recipients are one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientGroups {
    groups: Vec<Vec<AgeRecipient>>,
    threshold: usize,
}

/// Why groups of recipients cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RecipientGroupsError {
    /// A group that nobody could open. Groups are counted from 0.
    #[error("failed to use key group {index}: it names no recipient")]
    EmptyGroup {
        /// The group.
        index: usize,
    },
    /// More than a file can have.
    #[error(
        "failed to use the key groups: there are more than {MAX_KEY_GROUPS}, or more than {MAX_WRAPPED_KEYS} keys"
    )]
    TooMany,
    /// One share would be the key itself, or more shares would be needed than there are (`Split` in shamir/shamir.go).
    #[error(
        "failed to use a threshold of {threshold} for {groups} key groups: it has to be from 2 to {groups}"
    )]
    Threshold {
        /// The threshold.
        threshold: usize,
        /// The groups.
        groups: usize,
    },
}

impl RecipientGroups {
    /// Groups and the number of them that is needed; all of them where none is given. Repeated recipients of a group
    /// count once. With one group the threshold means nothing, as in sops.
    pub fn new(
        groups: Vec<Vec<AgeRecipient>>,
        threshold: Option<usize>,
    ) -> Result<Self, RecipientGroupsError> {
        let groups: Vec<Vec<AgeRecipient>> = groups.into_iter().map(distinct).collect();
        if let Some(index) = groups.iter().position(Vec::is_empty) {
            return Err(RecipientGroupsError::EmptyGroup { index });
        }
        if groups.is_empty() {
            return Err(RecipientGroupsError::EmptyGroup { index: 0 });
        }
        let keys: usize = groups.iter().map(Vec::len).sum();
        if groups.len() > MAX_KEY_GROUPS || keys > MAX_WRAPPED_KEYS {
            return Err(RecipientGroupsError::TooMany);
        }
        let threshold = match (groups.len(), threshold) {
            (1, _) => 1,
            (all, None) => all,
            (all, Some(threshold)) if (2..=all).contains(&threshold) => threshold,
            (groups, Some(threshold)) => {
                return Err(RecipientGroupsError::Threshold { threshold, groups });
            }
        };
        Ok(Self { groups, threshold })
    }

    /// The groups, in their order.
    pub fn groups(&self) -> &[Vec<AgeRecipient>] {
        &self.groups
    }

    /// How many groups have to be opened; 1 if there is one.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// All recipients.
    pub fn iter(&self) -> impl Iterator<Item = &AgeRecipient> {
        self.groups.iter().flatten()
    }

    /// The data key, or a share of it for each group, wrapped for everybody.
    pub(crate) fn wrap(
        &self,
        key: &DataKey,
        random: &mut dyn FnMut(&mut [u8]),
    ) -> Result<WrappedGroups, WrapError> {
        let payloads = match self.groups.len() {
            1 => vec![zeroize::Zeroizing::new(key.expose().to_vec())],
            // No more than 255, as `new` has seen to.
            all => shamir::split(key.expose(), all, self.threshold, random),
        };
        let groups = self.groups.iter().zip(&payloads).map(|(group, payload)| {
            let keys = group.iter().map(|recipient| {
                Ok(WrittenKey {
                    kind: KeyKind::Age,
                    fields: Field::Map(vec![
                        ("enc".to_owned(), Field::Text(recipient.wrap(payload)?)),
                        ("recipient".to_owned(), Field::Text(recipient.to_string())),
                    ]),
                })
            });
            keys.collect()
        });
        Ok(WrappedGroups {
            groups: groups.collect::<Result<_, WrapError>>()?,
            threshold: self.threshold,
        })
    }
}

impl FromIterator<AgeRecipient> for RecipientGroups {
    fn from_iter<I: IntoIterator<Item = AgeRecipient>>(recipients: I) -> Self {
        Self {
            groups: vec![distinct(recipients.into_iter().collect())],
            threshold: 1,
        }
    }
}

fn distinct(recipients: Vec<AgeRecipient>) -> Vec<AgeRecipient> {
    let mut distinct: Vec<AgeRecipient> = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        if !distinct.contains(&recipient) {
            distinct.push(recipient);
        }
    }
    distinct
}

/// Wrapped keys as they are to be written.
pub(crate) struct WrappedGroups {
    pub(crate) groups: Vec<Vec<WrittenKey>>,
    pub(crate) threshold: usize,
}

/// An entry of a list of keys.
pub(crate) struct WrittenKey {
    pub(crate) kind: KeyKind,
    pub(crate) fields: Field,
}

impl WrappedGroups {
    /// The fields of the block that say who can open the file: lists by kind for one group, else the groups.
    pub(crate) fn fields(&self) -> Vec<(String, Field)> {
        match self.groups.as_slice() {
            [group] => lists_by_kind(group),
            groups => vec![
                (
                    "key_groups".to_owned(),
                    Field::List(
                        groups
                            .iter()
                            .map(|group| Field::Map(lists_by_kind(group)))
                            .collect(),
                    ),
                ),
                ("shamir_threshold".to_owned(), Field::Count(self.threshold)),
            ],
        }
    }
}

fn lists_by_kind(group: &[WrittenKey]) -> Vec<(String, Field)> {
    let mut lists: Vec<(String, Vec<Field>)> = Vec::new();
    for key in group {
        let name = key.kind.name();
        match lists.iter_mut().find(|(other, _)| other == name) {
            Some((_, list)) => list.push(key.fields.clone()),
            None => lists.push((name.to_owned(), vec![key.fields.clone()])),
        }
    }
    lists.sort_by(|(left, _), (right, _)| left.cmp(right));
    lists
        .into_iter()
        .map(|(name, list)| (name, Field::List(list)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(last: char) -> AgeRecipient {
        let text = match last {
            'a' => "age1ar4vsspul9djnnd7h3s9428aqkadpwrgk69lzxxlalslzy35fsdsna9q7a",
            _ => "age19rtm02dm7mmlqp2c0cf5pt4luacjlat8lj0rjlgnmaaw7veq9qdqser6hw",
        };
        text.parse().unwrap()
    }

    #[test]
    fn a_threshold_has_to_be_met_and_to_share() {
        let groups = |count: usize| vec![vec![recipient('a'), recipient('b'), recipient('a')]; count];
        assert_eq!(RecipientGroups::new(groups(1), Some(3)).unwrap().threshold(), 1);
        assert_eq!(RecipientGroups::new(groups(3), None).unwrap().threshold(), 3);
        assert_eq!(RecipientGroups::new(groups(3), Some(2)).unwrap().threshold(), 2);
        assert_eq!(
            RecipientGroups::new(groups(3), Some(2)).unwrap().iter().count(),
            6
        );
        for threshold in [0, 1, 4] {
            assert_eq!(
                RecipientGroups::new(groups(3), Some(threshold)),
                Err(RecipientGroupsError::Threshold { threshold, groups: 3 })
            );
        }
    }

    #[test]
    fn refuses_groups_that_no_file_can_have() {
        assert_eq!(
            RecipientGroups::new(vec![vec![recipient('a')], vec![]], None),
            Err(RecipientGroupsError::EmptyGroup { index: 1 })
        );
        assert_eq!(
            RecipientGroups::new(vec![], None),
            Err(RecipientGroupsError::EmptyGroup { index: 0 })
        );
        let groups = |count| vec![vec![recipient('a')]; count];
        assert!(RecipientGroups::new(groups(MAX_KEY_GROUPS), None).is_ok());
        assert_eq!(
            RecipientGroups::new(groups(MAX_KEY_GROUPS + 1), None),
            Err(RecipientGroupsError::TooMany)
        );
    }
}
