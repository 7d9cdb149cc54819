//! What the end-to-end tests stand on: a real cluster, real Git, the real binary, and a world of its own for each
//! test, so that they can run side by side.
//!
//! Nothing here decides by time: what takes a while is waited for, up to [`DEADLINE`].

// Each test binary uses a part of it.
#![allow(dead_code)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::doc_markdown,
    clippy::duration_suboptimal_units,
    clippy::similar_names
)]

pub(crate) mod api_server;
pub(crate) mod fluxops;
pub(crate) mod git_servers;
pub(crate) mod installed;
pub(crate) mod outside;
pub(crate) mod repository;
pub(crate) mod world;

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long anything is waited for. Generous: a busy machine is no failure.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
/// How often it is looked at.
const POLL: Duration = Duration::from_millis(100);

/// Waits until there is something, and says what was waited for when there never is.
pub(crate) fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    within_deadline(look).unwrap_or_else(|| panic!("waited {} s in vain for {what}", DEADLINE.as_secs()))
}

/// What appears before the deadline, for a caller who has more to say when nothing does.
pub(crate) fn within_deadline<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let found = look();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        std::thread::sleep(POLL);
    }
}

/// So many random bytes, in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    fs::File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut buffer)
        .unwrap();
    buffer.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A reference tool that `make tools` builds.
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = root().join("target/tools/bin").join(name);
    assert!(path.exists(), "{} is not there: run `make tools`", path.display());
    path
}

/// All regular files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let below = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_dir() => files_below(&path),
        Ok(metadata) if metadata.is_file() => vec![path],
        _ => Vec::new(),
    };
    entries.flat_map(|entry| below(entry.unwrap().path())).collect()
}

/// A folder that is gone with its owner.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        let path = root()
            .join("target/tmp")
            .join(format!("fluxops-{}", random_hex(6)));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of a failed test is worth looking at.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
