//! What is to be said of one file.

use std::path::{Path, PathBuf};

use manifest_yaml::Limits;
use sops::creation_rules::{FILE_NAME, Reach};
use sops::{DataKeyError, Format, KeyPath, Metadata, OpenError};

use crate::cli::secrets::config::Config;
use crate::cli::secrets::file::{FileError, Source};
use crate::files::Keys;

/// A file that there is something to be said of.
pub(super) struct Finding {
    pub(super) path: PathBuf,
    pub(super) format: Format,
    pub(super) state: State,
}

pub(super) enum State {
    Sealed(Sealed),
    /// A creation rule says that it is sealed, and it is not.
    Plaintext {
        /// The first value that has to be; `None` where it is the whole file.
        value: Option<KeyPath>,
    },
    /// It is sealed but for a value that its rule seals: somebody wrote it there by hand.
    Exposed {
        sealed: Sealed,
        value: KeyPath,
    },
    /// It is sealed, or has to be, and is damaged.
    Unusable {
        reason: String,
    },
}

pub(super) struct Sealed {
    pub(super) metadata: Metadata,
    pub(super) opens: Opens,
}

/// Whether the keys at hand open a file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// There are no keys.
    NotTried,
    Yes,
    No,
}

/// What files are judged by.
pub(super) struct Judge {
    config: Option<Config>,
    identities: Keys,
    limits: Limits,
}

/// Whether a creation rule is for a file.
enum Demand {
    /// Nobody says that it has to be sealed.
    None,
    /// What this rule seals.
    Rule(sops::Rule),
}

impl Judge {
    pub(super) fn new(config: Option<Config>, identities: Keys) -> Self {
        Self {
            config,
            identities,
            limits: Limits::default(),
        }
    }

    /// `None` for a plain file that may be one.
    pub(super) fn file(&self, path: &Path) -> Result<Option<Finding>, FileError> {
        let format = path.to_str().map_or(Format::Binary, Format::of_path);
        let state = match self.demand(path, format) {
            Ok(demand) => self.state(path, format, &demand),
            // The rule that is picked cannot be used.
            Err(error) => return Err(error),
        };
        Ok(state.map(|state| Finding {
            path: path.to_owned(),
            format,
            state,
        }))
    }

    /// A rule with a `path_regex` names its files, whatever they are. One without is for all that are sealed at all;
    /// to take it for a demand on every README and every picture would be of no use, so that it counts only for
    /// formats that have values.
    fn demand(&self, path: &Path, format: Format) -> Result<Demand, FileError> {
        let Some(config) = &self.config else {
            return Ok(Demand::None);
        };
        if path.file_name().is_some_and(|name| name == FILE_NAME) {
            return Ok(Demand::None);
        }
        Ok(match config.rule_if_any(path)? {
            Some(rule) if rule.reach() == Reach::Named || format != Format::Binary => {
                Demand::Rule(rule.rule().clone())
            }
            Some(_) | None => Demand::None,
        })
    }

    fn state(&self, path: &Path, format: Format, demand: &Demand) -> Option<State> {
        let damaged = |reason: String| match demand {
            Demand::Rule(_) => Some(State::Unusable { reason }),
            Demand::None => None,
        };
        let bytes = match Source::File(path).read() {
            Ok(bytes) => bytes,
            Err(error) => return damaged(error.reason().to_owned()),
        };
        let text = match str::from_utf8(&bytes) {
            Ok(text) => text,
            Err(_) if format == Format::Binary => return whole_file(demand, &bytes),
            Err(_) => return damaged("it is not UTF-8".to_owned()),
        };
        if format == Format::Binary && !may_be_sealed_binary(text) {
            return whole_file(demand, &bytes);
        }
        let tree = match format.parse(text, &self.limits) {
            Ok(tree) => tree,
            Err(_) if format == Format::Binary => return whole_file(demand, &bytes),
            Err(error) => {
                let reason = crate::chain(&error);
                return if format.has_sealed_line(text) || has_sealed_yaml(text) {
                    Some(State::Unusable { reason })
                } else {
                    damaged(reason)
                };
            }
        };
        if sops::is_sealed(&tree) {
            return Some(self.sealed(text, &tree));
        }
        let Demand::Rule(rule) = demand else { return None };
        if format == Format::Binary {
            return whole_file(demand, &bytes);
        }
        match sops::first_clear_value(&tree, rule) {
            Ok(value) => value.map(|path| State::Plaintext { value: Some(path) }),
            Err(error) => damaged(crate::chain(&error)),
        }
    }

    fn sealed(&self, text: &str, tree: &sops::Tree) -> State {
        let unusable = |error: &dyn std::error::Error| State::Unusable {
            reason: crate::chain(error),
        };
        let metadata = match Metadata::read(tree) {
            Ok(Some(metadata)) => metadata,
            Ok(None) => return unusable(&OpenError::NotSealed),
            Err(error) => return unusable(&error),
        };
        let by_comments = matches!(
            metadata.rule(),
            sops::Rule::EncryptedCommentRegex(_) | sops::Rule::UnencryptedCommentRegex(_)
        );
        // Comments can be read in more ways than one; of these files only the key can say.
        let exposed = if by_comments {
            Ok(None)
        } else {
            sops::first_clear_value(tree, metadata.rule())
        };
        match exposed {
            Ok(Some(value)) => {
                let opens = Opens::NotTried;
                return State::Exposed {
                    sealed: Sealed { metadata, opens },
                    value,
                };
            }
            Ok(None) => {}
            Err(error) => return unusable(&error),
        }
        if self.identities.is_empty() {
            let opens = Opens::NotTried;
            return State::Sealed(Sealed { metadata, opens });
        }
        match sops::decrypt_bytes(text, tree.format(), &self.identities, &self.limits) {
            Ok(_) => State::Sealed(Sealed {
                metadata,
                opens: Opens::Yes,
            }),
            Err(OpenError::DataKey(DataKeyError::NoKey { .. } | DataKeyError::BelowThreshold { .. })) => {
                State::Sealed(Sealed {
                    metadata,
                    opens: Opens::No,
                })
            }
            Err(error) => unusable(&error),
        }
    }
}

/// A file without values has to be sealed as a whole.
fn whole_file(demand: &Demand, bytes: &[u8]) -> Option<State> {
    match demand {
        Demand::Rule(_) if !bytes.is_empty() => Some(State::Plaintext { value: None }),
        Demand::Rule(_) | Demand::None => None,
    }
}

/// Sealed binary files are JSON objects; this spares the reading of all others.
fn may_be_sealed_binary(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains("\"sops\"")
}

/// Whether a text that is no YAML or JSON any more was a sealed file.
fn has_sealed_yaml(text: &str) -> bool {
    text.contains("ENC[AES256_GCM,")
        && text
            .lines()
            .any(|line| line == "sops:" || line.trim_start().starts_with("\"sops\":"))
}
