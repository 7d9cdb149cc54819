use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;

use super::*;

const BLOB: u8 = 3;
const BY_PLACE: u8 = 6;
const BY_ID: u8 = 7;

fn kind_and_size(kind: u8, mut size: u64) -> Vec<u8> {
    let mut bytes = vec![kind << 4 | u8::try_from(size & 0xf).unwrap()];
    size >>= 4;
    while size > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(u8::try_from(size & 0x7f).unwrap());
        size >>= 7;
    }
    bytes
}

fn number(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    bytes.push(u8::try_from(value).unwrap());
    bytes
}

fn distance(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![u8::try_from(value & 0x7f).unwrap()];
    while value > 0x7f {
        value = (value >> 7) - 1;
        bytes.insert(0, u8::try_from(value & 0x7f).unwrap() | 0x80);
    }
    bytes
}

fn deflated(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// So many zeros, deflated.
fn deflated_zeros(mebibytes: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..mebibytes {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.finish().unwrap()
}

/// An object that is no delta.
pub(in crate::source) fn whole(kind: u8, data: &[u8]) -> Vec<u8> {
    [kind_and_size(kind, data.len() as u64), deflated(data)].concat()
}

/// A delta that claims sizes and has instructions.
fn delta(base: &[u8], kind: u8, base_size: u64, size: u64, instructions: &[u8]) -> Vec<u8> {
    let data = [number(base_size), number(size), instructions.to_vec()].concat();
    [&kind_and_size(kind, data.len() as u64), base, &deflated(&data)].concat()
}

pub(in crate::source) fn pack(objects: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(objects.len()).unwrap().to_be_bytes();
    let mut pack = [b"PACK\x00\x00\x00\x02".to_vec(), count.to_vec(), objects.concat()].concat();
    let sum = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &pack);
    pack.extend_from_slice(sum.as_ref());
    pack
}

/// A chain of deltas of one byte upon a blob of one byte, each upon the one before.
fn chain(depth: usize) -> Vec<u8> {
    let mut objects = vec![whole(BLOB, b"a")];
    for _ in 0..depth {
        let before = distance(objects.last().unwrap().len() as u64);
        objects.push(delta(&before, BY_PLACE, 1, 1, b"\x01b"));
    }
    pack(&objects)
}

fn read(bytes: &[u8]) -> Result<Vec<Unpacked>, FetchError> {
    let mut reader = PackReader::new();
    reader.take(bytes)?;
    reader.finish()?;
    Ok(reader.read)
}

#[track_caller]
fn assert_refused(bytes: &[u8], words: &str) {
    let error = read(bytes).unwrap_err();
    assert!(
        error.to_string().contains(words),
        "{error} does not say {words:?}"
    );
}

#[test]
fn a_zip_bomb_goes_off_nowhere() {
    // Inflating ends with the first piece that is too much, not after 64 MiB.
    let bomb = [kind_and_size(BLOB, 10), deflated_zeros(64)].concat();
    assert_refused(&pack(&[bomb]), "inflates to more than it says");
    // One that admits what it is does not even begin.
    let honest = [
        kind_and_size(BLOB, MAX_UNPACKED_OBJECT + 1),
        b"never read".to_vec(),
    ]
    .concat();
    assert_refused(&pack(&[honest]), "bytes in one object");
    let data = deflated_zeros(128);
    let most = [kind_and_size(BLOB, MAX_UNPACKED_OBJECT), data].concat();
    assert_eq!(
        u64::from(read(&pack(&[most])).unwrap()[0].size),
        MAX_UNPACKED_OBJECT
    );
}

#[test]
fn a_delta_bomb_goes_off_nowhere() {
    let base = whole(BLOB, b"a");
    let upon = distance(base.len() as u64);
    for kind_and_base in [(BY_PLACE, upon.clone()), (BY_ID, vec![7; ID])] {
        let (kind, named) = kind_and_base;
        // Ten bytes that claim an exbibyte.
        let bomb = delta(&named, kind, 1, 1 << 60, b"\x01b");
        assert_refused(&pack(&[base.clone(), bomb]), "bytes in one object");
        let most = delta(&named, kind, 1, MAX_UNPACKED_OBJECT, b"\x01b");
        read(&pack(&[base.clone(), most])).unwrap();
    }
    // Each of them is allowed, all of them together are not.
    let count = usize::try_from(MAX_UNPACKED_PACK / MAX_UNPACKED_OBJECT).unwrap();
    let mut objects = vec![base.clone()];
    objects.resize_with(count, || delta(&[7; ID], BY_ID, 1, MAX_UNPACKED_OBJECT, b""));
    read(&pack(&objects)).unwrap();
    objects.push(delta(&[7; ID], BY_ID, 1, MAX_UNPACKED_OBJECT, b""));
    assert_refused(&pack(&objects), "bytes in all objects");
}

#[test]
fn deltas_upon_deltas_have_an_end() {
    let most = usize::from(MAX_DELTA_DEPTH);
    assert_eq!(read(&chain(most)).unwrap().last().unwrap().depth, MAX_DELTA_DEPTH);
    assert_refused(&chain(most + 1), "deltas upon each other");
}

#[test]
fn sizes_are_held_against_what_is_there() {
    let blob = whole(BLOB, b"a");
    let upon = distance(blob.len() as u64);
    let too_short = [kind_and_size(BLOB, 2), deflated(b"a")].concat();
    let endless = vec![0xff; 12];
    let nowhere = delta(&distance(1), BY_PLACE, 1, 1, b"");
    let before_all = delta(&distance(1 << 40), BY_PLACE, 1, 1, b"");
    let overflow = [kind_and_size(BY_PLACE, 2), vec![0xff; 12]].concat();
    let no_sizes = [kind_and_size(BY_PLACE, 1), upon.clone(), deflated(b"\xff")].concat();
    let no_zlib = [kind_and_size(BLOB, 1), b"not deflated".to_vec()].concat();
    for (objects, words) in [
        (vec![too_short], "inflates to less"),
        (vec![endless], "too many digits"),
        (vec![blob.clone(), nowhere], "has no base"),
        (vec![blob.clone(), before_all], "has no base"),
        (vec![blob.clone(), overflow], "has no base"),
        (vec![blob.clone(), no_sizes], "without sizes"),
        (
            vec![blob.clone(), delta(&upon, BY_PLACE, 2, 1, b"")],
            "a base of another size",
        ),
        (vec![no_zlib], "cannot be inflated"),
        (vec![whole(0, b"a")], "no kind"),
        (vec![whole(5, b"a")], "no kind"),
    ] {
        assert_refused(&pack(&objects), words);
    }
}

#[test]
fn a_pack_is_whole_and_nothing_is_behind_it() {
    let good = pack(&[whole(BLOB, b"a"), whole(1, b"")]);
    assert_eq!(read(&good).unwrap().len(), 2);
    for end in 0..good.len() {
        let error = read(&good[..end]).unwrap_err();
        assert!(error.to_string().contains("ends in the middle"), "{end}: {error}");
    }
    assert_refused(&[&good[..], b"x"].concat(), "something behind its end");
    for header in [&b"PACK\x00\x00\x00\x03\x00\x00\x00\x01"[..], b"<html>......"] {
        assert_refused(header, "version 2");
    }
}

#[test]
fn a_pack_has_a_bounded_number_of_objects_and_bytes() {
    let header = |count: u64| {
        let count = u32::try_from(count).unwrap().to_be_bytes();
        [b"PACK\x00\x00\x00\x02".to_vec(), count.to_vec()].concat()
    };
    let mut reader = PackReader::new();
    reader.take(&header(MAX_PACK_OBJECTS)).unwrap();
    assert_eq!(reader.objects().map(u64::from), Some(MAX_PACK_OBJECTS));
    assert_refused(&header(MAX_PACK_OBJECTS + 1), "objects");
    let mut reader = PackReader::new();
    reader.at = MAX_PACK_BYTES - 1;
    reader.take(b"P").unwrap();
    let error = reader.take(b"A").unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { what: "bytes", .. }));
}

