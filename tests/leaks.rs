//! A secret is nowhere once it is applied: not on disk, not in what is printed or told, not in the memory of the
//! process that runs on. What the scan can see is shown first, by a process that is held in the middle of an apply.
//!
//! Reading another process's memory takes root, since fluxops is not dumpable.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::duration_suboptimal_units,
    clippy::format_collect
)]

mod support;

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::process::{Child, Command};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use support::outside::FaultProxy;
use support::world::World;
use support::{eventually, files_below};

/// How long the process runs on after the apply before its memory is looked at.
const AFTERWARDS: Duration = Duration::from_secs(60);

#[test]
fn a_secret_is_nowhere_a_minute_after_it_was_applied() {
    let world = World::new();
    world.commit_good("v1");

    // Held in the middle of the write of the Secret: it is in memory now, and the scan has to find it.
    let proxy = FaultProxy::start(world.repository.path().parent().unwrap());
    proxy.set(&json!([{
        "match": {"method": "PATCH", "path_regex": "/secrets/db$"},
        "action": "hang", "seconds": 600, "count": null,
    }]));
    let held = Fluxops::start(&world, &["--kubeconfig", &proxy.kubeconfig], "held");
    eventually("the marker in a process that is writing it", || {
        (!forms_in_memory(&held.0, &world.marker).is_empty()).then_some(())
    });
    drop(held);

    let running = Fluxops::start(&world, &[], "running");
    world
        .api
        .wait_for(&world.namespace.core("secrets", "db"), |_| true);
    world
        .api
        .wait_for(&world.namespace.core("configmaps", "version"), |_| true);
    std::thread::sleep(AFTERWARDS);
    let found = forms_in_memory(&running.0, &world.marker);
    assert!(found.is_empty(), "the marker is in memory: {found:?}");
    assert!(
        forms_in_memory(&running.0, &world.namespace.name).contains(&"raw"),
        "the scan sees what is no secret"
    );
    drop(running);

    let folder = world.repository.path().parent().unwrap().to_owned();
    let forms = forms(&world.marker);
    for file in files_below(&folder) {
        let bytes = fs::read(&file).unwrap();
        for (form, pattern) in &forms {
            assert!(
                !contains(&bytes, pattern),
                "the marker is in {} ({form})",
                file.display()
            );
        }
    }
    for message in world.slack.messages() {
        for (form, pattern) in &forms {
            assert!(
                !contains(message.as_bytes(), pattern),
                "the marker is in a message ({form})"
            );
        }
    }
}

/// `fluxops run`, until it is dropped. What it prints goes to a file that is scanned like the others.
struct Fluxops(Child);

impl Fluxops {
    fn start(world: &World, more: &[&str], name: &str) -> Self {
        let log = File::create(world.repository.path().with_file_name(format!("{name}.log"))).unwrap();
        let arguments = world
            .arguments(more)
            .into_iter()
            .filter(|argument| argument != "--once");
        let child = Command::new(env!("CARGO_BIN_EXE_fluxops"))
            .args(arguments)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Fluxops {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// The forms that a text can take on its way, each with its name.
fn forms(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let bytes = text.as_bytes();
    let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let escaped = bytes
        .iter()
        .map(|byte| format!("\\u{:04x}", u32::from(*byte)))
        .collect::<String>();
    let mut forms = vec![
        ("raw", bytes.to_vec()),
        ("HEX", hex.to_uppercase().into_bytes()),
        ("hex", hex.into_bytes()),
        ("JSON-escaped", escaped.into_bytes()),
    ];
    // The inner characters do not depend on what stands before and behind.
    for (name, before) in [("base64", 0), ("base64 + 1", 1), ("base64 + 2", 2)] {
        let shifted = [vec![0; before], bytes.to_vec()].concat();
        let whole = BASE64.encode(&shifted[..shifted.len() / 3 * 3]).into_bytes();
        forms.push((name, whole[if before == 0 { 0 } else { 4 }..].to_vec()));
    }
    forms
}

/// Which forms of a text are in the writable memory of a process.
fn forms_in_memory(process: &Child, text: &str) -> Vec<&'static str> {
    let forms = forms(text);
    let id = process.id();
    let maps = fs::read_to_string(format!("/proc/{id}/maps")).expect("reading /proc/PID/maps takes root");
    let mut memory = File::open(format!("/proc/{id}/mem")).expect("reading /proc/PID/mem takes root");
    let mut found = Vec::new();
    let mut regions = 0;
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, rights) = (fields.next().unwrap(), fields.next().unwrap());
        if !rights.starts_with("rw") || line.ends_with("[vvar]") {
            continue;
        }
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (
            u64::from_str_radix(start, 16).unwrap(),
            u64::from_str_radix(end, 16).unwrap(),
        );
        memory.seek(SeekFrom::Start(start)).unwrap();
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        // A region may be gone by now.
        if memory.read_exact(&mut bytes).is_ok() {
            regions += 1;
            found.extend(
                forms
                    .iter()
                    .filter(|(_, pattern)| contains(&bytes, pattern))
                    .map(|(form, _)| *form),
            );
        }
    }
    assert!(regions > 0, "no memory could be read");
    found
}

fn contains(bytes: &[u8], pattern: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return false;
    };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        let start = from + at + 1;
        if bytes[start..].starts_with(rest) {
            return true;
        }
        from = start;
    }
    false
}
