//! How much memory opening a large file takes, beside the file itself.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // tests; one of them is run for its output

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use age::secrecy::ExposeSecret as _;
use manifest_yaml::Limits;
use sops::{AgeIdentities, EncryptOptions, Format, GoRegex, MacScope, Rule, encrypt, open};

/// Sealed, a little less than the 5 MiB that are read by default.
const PLAIN_BYTES: usize = 1_600_000;
/// Peak over the file's size.
const AT_MOST: u64 = 8;
const FOLDER: &str = "SOPS_MEMORY_FOLDER";

/// A line of `/proc/self/status`, in bytes.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let kilobytes = status.lines().find_map(|found| found.strip_prefix(line)).unwrap();
    let kilobytes: u64 = kilobytes
        .trim_start_matches(':')
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    kilobytes * 1024
}

#[test]
fn a_large_file_opens_in_a_bounded_multiple_of_its_size() {
    let identity = age::x25519::Identity::generate().to_string();
    let identities = AgeIdentities::parse(identity.expose_secret()).unwrap();
    let mut plain = "kind: Secret\nstringData:\n".to_owned();
    let mut line = 0;
    while plain.len() < PLAIN_BYTES {
        writeln!(
            plain,
            "  key{line}: value {line} with some words that fill the line"
        )
        .unwrap();
        line += 1;
    }
    let options = EncryptOptions {
        recipients: identities.recipients().cloned().collect(),
        rule: Rule::EncryptedRegex(GoRegex::parse("^stringData$").unwrap()),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let mut counter = 0_u8;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            counter = counter.wrapping_mul(5).wrapping_add(1);
            *byte = counter;
        }
    };
    let now = jiff::Timestamp::UNIX_EPOCH;
    let sealed = encrypt(&plain, Format::Yaml, &options, now, &mut random).unwrap();

    let folder = std::env::temp_dir().join(format!("sops-memory-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("sealed.yaml"), &sealed).unwrap();
    fs::write(folder.join("keys.txt"), identity.expose_secret()).unwrap();
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let output = String::from_utf8_lossy(&child.stdout).into_owned();
    let peak: u64 = output
        .lines()
        .find_map(|line| line.strip_prefix("peak: "))
        .unwrap()
        .parse()
        .unwrap();
    let size = u64::try_from(sealed.len()).unwrap();
    println!(
        "{size} bytes open in {peak} bytes: {} % of the file",
        peak * 100 / size
    );
    assert!(peak > size / 2, "the measurement does not measure");
    assert!(peak <= AT_MOST * size, "{peak} bytes for a file of {size}");
}

/// Run by the test above: what another one allocated before would be reused, and not be counted.
#[test]
#[ignore = "the child process of a_large_file_opens_in_a_bounded_multiple_of_its_size"]
fn in_a_process_of_its_own() {
    let folder = std::path::PathBuf::from(std::env::var(FOLDER).unwrap());
    let identities = AgeIdentities::parse(&fs::read_to_string(folder.join("keys.txt")).unwrap()).unwrap();
    let before = memory("VmRSS");
    let sealed = fs::read_to_string(folder.join("sealed.yaml")).unwrap();
    let opened = open(&sealed, Format::Yaml, &identities, &Limits::default()).unwrap();
    println!("\npeak: {}", memory("VmHWM") - before);
    assert_eq!(opened.documents.len(), 1);
}
