//! What a Delivery was made of, so that a revision which changes none of it needs no run.

use crate::api::DeliverySpec;
use crate::files::Reads;
use crate::verify::VerifiedRevision;

/// What a run that succeeded took in, beside the Secrets and `ConfigMap`s that the spec names; a change of those asks for
/// a run by itself.
#[derive(Debug, Clone)]
pub struct Inputs {
    spec: DeliverySpec,
    reads: Reads,
}

impl Inputs {
    pub(super) fn new(spec: DeliverySpec, reads: Reads) -> Self {
        Self { spec, reads }
    }

    /// Whether the same would come of this spec.
    pub fn are_of(&self, spec: &DeliverySpec) -> bool {
        self.spec == *spec
    }

    /// Whether the same would come of another revision. It reads the object database, so it may block.
    pub fn hold_in(&self, revision: &VerifiedRevision) -> bool {
        self.reads.hold_in(revision.tree())
    }
}
