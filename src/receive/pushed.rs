//! What was pushed, as far as a call says so beyond doubt.

use std::collections::BTreeSet;

use serde::Deserialize;

use crate::api::{GitReference, ReceiverType};

/// The most references of one call, or of several that wait, that are told apart.
pub const MAX_PUSHED: usize = 100;

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It may be anything: the call does not say, or not in words that are understood.
    Anything,
    /// These references, by their full names, and nothing else.
    References(BTreeSet<String>),
}

#[derive(Deserialize)]
struct Push {
    r#ref: String,
}

/// Bitbucket Cloud (`repo:push`).
#[derive(Deserialize)]
struct CloudPush {
    push: CloudChanges,
}

#[derive(Deserialize)]
struct CloudChanges {
    changes: Vec<CloudChange>,
}

#[derive(Deserialize)]
struct CloudChange {
    new: Option<CloudReference>,
    old: Option<CloudReference>,
}

#[derive(Deserialize)]
struct CloudReference {
    r#type: String,
    name: String,
}

/// Bitbucket Data Center (`repo:refs_changed`).
#[derive(Deserialize)]
struct CenterPush {
    changes: Vec<CenterChange>,
}

#[derive(Deserialize)]
struct CenterChange {
    r#ref: CenterReference,
}

#[derive(Deserialize)]
struct CenterReference {
    id: String,
}

impl Pushed {
    /// What an event of a forge says. Whatever is in its body, it is no error: what cannot be read is anything.
    pub fn read(type_: ReceiverType, event: &str, body: &[u8]) -> Self {
        let names = match (type_, event) {
            (ReceiverType::GitHub | ReceiverType::Gitea | ReceiverType::Forgejo, "push")
            | (ReceiverType::GitLab, "Push Hook" | "Tag Push Hook") => {
                let push: Result<Push, _> = serde_json::from_slice(body);
                push.map(|push| vec![push.r#ref]).ok()
            }
            (ReceiverType::Bitbucket, "repo:push") => {
                let push: Result<CloudPush, _> = serde_json::from_slice(body);
                push.ok().and_then(|push| cloud(push.push.changes))
            }
            (ReceiverType::Bitbucket, "repo:refs_changed") => {
                let push: Result<CenterPush, _> = serde_json::from_slice(body);
                let id = |change: CenterChange| change.r#ref.id;
                push.map(|push| push.changes.into_iter().map(id).collect()).ok()
            }
            _ => None,
        };
        match names {
            Some(names) if is_certain(&names) => Self::References(names.into_iter().collect()),
            _ => Self::Anything,
        }
    }

    /// Takes in what another call said.
    pub fn join(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::References(ours), Self::References(theirs)) => {
                ours.extend(theirs);
                if ours.len() > MAX_PUSHED {
                    *self = Self::Anything;
                }
            }
            (_, Self::Anything) => *self = Self::Anything,
            (Self::Anything, _) => {}
        }
    }

    /// Whether a source that follows this may have something new.
    pub fn concerns(&self, followed: Option<&GitReference>) -> bool {
        let Self::References(names) = self else {
            return true;
        };
        let GitReference {
            branch,
            tag,
            semver,
            name,
            commit,
        } = followed.cloned().unwrap_or_default();
        let pushed =
            |prefix: &str, short: &str| names.iter().any(|full| full.strip_prefix(prefix) == Some(short));
        if commit.is_some() {
            // Any reference may lead to it now.
            true
        } else if let Some(name) = name {
            // Others, such as refs/pull/1/head, change with branches of other names.
            !(name.starts_with(BRANCHES) || name.starts_with(TAGS)) || names.contains(&name)
        } else if semver.is_some() {
            names.iter().any(|full| full.starts_with(TAGS))
        } else if let Some(tag) = tag {
            pushed(TAGS, &tag)
        } else {
            pushed(BRANCHES, branch.as_deref().unwrap_or(DEFAULT_BRANCH))
        }
    }
}

/// The branch that a source without a reference follows.
const DEFAULT_BRANCH: &str = "master";

fn is_certain(names: &[String]) -> bool {
    let full = |name: &String| name.starts_with(BRANCHES) || name.starts_with(TAGS);
    !names.is_empty() && names.len() <= MAX_PUSHED && names.iter().all(full)
}

