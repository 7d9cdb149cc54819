//! `fluxops get`: what is reconciled, its revision, and who signed it.

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::Value as Json;

use super::{ClusterArguments, CommandError, Console, Exit, StateArguments, table};
use crate::controller::{Reach, list};
use crate::name::{Kind, KindAndName, parse_kind};
use crate::store::Definitions;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  fluxops get\n  fluxops get delivery/web -n apps -o yaml\n  fluxops get --config-state --state-dir /var/lib/fluxops"
)]
pub(super) struct Arguments {
    /// A kind, or KIND/NAME [default: all]
    #[arg(value_name = "KIND[/NAME]")]
    object: Option<String>,
    /// The namespace [default: that of the kubeconfig]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// Read the state directory of a `fluxops run --config` instead of the cluster
    #[arg(long)]
    config_state: bool,
    /// How it is printed
    #[arg(short, long, value_enum)]
    output: Option<GetFormat>,
    #[command(flatten)]
    state: StateArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GetFormat {
    Json,
    Yaml,
    Wide,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let (kind, name) = match arguments.object.as_deref() {
        None => (None, None),
        Some(object) if object.contains('/') => {
            let parsed: KindAndName = object.parse().map_err(CommandError::unusable)?;
            (Some(parsed.kind), Some(parsed.name))
        }
        Some(kind) => (Some(parse_kind(kind).map_err(CommandError::unusable)?), None),
    };
    let (objects, default_namespace) = if arguments.config_state {
        (from_state_dir(&arguments.state.state_dir)?, None)
    } else {
        let cluster = arguments.cluster.find().await?;
        let client = cluster.client().map_err(CommandError::unusable)?;
        let definitions = list(&client, &Reach::Cluster).await.map_err(|_| {
            CommandError::new(
                Exit::Unusable,
                "failed to list our objects: is the API server there, and are the CRDs installed?",
            )
        })?;
        (
            from_definitions(&definitions),
            Some(cluster.default_namespace().to_owned()),
        )
    };
    let namespace = if arguments.all_namespaces {
        None
    } else {
        arguments.namespace.or(default_namespace)
    };
    let text =
        |object: &Json, pointer: &str| object.pointer(pointer).and_then(Json::as_str).map(str::to_owned);
    let chosen: Vec<Json> = objects
        .into_iter()
        .filter(|object| kind.is_none_or(|kind| text(object, "/kind").as_deref() == Some(kind.as_str())))
        .filter(|object| name.is_none() || text(object, "/metadata/name") == name)
        .filter(|object| namespace.is_none() || text(object, "/metadata/namespace") == namespace)
        .collect();
    if let (Some(name), true) = (&name, chosen.is_empty()) {
        return Err(CommandError::new(Exit::Negative, format!("there is no {name}")));
    }
    match arguments.output {
        Some(GetFormat::Json) => writeln!(console.output, "{}", Json::Array(chosen))?,
        Some(GetFormat::Yaml) => {
            for object in chosen {
                let limits = manifest_yaml::Limits::default();
                let parsed = manifest_yaml::from_json(object.to_string().as_bytes(), &limits)
                    .map_err(CommandError::unusable)?;
                for document in parsed {
                    writeln!(console.output, "---")?;
                    console
                        .output
                        .write_all(manifest_yaml::to_yaml_masked(&document.value).as_bytes())?;
                }
            }
        }
        wide @ (None | Some(GetFormat::Wide)) => {
            let rows: Vec<_> = chosen.iter().map(|object| row(object, wide)).collect();
            let mut header = vec!["NAMESPACE", "NAME", "READY", "REVISION", "SIGNER", "MESSAGE"];
            if wide.is_some() {
                header.push("FINGERPRINT");
            }
            table(console.output, &header, &rows)?;
        }
    }
    Ok(Exit::Success)
}

fn row(object: &Json, wide: Option<GetFormat>) -> Vec<String> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Json::as_str)
            .unwrap_or("-")
            .to_owned()
    };
    let conditions = object.pointer("/status/conditions").and_then(Json::as_array);
    let ready = conditions.and_then(|list| {
        list.iter()
            .find(|condition| condition.get("type") == Some(&"Ready".into()))
    });
    let of_ready = |key: &str| {
        ready
            .and_then(|ready| ready.get(key)?.as_str())
            .unwrap_or("-")
            .to_owned()
    };
    let stale = conditions.and_then(|list| {
        list.iter()
            .find(|condition| condition.get("type") == Some(&"Stale".into()))
    });
    let message = match stale.and_then(|stale| stale.get("message")?.as_str()) {
        Some(stale) => format!("stale: {stale}; {}", of_ready("message")),
        None => of_ready("message"),
    };
    // Forty digits three times in a row leave no room for what the row is about.
    let shown = |text: String| match wide {
        Some(_) => text,
        None => short_ids(&text),
    };
    let revision = match text("/status/revision") {
        none if none == "-" => text("/status/lastAppliedRevision"),
        revision => revision,
    };
    let name = format!("{}/{}", text("/kind").to_lowercase(), text("/metadata/name"));
    let mut row = vec![
        text("/metadata/namespace"),
        name,
        of_ready("status"),
        shown(revision),
        text("/status/signer/identity"),
        shown(message),
    ];
    if wide.is_some() {
        row.push(text("/status/signer/fingerprint"));
    }
    row
}

