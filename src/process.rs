//! What the process lets others see of its memory.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// No core dumps, and no reading of our memory by other processes of the same user.
///
/// Best effort: where the kernel says no, the process runs on as any other would; SECURITY.md says what it means.
pub fn harden() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
