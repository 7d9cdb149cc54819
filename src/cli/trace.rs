//! `fluxops trace`: which commit last changed an object, who signed it, and when it was applied.

use std::io;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use super::{CommandError, Console, Exit, Format, StateArguments, table};
use crate::audit::{Event, Record, RecordedAction, read};

#[derive(Args)]
#[command(
    after_help = "The answer comes from the audit log, so run it where the state directory is:\n  \
        kubectl exec -n fluxops-system deploy/fluxops -- fluxops trace deployment/web -n shop\n\n\
        Exit code: 0 it was found, 1 the log does not speak of it, 2 there is no log that can be read"
)]
pub(super) struct Arguments {
    /// The object, such as deployment/web
    #[arg(value_name = "KIND/NAME")]
    object: Traced,
    /// Its namespace; none for objects that have none
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// All changes, oldest first, and not the last one alone
    #[arg(long)]
    all: bool,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    state: StateArguments,
}

/// An object of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Traced {
    kind: String,
    name: String,
}

impl FromStr for Traced {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self {
                kind: kind.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err("it is no KIND/NAME"),
        }
    }
}

impl Traced {
    /// Whether it is what the log calls so: `Kind/namespace/name`, or `Kind/name`.
    fn is_called(&self, name: &str, namespace: Option<&str>) -> bool {
        let Some((kind, rest)) = name.split_once('/') else {
            return false;
        };
        let rest_is_it = match namespace {
            Some(namespace) => rest.split_once('/') == Some((namespace, &self.name)),
            None => rest == self.name,
        };
        kind.eq_ignore_ascii_case(&self.kind) && rest_is_it
    }
}

/// One change of an object.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Change<'a> {
    time: Timestamp,
    object: &'a str,
    action: RecordedAction,
    commit: Option<&'a str>,
    signer: Option<&'a str>,
    delivery: String,
    trigger: &'static str,
    /// Its number in the audit log.
    record: u64,
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let records = read(&arguments.state.state_dir).map_err(CommandError::unusable)?;
    let mut found = changes(&records, &arguments.object, arguments.namespace.as_deref());
    if !arguments.all {
        found = found.pop().into_iter().collect();
    }
    if found.is_empty() {
        let Traced { kind, name } = &arguments.object;
        let message = format!("the audit log does not speak of {kind}/{name}; is the namespace right?");
        return Err(CommandError::new(Exit::Negative, message));
    }
    print(&found, arguments.output, console)?;
    Ok(Exit::Success)
}

/// What was really done to an object, oldest first.
fn changes<'a>(records: &'a [Record], traced: &Traced, namespace: Option<&str>) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    for record in records {
        let Event::Outcome { subject, actions, .. } = &record.event else {
            continue;
        };
        let done = actions
            .iter()
            .filter(|action| action.action != RecordedAction::Failed)
            .filter(|action| traced.is_called(&action.object, namespace));
        found.extend(done.map(|action| Change {
            time: record.time,
            object: &action.object,
            action: action.action,
            commit: subject.commit.as_deref(),
            signer: subject.signer.as_deref(),
            delivery: subject.object.to_string(),
            trigger: subject.trigger.as_str(),
            record: record.sequence,
        }));
    }
    found
}

fn print(found: &[Change<'_>], output: Format, console: &mut Console<'_>) -> io::Result<()> {
    match output {
        Format::Json => writeln!(console.output, "{}", serde_json::json!(found)),
        Format::Text => {
            let row = |change: &Change<'_>| {
                vec![
                    change.time.to_string(),
                    change.object.to_owned(),
                    change.action.as_str().to_owned(),
                    change.commit.unwrap_or("-").to_owned(),
                    change.signer.unwrap_or("-").to_owned(),
                    change.delivery.clone(),
                    change.trigger.to_owned(),
                ]
            };
            let rows: Vec<_> = found.iter().map(row).collect();
            let header = ["TIME", "OBJECT", "ACTION", "COMMIT", "SIGNER", "BY", "FOR"];
            table(console.output, &header, &rows)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_told_from_its_namesakes() {
        let web: Traced = "deployment/web".parse().unwrap();
        for (name, namespace, is_it) in [
            ("Deployment/shop/web", Some("shop"), true),
            ("Deployment/shop/web", Some("other"), false),
            ("Deployment/shop/web", None, false),
            ("Deployment/web", None, true),
            ("Service/shop/web", Some("shop"), false),
            ("Deployment/shop/web2", Some("shop"), false),
        ] {
            assert_eq!(web.is_called(name, namespace), is_it, "{name} {namespace:?}");
        }
        for text in ["web", "/web", "deployment/"] {
            assert!(text.parse::<Traced>().is_err(), "{text}");
        }
    }
}
