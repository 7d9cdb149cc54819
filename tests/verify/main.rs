//! `fluxops verify` on repositories that git made.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

#[path = "../support/mod.rs"]
mod support;

mod forge;
mod history;
mod merge;
mod rules;
mod table;
mod user;
