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
pub mod apply;
pub mod audit;
pub mod cluster;
pub mod files;
pub mod observe;
pub mod plan;
pub mod render;
pub mod verify;
pub mod health;
pub mod notify;
pub mod reconcile;
pub mod source;
pub mod store;

/// An error and what caused it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors repeat their source in their own words.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
pub mod controller;
pub mod cli;
pub mod process;
