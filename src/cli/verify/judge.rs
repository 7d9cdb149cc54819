//! Verdicts: what is said of each commit.

use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use git_signature::{ObjectId, Refusal, Signer, Tag};
use jiff::Timestamp;

use super::repository::Local;
use crate::cli::{CommandError, Exit};
use crate::source::{APPROVALS, Approvals};
use crate::verify::{ForgeRefusal, HistoryError, Trust, VerifyError, Voucher, vouched};

/// Fewer commits than this are not worth another thread.
const COMMITS_PER_THREAD: usize = 64;

/// How much is said of a verdict.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Explain {
    Nothing,
    /// Which rule decided.
    Rules,
}

/// What is said of one commit or tag.
#[derive(serde::Serialize)]
pub(super) struct Verdict {
    commit: String,
    verdict: Word,
    /// The reason in one word, as `docs/verdict-reasons.md` has it.
    rule: Option<&'static str>,
    reason: Option<String>,
    signer: Option<String>,
    /// Why its signature counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<By>,
}

/// Why a signature counts.
#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum By {
    /// The key is a person's.
    Person,
    /// The key is the forge's, and the commit a merge that it may make.
    Forge,
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Trusted,
    Refused,
}

impl Verdict {
    fn trusted(id: ObjectId, signer: &Signer, by: By) -> Self {
        Self {
            commit: id.to_string(),
            verdict: Word::Trusted,
            rule: None,
            reason: None,
            signer: Some(format!("{} {}", signer.identity, signer.fingerprint)),
            by: Some(by),
        }
    }

    fn of_tag(id: ObjectId, judged: &Result<Signer, Refusal>) -> Self {
        match judged {
            Ok(signer) => Self::trusted(id, signer, By::Person),
            Err(refusal) => Self::refused(id, refusal.reason(), refusal.to_string()),
        }
    }

    fn of_commit(id: ObjectId, judged: &Result<Voucher, VerifyError>) -> Result<Self, CommandError> {
        Ok(match judged {
            Ok(Voucher::Person(signer)) => Self::trusted(id, signer, By::Person),
            Ok(Voucher::Forge { signer, .. }) => Self::trusted(id, signer, By::Forge),
            Err(VerifyError::Commit { refusal, commit }) if *commit == id.to_string() => {
                Self::refused(id, refusal.reason(), refusal.to_string())
            }
            Err(VerifyError::Forge { refusal, commit }) if *commit == id.to_string() => {
                Self::refused(id, refusal.reason(), refusal.to_string())
            }
            Err(VerifyError::Unreadable(error)) => return Err(CommandError::unusable(error)),
            Err(error) => Self::refused(id, error.reason(), error.to_string()),
        })
    }

    /// There is no way to it from what is trusted.
    pub(super) fn no_way(head: ObjectId, error: &HistoryError) -> Self {
        Self::refused(head, error.reason(), error.to_string())
    }

    pub(super) fn refused(id: ObjectId, rule: &'static str, reason: String) -> Self {
        Self {
            commit: id.to_string(),
            verdict: Word::Refused,
            rule: Some(rule),
            reason: Some(reason),
            signer: None,
            by: None,
        }
    }

    pub(super) fn is_trusted(&self) -> bool {
        self.verdict == Word::Trusted
    }

    /// One line; with the rule that decided behind it, if that is asked for.
    pub(super) fn print(&self, explain: Explain, output: &mut dyn Write) -> io::Result<()> {
        let word = match self.verdict {
            Word::Trusted => "trusted",
            Word::Refused => "refused",
        };
        let why = self
            .signer
            .as_deref()
            .or(self.reason.as_deref())
            .unwrap_or_default();
        let whose = match self.by {
            Some(By::Forge) => "forge ",
            _ => "",
        };
        writeln!(output, "{} {word} {whose}{why}", self.commit)?;
        match (explain, self.rule) {
            (Explain::Rules, None) if self.by == Some(By::Forge) => writeln!(
                output,
                "    the forge's key signed it, and it is what we make ourselves of two commits that are trusted"
            ),
            (Explain::Rules, Some(rule)) => {
                writeln!(output, "    decided by {rule} (docs/verdict-reasons.md)")
            }
            (Explain::Rules, None) => writeln!(
                output,
                "    the signature is over these exact bytes, by a key that is trusted and was valid then and is now"
            ),
            (Explain::Nothing, _) => Ok(()),
        }
    }
}