fn git(folder: &Path, arguments: &[&str], input: &str) -> Vec<u8> {
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([
            ("GIT_COMMITTER_NAME", "A"),
            ("GIT_COMMITTER_EMAIL", "a@example.org"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "git {arguments:?}");
    output.stdout
}

/// What git itself says of a pack, for each object in the order of their places: place, unpacked size, depth.
fn truth(folder: &Path, pack: &[u8]) -> Vec<Unpacked> {
    std::fs::write(folder.join("a.pack"), pack).unwrap();
    git(folder, &["index-pack", "a.pack"], "");
    let listed = String::from_utf8(git(folder, &["verify-pack", "-v", "a.idx"], "")).unwrap();
    let mut objects = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if words.len() < 5 || words[0].len() != 2 * ID {
            continue;
        }
        let size = git(folder, &["cat-file", "-s", words[0]], "");
        objects.push(Unpacked {
            start: words[4].parse().unwrap(),
            size: String::from_utf8(size).unwrap().trim().parse().unwrap(),
            depth: words.get(5).map_or(0, |depth| depth.parse().unwrap()),
        });
    }
    objects.sort_by_key(|object| object.start);
    objects
}

#[test]
fn packs_of_git_are_read_as_git_reads_them() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path();
    git(path, &["init", "-q", "-b", "main"], "");
    let mut text = String::new();
    for round in 0..30 {
        writeln!(
            text,
            "line {round} of a file that grows, so that deltas are worth it"
        )
        .unwrap();
        std::fs::write(path.join("file"), text.repeat(40)).unwrap();
        std::fs::write(path.join("small"), round.to_string()).unwrap();
        git(path, &["add", "file", "small"], "");
        git(path, &["commit", "-q", "-m", "again"], "");
    }
    git(path, &["tag", "-a", "-m", "tagged", "v1"], "");
    for (arguments, by_place) in [
        (&["--delta-base-offset"][..], true),
        (&["--delta-base-offset", "--depth=5"], true),
        (&["--depth=0"], true),
        (&["--depth=250", "--delta-base-offset"], true),
        (&[], false),
    ] {
        let command = [
            &["pack-objects", "-q", "--all", "--no-reuse-delta", "--stdout"],
            arguments,
        ]
        .concat();
        let pack = git(path, &command, "");
        let mut expected = truth(path, &pack);
        assert!(expected.len() > 90, "{}", expected.len());
        let read = read(&pack).unwrap();
        if !by_place {
            // Which delta is upon which is not known by their ids; that they are deltas is.
            for object in &mut expected {
                object.depth = object.depth.min(1);
            }
        }
        assert_eq!(read, expected, "{arguments:?}");
        let deepest = expected.iter().map(|object| object.depth).max();
        assert_eq!(
            deepest > Some(0),
            arguments != ["--depth=0"],
            "{arguments:?} made no deltas"
        );
    }
}

