//! `fluxops events`: what happened to our objects of late, as the API server remembers it.

use clap::Args;

use super::{ClusterArguments, CommandError, Console, Exit, Format, table};
use crate::cluster::Actor;
use crate::name::KindAndName;

#[derive(Args)]
#[command(
    after_help = "The oldest is first. The API server forgets Events after an hour; `fluxops audit log` has what is kept. With \
    `--config` there are none.\n\nExamples:\n  fluxops events -n apps\n  fluxops events delivery/web -n apps\n  fluxops events -A"
)]
pub(super) struct Arguments {
    /// Of one object only
    #[arg(value_name = "KIND/NAME")]
    object: Option<KindAndName>,
    /// The namespace [default: that of the kubeconfig]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How they are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let cluster = arguments.cluster.find().await?;
    let namespace = arguments
        .namespace
        .unwrap_or_else(|| cluster.default_namespace().to_owned());
    let namespace = (!arguments.all_namespaces).then_some(namespace.as_str());
    let session = cluster.session(Actor::Itself).map_err(CommandError::unusable)?;
    let mut events = session.events(namespace).await.map_err(CommandError::unusable)?;
    if let Some(KindAndName { kind, name }) = &arguments.object {
        events.retain(|event| event.regarding.kind == kind.as_str() && event.regarding.name == *name);
    }
    match arguments.output {
        Format::Json => writeln!(console.output, "{}", serde_json::json!(events))?,
        Format::Text if events.is_empty() => writeln!(console.errors, "there are none")?,
        Format::Text => {
            let rows: Vec<Vec<String>> = events
                .into_iter()
                .map(|event| {
                    let about = event.regarding;
                    let kind = about.kind.to_lowercase();
                    vec![
                        event.event_time.unwrap_or_else(|| "-".to_owned()),
                        event.type_,
                        event.reason,
                        about.namespace,
                        format!("{kind}/{}", about.name),
                        event.note.replace('\n', " "),
                    ]
                })
                .collect();
            let header = ["TIME", "TYPE", "REASON", "NAMESPACE", "OBJECT", "MESSAGE"];
            table(console.output, &header, &rows)?;
        }
    }
    Ok(Exit::Success)
}
