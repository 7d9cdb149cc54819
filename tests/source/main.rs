//! Fetching, from real servers: git's own upload-pack behind HTTP and sshd, and servers that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../support/mod.rs"]
mod support;
mod world;

mod approvals;
mod references;

mod protocol;

mod https;
mod ssh;

mod mirror;

mod faults;
