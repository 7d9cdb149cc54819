//! The audit log: what was about to be done, and how it ended, in a chain that shows tampering.
//!
//! One JSON object a line, in `audit.jsonl`. The last member of each is `hash`: SHA-256 over the bytes of the
//! line without that member; the member `previous` is the hash of the line before. What was written cannot be
//! changed without the chain showing it. A cut tail or a rewrite of the whole does not show in the file alone:
//! that is why the newest hash, the head, is published in statuses and messages.
//!
//! Nothing is written to the cluster before its intent is on disk: only [`AuditLog::record`] makes an
//! [`Intended`], and only an [`Intended`] can be applied.

mod file;
mod line;
mod log;
mod record;
mod verify;

pub use log::{AuditError, AuditLog};
pub use record::{ActionRecord, AnchoredBy, Ending, Event, Record, RecordedAction, Subject, Trigger};
pub use verify::{ChainBreak, Verified, read, verify_chain};

use crate::plan::Plan;

/// The number of the record format. A reader refuses what is newer.
pub const SCHEMA: u32 = 1;
/// The file that records are appended to.
pub const CURRENT_FILE: &str = "audit.jsonl";
/// How large the file grows before it is set aside as `audit-<number of its last record>.jsonl`.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;
/// The longest line that is written and read, its newline included. Longer ones are a broken chain, not a reason to
/// use up the memory.
pub const MAX_LINE_BYTES: usize = 8 * 1024 * 1024;

/// A plan that is on record. It can be applied, once.
///
/// ```
/// use fluxops::{apply::{Applied, apply}, audit::Intended, cluster::Session, name::Key};
/// async fn once(session: &Session, intended: Intended, owner: &Key) -> Applied {
///     apply(session, intended, owner).await
/// }
/// ```
/// A second time does not compile:
/// ```compile_fail,E0382
/// use fluxops::{apply::{Applied, apply}, audit::Intended, cluster::Session, name::Key};
/// async fn twice(session: &Session, intended: Intended, owner: &Key) -> [Applied; 2] {
///     [apply(session, intended, owner).await, apply(session, intended, owner).await]
/// }
/// ```
/// Nor does making a second one of it:
/// ```compile_fail,E0599
/// fn copy(intended: &fluxops::audit::Intended) -> fluxops::audit::Intended {
///     intended.clone()
/// }
/// ```
#[must_use = "it was recorded as about to happen"]
pub struct Intended {
    plan: Plan,
    intent: Intent,
}

/// The obligation to record how an intent ended.
#[must_use = "its outcome has to be recorded"]
pub struct Intent {
    sequence: u64,
    subject: Subject,
}

impl Intended {
    /// The plan to carry out, and what has to be told to the log afterwards.
    pub(crate) fn into_parts(self) -> (Plan, Intent) {
        (self.plan, self.intent)
    }
}
