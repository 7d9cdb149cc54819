//! Step 3: what the verified tree says, sealed files opened in memory.
//!
//! Files are read from the object database by the tree of the verified commit, when they are asked for. There is
//! no work tree, and what is not a plain file is refused by name.

mod git_tree;
mod keys;
mod reads;

use manifest_yaml::{Limits, ParseError, Value};
use sops::Format;

pub use git_tree::Tree;
pub(crate) use git_tree::{Entry, Reader};
pub use keys::{KeyError, Keys};
pub use reads::Reads;

/// The largest file that is read, in bytes: Flux's cap for sealed files.
pub const MAX_FILE_BYTES: usize = 5 * 1024 * 1024;
/// The most files that a plain folder may have.
pub const MAX_FILES: usize = 20_000;
/// The deepest that folders may be nested.
pub const MAX_FOLDER_DEPTH: usize = 32;

/// Why the files cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The path of the Delivery.
    #[error("failed to open {0:?}: a path stays below the root of its source, without '..'")]
    PathEscapes(String),
    /// There is no such folder.
    #[error("failed to open {0:?}: there is no such folder in this revision")]
    NoSuchFolder(String),
    /// There is no such file.
    #[error("failed to open {0:?}: there is no such file in this revision")]
    NoSuchFile(String),
    /// It is a link.
    #[error("failed to open {0:?}: it is a symbolic link, which is never followed; commit the file itself")]
    Symlink(String),
    /// It is another repository.
    #[error("failed to open {0:?}: it is a submodule, which is never fetched; make it a source of its own")]
    Submodule(String),
    /// It stands for a file elsewhere.
    #[error("failed to open {0:?}: it is a Git LFS pointer, which is never followed; commit the file itself")]
    LfsPointer(String),
    /// It has a name that no file should have.
    #[error("failed to open {0:?}: this is no name for a file")]
    Name(String),
    /// It is too large.
    #[error("failed to open {path:?}: it has {bytes} bytes, more than the {MAX_FILE_BYTES} that are read")]
    TooLarge {
        /// Which file.
        path: String,
        /// How large it is.
        bytes: usize,
    },
    /// There are too many.
    #[error("failed to open {0:?}: it has more than {MAX_FILES} files")]
    TooManyFiles(String),
    /// They are nested too deeply.
    #[error("failed to open {0:?}: folders are nested more than {MAX_FOLDER_DEPTH} deep")]
    TooDeep(String),
    /// The object database.
    #[error("failed to read {path:?} from the object database: {message}")]
    ObjectDatabase {
        /// Which path.
        path: String,
        /// What libgit2 said.
        message: String,
    },
    /// It is no YAML or JSON that Kubernetes would read.
    #[error("failed to parse {path}:{}: {source}", .source.position())]
    Parse {
        /// Which file.
        path: String,
        /// Where and why.
        source: ParseError,
    },
    /// It is sealed and does not open.
    #[error("failed to open the sealed file {path}: {source}")]
    Sealed {
        /// Which file.
        path: String,
        /// Why.
        source: sops::OpenError,
    },
}

impl FilesError {
    /// One word for a condition's reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PathEscapes(_) | Self::NoSuchFolder(_) | Self::NoSuchFile(_) => "PathNotFound",
            Self::Sealed { .. } => "DecryptionFailed",
            Self::Parse { .. } => "InvalidManifest",
            Self::ObjectDatabase { .. } => "GitOperationFailed",
            _ => "RefusedFile",
        }
    }
}

/// The files of a verified revision, with the keys that open those that are sealed.
pub struct Files<'a> {
    reader: Reader,
    keys: &'a Keys,
    limits: Limits,
}

impl<'a> Files<'a> {
    /// The files of a tree. Nothing is read yet.
    pub fn new(tree: &Tree, keys: &'a Keys) -> Result<Self, FilesError> {
        Ok(Self {
            reader: tree.reader()?,
            keys,
            limits: Limits::default(),
        })
    }

    /// What was read.
    pub fn into_reads(self) -> Reads {
        self.reader.into_reads()
    }

    /// What a path is; nothing where there is none.
    pub(crate) fn entry(&self, path: &str) -> Result<Option<Entry>, FilesError> {
        self.reader.entry(path)
    }

