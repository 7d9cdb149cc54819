//! Who may be named as committer and author (`spec.verify.allowed`).
//!
//! Anybody can write any name into a commit; the signature says that its signer did. Lists of names are for those who
//! trust several signers and want their commits to say who they are.

use git_signature::Commit;

use super::glob::Glob;
use crate::api::AllowedPeople;

/// Whose commits are taken, by the e-mail addresses in them. An empty list allows everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    committers: Vec<Glob>,
    authors: Vec<Glob>,
}

/// What a commit names somebody as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Who made it.
    Committer,
    /// Who wrote what is in it.
    Author,
}

impl Role {
    /// The role as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Committer => "committer",
            Self::Author => "author",
        }
    }
}

impl Allowed {
    /// Reads the lists of a spec.
    pub fn new(people: Option<&AllowedPeople>) -> Self {
        let globs = |list: &Vec<String>| list.iter().map(|text| Glob::new(text)).collect();
        people.map_or_else(Self::default, |people| Self {
            committers: globs(&people.committers),
            authors: globs(&people.authors),
        })
    }

    /// The first name in a commit that is in no list, and what it is named as.
    pub fn stranger<'a>(&self, commit: &Commit<'a>) -> Option<(Role, &'a str)> {
        let named = [
            (Role::Committer, &self.committers, commit.committer.email),
            (Role::Author, &self.authors, commit.author.email),
        ];
        named
            .into_iter()
            .find(|(_, list, email)| !list.is_empty() && !list.iter().any(|glob| glob.matches(email)))
            .map(|(role, _, email)| (role, email))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_roles_have_to_be_allowed_where_there_is_a_list() {
        let raw =
            b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.org> 1 +0000\ncommitter C \
            <c@example.org> 1 +0000\n\nx\n";
        let id = git_signature::ObjectId::of(git_signature::ObjectKind::Commit, raw).unwrap();
        let commit = Commit::parse(raw, id).unwrap();
        let stranger = |committers: &[&str], authors: &[&str]| {
            let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let people = AllowedPeople {
                committers: list(committers),
                authors: list(authors),
            };
            Allowed::new(Some(&people)).stranger(&commit)
        };
        assert_eq!(Allowed::new(None).stranger(&commit), None);
        assert_eq!(stranger(&[], &[]), None);
        assert_eq!(stranger(&["c@*"], &["x@*", "a@*"]), None);
        assert_eq!(stranger(&["a@*"], &[]), Some((Role::Committer, "c@example.org")));
        assert_eq!(stranger(&[], &["c@*"]), Some((Role::Author, "a@example.org")));
    }
}