/// The full names of what changed; nothing if one is neither a branch nor a tag.
fn cloud(changes: Vec<CloudChange>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for CloudChange { new, old } in changes {
        if new.is_none() && old.is_none() {
            return None;
        }
        for CloudReference { r#type, name } in new.into_iter().chain(old) {
            let prefix = match r#type.as_str() {
                "branch" => BRANCHES,
                "tag" => TAGS,
                _ => return None,
            };
            names.push(format!("{prefix}{name}"));
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn references(names: &[&str]) -> Pushed {
        Pushed::References(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn what_forges_say_is_read() {
        use ReceiverType::{Bitbucket, Forgejo, GenericHmac, GitHub, GitLab, Gitea};
        let main = r#"{"ref":"refs/heads/main","after":"1","commits":[{"id":"1"}]}"#;
        let tag = r#"{"object_kind":"tag_push","ref":"refs/tags/v1"}"#;
        let cloud = r#"{"push":{"changes":[
            {"new":{"type":"branch","name":"main"},"old":null},
            {"old":{"type":"tag","name":"v1"},"new":null}]}}"#;
        let center = r#"{"changes":[{"ref":{"id":"refs/heads/main","displayId":"main"},"type":"UPDATE"}]}"#;
        for (type_, event, body, expected) in [
            (GitHub, "push", main, references(&["refs/heads/main"])),
            (Gitea, "push", main, references(&["refs/heads/main"])),
            (Forgejo, "push", main, references(&["refs/heads/main"])),
            (GitLab, "Push Hook", main, references(&["refs/heads/main"])),
            (GitLab, "Tag Push Hook", tag, references(&["refs/tags/v1"])),
            (
                Bitbucket,
                "repo:push",
                cloud,
                references(&["refs/heads/main", "refs/tags/v1"]),
            ),
            (
                Bitbucket,
                "repo:refs_changed",
                center,
                references(&["refs/heads/main"]),
            ),
            (GenericHmac, "", main, Pushed::Anything),
            (GitHub, "create", main, Pushed::Anything),
        ] {
            assert_eq!(
                Pushed::read(type_, event, body.as_bytes()),
                expected,
                "{type_:?} {event}"
            );
        }
    }

    #[test]
    fn what_is_in_doubt_may_be_anything() {
        let deep = format!(r#"{{"ref":"refs/heads/main","a":{}"#, "[".repeat(1_000_000));
        let many: Vec<_> = (0..=MAX_PUSHED)
            .map(|index| format!(r#"{{"ref":{{"id":"refs/heads/{index}"}}}}"#))
            .collect();
        let many = format!(r#"{{"changes":[{}]}}"#, many.join(","));
        for (event, body) in [
            ("push", ""),
            ("push", "payload=%7B%22ref%22"),
            ("push", r#"{"ref":"main"}"#),
            ("push", r#"{"ref":["refs/heads/main"]}"#),
            ("push", r#"{"ref":"refs/heads/other","ref":"refs/heads/main"}"#),
            ("push", r#"{"ref":"refs/heads/main"} more"#),
            ("push", deep.as_str()),
        ] {
            let read = Pushed::read(ReceiverType::GitHub, event, body.as_bytes());
            assert_eq!(read, Pushed::Anything, "{}", body.get(..40).unwrap_or(body));
        }
        for (event, body) in [
            ("repo:push", r#"{"push":{"changes":[]}}"#),
            ("repo:push", r#"{"push":{"changes":[{}]}}"#),
            (
                "repo:push",
                r#"{"push":{"changes":[{"new":{"type":"bookmark","name":"main"}}]}}"#,
            ),
            ("repo:refs_changed", many.as_str()),
        ] {
            assert_eq!(
                Pushed::read(ReceiverType::Bitbucket, event, body.as_bytes()),
                Pushed::Anything
            );
        }
    }

    #[test]
    fn only_what_follows_something_else_beyond_doubt_is_left_alone() {
        let follows = |field: &str, value: &str| -> GitReference {
            serde_json::from_value(serde_json::json!({ field: value })).unwrap()
        };
        for (field, value, pushed, expected) in [
            ("branch", "main", "refs/heads/main", true),
            ("branch", "main", "refs/heads/main2", false),
            ("branch", "main", "refs/tags/main", false),
            ("tag", "v1", "refs/tags/v1", true),
            ("tag", "v1", "refs/heads/v1", false),
            ("semver", ">=1", "refs/tags/v1", true),
            ("semver", ">=1", "refs/heads/main", false),
            ("name", "refs/heads/main", "refs/heads/main", true),
            ("name", "refs/heads/main", "refs/heads/other", false),
            ("name", "refs/pull/1/head", "refs/heads/other", true),
            (
                "commit",
                "79bd8f6bccb7a6f4d2def34d7958f123dbcae90f",
                "refs/heads/other",
                true,
            ),
        ] {
            let followed = follows(field, value);
            assert_eq!(
                references(&[pushed]).concerns(Some(&followed)),
                expected,
                "{field} {value} {pushed}"
            );
            assert!(Pushed::Anything.concerns(Some(&followed)));
        }
        assert!(references(&["refs/heads/master"]).concerns(None));
        assert!(!references(&["refs/heads/main"]).concerns(None));
    }

    #[test]
    fn what_waits_is_joined() {
        let mut pushed = references(&["refs/heads/a"]);
        pushed.join(references(&["refs/heads/b"]));
        assert_eq!(pushed, references(&["refs/heads/a", "refs/heads/b"]));
        for index in 0..MAX_PUSHED {
            pushed.join(references(&[&format!("refs/heads/{index}")]));
        }
        assert_eq!(pushed, Pushed::Anything);
        pushed.join(references(&["refs/heads/b"]));
        assert_eq!(pushed, Pushed::Anything);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_only_full_names_come_of_them(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            for (type_, event) in [(ReceiverType::GitHub, "push"), (ReceiverType::Bitbucket, "repo:push"), (ReceiverType::Bitbucket, "repo:refs_changed")] {
                prop_assert_eq!(Pushed::read(type_, event, &body), Pushed::Anything);
            }
        }

        #[test]
        fn a_name_is_taken_whole(name in "refs/(heads|tags)/.{1,40}", junk in "[a-z]{1,8}") {
            let body = serde_json::json!({"ref": name, "x": {junk: [1, null]}}).to_string();
            prop_assert_eq!(Pushed::read(ReceiverType::GitLab, "Push Hook", body.as_bytes()), references(&[&name]));
        }
    }
}
