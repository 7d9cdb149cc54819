//! The `sops` block: who can open a file, what is sealed in it, and its message authentication code.

use manifest_yaml::syntax::{Content, Node, ScalarStyle};
use manifest_yaml::{Position, Scalar as YamlScalar, Schema, resolve_scalar};
use thiserror::Error;

use crate::data_key::{KeyKind, WrappedKey};
use crate::format::Tree;
use crate::go_regex::{GoRegex, RegexError};
use crate::rule::{MacScope, Rule};
use crate::time;

/// The name of the block; in most formats its key, reserved at the top of every document.
pub(crate) const SOPS_KEY: &str = "sops";

/// Most key groups a file may have: the points of its shares are bytes other than 0 (`Split` in shamir/shamir.go).
pub const MAX_KEY_GROUPS: usize = 255;

/// Most keys a file may be wrapped for; each costs an X25519 operation of everybody who is not among the first.
pub const MAX_WRAPPED_KEYS: usize = 1000;

/// What the `sops` block of a file says (stores/stores.go). Fields that are not known are left alone, as sops does;
/// they decide nothing here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub(crate) key_groups: KeyGroups,
    pub(crate) rule: Rule,
    pub(crate) mac_scope: MacScope,
    pub(crate) mac: String,
    pub(crate) mac_position: Position,
    /// To the second, as the MAC is bound to it.
    pub(crate) last_modified: String,
    pub(crate) version: Option<String>,
}

/// The wrapped keys of a file, by group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyGroups {
    pub(crate) groups: Vec<Vec<WrappedKey>>,
    /// Groups that have to be opened; 1 if there is one group.
    pub(crate) threshold: usize,
}

/// Why a `sops` block is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// A field has another type than sops writes.
    #[error("failed to read {field} at {position}: it is not {expected}")]
    WrongType {
        /// The field.
        field: String,
        /// Where it is.
        position: Position,
        /// What it should be.
        expected: &'static str,
    },
    /// A field is twice in the block.
    #[error("failed to read {field} at {position}: it is there twice")]
    Duplicate {
        /// The field.
        field: String,
        /// The second one.
        position: Position,
    },
    /// A field that no file can do without.
    #[error("failed to find {field} in the block at {position}")]
    Missing {
        /// The field.
        field: &'static str,
        /// The block.
        position: Position,
    },
    /// A time that is not RFC 3339.
    #[error("failed to read lastmodified at {position}: it is not a time in RFC 3339")]
    InvalidTime {
        /// Where it is.
        position: Position,
    },
    /// More than one rule of what is sealed.
    #[error("failed to choose between {first} and {second} at {position}: a file has one rule")]
    SeveralRules {
        /// The first rule.
        first: &'static str,
        /// The second rule.
        second: &'static str,
        /// The second one.
        position: Position,
    },
    /// A pattern that Go would not compile.
    #[error("failed to read {field} at {position}")]
    InvalidRegex {
        /// The rule.
        field: &'static str,
        /// Where it is.
        position: Position,
        /// Why.
        #[source]
        error: RegexError,
    },
    /// More key groups than there can be shares, a threshold that cannot be met, or too many keys.
    #[error("failed to use the key groups in the block at {position}: {problem}")]
    InvalidKeyGroups {
        /// The block.
        position: Position,
        /// What is wrong.
        problem: &'static str,
    },
    /// An alias, a merge key or a tag in the block: sops does not write these.
    #[error("failed to read {field} at {position}: an alias in the sops block")]
    Alias {
        /// The field.
        field: String,
        /// The alias.
        position: Position,
    },
}

impl MetadataError {
    /// Where the file is at fault.
    pub fn position(&self) -> Position {
        match self {
            Self::WrongType { position, .. }
            | Self::Duplicate { position, .. }
            | Self::Missing { position, .. }
            | Self::InvalidTime { position }
            | Self::SeveralRules { position, .. }
            | Self::InvalidRegex { position, .. }
            | Self::InvalidKeyGroups { position, .. }
            | Self::Alias { position, .. } => *position,
        }
    }
}

impl Metadata {
    /// Reads the block of a file; `None` if its first document has none.
    pub fn read(tree: &Tree) -> Result<Option<Self>, MetadataError> {
        let first = tree.documents().first();
        let Some((_, block)) = first.and_then(|document| tree.find_block(document)) else {
            return Ok(None);
        };
        Self::parse(block).map(Some)
    }

