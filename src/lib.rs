//! fluxops: which commit, who signed it, what it says, what would change, what changed.
//!
//! ```text
//! Trigger ─fetch→ Revision ─verify→ VerifiedRevision ─open→ Files ─render→ Rendered
//!    Rendered + Observed + Inventory ─plan→ Plan
//!    Plan ─record→ Intended ─apply→ Applied ─health→ Outcome → audit record, status, events, message
//! ```
//! Each step is a file named after it, and owns the one type that only it can make. [`reconcile`] is the
//! pipeline once; [`controller`] runs it again and again, and [`cli`] on request.

#![cfg_attr(not(test), warn(clippy::disallowed_methods))]

pub mod name;

pub mod api;

pub mod source;
pub mod verify;

pub mod files;

pub mod render;

pub mod observe;
pub mod operations;
pub mod plan;

pub mod audit;

pub mod apply;
pub mod health;

pub mod reconcile;

pub mod cluster;
pub mod notify;
pub mod receive;
pub mod store;

pub mod controller;

pub mod cli;
pub mod process;

mod chain;
pub use chain::chain;
