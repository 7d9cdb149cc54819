//! A Delivery that asks for more than its source: who has to have signed what it delivers (`spec.verify`).

use std::sync::Arc;

use jiff::Timestamp;

use super::Failure;
use crate::api::{DeliverySpec, DeliveryStatus, Remedy, Rule};
use crate::files::Reads;
use crate::notify::Step;
use crate::store::Definition;
use crate::verify::{Rules, VerifiedRevision};

/// The rules of a Delivery, if it has any.
pub(super) fn rules(spec: &DeliverySpec) -> Result<Option<Rules>, Failure> {
    let Some(verify) = &spec.verify else {
        return Ok(None);
    };
    let paths = if verify.paths.is_empty() {
        vec![own_path(spec)]
    } else {
        verify.paths.clone()
    };
    let rule = Rule {
        paths,
        signers: verify.signers.clone(),
        threshold: verify.threshold,
    };
    let invalid = |error| Failure::new(Step::Configure, "InvalidRule", &error, Remedy::Change);
    Rules::parse(&[rule]).map(Some).map_err(invalid)
}

fn own_path(spec: &DeliverySpec) -> String {
    let path = spec.path.as_deref().unwrap_or_default();
    match path.trim_start_matches("./").trim_matches('/') {
        "" | "." => "**".to_owned(),
        path => path.to_owned(),
    }
}

/// Holds a revision against the rules, unless the same spec was applied from it before: that a key is not trusted any
/// more counts for what is new.
pub(super) async fn check(
    delivery: &Definition<DeliverySpec, DeliveryStatus>,
    rules: &Rules,
    revision: &Arc<VerifiedRevision>,
) -> Result<(), Failure> {
    let status = &delivery.status;
    let was_applied = delivery.generation.is_some()
        && status.observed_generation == delivery.generation
        && status.last_applied_revision.as_deref() == Some(revision.name());
    if was_applied {
        return Ok(());
    }
    let (rules, revision) = (rules.clone(), Arc::clone(revision));
    let checked = tokio::task::spawn_blocking(move || revision.check_rules(&rules, Timestamp::now()));
    checked
        .await
        .map_err(|error| Failure::internal(Step::Verify, &error))?
        .map_err(Failure::from)
}

/// Refuses a build that reads what the rules do not cover: nobody has to have signed it.
pub(super) fn covers(rules: &Rules, reads: &Reads) -> Result<(), Failure> {
    match reads.outside(rules) {
        None => Ok(()),
        Some(path) => Err(Failure::said(
            Step::Verify,
            "PathNotCovered",
            format!(
                "failed to verify: the build reads {path:?}, which spec.verify.paths does not cover; name it there"
            ),
            Remedy::Change,
        )),
    }
}