    /// The keys that the data key, or its shares, are wrapped for.
    pub fn wrapped_keys(&self) -> impl Iterator<Item = &WrappedKey> {
        self.key_groups.groups.iter().flatten()
    }

    /// The same by group; there is one where no shares are needed.
    pub fn key_groups(&self) -> &[Vec<WrappedKey>] {
        &self.key_groups.groups
    }

    /// How many groups have to be opened; 1 if there is one.
    pub fn threshold(&self) -> usize {
        self.key_groups.threshold
    }

    /// What is sealed.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// What the message authentication code covers.
    pub fn mac_scope(&self) -> MacScope {
        self.mac_scope
    }

    /// When values were last changed, to the second.
    pub fn last_modified(&self) -> &str {
        &self.last_modified
    }

    /// The sops that wrote the file; very old ones do not say.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn parse(block: &Node) -> Result<Self, MetadataError> {
        let fields = Fields::of(SOPS_KEY, block)?;
        let missing = |field| MetadataError::Missing {
            field,
            position: block.position,
        };
        let (last_modified, position) = fields
            .string("lastmodified")?
            .ok_or_else(|| missing("lastmodified"))?;
        let (mac, mac_position) = fields
            .string("mac")?
            .filter(|(mac, _)| !mac.is_empty())
            .ok_or_else(|| missing("mac"))?;
        let mac_scope = match fields.bool("mac_only_encrypted")? {
            Some(true) => MacScope::SealedValues,
            Some(false) | None => MacScope::AllValues,
        };
        Ok(Self {
            key_groups: KeyGroups::parse(&fields)?,
            rule: parse_rule(&fields)?,
            mac_scope,
            mac: mac.to_owned(),
            mac_position,
            last_modified: time::canonical_to_the_second(last_modified)
                .ok_or(MetadataError::InvalidTime { position })?,
            version: fields.string("version")?.map(|(version, _)| version.to_owned()),
        })
    }
}

/// Whether a file is sealed: it has a `sops` key at the top of a document. sops looks at the first document only; a
/// later one must not pass for a plain file either.
pub fn is_sealed(tree: &Tree) -> bool {
    tree.documents()
        .iter()
        .any(|document| tree.find_block(document).is_some())
}

impl KeyGroups {
    /// Keys directly in the block are the one group, and other groups do not count (`internalKeygroups`).
    fn parse(fields: &Fields<'_>) -> Result<Self, MetadataError> {
        let invalid = |problem| MetadataError::InvalidKeyGroups {
            position: fields.position,
            problem,
        };
        let flat = parse_group(fields)?;
        let groups = if flat.is_empty() {
            fields
                .list("key_groups")?
                .iter()
                .map(|group| parse_group(&Fields::of("sops.key_groups", group)?))
                .collect::<Result<Vec<_>, _>>()?
        } else {
            vec![flat]
        };
        let keys: usize = groups.iter().map(Vec::len).sum();
        if groups.len() > MAX_KEY_GROUPS || keys > MAX_WRAPPED_KEYS {
            return Err(invalid("there are too many"));
        }
        if keys == 0 {
            return Err(invalid("there are no keys"));
        }
        let threshold = match (groups.len(), fields.count("shamir_threshold")?) {
            (1, _) => 1,
            (all, 0) => all,
            (all, threshold) if (2..=all).contains(&threshold) => threshold,
            _ => return Err(invalid("shamir_threshold does not fit them")),
        };
        Ok(Self { groups, threshold })
    }
}

/// The kinds of keys in the order that sops lists them, with the field that names a key.
pub(crate) const KEY_KINDS: [(KeyKind, &str); 7] = [
    (KeyKind::Kms, "arn"),
    (KeyKind::GcpKms, "resource_id"),
    (KeyKind::HcKms, "key_id"),
    (KeyKind::AzureKv, "name"),
    (KeyKind::HcVault, "key_name"),
    (KeyKind::Pgp, "fp"),
    (KeyKind::Age, "recipient"),
];

fn parse_group(fields: &Fields<'_>) -> Result<Vec<WrappedKey>, MetadataError> {
    let mut keys = Vec::new();
    for (kind, name_field) in KEY_KINDS {
        for entry in fields.list(kind.name())? {
            let entry = Fields::of(&format!("{}.{}", fields.name, kind.name()), entry)?;
            let text = |field| Ok(entry.string(field)?.map_or("", |(text, _)| text).to_owned());
            keys.push(WrappedKey {
                kind,
                recipient: text(name_field)?,
                wrapped: text("enc")?,
                position: entry.position,
            });
        }
    }
    Ok(keys)
}