    /// Whether a folder has a kustomization.
    pub(crate) fn has_kustomization(&self, folder: &str) -> Result<bool, FilesError> {
        for name in kustomize::FILE_NAMES {
            if self.entry(&join(folder, name))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a kustomization would list of a folder that has none, by paths from there, in their order: all YAML and
    /// JSON, and the folders below it that have one.
    pub(crate) fn resources_below(&self, folder: &str) -> Result<Vec<String>, FilesError> {
        let mut found = Vec::new();
        self.collect(folder, "", 0, &mut found)?;
        found.sort();
        Ok(found)
    }

    fn collect(
        &self,
        folder: &str,
        below: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) -> Result<(), FilesError> {
        let place = join(folder, below);
        if depth > MAX_FOLDER_DEPTH {
            return Err(FilesError::TooDeep(place));
        }
        for (name, entry) in self.reader.list(&place)? {
            // Hidden files are tools' settings: .sops.yaml, .github and their like.
            if name.starts_with('.') {
                continue;
            }
            let path = join(below, &name);
            match entry {
                Entry::Folder if self.has_kustomization(&join(folder, &path))? => found.push(path),
                Entry::Folder => self.collect(folder, &path, depth + 1, found)?,
                Entry::File if is_manifest(&name) => found.push(path),
                Entry::File => {}
                Entry::Symlink => return Err(FilesError::Symlink(join(folder, &path))),
                Entry::Submodule => return Err(FilesError::Submodule(join(folder, &path))),
            }
            if found.len() > MAX_FILES {
                return Err(FilesError::TooManyFiles(folder.to_owned()));
            }
        }
        Ok(())
    }

    /// A manifest file's documents, with the rules that kustomize has for YAML.
    pub(crate) fn documents(&self, path: &str) -> Result<Vec<Value>, FilesError> {
        let bytes = self.reader.read(path)?;
        // Manifests are YAML, whatever they are called, or JSON.
        let format = if is_json(path) { Format::Json } else { Format::Yaml };
        let sealed = |source| FilesError::Sealed {
            path: path.to_owned(),
            source,
        };
        if let Some(text) = sealed_text(&bytes, format, &self.limits).map_err(sealed)? {
            let opened = sops::open(text, format, self.keys, &self.limits).map_err(sealed)?;
            return Ok(opened.documents);
        }
        let documents = if is_json(path) {
            manifest_yaml::from_json(&bytes, &self.limits)
                .map(|documents| documents.into_iter().map(|document| document.value).collect())
        } else {
            kustomize::read_manifest(&bytes, &self.limits)
        };
        documents.map_err(|source| FilesError::Parse {
            path: path.to_owned(),
            source,
        })
    }

    /// A file's bytes, opened if it is sealed.
    pub(crate) fn content(&self, path: &str) -> Result<kustomize::Content, FilesError> {
        let bytes = self.reader.read(path)?;
        let format = Format::of_path(path);
        let sealed = |source| FilesError::Sealed {
            path: path.to_owned(),
            source,
        };
        if let Some(text) = sealed_text(&bytes, format, &self.limits).map_err(sealed)? {
            let plain = sops::decrypt_bytes(text, format, self.keys, &self.limits).map_err(sealed)?;
            return Ok(kustomize::Content::Sensitive(plain));
        }
        Ok(kustomize::Content::Plain(bytes))
    }
}

/// The text of a sealed file; nothing if it is not sealed. What is not of its format is not sealed either, unless it
/// looks like it: then that is an error, since what is sealed must not pass for plain.
fn sealed_text<'a>(
    bytes: &'a [u8],
    format: Format,
    limits: &Limits,
) -> Result<Option<&'a str>, sops::OpenError> {
    let Ok(text) = str::from_utf8(bytes) else {
        return Ok(None);
    };
    match format.parse(text, limits) {
        Ok(tree) => Ok(sops::is_sealed(&tree).then_some(text)),
        Err(error) if format.has_sealed_line(text) => Err(sops::OpenError::Parse(error)),
        Err(_) => Ok(None),
    }
}

fn join(folder: &str, name: &str) -> String {
    match (folder, name) {
        ("", _) => name.to_owned(),
        (_, "") => folder.to_owned(),
        _ => format!("{folder}/{name}"),
    }
}

fn extension(path: &str) -> Option<&str> {
    path.rsplit('/')
        .next()?
        .rsplit_once('.')
        .map(|(_, extension)| extension)
}

fn is_manifest(path: &str) -> bool {
    matches!(extension(path), Some("yaml" | "yml" | "json"))
}

fn is_json(path: &str) -> bool {
    extension(path) == Some("json")
}

/// Kustomize sees the same files.
impl kustomize::Tree for Files<'_> {
    fn entry(&self, path: &str) -> Option<kustomize::EntryKind> {
        match self.reader.entry(path) {
            Ok(Some(Entry::Folder)) => Some(kustomize::EntryKind::Directory),
            // A link or a submodule is there; reading it says why it is refused.
            Ok(Some(Entry::File | Entry::Symlink | Entry::Submodule)) => Some(kustomize::EntryKind::File),
            Ok(None) | Err(_) => None,
        }
    }

    fn documents(&self, path: &str) -> Result<Vec<Value>, kustomize::TreeError> {
        Files::documents(self, path).map_err(kustomize::TreeError::new)
    }

    fn content(&self, path: &str) -> Result<kustomize::Content, kustomize::TreeError> {
        Files::content(self, path).map_err(kustomize::TreeError::new)
    }
}
