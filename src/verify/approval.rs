//! Whether what stands at the paths of rules was signed by those who have to (`verify.rules`).
//!
//! A rule is about a state: what stands at a path, by the id that Git has for it. For a state there count
//! - who signed the one commit that made it: from the head, the way goes back through all that left the state as it is;
//! - who signed a tag of it, below `refs/tags/approvals/` and the path, which so is signed with it.
//!
//! That somebody signed a later commit says nothing: whoever works elsewhere need not have looked. docs/adr/0017 says
//! why it is so and not otherwise.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use git_signature::{Commit, ObjectId, ObjectKind, Refusal, Signer, Tag};
use jiff::Timestamp;

use super::forge::{self, ForgeError};
use super::rules::{Rule, RulePath, Rules};
use super::tree::{self, Entry, Mode};
use super::{Contents, HistoryError, MAX_HISTORY, MAX_OBJECT_BYTES, Trust, VerifyError, Voucher};
use crate::source::{Approvals, ObjectError};

/// The largest tree object that is looked into, in bytes: some 100,000 names in one folder.
const MAX_TREE_BYTES: u64 = 8 * 1024 * 1024;
/// Of so many signatures that do not count is said why.
const MAX_EXPLAINED: usize = 3;

/// What stands at a path is not signed by as many as it has to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Unapproved {
    /// The path.
    pub path: RulePath,
    /// What stands there; None where nothing does any more.
    pub state: Option<ObjectId>,
    /// Who signed it, of those that count.
    pub signers: Vec<String>,
    /// How many have to.
    pub threshold: usize,
    /// Why others do not count.
    pub passed_over: Vec<String>,
}

/// `clusters/prod has 1 of 2 signatures (alice@example.org); …`, with what to do.
impl fmt::Display for Unapproved {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            state,
            signers,
            threshold,
            passed_over,
        } = self;
        write!(
            formatter,
            "what it has at {path} has {} of {threshold} signatures that spec.verify.rules asks for",
            signers.len()
        )?;
        if !signers.is_empty() {
            write!(formatter, " ({})", signers.join(", "))?;
        }
        for why in passed_over {
            write!(formatter, "; {why}")?;
        }
        match state {
            Some(state) => write!(
                formatter,
                "; who approves it signs it: git tag -s {} {state}, and pushes the tag",
                path.approval("NAME").trim_start_matches("refs/tags/")
            ),
            None => formatter
                .write_str("; nothing is there any more, which no tag can approve: change the rule first"),
        }
    }
}

/// One head, held against rules.
pub(super) struct Judge<'a, C> {
    pub(super) contents: &'a C,
    pub(super) trust: &'a Trust,
    pub(super) approvals: &'a Approvals,
    /// A commit whose states were found to satisfy the same rules, or that the user named.
    pub(super) settled: Option<ObjectId>,
    pub(super) now: Timestamp,
}

/// Those whose signature counts for one state.
#[derive(Default)]
struct Tally {
    people: Vec<String>,
    addresses: BTreeSet<String>,
    keys: BTreeSet<String>,
    passed_over: Vec<String>,
    revoked: Option<VerifyError>,
}

