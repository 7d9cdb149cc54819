//! `kustomize build` in memory, over a virtual file tree.
//!
//! [`build`] renders the kustomization of a folder to objects, as kustomize 5.8 prints them, in the order in which it
//! prints them. Files come in through the [`Tree`] trait; nothing else is read, and nothing is run. [`build_with`] adds
//! an [`Overlay`] to the kustomization of the folder first, as Flux does; [`substitute`] puts variables into what comes
//! out.
//!
//! A build is: read the kustomization file strictly; accumulate the objects of its files,
//! its bases, its generators and its components; run its transformers over them; and, once
//! at the end, give generated objects their content hash, follow renamed objects in whatever refers to them, put the
//! values of vars where they are named, and sort.
//!
//! What kustomize knows and this crate does not (yet) is refused by the name of the field: the output is either what
//! kustomize prints, or an error.
//!
//! Scalars that are [sensitive](manifest_yaml::Sensitive) pass through untouched. Where the engine would have to read
//! one, such as a name or an image, it refuses.
#![forbid(unsafe_code)]

mod accumulation;
mod build;
mod cluster_scoped;
mod configuration;
mod duplicate_keys;
mod encoding;
mod error;
mod field_path;
mod field_spec;
mod folder;
mod generate;
mod go_json;
mod kustomization;
mod locate;
mod manifest;
mod merge;
mod meter;
mod order;
mod overlay;
mod patch;
mod path;
mod plugin;
mod provenance;
mod replacement;
mod resource;
mod resources;
mod scalar;
mod schema;
mod selection;
mod selector;
mod substitute;
mod transform;
mod tree;
mod vars;

pub use build::{MAX_BASE_DEPTH, MAX_KUSTOMIZATIONS, MAX_OBJECTS, Options, build, build_with};
pub use error::BuildError;
pub use folder::LoadRestriction;
pub use kustomization::FILE_NAMES;
pub use manifest::read_manifest;
pub use meter::{MAX_BYTES, MAX_DOCUMENTS, MAX_FILES};
pub use overlay::{MissingComponents, Overlay, OverlayImage, OverlayPatch, Target};
pub use selection::Selection;
pub use substitute::{MissingVariable, SubstituteError, Variable, Variables, substitute};
pub use tree::{Content, EntryKind, Tree, TreeError};
