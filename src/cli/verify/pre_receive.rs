//! What is being pushed, as git tells a `pre-receive` hook (githooks(5)): a line `old new ref` for each reference.

use std::io::{self, Read as _};

use git_signature::ObjectId;
use jiff::Timestamp;

use super::history;
use super::judge::{Approved, Verdict, approved, tag_object};
use super::repository::Local;
use crate::cli::{CommandError, Exit};
use crate::source::APPROVALS;
use crate::verify::{Trust, all, since};

/// The most that a hook reads, in bytes: room for some 100,000 references.
const MAX_INPUT: u64 = 16 * 1024 * 1024;
/// What git writes for a reference that is not there.
const ABSENT: &str = "0000000000000000000000000000000000000000";

/// Verdicts on all that is pushed. A branch has to descend from where it was, and every commit since has to be signed;
/// of a new branch, every commit. A tag has to be annotated and signed. Deleting is not for signatures to judge.
/// Rules are about the branch that is `followed` alone, so that others may be worked on; approvals may come in the same
/// push.
pub(super) fn judge(
    local: &Local,
    trust: &Trust,
    followed: Option<&str>,
    now: Timestamp,
) -> Result<Vec<Verdict>, CommandError> {
    let mut input = String::new();
    io::stdin()
        .take(MAX_INPUT + 1)
        .read_to_string(&mut input)
        .map_err(CommandError::unusable)?;
    if input.len() as u64 > MAX_INPUT {
        return Err(unusable("there are too many references"));
    }
    let updates: Vec<Update<'_>> = input.lines().map(Update::parse).collect::<Result<_, _>>()?;
    let mut approvals = local.approvals()?;
    for update in updates
        .iter()
        .filter(|update| update.reference.starts_with(APPROVALS))
    {
        approvals.remove(update.reference);
        approvals.extend(update.new.map(|new| (update.reference.to_owned(), new)));
    }
    let mut verdicts = Vec::new();
    for Update { old, new, reference } in updates {
        let Some(new) = new else { continue };
        if reference.starts_with("refs/tags/") {
            verdicts.push(tag_object(local, trust, new, reference, now)?);
        } else {
            let ids = match old {
                Some(old) => since(local, old, new),
                None => all(local, new),
            };
            let mut judged = history(local, trust, new, ids, now)?;
            if followed == Some(reference) {
                let head = Approved::new(new, old, approvals.clone());
                judged = approved(local, trust, &head, judged, now)?;
            }
            verdicts.extend(judged);
        }
    }
    Ok(verdicts)
}

/// One reference that is pushed.
#[derive(Debug, PartialEq, Eq)]
struct Update<'a> {
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    reference: &'a str,
}

impl<'a> Update<'a> {
    fn parse(line: &'a str) -> Result<Self, CommandError> {
        let malformed = || unusable("standard input is not what git gives a pre-receive hook: OLD NEW REF");
        let mut words = line.splitn(3, ' ');
        let mut id = || -> Result<Option<ObjectId>, CommandError> {
            match words.next().ok_or_else(malformed)? {
                ABSENT => Ok(None),
                id => id.parse().map(Some).map_err(|_| malformed()),
            }
        };
        let (old, new) = (id()?, id()?);
        let reference = words
            .next()
            .filter(|name| name.starts_with("refs/"))
            .ok_or_else(malformed)?;
        Ok(Self { old, new, reference })
    }
}

fn unusable(message: &str) -> CommandError {
    CommandError::new(Exit::Unusable, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_git_writes_them() {
        let id = "1".repeat(40);
        let line = format!("{ABSENT} {id} refs/heads/a b");
        let update = Update::parse(&line).unwrap();
        assert_eq!((update.old, update.reference), (None, "refs/heads/a b"));
        assert_eq!(update.new.unwrap().to_string(), id);
        for line in [
            "",
            "a",
            &id,
            &format!("{id} {id}"),
            &format!("{id} {id} main"),
            &format!("{id}  refs/heads/a"),
        ] {
            assert!(Update::parse(line).is_err(), "{line}");
        }
    }
}
