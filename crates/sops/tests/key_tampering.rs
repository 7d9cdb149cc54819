//! Files whose keys were tampered with: age files with another armor, header, stanza or payload, key groups below their
//! threshold, and metadata of the wrong types. Each is refused with a reason, and sops does not open it either.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // tests

mod oracle;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use manifest_yaml::Limits;
use oracle::Oracle;
use sops::{
    AgeRecipient, DataKeyError, EncryptOptions, Format, GoRegex, MacScope, MetadataError, OpenError,
    RecipientGroups, Rule, UnwrapError, encrypt, open,
};

const PLAIN: &str = "kind: Secret\ndata:\n  user: secret-one\n";
const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const MALFORMED: &str = "its header is malformed or of another version";
const STANZA: &str = "its header is malformed";
const ARMOR: &str = "its armor is broken or cut off";
const PAYLOAD: &str = "its payload is not authentic";
const END: &str = "-----END AGE ENCRYPTED FILE-----";

fn seal(recipients: RecipientGroups) -> String {
    let options = EncryptOptions {
        recipients,
        rule: Rule::EncryptedRegex(GoRegex::parse("^data$").unwrap()),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let mut state = 7_u8;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            state = state.wrapping_mul(5).wrapping_add(3);
            *byte = state;
        }
    };
    let now = "2026-11-23T21:43:04Z".parse().unwrap();
    encrypt(PLAIN, Format::Yaml, &options, now, &mut random).unwrap()
}

/// What we say; sops has to refuse the text too.
fn refusal(name: &str, oracle: &Oracle, text: &str) -> OpenError {
    assert!(
        oracle.decrypt(Format::Yaml, text, "yaml").is_err(),
        "{name}: sops opens it:\n{text}"
    );
    our_refusal(name, oracle, text)
}

fn our_refusal(name: &str, oracle: &Oracle, text: &str) -> OpenError {
    let error = open(text, Format::Yaml, &oracle.identities, &Limits::default())
        .err()
        .unwrap_or_else(|| panic!("{name}: opened:\n{text}"));
    assert!(!format!("{error:?} {error}").contains("secret-one"), "{name}");
    error
}

/// The armored file of a text with one, and the bytes in it.
fn age_file(sealed: &str) -> (&str, Vec<u8>) {
    let start = sealed.find(BEGIN).unwrap();
    let end = sealed.find(END).unwrap() + END.len();
    let armored = &sealed[start..end];
    let body: String = armored
        .lines()
        .filter(|line| !line.contains("-----"))
        .map(str::trim)
        .collect();
    (armored, BASE64_STANDARD.decode(body).unwrap())
}

/// The sealed text with another age file.
fn with_age_file(sealed: &str, file: &[u8]) -> String {
    let (armored, _) = age_file(sealed);
    let indentation = " ".repeat(12);
    let body = BASE64_STANDARD.encode(file);
    let lines = body
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap());
    let lines: Vec<&str> = std::iter::once(BEGIN).chain(lines).chain([END]).collect();
    sealed.replace(armored, &lines.join(&format!("\n{indentation}")))
}

/// The text of a header with one part replaced.
fn with_header(sealed: &str, change: impl Fn(&str) -> String) -> String {
    let (_, file) = age_file(sealed);
    let mac = file.windows(4).position(|window| window == b"\n---").unwrap() + 1;
    let end = mac + file[mac..].iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let header = str::from_utf8(&file[..end]).unwrap();
    let mut changed = change(header).into_bytes();
    assert_ne!(changed, header.as_bytes());
    changed.extend(&file[end..]);
    with_age_file(sealed, &changed)
}

/// The lines of a header with one recipient: version, stanza, its body, MAC.
fn replace_line(header: &str, number: usize, line: &str) -> String {
    let mut lines: Vec<&str> = header.lines().collect();
    lines[number] = line;
    lines.join("\n") + "\n"
}

fn broken(error: &OpenError) -> Option<&'static str> {
    match error {
        OpenError::DataKey(DataKeyError::NoKey { broken, .. }) => broken.first().map(|key| match key.error {
            UnwrapError::InvalidAgeFile { problem } => problem,
            _ => "another error",
        }),
        _ => Some("another error"),
    }
}