proptest! {
    #[test]
    fn a_pack_may_be_cut_anywhere(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..2000), 0..6),
        size in 1_usize..300,
    ) {
        let objects: Vec<_> = contents.iter().map(|content| whole(BLOB, content)).collect();
        let bytes = pack(&objects);
        let mut reader = PackReader::new();
        for piece in bytes.chunks(size) {
            reader.take(piece).unwrap();
        }
        reader.finish().unwrap();
        let sizes: Vec<_> = reader.read.iter().map(|object| object.size as usize).collect();
        prop_assert_eq!(sizes, contents.iter().map(Vec::len).collect::<Vec<_>>());
    }

    #[test]
    fn numbers_are_read_as_they_are_written(value: u64) {
        let written = [number(value), b"rest".to_vec()].concat();
        prop_assert_eq!(size(&written), Some((value, &b"rest"[..])));
    }

    #[test]
    fn damage_never_panics_and_never_changes_what_is_counted(at in 0_usize..4000, byte: u8) {
        let mut bytes = chain(60);
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(objects) = read(&bytes) {
            prop_assert!(objects.iter().all(|object| u64::from(object.size) <= MAX_UNPACKED_OBJECT));
        }
    }

    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&[b"PACK\x00\x00\x00\x02\x00\x00\x00\x09", &bytes[..]].concat());
    }
}
