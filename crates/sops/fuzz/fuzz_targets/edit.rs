//! A sealed file that is edited: without a change it says the same, byte for byte; with one, what is written opens again.
//! The input is two texts with a NUL between: the file, and what it is edited to.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use manifest_yaml::Limits;
use sops::{
    AgeRecipient, ChangeOptions, DataKeySource, EncryptOptions, Format, MacScope, Rule, UnwrapError, WrappedKey,
    decrypt, edit, encrypt,
};
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
    let (file, edited) = text.split_once('\0').unwrap_or((text, text));
    let options = EncryptOptions {
        recipients: std::iter::once(recipient.clone()).collect(),
        rule: Rule::default(),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let limits = Limits { max_bytes: usize::MAX, max_nodes: usize::MAX, ..Limits::default() };
    for format in [Format::Yaml, Format::Json, Format::Dotenv, Format::Ini] {
        let mut count = 0_u64;
        let mut random = |buffer: &mut [u8]| {
            count += 1;
            buffer.fill(7);
            for (byte, number) in buffer.iter_mut().zip(count.to_le_bytes()) {
                *byte ^= number;
            }
        };
        // The data key is the same each time, the initialisation vectors are not.
        let mut first = true;
        let Ok(sealed) = encrypt(file, format, &options, jiff::Timestamp::UNIX_EPOCH, &mut |buffer| {
            if std::mem::take(&mut first) { buffer.fill(7) } else { random(buffer) }
        }) else {
            continue;
        };
        let Ok(plain) = decrypt(&sealed, format, &SameKey, &limits) else { continue };
        let change = ChangeOptions { format, keys: &SameKey, limits: &limits, now: jiff::Timestamp::UNIX_EPOCH };
        if let Ok(same) = edit(&sealed, plain.as_bytes(), &change, &mut random) {
            assert_eq!(*decrypt(&same, format, &SameKey, &limits).expect("it opens"), *plain);
        }
        if let Ok(changed) = edit(&sealed, edited.as_bytes(), &change, &mut random) {
            decrypt(&changed, format, &SameKey, &limits).expect("it opens");
        }
    }
});
