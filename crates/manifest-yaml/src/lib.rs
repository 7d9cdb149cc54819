//! YAML and JSON as Kubernetes and SOPS read them: trees with byte spans, two schemas, limits, and byte-exact edits.
//!
//! A text is parsed to a [syntax tree](syntax), which keeps how things are written, and resolved to [`Value`]s, which
//! keep what they mean. Values are [written](to_yaml_masked) with their secrets masked, unless a writer is named
//! `_exposed`. To change a text and keep everything else in it, replace the spans of nodes with [`splice()`].
#![forbid(unsafe_code)]

mod error;
mod limits;
mod position;
mod resolve;
mod schema;
mod sensitive;
mod splice;
pub mod syntax;
mod value;
mod write;

pub use error::ParseError;
pub use limits::Limits;
pub use position::Position;
pub use resolve::{Document, from_json, from_yaml, resolve};
pub use schema::{Scalar, ScalarError, Schema, resolve_scalar};
pub use sensitive::{Exposed, Sensitive};
pub use splice::{Edit, SpliceError, splice};
pub use value::{Mapping, Number, Value};
pub use write::{MASK, to_json_exposed, to_json_masked, to_yaml_exposed, to_yaml_masked};