fn parse_rule(fields: &Fields<'_>) -> Result<Rule, MetadataError> {
    let mut rule: Option<Rule> = None;
    for field in [
        "unencrypted_suffix",
        "encrypted_suffix",
        "unencrypted_regex",
        "encrypted_regex",
        "unencrypted_comment_regex",
        "encrypted_comment_regex",
    ] {
        let Some((operand, position)) = fields.string(field)?.filter(|(operand, _)| !operand.is_empty())
        else {
            continue;
        };
        let regex = || {
            GoRegex::parse(operand).map_err(|error| MetadataError::InvalidRegex {
                field,
                position,
                error,
            })
        };
        let found = match field {
            "unencrypted_suffix" => Rule::UnencryptedSuffix(operand.to_owned()),
            "encrypted_suffix" => Rule::EncryptedSuffix(operand.to_owned()),
            "unencrypted_regex" => Rule::UnencryptedRegex(regex()?),
            "encrypted_regex" => Rule::EncryptedRegex(regex()?),
            "unencrypted_comment_regex" => Rule::UnencryptedCommentRegex(regex()?),
            _ => Rule::EncryptedCommentRegex(regex()?),
        };
        if let Some(first) = rule {
            return Err(MetadataError::SeveralRules {
                first: first.field(),
                second: field,
                position,
            });
        }
        rule = Some(found);
    }
    Ok(rule.unwrap_or_default())
}

/// The entries of a map of the block. sops reads it weakly typed: null is nothing, `"true"` is true.
struct Fields<'a> {
    name: String,
    position: Position,
    entries: Vec<(&'a str, &'a Node)>,
}

impl<'a> Fields<'a> {
    fn of(name: &str, node: &'a Node) -> Result<Self, MetadataError> {
        let wrong_type = |position| MetadataError::WrongType {
            field: name.to_owned(),
            position,
            expected: "a map with string keys",
        };
        refuse_alias(name, node)?;
        let mut entries: Vec<(&str, &Node)> = Vec::new();
        for (key, value) in node.as_entries().ok_or_else(|| wrong_type(node.position))? {
            let key_text = key.as_scalar().ok_or_else(|| wrong_type(key.position))?;
            if entries.iter().any(|(other, _)| *other == key_text) {
                return Err(MetadataError::Duplicate {
                    field: format!("{name}.{key_text}"),
                    position: key.position,
                });
            }
            entries.push((key_text, value));
        }
        Ok(Self {
            name: name.to_owned(),
            position: node.position,
            entries,
        })
    }

