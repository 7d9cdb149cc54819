//! The names things go by: in Kubernetes, on the command line, in the audit log.

mod directive;
mod object;

pub(crate) use directive::Directive;
pub use object::{Identity, ObjectRef, api_version};

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The field manager under which everything is applied.
pub const FIELD_MANAGER: &str = "fluxops";
/// The label with the name of the Delivery that an object belongs to.
pub const DELIVERY_LABEL: &str = "fluxops.dev/delivery";
/// The label with the namespace of the Delivery that an object belongs to.
pub const NAMESPACE_LABEL: &str = "fluxops.dev/namespace";
/// The finalizer that lets a deleted Delivery prune what it applied.
pub const FINALIZER: &str = "fluxops.dev/finalizer";
/// The most characters a Kubernetes label value may have.
pub const MAX_LABEL_VALUE: usize = 63;
/// The most characters a Kubernetes object name may have (a DNS subdomain, RFC 1123).
pub const MAX_NAME: usize = 253;

/// A kind of fluxops's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Kind {
    /// Where manifests come from.
    GitSource,
    /// What is applied, and how.
    Delivery,
    /// Who is told.
    Notifier,
    /// Whose webhooks are received.
    Receiver,
}

impl Kind {
    /// The kind as it stands in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitSource => "GitSource",
            Self::Delivery => "Delivery",
            Self::Notifier => "Notifier",
            Self::Receiver => "Receiver",
        }
    }

    /// The kind in lower case, as it stands on the command line.
    pub fn lowercase(self) -> &'static str {
        match self {
            Self::GitSource => "gitsource",
            Self::Delivery => "delivery",
            Self::Notifier => "notifier",
            Self::Receiver => "receiver",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The name of a namespaced object, checked to be one that Kubernetes allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The namespace.
    pub namespace: String,
    /// The name in it.
    pub name: String,
}

/// A namespace, checked to be one that Kubernetes allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceName(String);

impl NamespaceName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NamespaceName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        checked(text, MAX_LABEL_VALUE).map(Self)
    }
}

impl Key {
    /// A key of a namespace and a name, both RFC 1123 names.
    pub fn new(namespace: &str, name: &str) -> Result<Self, InvalidName> {
        Ok(Self {
            namespace: checked(namespace, MAX_LABEL_VALUE)?,
            name: checked(name, MAX_NAME)?,
        })
    }
}

/// The name of an object without its namespace, checked to be one that Kubernetes allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The name as it stands in a manifest.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        checked(text, MAX_NAME).map(Self)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// One of fluxops's own objects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    /// Which kind.
    pub kind: Kind,
    /// Which one.
    #[serde(flatten)]
    pub key: Key,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind.lowercase(), self.key)
    }
}

/// `KIND/NAME` as it is given on the command line, without a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindAndName {
    /// Which kind.
    pub kind: Kind,
    /// Which name.
    pub name: String,
}

impl FromStr for KindAndName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let (kind, name) = text
            .split_once('/')
            .ok_or_else(|| InvalidName::NoKind(text.to_owned()))?;
        let kind = parse_kind(kind)?;
        Ok(Self {
            kind,
            name: checked(name, MAX_NAME)?,
        })
    }
}

/// Reads a kind as kubectl would: any case, singular or plural.
pub fn parse_kind(text: &str) -> Result<Kind, InvalidName> {
    match text.to_ascii_lowercase().as_str() {
        "gitsource" | "gitsources" => Ok(Kind::GitSource),
        "delivery" | "deliveries" => Ok(Kind::Delivery),
        "notifier" | "notifiers" => Ok(Kind::Notifier),
        "receiver" | "receivers" => Ok(Kind::Receiver),
        _ => Err(InvalidName::UnknownKind(text.to_owned())),
    }
}

/// Why a name is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Not an RFC 1123 subdomain.
    #[error(
        "{0:?} is not a Kubernetes name: lower case letters, digits, '-' and '.', at most {1} characters"
    )]
    NotDns(String, usize),
    /// No `KIND/` before the name.
    #[error("{0:?} names no kind; write it as KIND/NAME, for example delivery/web")]
    NoKind(String),
    /// A kind that fluxops does not have.
    #[error("{0:?} is no kind of fluxops; there are gitsource, delivery, notifier and receiver")]
    UnknownKind(String),
}

fn checked(text: &str, longest: usize) -> Result<String, InvalidName> {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    if text.len() <= longest && text.split('.').all(label) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName::NotDns(text.to_owned(), longest))
    }
}

/// A name as a label value: itself while it fits, otherwise its start and a digest of the whole.
pub fn label_value(name: &str) -> String {
    const KEPT: usize = 46;
    if name.len() <= MAX_LABEL_VALUE {
        return name.to_owned();
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    let kept: String = name.chars().take(KEPT).collect();
    format!("{kept}-{}", hex(digest.as_ref().get(..8).unwrap_or_default()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_rfc_1123() {
        for good in ["a", "web-1", "web.example", "0"] {
            assert!(Key::new("default", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a..b",
            "../x",
            "a/b",
            &"a".repeat(254),
        ] {
            assert!(Key::new("default", bad).is_err(), "{bad}");
            assert!(bad.parse::<NamespaceName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_label_value_fits_and_stays_distinct() {
        let (one, two) = ("a".repeat(100), format!("{}b", "a".repeat(99)));
        assert_eq!(label_value("web"), "web");
        assert_eq!(label_value(&one).len(), MAX_LABEL_VALUE);
        assert_ne!(label_value(&one), label_value(&two));
    }

    #[test]
    fn kinds_are_read_as_kubectl_reads_them() {
        let parsed: KindAndName = "GitSources/apps".parse().unwrap();
        assert_eq!(
            parsed,
            KindAndName {
                kind: Kind::GitSource,
                name: "apps".into()
            }
        );
        assert!("apps".parse::<KindAndName>().is_err());
        assert!("pod/apps".parse::<KindAndName>().is_err());
    }
}
