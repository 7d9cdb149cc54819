//! `IAMPolicyGenerator`: the service account of a workload that acts as an account of a cloud.

use manifest_yaml::{Mapping, Value};

use crate::BuildError;
use crate::kustomization::Fields;
use crate::resource::Resource;
use crate::transform::Place;

/// The one cloud that kustomize knows.
const CLOUD: &str = "gke";

/// The annotation that names the account.
const ANNOTATION: &str = "iam.gke.io/gcp-service-account";

/// Makes the service account (kustomize's filters/iampolicygenerator).
pub(super) fn generate(fields: &mut Fields<'_>, place: &Place) -> Result<Resource, BuildError> {
    if fields.string("cloud")?.unwrap_or_default() != CLOUD {
        return Err(fields.value_error("cloud", format!("is not {CLOUD}, the one that kustomize knows")));
    }
    let part = |map: &mut Option<Fields<'_>>, field: &str| match map {
        Some(map) => map.string(field).map(Option::unwrap_or_default),
        None => Ok(String::new()),
    };
    let mut service = fields.map("kubernetesService")?;
    let mut account = fields.map("serviceAccount")?;
    let name = part(&mut service, "name")?;
    let namespace = part(&mut service, "namespace")?;
    let account = format!(
        "{}@{}.iam.gserviceaccount.com",
        part(&mut account, "name")?,
        part(&mut account, "projectId")?
    );
    let map = |entries: Vec<(&str, Value)>| -> Mapping {
        entries
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    };
    let annotations = map(vec![(ANNOTATION, account.into())]);
    let mut metadata = map(vec![("annotations", annotations.into()), ("name", name.into())]);
    if !namespace.is_empty() {
        metadata.insert("namespace", namespace.into());
    }
    let object = map(vec![
        ("apiVersion", "v1".into()),
        ("kind", "ServiceAccount".into()),
        ("metadata", metadata.into()),
    ]);
    Resource::new(object.into(), &place.file)
}