#[test]
fn age_files_cannot_be_changed() {
    let oracle = Oracle::new();
    let sealed = seal(std::iter::once(oracle.recipient.clone()).collect());
    assert!(oracle.decrypt(Format::Yaml, &sealed, "yaml").is_ok());
    let (_, file) = age_file(&sealed);
    assert_eq!(with_age_file(&sealed, &file), sealed);

    let zeros = |bytes: usize| BASE64_STANDARD_NO_PAD.encode(vec![0; bytes]);
    let header = |number: usize, line: String| with_header(&sealed, |text| replace_line(text, number, &line));
    let mut flipped = file.clone();
    *flipped.last_mut().unwrap() ^= 1;

    let table = [
        (
            "another MAC of the header",
            header(3, format!("--- {}", zeros(32))),
            "its header is not authentic",
        ),
        ("a short MAC", header(3, format!("--- {}", zeros(16))), MALFORMED),
        (
            "another version",
            header(0, "age-encryption.org/v2".to_owned()),
            MALFORMED,
        ),
        (
            "a stanza without arguments",
            header(1, "-> X25519".to_owned()),
            STANZA,
        ),
        (
            "a share of the wrong length",
            header(1, format!("-> X25519 {}", zeros(31))),
            STANZA,
        ),
        ("a body of the wrong length", header(2, zeros(31)), STANZA),
        ("a body that is not base64", header(2, "*".repeat(43)), MALFORMED),
        (
            "a stanza added",
            with_header(&sealed, |text| text.replace("--- ", "-> grease\n\n--- ")),
            "its header is not authentic",
        ),
        ("another payload", with_age_file(&sealed, &flipped), PAYLOAD),
        (
            "a payload cut off",
            with_age_file(&sealed, &file[..file.len() - 20]),
            PAYLOAD,
        ),
        (
            "no payload",
            with_age_file(&sealed, &file[..file.len() - 64]),
            "it is cut off",
        ),
        (
            "nothing in the armor",
            with_age_file(&sealed, b""),
            "it is cut off",
        ),
        (
            "no armor",
            sealed.replace(BEGIN, "-----BEGIN SOMETHING-----"),
            "it is not armored",
        ),
        (
            "no end of the armor",
            sealed.replace(END, "-----END SOMETHING-----"),
            ARMOR,
        ),
        (
            "text in the armor",
            sealed.replace(BEGIN, &format!("{BEGIN}\n{}!", " ".repeat(12))),
            ARMOR,
        ),
    ];
    for (name, text, problem) in table {
        assert_ne!(text, sealed, "{name}");
        assert_eq!(broken(&refusal(name, &oracle, &text)), Some(problem), "{name}");
    }

    // What is for another key is no error by itself, so these say whose file it is.
    for (name, text) in [
        (
            "another share",
            header(1, format!("-> X25519 {}", BASE64_STANDARD_NO_PAD.encode([9; 32]))),
        ),
        ("another body", header(2, zeros(32))),
        (
            "another type of stanza",
            with_header(&sealed, |text| text.replace("X25519", "X25520")),
        ),
    ] {
        assert_eq!(broken(&refusal(name, &oracle, &text)), None, "{name}");
    }
}

#[test]
fn key_groups_below_their_threshold_stay_closed() {
    let (first, second, third) = (Oracle::new(), Oracle::new(), Oracle::new());
    let groups: Vec<Vec<AgeRecipient>> = [&first, &second, &third]
        .map(|oracle| vec![oracle.recipient.clone()])
        .into();
    let sealed = seal(RecipientGroups::new(groups, Some(2)).unwrap());
    let OpenError::DataKey(DataKeyError::BelowThreshold {
        opened,
        threshold,
        wanted,
        ..
    }) = refusal("one of three", &first, &sealed)
    else {
        panic!("another error");
    };
    assert_eq!((opened, threshold), (1, 2));
    let wanted: Vec<String> = wanted.into_iter().map(|key| key.recipient).collect();
    assert_eq!(
        wanted,
        [&second, &third].map(|oracle| oracle.recipient.to_string())
    );

    // One share says nothing: a lower threshold gives another key, which opens no value.
    let lowered = sealed.replace("shamir_threshold: 2", "shamir_threshold: 1");
    assert_ne!(lowered, sealed);
    our_refusal("a threshold of one", &first, &lowered);
    let raised = sealed.replace("shamir_threshold: 2", "shamir_threshold: 4");
    assert!(matches!(
        our_refusal("a threshold that nobody can meet", &first, &raised),
        OpenError::Metadata(MetadataError::InvalidKeyGroups { .. })
    ));

    first.add_identities_of(&second);
    assert!(first.decrypt(Format::Yaml, &sealed, "yaml").is_ok());
}

#[test]
fn metadata_has_types() {
    let oracle = Oracle::new();
    let sealed = seal(std::iter::once(oracle.recipient.clone()).collect());
    let fields = [
        "lastmodified",
        "mac",
        "encrypted_regex",
        "version",
        "enc",
        "recipient",
    ];
    for field in fields {
        let (start, line) = sealed
            .match_indices('\n')
            .map(|(index, _)| index + 1)
            .filter_map(|start| Some((start, sealed[start..].lines().next()?)))
            .find(|(_, line)| {
                line.trim_start_matches([' ', '-'])
                    .starts_with(&format!("{field}:"))
            })
            .unwrap();
        // A literal block scalar goes on over the lines that are indented more.
        let indentation = line.len() - line.trim_start_matches([' ', '-']).len();
        let rest = &sealed[start + line.len()..];
        let literal = rest
            .split_inclusive('\n')
            .skip(1)
            .take_while(|line| line.len() - line.trim_start().len() > indentation)
            .map(str::len)
            .sum::<usize>();
        let end = start + line.len() + if literal == 0 { 0 } else { literal };
        for value in ["[]", "[text]", "{a: b}"] {
            let name = format!("{field} as {value}");
            let text = format!(
                "{}{}: {value}\n{}",
                &sealed[..start],
                line.split_once(':').unwrap().0,
                sealed[end..].trim_start_matches('\n')
            );
            let error = our_refusal(&name, &oracle, &text);
            assert!(
                matches!(&error, OpenError::Metadata(MetadataError::WrongType { field: at, .. }) if at.contains(field)),
                "{name}: {error:?}"
            );
            assert!(error.position().is_some(), "{name}");
        }
    }
}
