//! `fluxops tree`: what a Delivery has in the cluster.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::Value as Json;

use super::{ClusterArguments, CommandError, Console, Exit, Format};
use crate::api::InventoryEntry;
use crate::cluster::Actor;
use crate::name::{Key, Kind, KindAndName, ObjectRef};
use crate::store::in_our_group;

#[derive(Args)]
#[command(after_help = "Example: fluxops tree delivery/web -n apps")]
pub(super) struct Arguments {
    /// delivery/NAME
    #[arg(value_name = "delivery/NAME")]
    object: KindAndName,
    /// The namespace [default: that of the kubeconfig]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    /// How the answer is printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let KindAndName { kind, name } = arguments.object;
    if kind != Kind::Delivery {
        return Err(CommandError::new(
            Exit::Unusable,
            "only a Delivery has objects in the cluster: give delivery/NAME",
        ));
    }
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
    let Some(live) = live else {
        let message = format!("there is no delivery/{name} in {namespace}");
        return Err(CommandError::new(Exit::Negative, message));
    };
    let objects = objects(&live);
    match arguments.output {
        Format::Json => writeln!(console.output, "{}", serde_json::json!(objects))?,
        Format::Text => {
            let text = |pointer| live.pointer(pointer).and_then(Json::as_str).unwrap_or("-");
            writeln!(
                console.output,
                "delivery/{key} at {} by {}",
                text("/status/lastAppliedRevision"),
                text("/status/signer/identity")
            )?;
            console.output.write_all(draw(&objects).as_bytes())?;
        }
    }
    Ok(Exit::Success)
}

/// The inventory, in order of namespaces, kinds and names.
fn objects(live: &Json) -> Vec<ObjectRef> {
    let inventory = live.pointer("/status/inventory").cloned().unwrap_or_default();
    let entries: Vec<InventoryEntry> = serde_json::from_value(inventory).unwrap_or_default();
    let mut objects: Vec<ObjectRef> = entries
        .iter()
        .filter_map(ObjectRef::from_inventory_entry)
        .collect();
    objects.sort_by(|one, other| order(one).cmp(&order(other)));
    objects
}

fn order(object: &ObjectRef) -> (Option<&str>, &str, &str, &str) {
    (
        object.namespace.as_deref(),
        &object.kind,
        &object.group,
        &object.name,
    )
}

/// The objects below their namespaces; those without one come first.
fn draw(objects: &[ObjectRef]) -> String {
    let mut branches: BTreeMap<Option<&str>, Vec<String>> = BTreeMap::new();
    for object in objects {
        let group = if object.group.is_empty() {
            String::new()
        } else {
            format!(".{}", object.group)
        };
        let leaf = format!("{}{group}/{}", object.kind, object.name);
        branches
            .entry(object.namespace.as_deref())
            .or_default()
            .push(leaf);
    }
    let mut text = String::new();
    let last_branch = branches.len().saturating_sub(1);
    for (index, (namespace, leaves)) in branches.into_iter().enumerate() {
        let (mark, rail) = if index == last_branch {
            ("└──", "   ")
        } else {
            ("├──", "│  ")
        };
        text.extend([mark, " ", namespace.unwrap_or("without a namespace"), "\n"]);
        let last_leaf = leaves.len().saturating_sub(1);
        for (index, leaf) in leaves.into_iter().enumerate() {
            let mark = if index == last_leaf {
                "└──"
            } else {
                "├──"
            };
            text.extend([rail, " ", mark, " ", leaf.as_str(), "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_are_drawn_below_their_namespaces() {
        let live = json!({"status": {"inventory": [
            {"id": "shop_web_apps_Deployment", "v": "v1"},
            {"id": "_shop__Namespace", "v": "v1"},
            {"id": "shop_web__Service", "v": "v1"},
        ]}});
        assert_eq!(
            draw(&objects(&live)),
            "├── without a namespace\n│   └── Namespace/shop\n└── shop\n    ├── Deployment.apps/web\n    └── Service/web\n"
        );
        assert_eq!(draw(&objects(&json!({}))), "");
    }
}