/// A text with the ids of commits in it cut to what tells them apart for people, as `flux get` does.
fn short_ids(text: &str) -> String {
    const WHOLE: usize = 40;
    const SHORT: usize = 8;
    let mut shortened = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|character: char| character.is_ascii_hexdigit()) {
        let (before, from) = rest.split_at(start);
        let end = from
            .find(|character: char| !character.is_ascii_hexdigit())
            .unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        let kept = if digits.len() >= WHOLE {
            SHORT
        } else {
            digits.len()
        };
        shortened.push_str(before);
        shortened.push_str(digits.get(..kept).unwrap_or(digits));
        rest = after;
    }
    shortened.push_str(rest);
    shortened
}

fn from_definitions(definitions: &Definitions) -> Vec<Json> {
    let object = |kind: Kind, key: &crate::name::Key, spec: Json, status: Json| {
        serde_json::json!({
            "apiVersion": crate::api::API_VERSION,
            "kind": kind.as_str(),
            "metadata": {"namespace": key.namespace, "name": key.name},
            "spec": spec,
            "status": status,
        })
    };
    let sources = definitions.sources.values();
    let sources = sources.map(|d| {
        object(
            Kind::GitSource,
            &d.key,
            serde_json::json!(d.spec),
            serde_json::json!(d.status),
        )
    });
    let deliveries = definitions.deliveries.values();
    let deliveries = deliveries.map(|d| {
        object(
            Kind::Delivery,
            &d.key,
            serde_json::json!(d.spec),
            serde_json::json!(d.status),
        )
    });
    let receivers = definitions.receivers.values();
    let receivers = receivers.map(|d| {
        object(
            Kind::Receiver,
            &d.key,
            serde_json::json!(d.spec),
            serde_json::json!(d.status),
        )
    });
    sources.chain(deliveries).chain(receivers).collect()
}

fn from_state_dir(state_dir: &Path) -> Result<Vec<Json>, CommandError> {
    let folder = state_dir.join("status");
    let failed = |error: &dyn std::fmt::Display| {
        CommandError::new(
            Exit::Unusable,
            format!("failed to read {}: {error}", folder.display()),
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(|error| failed(&error))? {
        let path = entry.map_err(|error| failed(&error))?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| failed(&error))
    };
    files.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::short_ids;

    #[test]
    fn only_whole_ids_are_shortened() {
        let id = "79bd8f6bccb7a6f4d2def34d7958f123dbcae90f";
        for (given, expected) in [
            (format!("main@sha1:{id}"), "main@sha1:79bd8f6b"),
            (
                format!("failed to verify commit {id}: no"),
                "failed to verify commit 79bd8f6b: no",
            ),
            ("feed the café 79bd8f6".to_owned(), "feed the café 79bd8f6"),
            (String::new(), ""),
        ] {
            assert_eq!(short_ids(&given), expected);
        }
    }
}
