//! `fluxops suspend` and `fluxops resume`: by whom and why stays on the object while it is suspended.

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::{ClusterArguments, CommandError, Console, Exit};
use crate::cluster::{Actor, Session};
use crate::name::{Key, Kind, KindAndName};
use crate::store::{HELD_AT, HELD_BY, HELD_REVISION, in_our_group};

/// Who suspended an object.
const SUSPENDED_BY: &str = "fluxops.dev/suspendedBy";
/// When, written as RFC 3339 in UTC.
const SUSPENDED_AT: &str = "fluxops.dev/suspendedAt";
/// Why.
const SUSPENDED_FOR: &str = "fluxops.dev/suspendedFor";

#[derive(Args)]
#[command(
    after_help = "Nothing is fetched, applied or told for it until it is resumed; what was applied stays.\n\n\
    Example: fluxops suspend delivery/web -n apps --reason 'restoring the database'"
)]
pub(super) struct Suspend {
    #[command(flatten)]
    object: Object,
    /// Why, for those who wonder
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

#[derive(Args)]
#[command(after_help = "Example: fluxops resume delivery/web -n apps")]
pub(super) struct Resume {
    #[command(flatten)]
    object: Object,
}

#[derive(Args)]
pub(super) struct Object {
    /// gitsource/NAME, delivery/NAME, notifier/NAME or receiver/NAME
    #[arg(value_name = "KIND/NAME")]
    object: KindAndName,
    /// The namespace [default: that of the kubeconfig]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) async fn suspend(arguments: Suspend, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let found = Found::find(arguments.object).await?;
    if found.is_suspended() {
        let by = found.annotation(SUSPENDED_BY).unwrap_or("somebody");
        writeln!(console.output, "{} was suspended before, by {by}", found.called())?;
        return Ok(Exit::Success);
    }
    let by = found.session.whoami().await.map_err(CommandError::unusable)?;
    let patch = json!({
        "metadata": {"annotations": {
            SUSPENDED_BY: by, SUSPENDED_AT: Timestamp::now().to_string(), SUSPENDED_FOR: arguments.reason,
        }},
        "spec": {"suspend": true},
    });
    found.patch(&patch).await?;
    writeln!(console.output, "✔ {} is suspended by {by}", found.called())?;
    Ok(Exit::Success)
}

pub(super) async fn resume(arguments: Resume, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let found = Found::find(arguments.object).await?;
    if let Some(revision) = found.annotation(HELD_REVISION) {
        let patch = json!({"metadata": {"annotations": {HELD_REVISION: null, HELD_BY: null, HELD_AT: null}}});
        found.patch(&patch).await?;
        writeln!(console.output, "✔ {} holds {revision} no more", found.called())?;
        if !found.is_suspended() {
            return Ok(Exit::Success);
        }
    }
    if !found.is_suspended() {
        writeln!(console.output, "{} is not suspended", found.called())?;
        return Ok(Exit::Success);
    }
    let patch = json!({
        "metadata": {"annotations": {SUSPENDED_BY: null, SUSPENDED_AT: null, SUSPENDED_FOR: null}},
        "spec": {"suspend": null},
    });
    found.patch(&patch).await?;
    let by = found.annotation(SUSPENDED_BY).unwrap_or("somebody");
    let why = found.annotation(SUSPENDED_FOR).map(|why| format!(": {why}"));
    writeln!(
        console.output,
        "✔ {} is resumed; {by} had suspended it{}",
        found.called(),
        why.unwrap_or_default()
    )?;
    Ok(Exit::Success)
}

/// The object that is meant, as it is now.
pub(super) struct Found {
    pub(super) session: Session,
    pub(super) kind: Kind,
    pub(super) key: Key,
    pub(super) live: Json,
}

impl Found {
    pub(super) async fn find(arguments: Object) -> Result<Self, CommandError> {
        let KindAndName { kind, name } = arguments.object;
        let cluster = arguments.cluster.find().await?;
        let namespace = arguments
            .namespace
            .unwrap_or_else(|| cluster.default_namespace().to_owned());
        let key = Key::new(&namespace, &name).map_err(CommandError::unusable)?;
        let session = cluster.session(Actor::Itself).map_err(CommandError::unusable)?;
        let (object, resource) = in_our_group(kind, &key);
        let live: Option<Json> = session
            .read(&object, &resource)
            .await
            .map_err(CommandError::unusable)?;
        let missing = || {
            CommandError::new(
                Exit::Negative,
                format!("there is no {}/{name} in {namespace}", kind.lowercase()),
            )
        };
        Ok(Self {
            live: live.ok_or_else(missing)?,
            session,
            kind,
            key,
        })
    }

    pub(super) fn called(&self) -> String {
        format!(
            "{}/{} of {}",
            self.kind.lowercase(),
            self.key.name,
            self.key.namespace
        )
    }

    fn is_suspended(&self) -> bool {
        self.live.pointer("/spec/suspend") == Some(&Json::Bool(true))
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        self.live.pointer("/metadata/annotations")?.get(name)?.as_str()
    }

    pub(super) async fn patch(&self, patch: &Json) -> Result<(), CommandError> {
        let (object, resource) = in_our_group(self.kind, &self.key);
        self.session
            .merge(&object, &resource, patch)
            .await
            .map_err(CommandError::unusable)
    }
}
