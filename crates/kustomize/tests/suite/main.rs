//! The engine against the real `kustomize`, over trees that are written for it (`tests/cases`), and by itself where
//! kustomize has no word: sensitive scalars, remote bases, limits, and input that makes no sense.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod case;
mod differential;
mod limits;
mod oracle;
mod overlay;
mod patched;
mod robust;
mod sensitive;
mod substitute;
mod tables;
mod tree;
