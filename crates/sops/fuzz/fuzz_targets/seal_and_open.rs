//! Plain files of all sorts: what can be sealed opens again, in its text as in its values. A text whose form is not
//! foreseen may be refused once it is read back; it may not open to other values.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use manifest_yaml::Limits;
use sops::{AgeRecipient, DataKeySource, EncryptError, EncryptOptions, Format, MacScope, OpenError, Rule, UnwrapError, WrappedKey, decrypt, encrypt};
use zeroize::Zeroizing;

const RECIPIENT: &str = "age1ar4vsspul9djnnd7h3s9428aqkadpwrgk69lzxxlalslzy35fsdsna9q7a";

struct SameKey;

impl DataKeySource for SameKey {
    fn unwrap_key(&self, _: &WrappedKey) -> Result<Option<Zeroizing<Vec<u8>>>, UnwrapError> {
        Ok(Some(Zeroizing::new(vec![7; 32])))
    }
}

fuzz_target!(|text: &str| {
    static RECIPIENTS: OnceLock<AgeRecipient> = OnceLock::new();
    let recipient = RECIPIENTS.get_or_init(|| RECIPIENT.parse().expect("a valid recipient"));
    let options = EncryptOptions {
        recipients: std::iter::once(recipient.clone()).collect(),
        rule: Rule::default(),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    for format in [Format::Yaml, Format::Json] {
        let sealed = encrypt(text, format, &options, jiff::Timestamp::UNIX_EPOCH, &mut |buffer| buffer.fill(7));
        match sealed {
            Ok(sealed) => {
                let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
                assert!(decrypt(&sealed, format, &SameKey, &limits).is_ok());
            }
            Err(EncryptError::ReadBack(error)) => assert!(matches!(error, OpenError::Parse(_)), "{error:?}"),
            Err(_) => {}
        }
    }
});