    fn find(&self, field: &str) -> Result<Option<&'a Node>, MetadataError> {
        let Some((_, node)) = self.entries.iter().find(|(key, _)| *key == field) else {
            return Ok(None);
        };
        refuse_alias(&format!("{}.{field}", self.name), node)?;
        Ok(Some(node))
    }

    fn wrong_type(&self, field: &str, node: &Node, expected: &'static str) -> MetadataError {
        MetadataError::WrongType {
            field: format!("{}.{field}", self.name),
            position: node.position,
            expected,
        }
    }

    fn scalar(
        &self,
        field: &str,
        expected: &'static str,
    ) -> Result<Option<(&'a Node, YamlScalar<'a>)>, MetadataError> {
        let Some(node) = self.find(field)? else {
            return Ok(None);
        };
        let wrong_type = || self.wrong_type(field, node, expected);
        let Content::Scalar { text, style } = &node.content else {
            return Err(wrong_type());
        };
        match resolve_scalar(Schema::GoYamlV3, text, *style, node.tag.as_ref()) {
            Ok(YamlScalar::Null) => Ok(None),
            Ok(scalar) => Ok(Some((node, scalar))),
            Err(_) => Err(wrong_type()),
        }
    }

    /// A string; numbers and times as they are written: a version `3.9`, the bare time that rops writes.
    fn string(&self, field: &str) -> Result<Option<(&'a str, Position)>, MetadataError> {
        let expected = "a string";
        match self.scalar(field, expected)? {
            None => Ok(None),
            Some((
                node,
                YamlScalar::String(_) | YamlScalar::Float(_) | YamlScalar::Int(_) | YamlScalar::Timestamp(_),
            )) => Ok(node.as_scalar().map(|text| (text, node.position))),
            Some((node, _)) => Err(self.wrong_type(field, node, expected)),
        }
    }

    fn bool(&self, field: &str) -> Result<Option<bool>, MetadataError> {
        let expected = "a boolean";
        match self.scalar(field, expected)? {
            None => Ok(None),
            Some((_, YamlScalar::Bool(value))) => Ok(Some(value)),
            Some((_, YamlScalar::String(text))) if text == "true" => Ok(Some(true)),
            Some((_, YamlScalar::String(text))) if text == "false" => Ok(Some(false)),
            Some((node, _)) => Err(self.wrong_type(field, node, expected)),
        }
    }

    /// A number of things; 0 if it is not there.
    fn count(&self, field: &str) -> Result<usize, MetadataError> {
        let expected = "a count";
        let Some((node, scalar)) = self.scalar(field, expected)? else {
            return Ok(0);
        };
        let count = match scalar {
            YamlScalar::Int(value) => usize::try_from(value).ok(),
            YamlScalar::String(text) => text.parse().ok(),
            _ => None,
        };
        count.ok_or_else(|| self.wrong_type(field, node, expected))
    }

    /// A list; empty if it is not there or null.
    fn list(&self, field: &str) -> Result<&'a [Node], MetadataError> {
        let Some(node) = self.find(field)? else {
            return Ok(&[]);
        };
        let is_null = matches!(
            &node.content,
            Content::Scalar { text, style: ScalarStyle::Plain } if matches!(text.as_str(), "" | "null" | "~")
        );
        if is_null {
            return Ok(&[]);
        }
        node.as_items()
            .ok_or_else(|| self.wrong_type(field, node, "a list"))
    }
}

