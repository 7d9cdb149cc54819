//! A scalar that must not be seen.

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::Number;

/// A scalar that came out of an encrypted leaf, or that is the data of a Secret.
///
/// It has no `Debug`, `Display`, `Clone` or `Serialize`: nothing that prints, logs or copies by habit
/// can take it along. It can be [shared](Self::share) on purpose, and [exposed](Self::expose) where its
/// bytes are the point: in the body of a request, or in the output of a command whose purpose is plaintext.
/// The memory is wiped when the last share is dropped.
///
/// ```compile_fail,E0277
/// fn show(secret: &manifest_yaml::Sensitive) -> String {
///     format!("{secret:?}")
/// }
/// ```
/// ```compile_fail,E0277
/// fn print(secret: &manifest_yaml::Sensitive) -> String {
///     format!("{secret}")
/// }
/// ```
/// ```compile_fail,E0599
/// fn copy(secret: manifest_yaml::Sensitive) -> [manifest_yaml::Sensitive; 2] {
///     [secret.clone(), secret]
/// }
/// ```
/// ```compile_fail,E0277
/// fn send(secret: &manifest_yaml::Sensitive) -> serde_json::Result<String> {
///     serde_json::to_string(secret)
/// }
/// ```
/// What does compile, so that the above fails for the right reason:
/// ```
/// fn share(secret: &manifest_yaml::Sensitive) -> serde_json::Result<String> {
///     let _second: manifest_yaml::Sensitive = secret.share();
///     serde_json::to_string("***")
/// }
/// ```
pub struct Sensitive(Arc<Scalar>);

enum Scalar {
    String(Zeroizing<String>),
    Bool(bool),
    Number(Number),
}

/// The plain view of a [`Sensitive`] scalar, borrowed for as long as it is needed.
pub enum Exposed<'a> {
    /// A string.
    String(&'a str),
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
}

impl Sensitive {
    /// Marks a string.
    pub fn string(value: impl Into<Zeroizing<String>>) -> Self {
        Self(Arc::new(Scalar::String(value.into())))
    }

    /// Marks a boolean.
    pub fn bool(value: bool) -> Self {
        Self(Arc::new(Scalar::Bool(value)))
    }

    /// Marks a number.
    pub fn number(value: Number) -> Self {
        Self(Arc::new(Scalar::Number(value)))
    }

    /// A second handle on the same memory; nothing is copied.
    #[must_use]
    pub fn share(&self) -> Self {
        Self(Arc::clone(&self.0))
    }

    /// The plain value. Every call is a place where plaintext leaves: keep them few and obvious.
    pub fn expose(&self) -> Exposed<'_> {
        match &*self.0 {
            Scalar::String(text) => Exposed::String(text),
            Scalar::Bool(value) => Exposed::Bool(*value),
            Scalar::Number(number) => Exposed::Number(*number),
        }
    }
}
