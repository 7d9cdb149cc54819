//! The last trusted commit of a source in mode History, in the state directory.
//!
//! It is bound to the object, to its URL and to its ref: what was trusted of one repository says nothing of another. It
//! outlives the object: who deletes a `GitSource` and makes it anew does not make an old commit pass for a new one.
#![expect(
    clippy::disallowed_methods,
    reason = "which commits are trusted is public; it has to survive the process"
)]

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::api::{GitSourceSpec, SignerStatus};
use crate::name::Key;

/// The folder of the records, in the state directory.
const FOLDER: &str = "trusted";
/// The form of a record; another one is not read.
const SCHEMA: u32 = 1;

/// What is known of a source's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastTrusted {
    schema: u32,
    /// The source.
    namespace: String,
    name: String,
    /// The repository, and what is followed of it.
    url: String,
    reference: serde_json::Value,
    /// The commit's full id.
    pub commit: String,
    /// Who signed it; nobody where `startFrom` names it.
    pub signer: Option<SignerStatus>,
    /// The `startFrom` that trust began with.
    pub start_from: Option<String>,
    /// The request to accept a rewind that was last followed; it is not followed again.
    pub accepted: Option<String>,
    /// The digest of the rules that it was found to satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<String>,
}

/// Why a record cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LastTrustedError {
    /// The disk.
    #[error("failed to {action} {}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// It is not what was written.
    #[error(
        "failed to read {}: it is no record of this fluxops for this source; if it was not you who changed it, find \
         out who did, else remove it, and trust begins anew at spec.verify.startFrom",
        .path.display()
    )]
    Invalid {
        /// The file.
        path: PathBuf,
    },
}

impl LastTrusted {
    /// A record of a source's commit, and of who signed it.
    pub fn new(key: &Key, spec: &GitSourceSpec, commit: String, signer: Option<SignerStatus>) -> Self {
        Self {
            schema: SCHEMA,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            url: spec.url.clone(),
            reference: reference(spec),
            commit,
            signer,
            start_from: spec.verify.start_from.clone(),
            accepted: None,
            rules: None,
        }
    }

    /// Reads the record of a source, if there is one for its URL and ref.
    pub fn read(state_dir: &Path, key: &Key, spec: &GitSourceSpec) -> Result<Option<Self>, LastTrustedError> {
        let path = path(state_dir, key, spec);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                let action = "read";
                return Err(LastTrustedError::Io { action, path, source });
            }
        };
        let record: Self = match serde_json::from_slice(&text) {
            Ok(record) => record,
            Err(_) => return Err(LastTrustedError::Invalid { path }),
        };
        let Self {
            schema,
            namespace,
            name,
            url,
            reference: of,
            ..
        } = &record;
        let is_ours = *schema == SCHEMA
            && (namespace.as_str(), name.as_str()) == (key.namespace.as_str(), key.name.as_str())
            && *url == spec.url
            && *of == reference(spec);
        if is_ours {
            Ok(Some(record))
        } else {
            Err(LastTrustedError::Invalid { path })
        }
    }

    /// Writes the record, whole or not at all. It is on disk when this returns.
    pub fn write(&self, state_dir: &Path, key: &Key, spec: &GitSourceSpec) -> Result<(), LastTrustedError> {
        let path = path(state_dir, key, spec);
        let written = || -> io::Result<()> {
            let folder = state_dir.join(FOLDER);
            fs::create_dir_all(&folder)?;
            let new = path.with_extension("new");
            let mut file = fs::File::create(&new)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            fs::File::open(&folder)?.sync_all()
        };
        written().map_err(|source| LastTrustedError::Io {
            action: "write",
            path: path.clone(),
            source,
        })
    }
}

/// What is followed, as JSON: two specs that follow the same have the same.
fn reference(spec: &GitSourceSpec) -> serde_json::Value {
    serde_json::to_value(&spec.reference).unwrap_or_default()
}

fn path(state_dir: &Path, key: &Key, spec: &GitSourceSpec) -> PathBuf {
    let bound = serde_json::json!([
        key.namespace.as_str(),
        key.name.as_str(),
        spec.url,
        reference(spec)
    ]);
    let digest = digest(&SHA256, bound.to_string().as_bytes());
    let hex = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    state_dir
        .join(FOLDER)
        .join(format!("{}.json", hex.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(url: &str, branch: &str) -> GitSourceSpec {
        serde_json::from_value(json!({
            "url": url, "ref": {"branch": branch}, "interval": "1m",
            "verify": {"trustRef": {"kind": "Secret", "name": "signers"}, "startFrom": "0".repeat(40)},
        }))
        .unwrap()
    }

    #[test]
    fn a_record_is_read_for_the_same_object_url_and_ref_only() {
        let state = tempfile::tempdir().unwrap();
        let key = Key::new("apps", "web").unwrap();
        let main = spec("https://git.example.org/a", "main");
        assert_eq!(LastTrusted::read(state.path(), &key, &main).unwrap(), None);
        let record = LastTrusted::new(&key, &main, "1".repeat(40), None);
        record.write(state.path(), &key, &main).unwrap();
        let again = LastTrusted {
            commit: "2".repeat(40),
            ..record
        };
        again.write(state.path(), &key, &main).unwrap();
        assert_eq!(LastTrusted::read(state.path(), &key, &main).unwrap(), Some(again));
        for (namespace, name, url, branch) in [
            ("other", "web", "https://git.example.org/a", "main"),
            ("apps", "other", "https://git.example.org/a", "main"),
            ("apps", "web", "https://git.example.org/b", "main"),
            ("apps", "web", "https://git.example.org/a", "other"),
        ] {
            let key = Key::new(namespace, name).unwrap();
            let found = LastTrusted::read(state.path(), &key, &spec(url, branch)).unwrap();
            assert_eq!(found, None, "{namespace} {name} {url} {branch}");
        }
    }

    #[test]
    fn a_record_that_was_changed_is_no_first_sight() {
        let state = tempfile::tempdir().unwrap();
        let key = Key::new("apps", "web").unwrap();
        let main = spec("https://git.example.org/a", "main");
        let record = LastTrusted::new(&key, &main, "1".repeat(40), None);
        record.write(state.path(), &key, &main).unwrap();
        let path = path(state.path(), &key, &main);
        let whole = fs::read_to_string(&path).unwrap();
        for changed in [
            whole[..whole.len() / 2].to_owned(),
            whole.replace("\"schema\": 1", "\"schema\": 2"),
            whole.replace("/a\"", "/b\""),
            whole.replace("\"apps\"", "\"other\""),
            whole.replace("\"commit\"", "\"commits\""),
            String::new(),
        ] {
            assert_ne!(changed, whole);
            fs::write(&path, &changed).unwrap();
            let read = LastTrusted::read(state.path(), &key, &main);
            assert!(matches!(read, Err(LastTrustedError::Invalid { .. })), "{changed}");
        }
    }
}