impl<C: Contents> Judge<'_, C> {
    /// Whether what a commit has at each path is signed by those who have to.
    pub(super) fn check(&self, rules: &Rules, head: ObjectId) -> Result<(), VerifyError> {
        rules.iter().try_for_each(|rule| self.check_rule(rule, head))
    }

    /// Follows a state to where it was made. Of a merge that the forge made of two states, both have to be signed.
    fn check_rule(&self, rule: &Rule, head: ObjectId) -> Result<(), VerifyError> {
        let settled = match self.settled {
            Some(commit) => Some(self.state_of(commit, rule)?),
            None => None,
        };
        let mut seen = HashSet::from([head]);
        let mut pending = vec![head];
        while let Some(id) = pending.pop() {
            let raw = self.raw(id)?;
            let commit = parse(&raw, id)?;
            let state = self.state(&commit, rule)?;
            let mut tally = self.tagged(rule, state)?;
            let enough = |tally: &Tally| tally.people.len() >= rule.threshold;
            let is_settled = settled == Some(state) && tally.revoked.is_none();
            if enough(&tally) || is_settled {
                continue;
            }
            match self.origin(&commit, state, rule)? {
                Origin::Earlier(parents) => pending.extend(parents.into_iter().filter(|id| seen.insert(*id))),
                Origin::Never => {}
                Origin::Here => {
                    match self.trust.vouch(self.contents, &raw, id, self.now) {
                        Ok(Voucher::Person(signer)) => tally.count(&signer, rule),
                        // Where it merged what is one of both sides' as it is, the way has gone on.
                        Ok(Voucher::Forge { parents, .. }) => {
                            pending.extend(parents.into_iter().filter(|id| seen.insert(*id)));
                            continue;
                        }
                        Err(error) => tally.pass_over(error)?,
                    }
                    if !enough(&tally) {
                        return Err(tally.refusal(rule, state, head));
                    }
                }
            }
            if seen.len() > MAX_HISTORY {
                return Err(HistoryError::TooLong { limit: MAX_HISTORY }.into());
            }
        }
        Ok(())
    }

    /// Where a state comes from.
    fn origin(&self, commit: &Commit<'_>, state: State, rule: &Rule) -> Result<Origin, VerifyError> {
        let parents = commit.parents.as_slice();
        let mut states = Vec::with_capacity(parents.len());
        for parent in parents {
            states.push(self.state_of(*parent, rule)?);
        }
        Ok(match (parents, states.as_slice()) {
            ([], _) if state.is_none() => Origin::Never,
            ([first, ..], all) if all.iter().all(|other| *other == state) => Origin::Earlier(vec![*first]),
            ([ours, theirs], [one, other]) if *one == state || *other == state => {
                let (kept, given_up) = if *one == state {
                    (ours, other)
                } else {
                    (theirs, one)
                };
                // One side alone may have changed it. Who takes one of two changes makes a decision.
                match forge::single_base(self.contents, *ours, *theirs) {
                    Ok(base) if self.state_of(base, rule)? == *given_up => Origin::Earlier(vec![*kept]),
                    Ok(_) | Err(ForgeError::Refused(_)) => Origin::Here,
                    Err(ForgeError::History(error)) => return Err(error.into()),
                }
            }
            _ => Origin::Here,
        })
    }

    /// Who signed tags of a state.
    fn tagged(&self, rule: &Rule, state: State) -> Result<Tally, VerifyError> {
        let mut tally = Tally::default();
        let Some(entry) = state else { return Ok(tally) };
        let about = self
            .approvals
            .iter()
            .filter(|(reference, _)| rule.path.is_approved_by(reference));
        for (reference, id) in about {
            let raw = self.contents.content(*id, MAX_OBJECT_BYTES)?;
            let refused = |refusal| VerifyError::Tag {
                tag: reference.clone(),
                refusal,
            };
            let tag = match Tag::parse(&raw, *id) {
                Ok(tag) => tag,
                Err(error) => {
                    tally.pass_over(refused(error.into()))?;
                    continue;
                }
            };
            if (tag.object, tag.kind) != (entry.id, kind(entry.mode)) {
                // It approves something that stood there at another time.
                continue;
            }
            match self.trust.people().verify_parsed_tag(&tag, reference, self.now) {
                Ok(signer) => tally.count(&signer, rule),
                Err(refusal) => tally.pass_over(refused(refusal))?,
            }
        }
        Ok(tally)
    }

    fn state_of(&self, id: ObjectId, rule: &Rule) -> Result<State, VerifyError> {
        let raw = self.raw(id)?;
        self.state(&parse(&raw, id)?, rule)
    }

    /// What a commit has at the path of a rule.
    fn state(&self, commit: &Commit<'_>, rule: &Rule) -> Result<State, VerifyError> {
        let mut found = Entry {
            mode: Mode::Folder,
            id: commit.tree,
        };
        for name in rule.path.names() {
            if found.mode != Mode::Folder {
                return Ok(None);
            }
            let raw = self.contents.content(found.id, MAX_TREE_BYTES)?;
            let entries = tree::read(&raw).ok_or_else(|| unreadable(found.id))?;
            match entries.get(name.as_bytes()) {
                Some(entry) => found = *entry,
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    fn raw(&self, id: ObjectId) -> Result<Vec<u8>, VerifyError> {
        let missing = || VerifyError::History(HistoryError::Incomplete { missing: id });
        self.contents.commit(id)?.ok_or_else(missing)
    }
}

/// What stands at a path; nothing is a state as well.
type State = Option<Entry>;

/// Where a state comes from.
enum Origin {
    /// It is what these had.
    Earlier(Vec<ObjectId>),
    /// This commit made it.
    Here,
    /// Nothing ever stood there.
    Never,
}

impl Tally {
    /// Counts somebody, unless the same person or the same key was counted before.
    fn count(&mut self, signer: &Signer, rule: &Rule) {
        let address = address(&signer.identity);
        if !rule.takes(address, &signer.fingerprint) {
            let why = format!("the signature of {} is not asked for", signer.identity);
            return self.explain(why);
        }
        let is_new =
            !self.addresses.contains(&address.to_lowercase()) && !self.keys.contains(&signer.fingerprint);
        if is_new {
            self.addresses.insert(address.to_lowercase());
            self.keys.insert(signer.fingerprint.clone());
            self.people.push(signer.identity.clone());
        }
    }

    /// Somebody's signature does not do. What cannot be read is an error.
    fn pass_over(&mut self, error: VerifyError) -> Result<(), VerifyError> {
        match &error {
            VerifyError::Unreadable(_) | VerifyError::History(_) | VerifyError::Mirror(_) => {
                return Err(error);
            }
            VerifyError::Commit { refusal, .. } | VerifyError::Tag { refusal, .. } => {
                if matches!(refusal, Refusal::Revoked { .. }) {
                    self.revoked = Some(error);
                    return Ok(());
                }
            }
            _ => {}
        }
        self.explain(error.to_string());
        Ok(())
    }

    fn explain(&mut self, why: String) {
        if self.passed_over.len() < MAX_EXPLAINED {
            self.passed_over.push(why);
        }
    }

    /// Why a state is refused: a key that was revoked says more than that a signature is missing.
    fn refusal(self, rule: &Rule, state: State, head: ObjectId) -> VerifyError {
        self.revoked.unwrap_or_else(|| VerifyError::Unapproved {
            commit: head.to_string(),
            refusal: Box::new(Unapproved {
                path: rule.path.clone(),
                state: state.map(|entry| entry.id),
                signers: self.people,
                threshold: rule.threshold,
                passed_over: self.passed_over,
            }),
        })
    }
}

/// The address in an OpenPGP user id, `Name <address>`; the whole of what is none.
fn address(identity: &str) -> &str {
    let inner = identity
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
        .map(|(_, address)| address);
    inner.unwrap_or(identity)
}

fn kind(mode: Mode) -> ObjectKind {
    match mode {
        Mode::Folder => ObjectKind::Tree,
        Mode::File | Mode::Executable | Mode::Symlink => ObjectKind::Blob,
        Mode::Submodule => ObjectKind::Commit,
    }
}

fn parse(raw: &[u8], id: ObjectId) -> Result<Commit<'_>, VerifyError> {
    Commit::parse(raw, id).map_err(|error| VerifyError::Commit {
        commit: id.to_string(),
        refusal: error.into(),
    })
}

fn unreadable(id: ObjectId) -> VerifyError {
    let id = git2::Oid::from_bytes(id.as_bytes()).unwrap_or(git2::Oid::ZERO_SHA1);
    VerifyError::Unreadable(ObjectError::Unreadable(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_by_address_and_by_key() {
        let signer = |identity: &str, fingerprint: &str| Signer {
            kind: git_signature::SignerKind::Ssh,
            identity: identity.to_owned(),
            fingerprint: fingerprint.to_owned(),
            valid_until: None,
        };
        let count = |signers: &[(&str, &str)], allowed: &[&str]| {
            let spec = crate::api::Rule {
                paths: vec!["a".to_owned()],
                signers: allowed.iter().map(|text| (*text).to_owned()).collect(),
                threshold: None,
            };
            let rules = Rules::parse(&[spec]).unwrap();
            let mut tally = Tally::default();
            for (identity, fingerprint) in signers {
                tally.count(&signer(identity, fingerprint), rules.iter().next().unwrap());
            }
            tally.people.len()
        };
        assert_eq!(count(&[("a@x", "1"), ("b@x", "2")], &[]), 2);
        assert_eq!(count(&[("a@x", "1"), ("a@x", "2")], &[]), 1);
        assert_eq!(count(&[("a@x", "1"), ("b@x", "1")], &[]), 1);
        assert_eq!(count(&[("a@x", "1"), ("Ada Example <A@x>", "2")], &[]), 1);
        assert_eq!(count(&[("a@x", "1"), ("b@x", "2")], &["b@*"]), 1);
        assert_eq!(count(&[("Ada <a@x>", "1"), ("b@x", "2")], &["a@x"]), 1);
        assert_eq!(count(&[("a@x", "SHA256:k")], &["SHA256:k"]), 1);
        assert_eq!(count(&[("evil <a@x> b@x", "1")], &["a@x"]), 0);
    }

    #[test]
    fn the_reason_is_in_the_documentation() {
        let documented = include_str!("../../docs/verdict-reasons.md");
        assert!(documented.contains("| `ApprovalMissing` |"));
    }
}
