//! The real kustomize.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use manifest_yaml::{Limits, Schema, Value, from_yaml, to_json_exposed};

use crate::tree::MemoryTree;

/// What `kustomize build` prints as canonical JSON, or what it says when it refuses.
pub(crate) fn build(tree: &MemoryTree, directory: &str) -> Result<Vec<serde_json::Value>, String> {
    build_restricted(tree, directory, "LoadRestrictionsRootOnly")
}

/// The same, with `--load-restrictor`.
pub(crate) fn build_restricted(
    tree: &MemoryTree,
    directory: &str,
    restriction: &str,
) -> Result<Vec<serde_json::Value>, String> {
    let folder = TemporaryFolder::new();
    for (path, content) in &tree.files {
        let path = folder.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let output = Command::new(binary())
        .arg("build")
        .arg(folder.0.join(directory))
        .args(["--load-restrictor", restriction])
        .env_clear()
        .env("PATH", "/nonexistent")
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(parse(&output.stdout))
}

/// YAML as Kubernetes reads it.
pub(crate) fn parse(yaml: &[u8]) -> Vec<serde_json::Value> {
    let documents = from_yaml(yaml, Schema::Kubernetes, &Limits::default()).unwrap();
    documents
        .iter()
        .map(|document| canonical(&document.value))
        .collect()
}

/// A value as JSON in which integers are equal to floats of the same value.
pub(crate) fn canonical(value: &Value) -> serde_json::Value {
    normalised(serde_json::from_slice(&to_json_exposed(value)).unwrap())
}

fn normalised(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.into_iter().map(normalised).collect(),
        serde_json::Value::Object(entries) => entries
            .into_iter()
            .map(|(key, value)| (key, normalised(value)))
            .collect(),
        #[allow(clippy::cast_possible_truncation, clippy::float_cmp)]
        serde_json::Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.trunc() == float && float.abs() < 1e15 => {
                (float as i64).into()
            }
            _ => number.into(),
        },
        other => other,
    }
}

fn binary() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/bin/kustomize");
    assert!(path.exists(), "{} is not there: run `make tools`", path.display());
    path
}

struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("kustomize-{}-{number}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
