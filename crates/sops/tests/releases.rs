//! Files that earlier releases of sops sealed, 3.7.0 to 3.12.2, open to what they were made of: `releases/make.sh` says
//! how they came about.

#![allow(clippy::unwrap_used, clippy::panic)] // tests

mod oracle;

use std::fs;
use std::path::{Path, PathBuf};

use manifest_yaml::{Limits, Schema, Value, from_json, from_yaml, to_json_exposed};
use oracle::Oracle;
use sops::{ChangeOptions, Format, decrypt_bytes, edit, open};

/// One of each minor release, and both ends of 3.7, which was the first one with age that is in wide use.
const RELEASES: [&str; 7] = ["3.7.0", "3.7.3", "3.8.1", "3.9.0", "3.10.2", "3.11.0", "3.12.2"];

/// A sealed file, and the plain one that it was made of.
const FILES: [(&str, &str, Format); 7] = [
    ("file.yaml", "file.yaml", Format::Yaml),
    ("regex.yaml", "file.yaml", Format::Yaml),
    ("file.json", "file.json", Format::Json),
    ("suffix.json", "file.json", Format::Json),
    ("file.env", "file.env", Format::Dotenv),
    ("file.ini", "file.ini", Format::Ini),
    ("file.bin", "file.bin", Format::Binary),
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/releases")
}

/// The documents of a plain file as JSON.
fn values(format: Format, text: &str) -> Vec<String> {
    let documents = match format {
        Format::Yaml => from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default()),
        _ => from_json(text.as_bytes(), &Limits::default()),
    };
    exposed(documents.unwrap().iter().map(|document| &document.value))
}

fn exposed<'a>(values: impl Iterator<Item = &'a Value>) -> Vec<String> {
    values
        .map(|value| String::from_utf8(to_json_exposed(value).to_vec()).unwrap())
        .collect()
}

#[test]
fn files_of_earlier_releases_open() {
    let oracle = Oracle::with_identities(&fs::read_to_string(folder().join("keys.txt")).unwrap());
    let limits = Limits::default();
    for release in RELEASES {
        for (name, plain, format) in FILES {
            let context = format!("{release}/{name}");
            let sealed = fs::read_to_string(folder().join(release).join(name)).unwrap();
            let plain = fs::read(folder().join("plain").join(plain)).unwrap();
            let opened = decrypt_bytes(&sealed, format, &oracle.identities, &limits)
                .unwrap_or_else(|error| panic!("{context}: {error:?}"));
            let by_sops = oracle
                .run_on_bytes(
                    format,
                    sealed.as_bytes(),
                    &["--decrypt", "--output-type", format.name()],
                )
                .unwrap_or_else(|error| panic!("{context}: {error}"));
            match format {
                Format::Yaml | Format::Json => {
                    let expected = values(format, str::from_utf8(&plain).unwrap());
                    let opened = str::from_utf8(&opened).unwrap();
                    assert_eq!(values(format, opened), expected, "{context}");
                    assert_eq!(
                        values(format, str::from_utf8(&by_sops).unwrap()),
                        expected,
                        "{context}"
                    );
                    let documents = open(&sealed, format, &oracle.identities, &limits)
                        .unwrap()
                        .documents;
                    assert_eq!(exposed(documents.iter()), expected, "{context}");
                    assert!(
                        !opened.contains("ENC["),
                        "{context}: a comment stayed sealed:\n{opened}"
                    );
                }
                Format::Binary => assert_eq!(*opened, plain, "{context}"),
                // Where its block was cut off, sops writes one line break.
                _ => assert_eq!(
                    str::from_utf8(&opened).unwrap().trim_end(),
                    str::from_utf8(&by_sops).unwrap().trim_end(),
                    "{context}"
                ),
            }
        }
    }
}

/// So that none is forgotten when one is added.
#[test]
fn every_file_is_opened() {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("plain") {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            assert_eq!(
                fs::read_dir(&path).unwrap().count(),
                FILES.len(),
                "{}",
                path.display()
            );
        }
    }
    found.sort();
    let mut releases = RELEASES.to_vec();
    releases.sort_unstable();
    assert_eq!(found, releases);
}

/// The lines of a text that say when it was changed, by whom, and that it was.
fn is_renewed(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches('"');
    let line = line.strip_prefix("sops_").unwrap_or(line);
    ["mac", "lastmodified", "version"].iter().any(|field| {
        line.strip_prefix(field)
            .is_some_and(|rest| rest.starts_with(['"', ':', '=', ' ']))
    })
}

#[test]
fn files_of_earlier_releases_stay_as_they_are_when_they_are_edited() {
    let oracle = Oracle::with_identities(&fs::read_to_string(folder().join("keys.txt")).unwrap());
    let limits = Limits::default();
    let mut items = 0;
    for release in RELEASES {
        for (name, _, format) in FILES {
            let context = format!("{release}/{name}");
            let sealed = fs::read_to_string(folder().join(release).join(name)).unwrap();
            let plain = decrypt_bytes(&sealed, format, &oracle.identities, &limits).unwrap();
            let options = ChangeOptions {
                format,
                keys: &oracle.identities,
                limits: &limits,
                now: "2026-11-24T12:00:00Z".parse().unwrap(),
            };
            let edited = edit(&sealed, &plain, &options, &mut |buffer| buffer.fill(1)).unwrap();
            for (old, new) in sealed.lines().zip(edited.lines()) {
                assert!(
                    old == new || is_renewed(old) && is_renewed(new),
                    "{context}: {old}\nbecame {new}"
                );
            }
            assert_eq!(sealed.lines().count(), edited.lines().count(), "{context}");
            let by_sops = oracle.run_on_bytes(format, edited.as_bytes(), &["--decrypt"]);
            by_sops.unwrap_or_else(|error| panic!("{context}: {error}\n{edited}"));
            items += sealed.matches("- ENC[").count();
        }
    }
    assert!(items > 0, "no comment was an item of a list");
}
