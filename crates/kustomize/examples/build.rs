//! Renders a folder of the disk: `cargo run -p fluxops-kustomize --example build -- DIRECTORY`.
//!
//! The tree is the current folder, so that `DIRECTORY` may refer to its neighbours. Secrets are shown.
#![allow(clippy::print_stdout, clippy::print_stderr, clippy::exit)]

use std::error::Error;
use std::path::PathBuf;

use kustomize::{Content, EntryKind, Tree, TreeError, build, read_manifest};
use manifest_yaml::{Limits, Value, to_yaml_exposed};

/// The current folder.
struct Disk {
    root: PathBuf,
}

impl Tree for Disk {
    fn entry(&self, path: &str) -> Option<EntryKind> {
        let metadata = std::fs::metadata(self.root.join(path)).ok()?;
        Some(if metadata.is_dir() {
            EntryKind::Directory
        } else {
            EntryKind::File
        })
    }

    fn documents(&self, path: &str) -> Result<Vec<Value>, TreeError> {
        let bytes = std::fs::read(self.root.join(path)).map_err(TreeError::new)?;
        read_manifest(&bytes, &Limits::default()).map_err(TreeError::new)
    }

    fn content(&self, path: &str) -> Result<Content, TreeError> {
        std::fs::read(self.root.join(path))
            .map(Content::Plain)
            .map_err(TreeError::new)
    }
}

fn main() {
    let directory = std::env::args().nth(1).unwrap_or_default();
    match build(
        &Disk {
            root: PathBuf::from("."),
        },
        &directory,
    ) {
        Ok(objects) => {
            for object in objects {
                print!("---\n{}", *to_yaml_exposed(&object));
            }
        }
        Err(error) => {
            eprint!("{error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprint!(": {cause}");
                source = cause.source();
            }
            eprintln!();
            std::process::exit(1);
        }
    }
}
