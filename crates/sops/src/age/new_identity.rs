//! New identities, as `age-keygen` makes them.

use age::secrecy::ExposeSecret as _;
use zeroize::Zeroizing;

use super::hybrid::HybridIdentity;
use super::recipient::AgeRecipient;

/// What a new identity rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgeKeyType {
    /// X25519: `age1…`, read by every age.
    X25519,
    /// X25519 and ML-KEM-768: `age1pq1…`, read by age 1.3, sops 3.13 and later. It keeps data sealed from those who
    /// store files today and have a quantum computer later.
    PostQuantum,
}

/// A private key that was just made, and has to be kept somewhere. Wiped when it is dropped; it cannot be printed.
pub struct NewAgeIdentity {
    text: Zeroizing<String>,
    recipient: AgeRecipient,
}

impl NewAgeIdentity {
    /// A new key, out of the operating system's random source.
    pub fn generate(key_type: AgeKeyType) -> Self {
        match key_type {
            AgeKeyType::X25519 => {
                let identity = age::x25519::Identity::generate();
                Self {
                    text: Zeroizing::new(identity.to_string().expose_secret().to_owned()),
                    recipient: AgeRecipient::x25519(identity.to_public()),
                }
            }
            AgeKeyType::PostQuantum => {
                let identity = HybridIdentity::generate();
                Self {
                    text: identity.expose(),
                    recipient: AgeRecipient::hybrid(identity.recipient()),
                }
            }
        }
    }

    /// The private key, to be written to an identity file: `AGE-SECRET-KEY-…`.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// Its public key.
    pub fn recipient(&self) -> &AgeRecipient {
        &self.recipient
    }
}
