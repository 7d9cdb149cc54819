//! Whatever is sealed opens to what it was, and nothing panics.

#![allow(clippy::unwrap_used)] // tests

mod generator;

use std::sync::OnceLock;

use generator::Numbers;
use manifest_yaml::{Limits, Schema, Value, from_json, from_yaml, to_json_exposed};
use proptest::prelude::*;
use sops::{
    AgeIdentities, AgeRecipient, EncryptOptions, Format, GoRegex, MacScope, Rule,
    creation_rules::CreationRules, decrypt, encrypt, open,
};

fn identities() -> AgeIdentities {
    use age::secrecy::ExposeSecret as _;
    static KEY: OnceLock<age::x25519::Identity> = OnceLock::new();
    let key = KEY.get_or_init(age::x25519::Identity::generate).to_string();
    AgeIdentities::parse(key.expose_secret()).unwrap()
}

fn options(rule: Rule, mac_scope: MacScope) -> EncryptOptions {
    let recipients = identities().recipients().cloned().collect();
    EncryptOptions {
        recipients,
        rule,
        mac_scope,
        limits: Limits::default(),
    }
}

fn rule() -> impl Strategy<Value = Rule> {
    prop_oneof![
        Just(Rule::default()),
        Just(Rule::EncryptedSuffix("_secret".to_owned())),
        Just(Rule::UnencryptedSuffix("a".to_owned())),
        Just(Rule::EncryptedRegex(
            GoRegex::parse("^(data|stringData)$").unwrap()
        )),
        Just(Rule::UnencryptedRegex(GoRegex::parse("(?i)^META|\\s").unwrap())),
    ]
}

fn json(documents: &[Value]) -> Vec<Vec<u8>> {
    documents
        .iter()
        .map(|document| to_json_exposed(document).to_vec())
        .filter(|json| json != b"{}")
        .collect()
}

fn read(format: Format, text: &str) -> Vec<Vec<u8>> {
    let documents = match format {
        Format::Yaml => from_yaml(text.as_bytes(), Schema::GoYamlV3, &Limits::default()),
        _ => from_json(text.as_bytes(), &Limits::default()),
    };
    let values: Vec<Value> = documents
        .unwrap()
        .into_iter()
        .map(|document| document.value)
        .collect();
    json(&values)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn opening_undoes_sealing(seed in any::<u64>(), rule in rule(), all in any::<bool>(), is_yaml in any::<bool>()) {
        let mut numbers = Numbers::new(seed);
        let (format, text) = if is_yaml {
            (Format::Yaml, generator::yaml(&mut numbers))
        } else {
            (Format::Json, generator::json(&mut numbers))
        };
        let mac_scope = if all { MacScope::AllValues } else { MacScope::SealedValues };
        let now = jiff::Timestamp::UNIX_EPOCH;
        let sealed = encrypt(&text, format, &options(rule, mac_scope), now, &mut |buffer| numbers.fill(buffer)).unwrap();
        let opened = open(&sealed, format, &identities(), &Limits::default()).ok().unwrap();
        prop_assert_eq!(json(&opened.documents), read(format, &text), "{}", text);
        let plain = decrypt(&sealed, format, &identities(), &Limits::default()).ok().unwrap();
        prop_assert_eq!(read(format, &plain), read(format, &text), "{}\n{}", text, *plain);
    }

    #[test]
    fn any_change_of_a_sealed_byte_is_seen(seed in any::<u64>(), at in any::<prop::sample::Index>(), by in 1_u8..64) {
        const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut numbers = Numbers::new(seed);
        let now = jiff::Timestamp::UNIX_EPOCH;
        let options = options(Rule::default(), MacScope::AllValues);
        let sealed = encrypt("a: some text\n", Format::Yaml, &options, now, &mut |buffer| numbers.fill(buffer)).unwrap();
        let start = sealed.find("data:").unwrap() + "data:".len();
        let end = start + sealed.get(start..).unwrap().find(',').unwrap();
        let offset = start + at.index(end - start);
        let mut bytes = sealed.into_bytes();
        let byte = bytes.get_mut(offset).unwrap();
        if let Some(index) = BASE64.iter().position(|other| other == byte) {
            *byte = *BASE64.get((index + usize::from(by)) % 64).unwrap();
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(open(&changed, Format::Yaml, &identities(), &Limits::default()).is_err());
        }
    }

    #[test]
    fn no_text_makes_the_readers_panic(text in "(\\PC|\n|ENC\\[AES256_GCM,|sops:|  |- |: ){0,60}") {
        for format in [Format::Yaml, Format::Json] {
            let _ = open(&text, format, &identities(), &Limits::default());
            let _ = encrypt(&text, format, &options(Rule::default(), MacScope::AllValues), jiff::Timestamp::UNIX_EPOCH, &mut |_| {});
        }
        let _ = GoRegex::parse(&text);
        let _ = AgeIdentities::parse(&text);
        let _ = CreationRules::parse(&text, &Limits::default());
        let _ = text.parse::<AgeRecipient>();
    }

    #[test]
    fn no_pattern_means_something_that_it_did_not_compile_to(pattern in r"[a-c\[\]\\dwsbB(){}|*+?^$.,:0-9-]{0,12}", text in "[a-c0-9 _-]{0,6}") {
        if let Ok(regex) = GoRegex::parse(&pattern) {
            let _ = regex.is_match(&text);
            prop_assert_eq!(regex.as_str(), pattern);
        }
    }
}