fn refuse_alias(field: &str, node: &Node) -> Result<(), MetadataError> {
    match node.content {
        Content::Alias(_) => Err(MetadataError::Alias {
            field: field.to_owned(),
            position: node.position,
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use manifest_yaml::Limits;

    const AGE: &str = "age: [{recipient: age1x, enc: e}]";
    const REST: &str = "lastmodified: '2024-01-01T00:00:00.5+00:00'\n  mac: m";

    fn read(fields: &str) -> Result<Metadata, MetadataError> {
        let text = format!("a: b\nsops:\n  {fields}\n");
        let tree = Format::Yaml.parse(&text, &Limits::default()).unwrap();
        Metadata::read(&tree).map(Option::unwrap)
    }

    #[test]
    fn reads_what_old_and_new_files_say() {
        let metadata = read(&format!(
            "kms: []\n  gcp_kms: null\n  pgp:\n    - {{fp: FBC7, enc: p, created_at: '2020-01-01T00:00:00Z'}}\n  {AGE}\n  \
             {REST}\n  encrypted_regex: ^data$\n  mac_only_encrypted: true\n  version: 3.13.3\n  future: field"
        ))
        .unwrap();
        assert_eq!(metadata.rule().field(), "encrypted_regex");
        assert_eq!(metadata.rule().operand(), "^data$");
        assert_eq!(metadata.mac_scope(), MacScope::SealedValues);
        assert_eq!(metadata.last_modified(), "2024-01-01T00:00:00Z");
        assert_eq!(metadata.version(), Some("3.13.3"));
        let keys: Vec<_> = metadata.wrapped_keys().map(ToString::to_string).collect();
        assert_eq!(keys, ["pgp FBC7", "age1x"]);
    }

    #[test]
    fn the_default_rule_is_that_of_sops() {
        assert_eq!(
            read(&format!("{AGE}\n  {REST}")).unwrap().rule(),
            &Rule::default()
        );
        assert_eq!(
            read(&format!("{AGE}\n  {REST}\n  encrypted_regex: ''"))
                .unwrap()
                .rule(),
            &Rule::default()
        );
    }

    #[test]
    fn several_groups_need_a_threshold() {
        let groups = "key_groups: [{age: [{recipient: a, enc: x}]}, {age: [{recipient: b, enc: y}]}, {pgp: [{fp: c}]}]";
        assert_eq!(
            read(&format!("{groups}\n  {REST}")).unwrap().key_groups.threshold,
            3
        );
        let with = |threshold: &str| read(&format!("{groups}\n  {REST}\n  shamir_threshold: {threshold}"));
        assert_eq!(with("2").unwrap().key_groups.threshold, 2);
        assert_eq!(with("2").unwrap().key_groups.groups.len(), 3);
        for wrong in ["1", "4"] {
            assert!(
                matches!(with(wrong), Err(MetadataError::InvalidKeyGroups { .. })),
                "{wrong}"
            );
        }
        for wrong in ["-1", "x", "[]"] {
            assert!(
                matches!(with(wrong), Err(MetadataError::WrongType { .. })),
                "{wrong}"
            );
        }
        // Keys directly in the block win.
        assert_eq!(
            read(&format!("{AGE}\n  {groups}\n  {REST}"))
                .unwrap()
                .key_groups
                .groups
                .len(),
            1
        );
    }

    #[test]
    fn refuses_what_sops_does_not_write() {
        let table = [
            (
                format!("{AGE}\n  mac: m"),
                "failed to find lastmodified in the block at 3:3",
            ),
            (
                format!("{AGE}\n  lastmodified: '2024-01-01T00:00:00Z'\n  mac: ''"),
                "failed to find mac in the block at 3:3",
            ),
            (
                format!("{AGE}\n  lastmodified: yesterday\n  mac: m"),
                "failed to read lastmodified at 4:17: it is not a time in RFC 3339",
            ),
            (
                REST.to_owned(),
                "failed to use the key groups in the block at 3:3: there are no keys",
            ),
            (
                format!("age: 3\n  {REST}"),
                "failed to read sops.age at 3:8: it is not a list",
            ),
            (
                format!("age: [3]\n  {REST}"),
                "failed to read sops.age at 3:9: it is not a map with string keys",
            ),
            (
                format!("age: [{{recipient: [], enc: e}}]\n  {REST}"),
                "failed to read sops.age.recipient at 3:21: it is not a string",
            ),
            (
                format!("{AGE}\n  {REST}\n  mac: n"),
                "failed to read sops.mac at 6:3: it is there twice",
            ),
            (
                format!("{AGE}\n  {REST}\n  mac_only_encrypted: maybe"),
                "failed to read sops.mac_only_encrypted at 6:23: it is not a boolean",
            ),
            (
                format!("{AGE}\n  {REST}\n  encrypted_regex: a\n  encrypted_suffix: b"),
                "failed to choose between encrypted_suffix and encrypted_regex at 6:20: a file has one rule",
            ),
            (
                format!("{AGE}\n  {REST}\n  encrypted_regex: '('"),
                "failed to read encrypted_regex at 6:20",
            ),
            (
                format!("age: &x [{{recipient: a, enc: &y e}}]\n  {REST}\n  version: *y"),
                "failed to read sops.version at 6:12: an alias in the sops block",
            ),
        ];
        for (fields, expected) in table {
            assert_eq!(read(&fields).err().unwrap().to_string(), expected, "{fields}");
        }
    }

    #[test]
    fn limits_the_number_of_keys() {
        let keys = |count: usize| format!("age: [{}]\n  {REST}", "{recipient: a, enc: b},".repeat(count));
        assert!(read(&keys(MAX_WRAPPED_KEYS)).is_ok());
        assert!(matches!(
            read(&keys(MAX_WRAPPED_KEYS + 1)),
            Err(MetadataError::InvalidKeyGroups { .. })
        ));
        let groups = |count: usize| {
            format!(
                "key_groups: [{}]\n  {REST}",
                "{age: [{recipient: a, enc: b}]},".repeat(count)
            )
        };
        assert!(read(&groups(MAX_KEY_GROUPS)).is_ok());
        assert!(matches!(
            read(&groups(MAX_KEY_GROUPS + 1)),
            Err(MetadataError::InvalidKeyGroups { .. })
        ));
    }

    #[test]
    fn a_sops_key_in_any_document_makes_a_file_sealed() {
        for (text, expected) in [
            ("a: b", false),
            ("a: {sops: b}", false),
            ("a: b\nsops: {}", true),
            ("a: b\n---\nsops: {}", true),
            ("- sops", false),
            ("", false),
        ] {
            assert_eq!(
                is_sealed(&Format::Yaml.parse(text, &Limits::default()).unwrap()),
                expected,
                "{text}"
            );
        }
    }
}
