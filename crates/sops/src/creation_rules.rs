//! `.sops.yaml`: which files are sealed for whom (config/config.go).

use manifest_yaml::{Limits, Mapping, Number, ParseError, Schema, Value, from_yaml};
use thiserror::Error;

use crate::age::{AgeRecipient, RecipientError};
use crate::go_regex::{GoRegex, RegexError};
use crate::recipients::{RecipientGroups, RecipientGroupsError};
use crate::rule::{MacScope, Rule};

/// The name of the file, which sops looks for in the folder of a file and upwards.
pub const FILE_NAME: &str = ".sops.yaml";

/// Most levels of `merge` inside key groups.
const MAX_MERGE_DEPTH: usize = 16;

/// The `creation_rules` of a `.sops.yaml`. Its other parts (`destination_rules`, `stores`, and whatever holds YAML
/// anchors) have nothing to say here.
///
/// As in sops, a rule that is at fault counts only for the files that it is picked for: one with keys of a cloud does
/// not stop the others.
#[derive(Debug, Clone)]
pub struct CreationRules(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    /// `None` matches every file.
    path_regex: Result<Option<GoRegex>, CreationRulesError>,
    rule: Result<CreationRule, CreationRulesError>,
}

/// One creation rule: for files whose path matches, what to encrypt for whom.
#[derive(Debug, Clone)]
pub struct CreationRule {
    reach: Reach,
    recipients: Result<RecipientGroups, CreationRulesError>,
    rule: Rule,
    mac_scope: MacScope,
}

/// For which files a creation rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Those that its `path_regex` matches.
    Named,
    /// All that no earlier rule is for: it has no `path_regex`.
    Any,
}

/// Why a `.sops.yaml` is refused. Rules are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CreationRulesError {
    /// Not YAML.
    #[error("failed to parse {FILE_NAME}")]
    Parse(#[source] ParseError),
    /// More than one document, or none.
    #[error("failed to read {FILE_NAME}: it is not one document with a map")]
    NotOneMap,
    /// A field of another type than sops takes.
    #[error("failed to read {field}: it is not {expected}")]
    WrongType {
        /// The field.
        field: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A field that sops does not have: most likely a slip, which sops would pass over, and seal something else.
    #[error("failed to read {field}: there is no such field")]
    UnknownField {
        /// The field.
        field: String,
    },
    /// A field that is not supported.
    #[error("failed to apply {field}: it is not supported")]
    Unsupported {
        /// The field.
        field: String,
    },
    /// More than one rule of what is sealed.
    #[error("failed to choose between {first} and {second} in {rule}: a file has one rule")]
    SeveralRules {
        /// The creation rule.
        rule: String,
        /// The first of them.
        first: &'static str,
        /// The second.
        second: &'static str,
    },
    /// A pattern that Go would not compile.
    #[error("failed to read {field}")]
    InvalidRegex {
        /// The field.
        field: String,
        /// Why.
        #[source]
        error: RegexError,
    },
    /// A recipient that cannot be used.
    #[error("failed to read {field}")]
    InvalidRecipient {
        /// The field.
        field: String,
        /// Why.
        #[source]
        error: RecipientError,
    },
    /// A rule that nobody could open files of.
    #[error("failed to use {rule}: it names no recipient")]
    NoRecipients {
        /// The creation rule.
        rule: String,
    },
    /// Key groups that cannot be used.
    #[error("failed to use {rule}")]
    KeyGroups {
        /// The creation rule.
        rule: String,
        /// Why.
        #[source]
        error: RecipientGroupsError,
    },
}

impl CreationRules {
    /// Reads a `.sops.yaml`.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, CreationRulesError> {
        // sops reads this file into typed fields; the Kubernetes schema does the same for all of them.
        let documents =
            from_yaml(text.as_bytes(), Schema::Kubernetes, limits).map_err(CreationRulesError::Parse)?;
        let [document] = documents.as_slice() else {
            return Err(CreationRulesError::NotOneMap);
        };
        let root = document.value.as_mapping().ok_or(CreationRulesError::NotOneMap)?;
        let field = "creation_rules".to_owned();
        let rules = match root.get("creation_rules") {
            None | Some(Value::Null) => &[],
            Some(value) => value.as_sequence().ok_or(CreationRulesError::WrongType {
                field,
                expected: "a list",
            })?,
        };
        let rules = rules.iter().enumerate().map(|(index, rule)| {
            let name = format!("creation_rules[{index}]");
            let fields = Fields::of(&name, rule)?;
            let path_regex = fields.regex("path_regex");
            let reach = match path_regex {
                Ok(None) => Reach::Any,
                _ => Reach::Named,
            };
            let rule = CreationRule::parse(&fields, reach);
            Ok(Entry { path_regex, rule })
        });
        Ok(Self(rules.collect::<Result<_, _>>()?))
    }

    /// Whether there are no rules, so that the file decides nothing: sops takes it for one that is not there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first rule for a file. Its path is relative to the folder of `.sops.yaml` if it is below that folder, else
    /// absolute; separated by slashes. The error is that of the rule, or of a pattern before it.
    pub fn find(&self, path: &str) -> Result<Option<&CreationRule>, CreationRulesError> {
        for entry in &self.0 {
            let path_regex = entry.path_regex.as_ref().map_err(Clone::clone)?;
            if path_regex.as_ref().is_none_or(|regex| regex.is_match(path)) {
                return entry.rule.as_ref().map(Some).map_err(Clone::clone);
            }
        }
        Ok(None)
    }
}

