//! YAML and JSON as Kubernetes and SOPS read them: events, spans, limits, and byte-exact edits.
#![forbid(unsafe_code)]

mod sensitive;
mod value;

pub use sensitive::{Exposed, Sensitive};
pub use value::{Mapping, Number, Value};
