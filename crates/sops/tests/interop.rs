#![allow(missing_docs)]
mod oracle;
use oracle::Oracle;
use sops::*;
use manifest_yaml::{Limits, to_json_exposed, Value};

fn random(buffer: &mut [u8]) { use std::io::Read as _; std::fs::File::open("/dev/urandom").unwrap().read_exact(buffer).unwrap(); }

#[test]
fn smoke() {
    let oracle = Oracle::new();
    let text = std::fs::read_to_string("/tmp/so/a.yaml").unwrap();
    for args in [&[][..], &["--encrypted-regex","^(data|stringData)$"], &["--mac-only-encrypted"], &["--unencrypted-regex","^meta"]] {
        let sealed = oracle.encrypt(Format::Yaml, &text, args).unwrap();
        let opened = open(&sealed, Format::Yaml, &oracle.identities, &Limits::default());
        match &opened { Ok(o) => for d in &o.documents { eprintln!("{}", String::from_utf8_lossy(&to_json_exposed(d))) }, Err(e) => eprintln!("{e:?}") }
        opened.ok().unwrap();
        let plain = decrypt(&sealed, Format::Yaml, &oracle.identities, &Limits::default()).unwrap();
        eprintln!("{}", *plain);
    }
    let sealed = encrypt(&text, Format::Yaml, &EncryptOptions{recipients: vec![oracle.recipient.clone()], rule: Rule::default(), mac_scope: MacScope::AllValues, limits: Limits::default()}, jiff::Timestamp::UNIX_EPOCH, &mut random).unwrap();
    eprintln!("{sealed}");
    eprintln!("{}", oracle.decrypt(Format::Yaml, &sealed, "yaml").unwrap());
    assert_eq!(*decrypt(&sealed, Format::Yaml, &oracle.identities, &Limits::default()).unwrap(), text);
}
