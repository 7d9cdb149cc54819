//! `fluxops reconcile`: not at the interval but now, by an annotation, as `flux reconcile` does it.

use std::time::Duration;

use clap::Args;
use git_signature::ObjectId;
use jiff::Timestamp;
use serde_json::{Value as Json, json};
use tokio::time::{Instant, sleep};

use super::{ClusterArguments, CommandError, Console, Exit};
use crate::cluster::{Actor, Session};
use crate::name::{Key, Kind, KindAndName};
use crate::store::{ACCEPT_REWIND, REQUESTED_AT, in_our_group};

/// How often the status is looked at.
const LOOK: Duration = Duration::from_millis(250);

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 it is Ready, 1 it is not, or nothing happened in time, 2 unusable arguments\n\n\
        Examples:\n  \
        fluxops reconcile delivery/web -n apps --with-source\n  \
        fluxops reconcile gitsource/apps -n apps --accept-rewind 79bd8f6bccb7a6f4d2def34d7958f123dbcae90f"
)]
pub(super) struct Arguments {
    /// gitsource/NAME or delivery/NAME
    #[arg(value_name = "KIND/NAME")]
    object: KindAndName,
    /// The namespace [default: that of the kubeconfig]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// First reconcile the source of the Delivery
    #[arg(long)]
    with_source: bool,
    /// Take this commit, by its full id, for the head of the source although it does not descend from the last trusted
    /// one. It has to be the head now and to be signed; that you did this is audited
    #[arg(long, value_name = "COMMIT")]
    accept_rewind: Option<ObjectId>,
    /// How long to wait for it
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    timeout: crate::api::GoDuration,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let Arguments {
        object: KindAndName { kind, name },
        with_source,
        accept_rewind,
        ..
    } = arguments;
    let unusable = |message: &str| CommandError::new(Exit::Unusable, message);
    match (kind, with_source, accept_rewind) {
        (Kind::Notifier, ..) => {
            return Err(unusable(
                "a Notifier is not reconciled: messages are sent as they come",
            ));
        }
        (Kind::Receiver, ..) => {
            return Err(unusable(
                "a Receiver is not reconciled: reconcile the sources that it names",
            ));
        }
        (Kind::GitSource, true, _) => return Err(unusable("--with-source is for a Delivery")),
        (Kind::Delivery, _, Some(_)) => return Err(unusable("--accept-rewind is for a GitSource")),
        _ => {}
    }
    let cluster = arguments.cluster.find().await?;
    let namespace = arguments
        .namespace
        .unwrap_or_else(|| cluster.default_namespace().to_owned());
    let session = cluster.session(Actor::Itself).map_err(CommandError::unusable)?;
    let deadline = Instant::now() + arguments.timeout.0;
    let mut request = Request {
        session,
        deadline,
        console,
    };
    let key = Key::new(&namespace, &name).map_err(CommandError::unusable)?;
    if with_source {
        let delivery = request.read(kind, &key).await?;
        let pointer = |field: &str| {
            let value = delivery.pointer(&format!("/spec/sourceRef/{field}"));
            value.and_then(Json::as_str)
        };
        let source = Key::new(
            pointer("namespace").unwrap_or(&namespace),
            pointer("name").unwrap_or_default(),
        );
        let source = source.map_err(CommandError::unusable)?;
        if request.reconcile(Kind::GitSource, &source, None).await? != Exit::Success {
            return Ok(Exit::Negative);
        }
    }
    request.reconcile(kind, &key, accept_rewind).await
}

struct Request<'a, 'b> {
    session: Session,
    deadline: Instant,
    console: &'a mut Console<'b>,
}

impl Request<'_, '_> {
    async fn read(&self, kind: Kind, key: &Key) -> Result<Json, CommandError> {
        let (object, resource) = in_our_group(kind, key);
        let found: Option<Json> = self
            .session
            .read(&object, &resource)
            .await
            .map_err(CommandError::unusable)?;
        found.ok_or_else(|| CommandError::new(Exit::Negative, format!("there is no {} {key}", kind.as_str())))
    }

    /// Asks for it, and waits until what came of it is published.
    async fn reconcile(
        &mut self,
        kind: Kind,
        key: &Key,
        accept_rewind: Option<ObjectId>,
    ) -> Result<Exit, CommandError> {
        if self.read(kind, key).await?.pointer("/spec/suspend") == Some(&Json::Bool(true)) {
            let message = format!("{} {key} is suspended", kind.as_str());
            return Err(CommandError::new(Exit::Negative, message));
        }
        let requested = Timestamp::now().to_string();
        let (object, resource) = in_our_group(kind, key);
        let annotations = match accept_rewind {
            Some(commit) => json!({REQUESTED_AT: requested, ACCEPT_REWIND: format!("{commit}@{requested}")}),
            None => json!({REQUESTED_AT: requested}),
        };
        let patch = json!({"metadata": {"annotations": annotations}});
        self.session
            .merge(&object, &resource, &patch)
            .await
            .map_err(CommandError::unusable)?;
        writeln!(
            self.console.errors,
            "► {} {key} is asked to reconcile",
            kind.as_str()
        )?;
        loop {
            let live = self.read(kind, key).await?;
            let handled = live.pointer("/status/lastHandledReconcileAt");
            if handled.and_then(Json::as_str) == Some(requested.as_str()) {
                return self.report(kind, key, &live);
            }
            if Instant::now() > self.deadline {
                let message = format!(
                    "{} {key} did not answer in time: is the controller there? See `fluxops get`",
                    kind.as_str()
                );
                return Err(CommandError::new(Exit::Negative, message));
            }
            sleep(LOOK).await;
        }
    }

    fn report(&mut self, kind: Kind, key: &Key, live: &Json) -> Result<Exit, CommandError> {
        let conditions = live.pointer("/status/conditions").and_then(Json::as_array);
        let ready = conditions.and_then(|list| {
            list.iter()
                .find(|condition| condition.get("type") == Some(&"Ready".into()))
        });
        let of_ready = |field: &str| ready.and_then(|ready| ready.get(field)?.as_str()).unwrap_or("-");
        let (mark, exit) = if of_ready("status") == "True" {
            ("✔", Exit::Success)
        } else {
            ("✗", Exit::Negative)
        };
        writeln!(
            self.console.output,
            "{mark} {} {key}: {}: {}",
            kind.as_str(),
            of_ready("reason"),
            of_ready("message")
        )?;
        Ok(exit)
    }
}
