//! `fluxops keys`, beside the real age-keygen.

#![allow(clippy::unwrap_used)] // a test that fails, fails here

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn run(program: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn fluxops(arguments: &[&str], input: &str) -> Output {
    run(Path::new(env!("CARGO_BIN_EXE_fluxops")), arguments, input)
}

/// What age-keygen prints for identities: its own reading of what we write.
fn age_public(text: &str) -> String {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin/age-keygen");
    assert!(
        program.exists(),
        "{} is missing: run `make tools`",
        program.display()
    );
    let output = run(&program, &["-y"], text);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn new_keys_are_files_that_age_keygen_reads() {
    let directory = tempfile::tempdir().unwrap();
    for (name, pq, prefix) in [("classic", None, "age1"), ("hybrid", Some("--pq"), "age1pq1")] {
        let path = directory.path().join(name);
        let path = path.to_str().unwrap();
        let arguments: Vec<&str> = ["keys", "new", "-o", path].into_iter().chain(pq).collect();
        let made = fluxops(&arguments, "");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let permissions = std::fs::metadata(path).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);

        let text = std::fs::read_to_string(path).unwrap();
        let theirs = age_public(&text);
        assert!(theirs.starts_with(prefix));
        for ours in [
            fluxops(&["keys", "public", path], ""),
            fluxops(&["keys", "public"], &text),
        ] {
            assert_eq!(String::from_utf8(ours.stdout).unwrap(), theirs);
        }
        assert_eq!(
            String::from_utf8(made.stdout).unwrap(),
            format!("Public key: {theirs}")
        );

        let again = fluxops(&arguments, "");
        assert_eq!(again.status.code(), Some(2));
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
}

#[test]
fn what_is_no_identity_is_refused_without_showing_it() {
    for text in ["hunter2\n", "", "AGE-SECRET-KEY-PQ-1HUNTER2"] {
        let output = fluxops(&["keys", "public"], text);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(output.stdout.is_empty());
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(!error.to_lowercase().contains("hunter2"), "{error}");
    }
    let long = fluxops(&["keys", "public"], &"#".repeat((64 << 10) + 1));
    assert_eq!(long.status.code(), Some(2));
}