impl CreationRule {
    /// For which files it is.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// For whom files are sealed; at least one. The error is for keys that cannot be sealed for.
    pub fn recipients(&self) -> Result<&RecipientGroups, CreationRulesError> {
        self.recipients.as_ref().map_err(Clone::clone)
    }

    /// What is sealed in them.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// What their message authentication code covers.
    pub fn mac_scope(&self) -> MacScope {
        self.mac_scope
    }

    fn parse(fields: &Fields<'_>, reach: Reach) -> Result<Self, CreationRulesError> {
        fields.refuse_unknown(&[RULE_FIELDS.as_slice(), &FOREIGN_KEYS].concat())?;
        let mac_scope = match fields.get("mac_only_encrypted") {
            None | Some(Value::Bool(false)) => MacScope::AllValues,
            Some(Value::Bool(true)) => MacScope::SealedValues,
            Some(_) => return Err(fields.wrong_type("mac_only_encrypted", "a boolean")),
        };
        Ok(Self {
            reach,
            recipients: fields
                .refuse_foreign_keys()
                .and_then(|()| parse_recipients(fields)),
            rule: parse_rule(fields)?,
            mac_scope,
        })
    }
}

fn parse_rule(fields: &Fields<'_>) -> Result<Rule, CreationRulesError> {
    let suffix = |field| Ok(fields.string(field)?.map(str::to_owned));
    let candidates = [
        suffix("unencrypted_suffix")?.map(Rule::UnencryptedSuffix),
        suffix("encrypted_suffix")?.map(Rule::EncryptedSuffix),
        fields.regex("unencrypted_regex")?.map(Rule::UnencryptedRegex),
        fields.regex("encrypted_regex")?.map(Rule::EncryptedRegex),
        fields
            .regex("unencrypted_comment_regex")?
            .map(Rule::UnencryptedCommentRegex),
        fields
            .regex("encrypted_comment_regex")?
            .map(Rule::EncryptedCommentRegex),
    ];
    let mut found = candidates.into_iter().flatten();
    match (found.next(), found.next()) {
        (None, _) => Ok(Rule::default()),
        (Some(rule), None) => Ok(rule),
        (Some(first), Some(second)) => Err(CreationRulesError::SeveralRules {
            rule: fields.name.clone(),
            first: first.field(),
            second: second.field(),
        }),
    }
}

/// Key groups, if there are any, count alone (`getKeyGroupsFromCreationRule`).
fn parse_recipients(fields: &Fields<'_>) -> Result<RecipientGroups, CreationRulesError> {
    let threshold = match fields.get("shamir_threshold") {
        None | Some(Value::Number(Number::Integer(0))) => None,
        Some(Value::Number(Number::Integer(count))) => {
            Some(usize::try_from(*count).map_err(|_| fields.wrong_type("shamir_threshold", "a count"))?)
        }
        Some(_) => return Err(fields.wrong_type("shamir_threshold", "a count")),
    };
    let mut groups = Vec::new();
    for (index, group) in fields.list("key_groups")?.iter().enumerate() {
        let mut recipients = Vec::new();
        parse_key_group(
            &format!("{}.key_groups[{index}]", fields.name),
            group,
            0,
            &mut recipients,
        )?;
        groups.push(recipients);
    }
    if groups.is_empty() {
        let mut recipients = Vec::new();
        parse_age(fields, &mut recipients)?;
        groups.push(recipients);
    }
    let rule = || fields.name.clone();
    if groups.iter().all(Vec::is_empty) {
        return Err(CreationRulesError::NoRecipients { rule: rule() });
    }
    RecipientGroups::new(groups, threshold)
        .map_err(|error| CreationRulesError::KeyGroups { rule: rule(), error })
}

