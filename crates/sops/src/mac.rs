//! The message authentication code over the values of a file (`Tree.Encrypt` and `Tree.Decrypt` in sops.go).

use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::rule::{MacScope, Scope};
use crate::scalar::Scalar;

/// SHA-256 of `sops`: it keeps a code over sealed values only apart from one over all values.
const SEALED_VALUES_ONLY: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b, 0x0b,
    0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// The code of the values seen so far. It covers their canonical texts, one after another, without keys, types or
/// separators; nulls and comments are left out.
pub(crate) struct Mac {
    hash: Sha512,
    scope: MacScope,
}

impl Mac {
    pub(crate) fn new(scope: MacScope) -> Self {
        let mut hash = Sha512::new();
        if scope == MacScope::SealedValues {
            hash.update(SEALED_VALUES_ONLY);
        }
        Self { hash, scope }
    }

    pub(crate) fn update(&mut self, scalar: &Scalar<'_>, scope: Scope) {
        self.update_bytes(scalar.as_str().as_bytes(), scope);
    }

    /// The same for a value that need not be text.
    pub(crate) fn update_bytes(&mut self, value: &[u8], scope: Scope) {
        if self.scope == MacScope::AllValues || scope == Scope::Sealed {
            self.hash.update(value);
        }
    }

    /// The code as it is sealed: 128 upper-case hexadecimal digits.
    pub(crate) fn finish(self) -> Zeroizing<String> {
        use std::fmt::Write as _;
        let mut digits = Zeroizing::new(String::with_capacity(128));
        for byte in self.hash.finalize() {
            // Writing to a string does not fail.
            let _ = write!(digits, "{byte:02X}");
        }
        digits
    }

    /// Whether this is the code that the file holds, in constant time.
    pub(crate) fn verify(self, expected: &str) -> bool {
        self.finish().as_bytes().ct_eq(expected.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scalar::{Kind, Text};

    fn code(scope: MacScope, values: &[(&str, Scope)]) -> String {
        let mut mac = Mac::new(scope);
        for (text, scope) in values {
            let scalar = Scalar::from_plaintext(Kind::String, Text::Borrowed(text)).unwrap();
            mac.update(&scalar, *scope);
        }
        mac.finish().to_string()
    }

    #[test]
    fn covers_the_values_in_their_order() {
        let values = [("a", Scope::Sealed), ("b", Scope::Clear), ("c", Scope::Sealed)];
        // printf abc | sha512sum
        assert_eq!(
            code(MacScope::AllValues, &values),
            "DDAF35A193617ABACC417349AE20413112E6FA4E89A97EA20A9EEEE64B55D39A\
             2192992A274FC1A836BA3C23A3FEEBBD454D4423643CE80E2A9AC94FA54CA49F"
        );
        assert_eq!(
            code(MacScope::SealedValues, &values),
            code(MacScope::SealedValues, &[("ac", Scope::Sealed)])
        );
        assert_ne!(
            code(MacScope::SealedValues, &[("ac", Scope::Sealed)]),
            code(MacScope::AllValues, &[("ac", Scope::Sealed)])
        );
    }

    #[test]
    fn verifies_its_own_code_only() {
        let mac = || Mac::new(MacScope::AllValues);
        let digits = mac().finish();
        assert!(mac().verify(&digits));
        assert!(!mac().verify(""));
        assert!(!mac().verify(&digits.to_lowercase()));
        assert!(!mac().verify(digits.get(..127).unwrap()));
    }
}
