//! What it takes for a failure to pass.

/// What it takes for a failure to pass: whether the object is stalled by the rules of kstatus, and how soon it is
/// worth trying again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Time, or something outside: the same spec and the same commit may succeed at the next try.
    Retry,
    /// A change of the spec or of what it refers to, or another commit: until then the same comes of it.
    Change,
}
