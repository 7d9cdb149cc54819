//! The age test vectors of C2SP (CCTV), which `make tools` fetches: every file of theirs goes through what opens wrapped
//! keys.

#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr)] // tests; the counts are worth reading

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use age::armor::{ArmoredWriter, Format};
use age::secrecy::SecretString;
use sha2::{Digest as _, Sha256};

use super::{AgeIdentities, BoxedIdentity, file};
use crate::data_key::UnwrapError;

/// Vectors of the pinned version.
const VECTORS: usize = 147;

/// Above the 10 of the vectors that are to be opened, and far below the one that would take too long.
const MAX_SCRYPT_LOG_N: u8 = 15;

/// What a vector says of itself, and its file.
struct Vector {
    header: Vec<(String, String)>,
    file: Vec<u8>,
}

impl Vector {
    /// A text of `key: value` lines, an empty line, and the file, which may be compressed.
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let (head, rest) = bytes.split_at(end);
        let header: Vec<(String, String)> = str::from_utf8(head)
            .unwrap()
            .lines()
            .map(|line| line.split_once(": ").unwrap())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        let mut file = rest.get(2..).unwrap().to_vec();
        if header.iter().any(|(key, _)| key == "compressed") {
            let mut inflated = Vec::new();
            flate2::read::ZlibDecoder::new(file.as_slice())
                .read_to_end(&mut inflated)
                .unwrap();
            file = inflated;
        }
        Self { header, file }
    }

    fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |(name, _): &&(String, String)| name == key;
        self.header.iter().filter(named).map(|(_, value)| value.as_str())
    }

    fn get<'a>(&'a self, key: &'a str) -> Option<&'a str> {
        self.all(key).next()
    }

    /// The identities it is to be opened with. Nothing in sops is sealed with a passphrase; here they stand for any
    /// identity.
    fn identities(&self) -> Vec<BoxedIdentity> {
        let passphrases = self.all("passphrase").map(|text| {
            let mut identity = age::scrypt::Identity::new(SecretString::from(text));
            identity.set_max_work_factor(MAX_SCRYPT_LOG_N);
            Box::new(identity) as BoxedIdentity
        });
        let keys = self
            .all("identity")
            .flat_map(|text| AgeIdentities::parse(text).unwrap().0);
        keys.map(|entry| entry.identity).chain(passphrases).collect()
    }

    /// The file in armor, which wrapped keys always have: its own, or one of ours around it. `None` if there is nothing
    /// to put armor around, or its own is not even text, which no value of a SOPS file could be.
    fn armored(&self) -> Option<String> {
        if self.get("armored") == Some("yes") {
            return String::from_utf8(self.file.clone()).ok();
        }
        if self.file.is_empty() {
            return None;
        }
        let mut armored = Vec::new();
        let mut writer = ArmoredWriter::wrap_output(&mut armored, Format::AsciiArmor).unwrap();
        writer.write_all(&self.file).unwrap();
        writer.finish().unwrap();
        Some(String::from_utf8(armored).unwrap())
    }
}

/// The outcome by the names of the vectors, or our reason where it says less.
fn outcome(vector: &Vector, file: &str) -> String {
    let identities = vector.identities();
    let identities = identities
        .iter()
        .map(|identity| identity.as_ref() as &dyn age::Identity);
    // No payload is larger than its file; of wrapped keys far less is read.
    match file::open(file, identities, vector.file.len()) {
        Ok(None) => "no match".to_owned(),
        Ok(Some(payload)) => {
            let hash = Sha256::digest(&payload);
            let digits: String = hash
                .iter()
                .flat_map(|byte| [byte >> 4, byte & 15])
                .map(|digit| char::from_digit(digit.into(), 16).unwrap())
                .collect();
            match vector.get("payload") {
                Some(expected) if expected == digits => "success".to_owned(),
                _ => "opened to another payload".to_owned(),
            }
        }
        Err(UnwrapError::InvalidAgeFile { problem }) => problem.to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What we say for an outcome: its words are held to it as far as the age library tells the reasons apart. That a
/// passphrase is a wrong one says the library alone; a key without a passphrase is not named by files of age.
fn fits(expected: &str, outcome: &str) -> bool {
    match expected {
        "HMAC failure" => outcome == "its header is not authentic",
        "header failure" => outcome.starts_with("its header is malformed") || outcome == "it is cut off",
        "armor failure" => ["its armor is broken or cut off", "it is not armored"].contains(&outcome),
        "payload failure" => outcome == "its payload is not authentic",
        "no match" => ["no match", "it names a key that does not open it"].contains(&outcome),
        same => outcome == same,
    }
}

#[test]
fn every_vector_of_c2sp_ends_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/vectors/age");
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}: run `make tools`", folder.display()));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut skipped = Vec::new();
    let mut wrong = Vec::new();
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let vector = Vector::parse(&std::fs::read(&path).unwrap());
        let expected = vector.get("expect").unwrap();
        let Some(file) = vector.armored() else {
            skipped.push(name);
            continue;
        };
        let outcome = outcome(&vector, &file);
        if fits(expected, &outcome) {
            *counts.entry(expected.to_owned()).or_default() += 1;
        } else {
            wrong.push(format!("{name}: {expected}, but: {outcome}"));
        }
    }
    let passed: usize = counts.values().sum();
    eprintln!("{passed} vectors passed: {counts:?}; without an armored form: {skipped:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(skipped, ["empty"]);
    assert_eq!(passed + skipped.len(), VECTORS);
}