/// The verdicts on commits, in their order, which has parents first.
pub(super) fn commits(
    local: &Local,
    trust: &Trust,
    ids: &[ObjectId],
    now: Timestamp,
) -> Result<Vec<Verdict>, CommandError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = ids.len().div_ceil(threads).max(COMMITS_PER_THREAD);
    let place = local.place();
    let judged = thread::scope(|scope| {
        let shares: Vec<_> = ids
            .chunks(share)
            .map(|share| {
                scope.spawn(move || {
                    let local = Local::at(place)?;
                    let judged = share.iter().map(|id| commit(&local, trust, *id, now));
                    judged.collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut judged = Vec::with_capacity(ids.len());
        for share in shares {
            let share = share.join();
            let stopped = || CommandError::new(Exit::Unusable, "failed to verify: a thread stopped");
            judged.extend(share.map_err(|_| stopped())??);
        }
        Ok::<_, CommandError>(judged)
    })?;
    let mut refused = HashSet::new();
    let mut verdicts = Vec::with_capacity(ids.len());
    for (id, Judged { mut verdict, merged }) in ids.iter().zip(judged) {
        if let Some(parent) = merged.into_iter().find(|parent| refused.contains(parent)) {
            let refusal = ForgeRefusal::ParentRefused { parent };
            verdict = Verdict::refused(*id, refusal.reason(), refusal.to_string());
        }
        if !verdict.is_trusted() {
            refused.insert(*id);
        }
        verdicts.push(verdict);
    }
    Ok(verdicts)
}

/// What is said of a commit, on condition that what the forge merged in it is trusted.
struct Judged {
    verdict: Verdict,
    merged: Vec<ObjectId>,
}

fn commit(local: &Local, trust: &Trust, id: ObjectId, now: Timestamp) -> Result<Judged, CommandError> {
    let Some(raw) = local.raw(id).map_err(CommandError::unusable)? else {
        return Ok(Judged {
            verdict: Verdict::no_way(id, &HistoryError::Incomplete { missing: id }),
            merged: Vec::new(),
        });
    };
    let judged = trust.vouch(local, &raw, id, now);
    Ok(Judged {
        verdict: Verdict::of_commit(id, &judged)?,
        merged: judged.map_or_else(|_| Vec::new(), |voucher| voucher.merged().to_vec()),
    })
}

/// A commit that rules are held against.
pub(super) struct Approved {
    commit: ObjectId,
    /// What it descends from and what is taken as trusted, with what stands at the paths of the rules there.
    settled: Option<ObjectId>,
    approvals: Approvals,
}

impl Approved {
    pub(super) fn new(commit: ObjectId, settled: Option<ObjectId>, approvals: Approvals) -> Self {
        Self {
            commit,
            settled,
            approvals,
        }
    }
}

/// Verdicts on a history, with that on its head by the rules as well, if all of it is trusted without.
pub(super) fn approved(
    local: &Local,
    trust: &Trust,
    head: &Approved,
    mut verdicts: Vec<Verdict>,
    now: Timestamp,
) -> Result<Vec<Verdict>, CommandError> {
    if !verdicts.iter().all(Verdict::is_trusted) {
        return Ok(verdicts);
    }
    let Approved {
        commit,
        settled,
        approvals,
    } = head;
    match trust.check_rules(trust.rules(), local, approvals, *settled, *commit, now) {
        Ok(()) => {}
        Err(VerifyError::Unreadable(error)) => return Err(CommandError::unusable(error)),
        Err(error) => {
            let text = match &error {
                VerifyError::Unapproved { refusal, .. } => refusal.to_string(),
                error => error.to_string(),
            };
            verdicts.retain(|verdict| verdict.commit != commit.to_string());
            verdicts.push(Verdict::refused(*commit, error.reason(), text));
        }
    }
    Ok(verdicts)
}

/// The verdict on a commit without its history. Where the forge made it, it goes by what was merged.
pub(super) fn head(
    local: &Local,
    trust: &Trust,
    id: ObjectId,
    now: Timestamp,
) -> Result<Verdict, CommandError> {
    Verdict::of_commit(id, &vouched(local, trust, id, now))
}

/// The verdict on an annotated tag, by its name or its whole reference.
pub(super) fn tag(local: &Local, trust: &Trust, name: &str, now: Timestamp) -> Result<Verdict, CommandError> {
    let reference = format!("refs/tags/{}", name.strip_prefix("refs/tags/").unwrap_or(name));
    tag_object(local, trust, local.tag_object(&reference)?, &reference, now)
}

/// The verdict on an object as the tag of this reference.
pub(super) fn tag_object(
    local: &Local,
    trust: &Trust,
    id: ObjectId,
    reference: &str,
    now: Timestamp,
) -> Result<Verdict, CommandError> {
    let raw = local.raw(id).map_err(CommandError::unusable)?;
    Ok(match raw {
        // Who approves what stands at a path tags a tree or a file.
        Some(raw) if reference.starts_with(APPROVALS) => {
            let judged = Tag::parse(&raw, id)
                .map_err(Refusal::from)
                .and_then(|tag| trust.people().verify_parsed_tag(&tag, reference, now));
            Verdict::of_tag(id, &judged)
        }
        Some(raw) => {
            let judged = trust.people().verify_tag(&raw, id, reference, now);
            Verdict::of_tag(id, &judged.map(|(signer, _)| signer))
        }
        None => Verdict::no_way(id, &HistoryError::Incomplete { missing: id }),
    })
}
