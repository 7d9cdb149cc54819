//! The kinds, as users write them: `fluxops.dev/v1alpha1`.
//!
//! Field names and meanings are Flux's wherever Flux has the field. An unknown field is an error: it may be
//! one that the user believes protects them.

mod condition;
mod delivery;
mod duration;
mod git_source;
mod history;
mod notifier;
mod overlay;
mod post_build;
mod receiver;
mod reference;
mod remedy;

pub use condition::{Condition, ConditionStatus, ConditionType, Conditions};
pub use delivery::{
    CommonMetadata, Decryption, DecryptionProvider, DeletionPolicy, Delivery, DeliverySpec, DeliveryStatus,
    DeliveryVerify, Dependency, DriftMode, IgnoreRule, InventoryEntry, SignerStatus,
};
pub use duration::{GoDuration, Interval, InvalidDuration, MAX_DURATION};
pub use git_source::{
    AllowedPeople, GitReference, GitSource, GitSourceSpec, GitSourceStatus, Rule, TrustKind, TrustReference,
    VerificationMode, Verify,
};
pub use history::{HistoryEntry, MAX_HISTORY, RollbackPolicy, RollbackStatus, SUCCEEDED, remember};
pub use notifier::{Notifier, NotifierSpec, NotifierType, Severity, SourceSelector};
pub use overlay::{Image, Patch, PatchTarget};
pub use post_build::{PostBuild, SubstituteStrategy, VariablesKind, VariablesReference};
pub use receiver::{Receiver, ReceiverSpec, ReceiverStatus, ReceiverType};
pub use reference::{LocalReference, SecretData, SourceKind, SourceReference};
pub use remedy::Remedy;

/// The API group.
pub const GROUP: &str = "fluxops.dev";
/// The API version.
pub const VERSION: &str = "v1alpha1";
/// What stands in `apiVersion`.
pub const API_VERSION: &str = "fluxops.dev/v1alpha1";

/// The `CustomResourceDefinitions`, in the order they are printed.
pub fn custom_resource_definitions()
-> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> {
    use kube::CustomResourceExt as _;
    vec![
        GitSource::crd(),
        Delivery::crd(),
        Notifier::crd(),
        Receiver::crd(),
    ]
}
