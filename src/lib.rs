//! fluxops: which commit, who signed it, what it says, what would change, what changed.
//!
//! ```text
//! Trigger ─fetch→ Revision ─verify→ VerifiedRevision ─open→ Files ─render→ Rendered
//!    Rendered + Observed + Inventory ─plan→ Plan
//!    Plan ─record→ Intended ─apply→ Applied ─health→ Outcome → audit record, status, events, message
//! ```
//! Each step is a file named after it, and owns the one type that only it can make.

pub mod api;
pub mod name;
pub mod source;