fn parse_key_group(
    name: &str,
    group: &Value,
    depth: usize,
    recipients: &mut Vec<AgeRecipient>,
) -> Result<(), CreationRulesError> {
    let fields = Fields::of(name, group)?;
    fields.refuse_unknown(&[["merge", "age"].as_slice(), &FOREIGN_KEYS].concat())?;
    fields.refuse_foreign_keys()?;
    if depth > MAX_MERGE_DEPTH {
        return Err(CreationRulesError::Unsupported {
            field: format!("{name}.merge, so many levels deep"),
        });
    }
    for (index, merged) in fields.list("merge")?.iter().enumerate() {
        parse_key_group(&format!("{name}.merge[{index}]"), merged, depth + 1, recipients)?;
    }
    parse_age(&fields, recipients)
}

/// A string with commas, or a list of such strings.
fn parse_age(fields: &Fields<'_>, recipients: &mut Vec<AgeRecipient>) -> Result<(), CreationRulesError> {
    let expected = "a string or a list of strings";
    let texts: Vec<&str> = match fields.get("age") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Sequence(items)) => items
            .iter()
            .map(|item| item.as_str().ok_or_else(|| fields.wrong_type("age", expected)))
            .collect::<Result<_, _>>()?,
        Some(_) => return Err(fields.wrong_type("age", expected)),
    };
    let names = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    for name in names.filter(|name| !name.is_empty()) {
        let recipient = name
            .parse()
            .map_err(|error| CreationRulesError::InvalidRecipient {
                field: fields.path("age"),
                error,
            })?;
        recipients.push(recipient);
    }
    Ok(())
}

/// The fields of a creation rule, but for [`FOREIGN_KEYS`].
const RULE_FIELDS: [&str; 11] = [
    "path_regex",
    "age",
    "key_groups",
    "shamir_threshold",
    "mac_only_encrypted",
    "unencrypted_suffix",
    "encrypted_suffix",
    "unencrypted_regex",
    "encrypted_regex",
    "unencrypted_comment_regex",
    "encrypted_comment_regex",
];

/// Fields that name keys which files cannot be sealed for here, or belong to such keys.
const FOREIGN_KEYS: [&str; 8] = [
    "kms",
    "aws_profile",
    "pgp",
    "gcp_kms",
    "hckms",
    "azure_keyvault",
    "hc_vault",
    "hc_vault_transit_uri",
];

/// A map with a name for errors. Null and empty values count as not there, as in Go.
struct Fields<'a> {
    name: String,
    mapping: &'a Mapping,
}

impl<'a> Fields<'a> {
    fn of(name: &str, value: &'a Value) -> Result<Self, CreationRulesError> {
        Ok(Self {
            name: name.to_owned(),
            mapping: value.as_mapping().ok_or_else(|| CreationRulesError::WrongType {
                field: name.to_owned(),
                expected: "a map",
            })?,
        })
    }

    fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.name)
    }

    fn wrong_type(&self, field: &str, expected: &'static str) -> CreationRulesError {
        CreationRulesError::WrongType {
            field: self.path(field),
            expected,
        }
    }

    fn refuse_unknown(&self, known: &[&str]) -> Result<(), CreationRulesError> {
        let unknown = |key: &&str| !known.contains(key) && self.get(key).is_some();
        self.mapping.keys().find(unknown).map_or(Ok(()), |key| {
            Err(CreationRulesError::UnknownField {
                field: self.path(key),
            })
        })
    }

    fn refuse_foreign_keys(&self) -> Result<(), CreationRulesError> {
        let there = |key: &&&str| self.get(key).is_some();
        FOREIGN_KEYS.iter().find(there).map_or(Ok(()), |key| {
            Err(CreationRulesError::Unsupported {
                field: self.path(key),
            })
        })
    }

    fn get(&self, field: &str) -> Option<&'a Value> {
        self.mapping.get(field).filter(|value| match value {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Sequence(items) => !items.is_empty(),
            _ => true,
        })
    }

    fn string(&self, field: &str) -> Result<Option<&'a str>, CreationRulesError> {
        self.get(field)
            .map(|value| value.as_str().ok_or_else(|| self.wrong_type(field, "a string")))
            .transpose()
    }

    fn regex(&self, field: &str) -> Result<Option<GoRegex>, CreationRulesError> {
        self.string(field)?
            .map(|pattern| {
                GoRegex::parse(pattern).map_err(|error| CreationRulesError::InvalidRegex {
                    field: self.path(field),
                    error,
                })
            })
            .transpose()
    }

    fn list(&self, field: &str) -> Result<&'a [Value], CreationRulesError> {
        match self.get(field) {
            None => Ok(&[]),
            Some(value) => value
                .as_sequence()
                .ok_or_else(|| self.wrong_type(field, "a list")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "age1ar4vsspul9djnnd7h3s9428aqkadpwrgk69lzxxlalslzy35fsdsna9q7a";
    const B: &str = "age19rtm02dm7mmlqp2c0cf5pt4luacjlat8lj0rjlgnmaaw7veq9qdqser6hw";

    fn parse(text: &str) -> Result<CreationRules, CreationRulesError> {
        CreationRules::parse(&text.replace("AAA", A).replace("BBB", B), &Limits::default())
    }

    fn recipients(text: &str) -> Vec<String> {
        let rules = parse(text).unwrap();
        let rule = rules.find("any").unwrap().unwrap();
        rule.recipients()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_first_rule_that_matches_counts() {
        let rules = parse(
            "creation_rules:\n\
             - {path_regex: 'secrets/.*\\.yaml$', encrypted_regex: '^data$', age: AAA}\n\
             - {path_regex: '^prod/', encrypted_suffix: _secret, mac_only_encrypted: true, age: AAA}\n\
             - {age: BBB}\n",
        )
        .unwrap();
        let found = |path| {
            rules
                .find(path)
                .unwrap()
                .map(|rule| (rule.rule().field(), rule.mac_scope()))
        };
        assert_eq!(
            found("x/secrets/a.yaml"),
            Some(("encrypted_regex", MacScope::AllValues))
        );
        assert_eq!(
            found("prod/secrets/a.yaml"),
            Some(("encrypted_regex", MacScope::AllValues))
        );
        assert_eq!(
            found("prod/a.yaml"),
            Some(("encrypted_suffix", MacScope::SealedValues))
        );
        assert_eq!(found("other"), Some(("unencrypted_suffix", MacScope::AllValues)));
    }

    #[test]
    fn a_file_may_match_no_rule() {
        assert!(
            parse("creation_rules: [{path_regex: ^a, age: AAA}]")
                .unwrap()
                .find("b")
                .unwrap()
                .is_none()
        );
        assert!(parse("creation_rules: []").unwrap().find("b").unwrap().is_none());
        assert!(parse("stores: {}").unwrap().is_empty());
        assert!(
            !parse("creation_rules: [{path_regex: ^a, age: AAA}]")
                .unwrap()
                .is_empty()
        );
        assert!(
            parse("stores: {yaml: {indent: 2}}")
                .unwrap()
                .find("b")
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn recipients_are_written_in_many_ways() {
        for text in [
            "creation_rules: [{age: 'AAA,BBB'}]",
            "creation_rules: [{age: 'AAA, BBB,'}]",
            "creation_rules: [{age: [AAA, BBB, AAA]}]",
            "creation_rules:\n- age: >-\n    AAA,\n    BBB\n",
            "creation_rules: [{age: BBB, key_groups: [{age: [AAA, BBB]}]}]",
            "creation_rules: [{key_groups: [{merge: [{age: [AAA]}], age: [BBB]}]}]",
            "keys: [&a AAA, &b BBB]\ncreation_rules: [{key_groups: [{age: [*a, *b]}]}]",
            "base: &base {age: 'AAA,BBB'}\ncreation_rules: [{<<: *base}]",
        ] {
            assert_eq!(recipients(text), [A, B], "{text}");
        }
    }

    #[test]
    fn several_key_groups_have_a_threshold() {
        let groups = |text| {
            parse(text)
                .unwrap()
                .find("any")
                .unwrap()
                .unwrap()
                .recipients()
                .unwrap()
                .clone()
        };
        let two = groups(
            "creation_rules: [{key_groups: [{age: [AAA]}, {age: [BBB]}, {age: [AAA, BBB]}], shamir_threshold: 2}]",
        );
        assert_eq!((two.groups().len(), two.threshold()), (3, 2));
        let all = groups("creation_rules: [{key_groups: [{age: [AAA]}, {age: [BBB]}]}]");
        assert_eq!((all.groups().len(), all.threshold()), (2, 2));
        let one = groups("creation_rules: [{age: AAA, shamir_threshold: 3}]");
        assert_eq!((one.groups().len(), one.threshold()), (1, 1));
    }

    #[test]
    fn refuses_what_it_cannot_do() {
        let table = [
            ("a: [", "failed to parse .sops.yaml"),
            ("", "failed to read .sops.yaml: it is not one document with a map"),
            (
                "a: b\n---\nc: d",
                "failed to read .sops.yaml: it is not one document with a map",
            ),
            (
                "creation_rules: {}",
                "failed to read creation_rules: it is not a list",
            ),
            (
                "creation_rules: [x]",
                "failed to read creation_rules[0]: it is not a map",
            ),
            (
                "creation_rules: [{age: AAA, path_regex: never}, {age: AAA, encrypted_regx: x}]",
                "failed to read creation_rules[1].encrypted_regx: there is no such field",
            ),
            (
                "creation_rules: [{age: AAA, pgp: FBC7}]",
                "failed to apply creation_rules[0].pgp: it is not supported",
            ),
            (
                "creation_rules: [{age: AAA, encrypted_comment_regex: '('}]",
                "failed to read creation_rules[0].encrypted_comment_regex",
            ),
            (
                "creation_rules: [{key_groups: [{age: [AAA]}, {age: []}]}]",
                "failed to use creation_rules[0]",
            ),
            (
                "creation_rules: [{shamir_threshold: 3, key_groups: [{age: [AAA]}, {age: [BBB]}]}]",
                "failed to use creation_rules[0]",
            ),
            (
                "creation_rules: [{shamir_threshold: '2', age: AAA}]",
                "failed to read creation_rules[0].shamir_threshold: it is not a count",
            ),
            (
                "creation_rules: [{key_groups: [{kms: [{arn: x}]}]}]",
                "failed to apply creation_rules[0].key_groups[0].kms: it is not supported",
            ),
            (
                "creation_rules: [{path_regex: any}]",
                "failed to use creation_rules[0]: it names no recipient",
            ),
            (
                "creation_rules: [{age: [[AAA]]}]",
                "failed to read creation_rules[0].age: it is not a string or a list of strings",
            ),
            (
                "creation_rules: [{age: age1x}]",
                "failed to read creation_rules[0].age",
            ),
            (
                "creation_rules: [{age: AAA, path_regex: '('}]",
                "failed to read creation_rules[0].path_regex",
            ),
            (
                "creation_rules: [{age: AAA, encrypted_regex: a, unencrypted_suffix: b}]",
                "failed to choose between unencrypted_suffix and encrypted_regex in creation_rules[0]: a file has one \
                 rule",
            ),
            (
                "creation_rules: [{age: AAA, mac_only_encrypted: 3}]",
                "failed to read creation_rules[0].mac_only_encrypted: it is not a boolean",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(refusal(text).to_string(), expected, "{text}");
        }
        let deep = format!(
            "creation_rules: [{{key_groups: [{}{{age: [AAA]}}{}]}}]",
            "{merge: [".repeat(MAX_MERGE_DEPTH + 1),
            "]}".repeat(MAX_MERGE_DEPTH + 1)
        );
        assert!(matches!(refusal(&deep), CreationRulesError::Unsupported { .. }));
    }

    /// Why a config, or what it says for a file, is refused.
    fn refusal(text: &str) -> CreationRulesError {
        let rules = match parse(text) {
            Ok(rules) => rules,
            Err(error) => return error,
        };
        match rules.find("any") {
            Ok(rule) => rule.unwrap().recipients().err().unwrap(),
            Err(error) => error,
        }
    }

    #[test]
    fn a_rule_at_fault_counts_for_its_own_files_only() {
        let rules = parse(
            "creation_rules:\n\
             - {path_regex: ^kms/, kms: 'arn:aws:kms:x', encrypted_regex: ^data$}\n\
             - {path_regex: ^slip/, age: AAA, encrypted_regx: x}\n\
             - {path_regex: ^age/, age: AAA}\n\
             - {path_regex: '(', age: BBB}\n\
             - {age: BBB}\n",
        )
        .unwrap();
        let found = |path| rules.find(path).map(Option::unwrap);
        assert!(found("age/a").unwrap().recipients().is_ok());
        assert_eq!(found("age/a").unwrap().reach(), Reach::Named);
        // What is sealed is known, for whom is not.
        assert_eq!(found("kms/a").unwrap().rule().field(), "encrypted_regex");
        assert!(found("kms/a").unwrap().recipients().is_err());
        assert!(found("slip/a").is_err());
        assert!(found("other").is_err());
        let any = parse("creation_rules: [{age: AAA}]").unwrap();
        assert_eq!(any.find("a").unwrap().unwrap().reach(), Reach::Any);
    }
}
