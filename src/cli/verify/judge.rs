//! Verdicts: what is said of each commit.

use std::io::{self, Write};
use std::num::NonZero;
use std::thread;

use git_signature::{ObjectId, Refusal, Signer, TrustStore};
use jiff::Timestamp;

use super::repository::Local;
use crate::cli::{CommandError, Exit};
use crate::verify::HistoryError;

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
}

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Trusted,
    Refused,
}

impl Verdict {
    fn of(id: ObjectId, judged: &Result<Signer, Refusal>) -> Self {
        match judged {
            Ok(signer) => Self {
                commit: id.to_string(),
                verdict: Word::Trusted,
                rule: None,
                reason: None,
                signer: Some(format!("{} {}", signer.identity, signer.fingerprint)),
            },
            Err(refusal) => Self::refused(id, refusal.reason(), refusal.to_string()),
        }
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
        writeln!(output, "{} {word} {why}", self.commit)?;
        match (explain, self.rule) {
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

/// The verdicts on commits, in their order.
pub(super) fn commits(
    local: &Local,
    trust: &TrustStore,
    ids: &[ObjectId],
    now: Timestamp,
) -> Result<Vec<Verdict>, CommandError> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let share = ids.len().div_ceil(threads).max(COMMITS_PER_THREAD);
    let place = local.place();
    thread::scope(|scope| {
        let shares: Vec<_> = ids
            .chunks(share)
            .map(|share| {
                scope.spawn(move || {
                    let local = Local::at(place)?;
                    let verdicts = share.iter().map(|id| commit(&local, trust, *id, now));
                    verdicts.collect::<Result<Vec<_>, _>>()
                })
            })
            .collect();
        let mut verdicts = Vec::with_capacity(ids.len());
        for share in shares {
            let share = share.join();
            let stopped = || CommandError::new(Exit::Unusable, "failed to verify: a thread stopped");
            verdicts.extend(share.map_err(|_| stopped())??);
        }
        Ok(verdicts)
    })
}

fn commit(local: &Local, trust: &TrustStore, id: ObjectId, now: Timestamp) -> Result<Verdict, CommandError> {
    let raw = local.raw(id).map_err(CommandError::unusable)?;
    Ok(match raw {
        Some(raw) => Verdict::of(id, &trust.verify_commit(&raw, id, now)),
        None => Verdict::no_way(id, &HistoryError::Incomplete { missing: id }),
    })
}

/// The verdict on an annotated tag, by its name or its whole reference.
pub(super) fn tag(
    local: &Local,
    trust: &TrustStore,
    name: &str,
    now: Timestamp,
) -> Result<Verdict, CommandError> {
    let reference = format!("refs/tags/{}", name.strip_prefix("refs/tags/").unwrap_or(name));
    tag_object(local, trust, local.tag_object(&reference)?, &reference, now)
}

/// The verdict on an object as the tag of this reference.
pub(super) fn tag_object(
    local: &Local,
    trust: &TrustStore,
    id: ObjectId,
    reference: &str,
    now: Timestamp,
) -> Result<Verdict, CommandError> {
    let raw = local.raw(id).map_err(CommandError::unusable)?;
    Ok(match raw {
        Some(raw) => Verdict::of(
            id,
            &trust
                .verify_tag(&raw, id, reference, now)
                .map(|(signer, _)| signer),
        ),
        None => Verdict::no_way(id, &HistoryError::Incomplete { missing: id }),
    })
}
