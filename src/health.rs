//! Step 7: whether what was applied works, by the rules of kstatus (sigs.k8s.io/cli-utils, `pkg/kstatus/status`).

use std::time::Duration;

use serde_json::Value as Json;
use tokio::time::Instant;

use crate::api::{InventoryEntry, Remedy};
use crate::cluster::{ClusterError, Session};
use crate::name::ObjectRef;
use crate::plan::ObjectFailure;

/// How often objects that are not ready are looked at.
const POLL: Duration = Duration::from_secs(1);

/// How an object is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It is as it should be.
    Current,
    /// It is on its way.
    InProgress(String),
    /// It will not get there by itself.
    Failed(String),
}

/// Waits until everything of an inventory is healthy, whether this run changed it or an earlier one. What is not by
/// the deadline, or never will be, comes back.
pub async fn wait(
    session: &Session,
    inventory: &[InventoryEntry],
    deadline: Instant,
) -> Result<(), Vec<ObjectFailure>> {
    let objects: Vec<ObjectRef> = inventory
        .iter()
        .filter_map(ObjectRef::from_inventory_entry)
        .collect();
    // A Secret has no status, and reading it would bring its data here.
    let mut pending: Vec<&ObjectRef> = objects.iter().filter(|object| !object.is_secret()).collect();
    let mut failures = Vec::new();
    loop {
        let mut waiting = Vec::new();
        for object in pending {
            match health_of(session, object).await {
                Ok(Health::Current) => {}
                Ok(Health::InProgress(message)) => waiting.push((object, message)),
                Ok(Health::Failed(message)) => failures.push(unhealthy(object, "HealthCheckFailed", message)),
                Err(error) if error.is_transient() => waiting.push((object, error.to_string())),
                Err(error) => failures.push(unhealthy(object, error.reason(), error.to_string())),
            }
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        if Instant::now() + POLL > deadline {
            let late =
                |(object, message): (&ObjectRef, String)| unhealthy(object, "HealthCheckTimeout", message);
            return Err(waiting.into_iter().map(late).collect());
        }
        pending = waiting.into_iter().map(|(object, _)| object).collect();
        tokio::time::sleep(POLL).await;
    }
}

async fn health_of(session: &Session, object: &ObjectRef) -> Result<Health, ClusterError> {
    let Some(resource) = session.resource(object).await? else {
        return Ok(Health::InProgress("its kind is not served".to_owned()));
    };
    match session.read::<Json>(object, &resource).await? {
        Some(live) => Ok(health(&live)),
        None => Ok(Health::InProgress("it is not there".to_owned())),
    }
}

fn unhealthy(object: &ObjectRef, reason: &str, message: String) -> ObjectFailure {
    ObjectFailure {
        object: object.clone(),
        reason: reason.to_owned(),
        message,
        // Most of what is not healthy gets there with time.
        remedy: Remedy::Retry,
    }
}

/// How an object is doing, by what it says of itself.
pub fn health(live: &Json) -> Health {
    if live.pointer("/metadata/deletionTimestamp").is_some() {
        return Health::InProgress("it is being deleted".to_owned());
    }
    let observed = number(live, "/status/observedGeneration");
    if let (Some(observed), Some(generation)) = (observed, number(live, "/metadata/generation"))
        && observed != generation
    {
        return Health::InProgress("its controller has not seen the change yet".to_owned());
    }
    let kind = live.get("kind").and_then(Json::as_str).unwrap_or_default();
    let group = live
        .get("apiVersion")
        .and_then(Json::as_str)
        .unwrap_or_default()
        .split_once('/')
        .map_or("", |(group, _)| group);
    match (group, kind) {
        ("apps", "Deployment") => deployment(live),
        ("apps", "StatefulSet") => replicas(live, &["readyReplicas", "updatedReplicas"]),
        ("apps", "ReplicaSet") => replicas(live, &["readyReplicas", "availableReplicas"]),
        ("apps", "DaemonSet") => daemon_set(live),
        ("batch", "Job") => job(live),
        ("", "Pod") => pod(live),
        ("", "PersistentVolumeClaim") => phase(live, "Bound"),
        ("", "Namespace") => phase(live, "Active"),
        ("", "Service") => service(live),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => custom_resource_definition(live),
        _ => generic(live),
    }
}

fn deployment(live: &Json) -> Health {
    if condition(live, "Progressing").is_some_and(|(_, reason)| reason == "ProgressDeadlineExceeded") {
        return Health::Failed("its rollout made no progress within its deadline".to_owned());
    }
    if number(live, "/status/observedGeneration").is_none() {
        return Health::InProgress("its controller has not seen it yet".to_owned());
    }
    let wanted = number(live, "/spec/replicas").unwrap_or(1);
    let has = |field: &str| number(live, &format!("/status/{field}")).unwrap_or(0);
    if has("updatedReplicas") < wanted {
        return Health::InProgress(format!(
            "{} of {wanted} replicas are updated",
            has("updatedReplicas")
        ));
    }
    if has("replicas") > has("updatedReplicas") {
        return Health::InProgress("old replicas are still running".to_owned());
    }
    if has("availableReplicas") < wanted {
        return Health::InProgress(format!(
            "{} of {wanted} replicas are available",
            has("availableReplicas")
        ));
    }
    Health::Current
}

fn replicas(live: &Json, fields: &[&str]) -> Health {
    let wanted = number(live, "/spec/replicas").unwrap_or(1);
    for field in fields {
        let has = number(live, &format!("/status/{field}")).unwrap_or(0);
        if has < wanted {
            return Health::InProgress(format!("{field}: {has} of {wanted}"));
        }
    }
    Health::Current
}

fn daemon_set(live: &Json) -> Health {
    let Some(wanted) = number(live, "/status/desiredNumberScheduled") else {
        return Health::InProgress("its controller has not seen it yet".to_owned());
    };
    for field in ["updatedNumberScheduled", "numberAvailable"] {
        let has = number(live, &format!("/status/{field}")).unwrap_or(0);
        if has < wanted {
            return Health::InProgress(format!("{field}: {has} of {wanted}"));
        }
    }
    Health::Current
}

/// A Job that has started is as it should be; only one that failed is not (kstatus `jobConditions`).
fn job(live: &Json) -> Health {
    if condition(live, "Failed").is_some_and(|(status, _)| status == "True") {
        return Health::Failed("it failed".to_owned());
    }
    if live.pointer("/status/startTime").is_some() || condition(live, "Complete").is_some() {
        Health::Current
    } else {
        Health::InProgress("it has not started".to_owned())
    }
}

fn pod(live: &Json) -> Health {
    match live.pointer("/status/phase").and_then(Json::as_str) {
        Some("Succeeded") => Health::Current,
        Some("Failed") => Health::Failed("it failed".to_owned()),
        _ if condition(live, "Ready").is_some_and(|(status, _)| status == "True") => Health::Current,
        _ => Health::InProgress("it is not ready".to_owned()),
    }
}

fn phase(live: &Json, wanted: &str) -> Health {
    if live.pointer("/status/phase").and_then(Json::as_str) == Some(wanted) {
        Health::Current
    } else {
        Health::InProgress(format!("it is not {wanted}"))
    }
}

fn service(live: &Json) -> Health {
    let is_load_balancer = live.pointer("/spec/type").and_then(Json::as_str) == Some("LoadBalancer");
    let has_address = live
        .pointer("/status/loadBalancer/ingress")
        .and_then(Json::as_array)
        .is_some_and(|list| !list.is_empty());
    if is_load_balancer && !has_address {
        Health::InProgress("it has no address yet".to_owned())
    } else {
        Health::Current
    }
}

fn custom_resource_definition(live: &Json) -> Health {
    if condition(live, "NamesAccepted").is_some_and(|(status, _)| status == "False") {
        return Health::Failed("its names are taken".to_owned());
    }
    if condition(live, "Established").is_some_and(|(status, _)| status == "True") {
        Health::Current
    } else {
        Health::InProgress("it is not established".to_owned())
    }
}

/// Any other kind: by the conditions that kstatus defines for all. Their messages are their controllers' words and
/// stay out.
fn generic(live: &Json) -> Health {
    let holds = |type_| condition(live, type_).filter(|(status, _)| *status == "True");
    if let Some((_, reason)) = holds("Stalled") {
        return Health::Failed(format!("it is stalled: {reason}"));
    }
    if let Some((_, reason)) = holds("Reconciling") {
        return Health::InProgress(format!("it is reconciling: {reason}"));
    }
    match condition(live, "Ready") {
        Some((status, reason)) if status != "True" => {
            Health::InProgress(format!("it is not ready: {reason}"))
        }
        _ => Health::Current,
    }
}

fn number(live: &Json, pointer: &str) -> Option<i64> {
    live.pointer(pointer)?.as_i64()
}

/// The status and reason of a condition.
fn condition<'a>(live: &'a Json, type_: &str) -> Option<(&'a str, &'a str)> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Json::as_str) == Some(type_))?;
    let text = |key: &str| found.get(key).and_then(Json::as_str).unwrap_or_default();
    Some((text("status"), text("reason")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn kinds_are_judged_by_their_own_status() {
        let ready = json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Ok"}]});
        let current = [
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 2}, "spec": {"replicas": 2},
                "status": {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": ready}),
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "status": {"startTime": "x"}}),
            json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {}, "status": ready}),
        ];
        for live in current {
            assert_eq!(health(&live), Health::Current, "{live}");
        }
        let progressing = [
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}}),
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {}, "status": {"readyReplicas": 0}}),
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {}, "status": {"phase": "Pending"}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {}, "spec": {"type": "LoadBalancer"}}),
        ];
        for live in progressing {
            assert!(matches!(health(&live), Health::InProgress(_)), "{live}");
        }
        let failed = [
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "status": {"observedGeneration": 1,
                "conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}}),
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {}, "status": {"conditions": [{"type": "Failed", "status": "True"}]}}),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "status": {"phase": "Failed"}}),
        ];
        for live in failed {
            assert!(matches!(health(&live), Health::Failed(_)), "{live}");
        }
    }
}
