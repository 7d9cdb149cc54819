//! The home of `--config`: a file or folder of the same documents that a cluster would have.
#![expect(
    clippy::disallowed_methods,
    reason = "statuses hold names and words, never values"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use manifest_yaml::{Limits, ParseError, Schema};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::definition::our_kind;
use super::{Definitions, InvalidDefinition, Parsed, Status, StoreError};
use crate::api::{DeliveryStatus, SecretData};
use crate::name::{InvalidName, Key, Kind};

/// The most files that a folder of documents may have.
pub(super) const MAX_CONFIG_FILES: usize = 1_000;

/// The folder of statuses, in the state directory.
const STATUSES: &str = "status";

/// What was published of a Delivery.
#[derive(Deserialize)]
struct Published {
    status: DeliveryStatus,
}

/// Documents that were read, and where statuses go.
pub struct Folder {
    secrets: BTreeMap<Key, SecretData>,
    config_maps: BTreeMap<Key, BTreeMap<String, Vec<u8>>>,
    state_dir: PathBuf,
}

/// Why the documents cannot be used. Not one of them is then.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("failed to read {}", .path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are too many.
    #[error("failed to read {}: it has more than {MAX_CONFIG_FILES} files", .0.display())]
    TooMany(PathBuf),
    /// There is nothing to do.
    #[error("failed to use {}: it needs at least one GitSource and one Delivery", .0.display())]
    Nothing(PathBuf),
    /// A file is no YAML.
    #[error("failed to parse {}:{}", .path.display(), .source.position())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        source: ParseError,
    },
    /// A document is none of those that belong here.
    #[error("failed to read {}:{line}: {reason}", .path.display())]
    Document {
        /// Which file.
        path: PathBuf,
        /// The line that the document begins at.
        line: u32,
        /// What is wrong with it.
        reason: String,
    },
    /// A document of ours is wrong.
    #[error("failed to use {}", .path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: InvalidDefinition,
    },
    /// A name is none.
    #[error("failed to use {}", .path.display())]
    Name {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: InvalidName,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kinded {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Referenced {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Name,
    #[serde(default, rename = "type")]
    _type: Option<String>,
    #[serde(default)]
    data: BTreeMap<String, Zeroizing<String>>,
    #[serde(default)]
    string_data: BTreeMap<String, Zeroizing<String>>,
}

#[derive(Deserialize)]
struct Name {
    name: String,
    #[serde(default)]
    namespace: Option<String>,
}

impl Folder {
    /// Reads a file, or all YAML and JSON files of a folder.
    pub fn read(path: &Path, state_dir: &Path) -> Result<(Self, Definitions), ConfigError> {
        let mut folder = Self {
            secrets: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            state_dir: state_dir.to_owned(),
        };
        let mut definitions = Definitions::default();
        for file in files(path)? {
            let bytes = Zeroizing::new(fs::read(&file).map_err(io_error(&file))?);
            let documents = if file.extension().is_some_and(|extension| extension == "json") {
                manifest_yaml::from_json(&bytes, &Limits::default())
            } else {
                manifest_yaml::from_yaml(&bytes, Schema::Kubernetes, &Limits::default())
            };
            let documents = documents.map_err(|source| ConfigError::Parse {
                path: file.clone(),
                source,
            })?;
            for document in documents {
                let json = manifest_yaml::to_json_exposed(&document.value);
                folder.take(&file, document.position.line, &json, &mut definitions)?;
            }
        }
        for delivery in definitions.deliveries.values_mut() {
            folder.remember(&delivery.key, &mut delivery.status);
        }
        if definitions.sources.is_empty() || definitions.deliveries.is_empty() {
            return Err(ConfigError::Nothing(path.to_owned()));
        }
        Ok((folder, definitions))
    }

    fn take(
        &mut self,
        path: &Path,
        line: u32,
        json: &[u8],
        definitions: &mut Definitions,
    ) -> Result<(), ConfigError> {
        let refused = |reason: String| ConfigError::Document {
            path: path.to_owned(),
            line,
            reason,
        };
        let not_a_document = |_| refused("it is not a Kubernetes document".to_owned());
        let kinded: Kinded = serde_json::from_slice(json).map_err(not_a_document)?;
        match our_kind(&kinded.api_version, &kinded.kind) {
            Some(kind) => {
                let kind = kind.map_err(refused)?;
                let object = serde_json::from_slice(json).map_err(not_a_document)?;
                let invalid = |source| ConfigError::Invalid {
                    path: path.to_owned(),
                    source,
                };
                definitions.insert(Parsed::read(kind, object).map_err(invalid)?);
                Ok(())
            }
            None => self.take_reference(path, line, &kinded, json),
        }
    }

    /// Takes in a Secret or `ConfigMap` that the specs refer to. The error never quotes the document.
    fn take_reference(
        &mut self,
        path: &Path,
        line: u32,
        kinded: &Kinded,
        json: &[u8],
    ) -> Result<(), ConfigError> {
        let refused = |reason: &str| ConfigError::Document {
            path: path.to_owned(),
            line,
            reason: reason.to_owned(),
        };
        let secret = match (kinded.api_version.as_str(), kinded.kind.as_str()) {
            ("v1", "Secret") => true,
            ("v1", "ConfigMap") => false,
            _ => {
                let reason = "besides fluxops's own kinds, only v1 Secret and ConfigMap belong into --config";
                return Err(refused(reason));
            }
        };
        let document: Referenced = serde_json::from_slice(json).map_err(|_| {
            refused(
                "it is not a Secret or ConfigMap that can be read: metadata, data, stringData, with strings",
            )
        })?;
        let namespace = document.metadata.namespace.as_deref().unwrap_or("default");
        let key = Key::new(namespace, &document.metadata.name).map_err(|source| ConfigError::Name {
            path: path.to_owned(),
            source,
        })?;
        if secret {
            let mut data = SecretData::new();
            for (name, text) in document.data {
                let bytes = BASE64
                    .decode(text.trim())
                    .map_err(|_| refused(&format!("data.{name} is not base64")))?;
                data.insert(name, Zeroizing::new(bytes));
            }
            let plain = document.string_data.into_iter();
            data.extend(plain.map(|(name, text)| (name, Zeroizing::new(text.as_bytes().to_vec()))));
            self.secrets.insert(key, data);
        } else {
            let data = document
                .data
                .into_iter()
                .map(|(name, text)| (name, text.as_bytes().to_vec()));
            self.config_maps.insert(key, data.collect());
        }
        Ok(())
    }

    pub(super) fn secret(&self, key: &Key) -> Result<SecretData, StoreError> {
        self.secrets
            .get(key)
            .cloned()
            .ok_or_else(|| StoreError::NotFound {
                kind: "Secret",
                key: key.clone(),
            })
    }

    pub(super) fn config_map(&self, key: &Key) -> Result<BTreeMap<String, Vec<u8>>, StoreError> {
        let found = self.config_maps.get(key).cloned();
        found.ok_or_else(|| StoreError::NotFound {
            kind: "ConfigMap",
            key: key.clone(),
        })
    }

    /// Writes a status where `fluxops get` finds it.
    /// What the process before knew of a Delivery's revisions. All else that its status said is found out anew; so is this
    /// where it cannot be read.
    fn remember(&self, key: &Key, status: &mut DeliveryStatus) {
        let path = self
            .state_dir
            .join(STATUSES)
            .join(status_file(Kind::Delivery, key));
        let published: Option<Published> = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(Published { status: former }) = published {
            status.history = former.history;
            status.rollback = former.rollback;
            status.last_applied_revision = former.last_applied_revision;
        }
    }

    pub(super) fn publish(&self, key: &Key, status: &Status<'_>) -> Result<(), StoreError> {
        let failed = |error: io::Error| StoreError::Status {
            key: key.clone(),
            message: error.to_string(),
        };
        let folder = self.state_dir.join(STATUSES);
        fs::create_dir_all(&folder).map_err(failed)?;
        let name = status_file(status.kind(), key);
        let document = serde_json::json!({
            "schema": 1,
            "kind": status.kind().as_str(),
            "metadata": {"namespace": key.namespace, "name": key.name},
            "status": status.to_json(),
        });
        let beside = folder.join(format!(".{name}.new"));
        let mut file = fs::File::create(&beside).map_err(failed)?;
        file.write_all(document.to_string().as_bytes()).map_err(failed)?;
        fs::rename(&beside, folder.join(name)).map_err(failed)
    }
}

/// Where the status of an object is, in the folder of statuses.
fn status_file(kind: Kind, key: &Key) -> String {
    format!("{}_{}_{}.json", kind.lowercase(), key.namespace, key.name)
}

fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    if !fs::metadata(path).map_err(io_error(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error(path))? {
        let file = entry.map_err(io_error(path))?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(file);
        }
        if files.len() > MAX_CONFIG_FILES {
            return Err(ConfigError::TooMany(path.to_owned()));
        }
    }
    files.sort();
    Ok(files)
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> ConfigError {
    let path = path.to_owned();
    move |source| ConfigError::Io { path, source }
}
