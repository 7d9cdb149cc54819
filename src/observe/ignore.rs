//! Which fields of which objects are left to others (`spec.ignore`).

use kustomize::{BuildError, Selection};

use crate::api::IgnoreRule;
use crate::cluster::Metadata;
use crate::name::FIELD_MANAGER;
use crate::render::{Manifest, selector};

/// A rule that is ready for use.
pub(super) struct Ignore {
    /// For which objects; for all when absent.
    target: Option<Selection>,
    pub(super) fields: Fields,
}

/// Which fields, and of whom.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// JSON pointers, in their reference tokens; every field when there is none.
    paths: Vec<Vec<String>>,
    /// Field managers; every other when there is none.
    managers: Vec<String>,
}

/// Why a rule cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum InvalidIgnore {
    /// A target.
    #[error(transparent)]
    Target(#[from] BuildError),
    /// A pointer.
    #[error(
        "spec.ignore[{index}].paths: {path:?} is no JSON pointer to a field: it begins with a slash (RFC 6901)"
    )]
    Pointer {
        /// The place of the rule.
        index: usize,
        /// What is written.
        path: String,
    },
    /// A rule for everything.
    #[error(
        "spec.ignore[{index}] has neither paths nor managers; to leave whole objects alone, annotate them with fluxops.dev/ssa: Ignore"
    )]
    Everything {
        /// The place of the rule.
        index: usize,
    },
    /// A rule for what is ours.
    #[error("spec.ignore[{index}].managers has {FIELD_MANAGER}, which is the manager of fluxops itself")]
    Ourselves {
        /// The place of the rule.
        index: usize,
    },
}

impl Ignore {
    pub(super) fn new(index: usize, rule: &IgnoreRule) -> Result<Self, InvalidIgnore> {
        if rule.paths.is_empty() && rule.managers.is_empty() {
            return Err(InvalidIgnore::Everything { index });
        }
        if rule.managers.iter().any(|manager| manager == FIELD_MANAGER) {
            return Err(InvalidIgnore::Ourselves { index });
        }
        let pointer = |path: &String| {
            tokens(path).ok_or_else(|| InvalidIgnore::Pointer {
                index,
                path: path.clone(),
            })
        };
        let target = rule.target.clone().map(selector);
        let field = format!("spec.ignore[{index}].target");
        let target = target.map(|target| Selection::new(&target, "the Delivery", field));
        Ok(Self {
            target: target.transpose()?,
            fields: Fields {
                paths: rule.paths.iter().map(pointer).collect::<Result<_, _>>()?,
                managers: rule.managers.clone(),
            },
        })
    }

    pub(super) fn is_for(&self, manifest: &Manifest) -> bool {
        let target = self.target.as_ref();
        target.is_none_or(|target| target.selects(manifest.body()))
    }
}

impl Fields {
    /// Whether the fields of a manager are meant.
    pub(super) fn has_manager(&self, manager: &str) -> bool {
        manager != FIELD_MANAGER
            && (self.managers.is_empty() || self.managers.iter().any(|meant| meant == manager))
    }

    /// Whether a field is meant, or a part of it, if it is one that is only owned as a whole.
    pub(super) fn has_path(&self, path: &[String]) -> bool {
        let meets = |meant: &Vec<String>| path.starts_with(meant) || meant.starts_with(path);
        self.paths.is_empty() || self.paths.iter().any(meets)
    }
}

/// The reference tokens of a JSON pointer to something within a document (RFC 6901 §3 and §4).
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let token = |text: &str| {
        let is_escaped =
            |(index, _): (usize, &str)| matches!(text.as_bytes().get(index + 1), Some(b'0' | b'1'));
        let is_valid = text.match_indices('~').all(is_escaped);
        is_valid.then(|| text.replace("~1", "/").replace("~0", "~"))
    };
    let tokens: Vec<String> = pointer
        .strip_prefix('/')?
        .split('/')
        .map(token)
        .collect::<Option<_>>()?;
    (!tokens.concat().is_empty()).then_some(tokens)
}

/// The managers of an object that are meant by one of the rules, with the fields that are theirs.
pub(super) fn owners<'a>(
    live: &'a Metadata,
    fields: &'a Fields,
) -> impl Iterator<Item = &'a serde_json::Value> {
    let entries = live.managed_fields.as_array().into_iter().flatten();
    entries
        .filter(|entry| {
            let manager = entry.get("manager").and_then(serde_json::Value::as_str);
            manager.is_some_and(|manager| fields.has_manager(manager))
        })
        .filter_map(|entry| entry.get("fieldsV1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(paths: &[&str], managers: &[&str]) -> IgnoreRule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        IgnoreRule {
            paths: owned(paths),
            managers: owned(managers),
            target: None,
        }
    }

    #[test]
    fn a_rule_that_means_nothing_or_everything_or_ourselves_is_refused() {
        for (paths, managers, words) in [
            (&["spec/replicas"][..], &[][..], "no JSON pointer"),
            (&["/"], &[], "no JSON pointer"),
            (&["/a~2"], &[], "no JSON pointer"),
            (&["/a~"], &[], "no JSON pointer"),
            (&[], &[], "neither paths nor managers"),
            (&[], &["fluxops"], "itself"),
        ] {
            let error = Ignore::new(3, &rule(paths, managers)).err().unwrap().to_string();
            assert!(error.contains(words) && error.contains("ignore[3]"), "{error}");
        }
    }

    #[test]
    fn pointers_are_read_as_rfc_6901_has_them() {
        assert_eq!(
            tokens("/metadata/annotations/example.org~1a~01").unwrap(),
            ["metadata", "annotations", "example.org/a~1"]
        );
        let fields = Ignore::new(0, &rule(&["/spec/template/spec"], &[]))
            .unwrap()
            .fields;
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert!(fields.has_path(&path("spec.template.spec.containers")));
        assert!(
            fields.has_path(&path("spec.template")),
            "a whole that has it as a part"
        );
        assert!(!fields.has_path(&path("spec.replicas")));
    }
}
