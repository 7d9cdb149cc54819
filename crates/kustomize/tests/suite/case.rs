//! Cases as text files: a head, and the files of a tree.
//!
//! The head has comments (`#`), `build: FOLDER` if it is not the root, and `refused: TEXT` with what the error says.
//! A line `-- PATH --` starts a file. In files other than YAML and JSON `\xNN` is a byte and `\r` a carriage return.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tree::MemoryTree;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) directory: String,
    pub(crate) refused: Option<String>,
    pub(crate) tree: MemoryTree,
}

/// The cases of a folder below `tests/cases`, by name.
pub(crate) fn cases(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cases")
        .join(folder);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no cases in {}", folder.display());
    paths.iter().map(|path| Case::read(path)).collect()
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut case = Self {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            directory: String::new(),
            refused: None,
            tree: MemoryTree::default(),
        };
        let mut file: Option<String> = None;
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim_end();
            if let Some(path) = trimmed
                .strip_prefix("-- ")
                .and_then(|rest| rest.strip_suffix(" --"))
            {
                case.tree.files.insert(path.to_owned(), Vec::new());
                file = Some(path.to_owned());
            } else if let Some(path) = &file {
                let content = case.tree.files.get_mut(path).unwrap();
                content.extend(bytes(path, line));
            } else if let Some(directory) = trimmed.strip_prefix("build: ") {
                directory.clone_into(&mut case.directory);
            } else if let Some(refused) = trimmed.strip_prefix("refused: ") {
                case.refused = Some(refused.to_owned());
            } else {
                assert!(trimmed.starts_with('#'), "{}: {trimmed}", path.display());
            }
        }
        case
    }
}

fn bytes(path: &str, line: &str) -> Vec<u8> {
    let is_text = [".yaml", ".yml", ".json", "Kustomization"]
        .iter()
        .any(|end| path.ends_with(end));
    if is_text {
        return line.as_bytes().to_vec();
    }
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        if let Some(hex) = after.strip_prefix('x') {
            bytes.push(u8::from_str_radix(&hex[..2], 16).unwrap());
            rest = &hex[2..];
        } else {
            bytes.push(b'\r');
            rest = after.strip_prefix('r').unwrap();
        }
    }
    bytes.extend(rest.as_bytes());
    bytes
}
