//! `fluxops run`: the reconciler.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use jiff::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{ClusterArguments, CommandError, Console, Exit, Format, StateArguments, read_secret_file, table};
use crate::audit::AuditLog;
use crate::cluster::Cluster;
use crate::controller::{Controller, Line, Outcome, Reach, list, watch};
use crate::files::Keys;
use crate::name::{Name, NamespaceName};
use crate::notify::Notifications;
use crate::observe::Left;
use crate::operations::{Health, Metrics, serve};
use crate::receive::{Receivers, receive};
use crate::reconcile::{Context, Waits};
use crate::store::{Definitions, Folder, InCluster, Store};

/// How many changes may wait while the controller is busy.
const PENDING_CHANGES: usize = 256;
/// Why custom resources get no identities from a file.
const SHARED_KEYS: &str = "failed to use --age-key-file: it goes with --config only, because everybody who may make a Delivery in the cluster could have files opened with it; put the identities into a Secret, and name it in spec.decryption.secretRef of the Deliveries that need them";

#[derive(Args)]
pub(super) struct Arguments {
    /// A file or folder with `GitSource`, Delivery, Notifier and Receiver documents, and the Secrets they refer to; without it,
    /// custom resources in the cluster are reconciled
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Only the custom resources of this namespace [default: those of all]
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "config")]
    namespace: Option<NamespaceName>,
    /// Reconcile every object once, print a table, and exit: 0 all are ready, 1 some are not
    #[arg(long)]
    once: bool,
    /// age identities for Deliveries that name no Secret with their own; with --config only
    #[arg(long, value_name = "FILE")]
    age_key_file: Option<PathBuf>,
    /// Apply Deliveries that name no service account as this one of their own namespace [default: with the rights of
    /// fluxops]
    #[arg(long, value_name = "NAME")]
    default_service_account: Option<Name>,
    /// What messages call the cluster [default: the context of the kubeconfig, or in-cluster]
    #[arg(long, value_name = "NAME", env = "FLUXOPS_CLUSTER_NAME")]
    cluster_name: Option<String>,
    /// Serve /livez, /readyz and /metrics there, without TLS, such as 0.0.0.0:8080
    #[arg(long, value_name = "IP:PORT", conflicts_with = "once")]
    metrics_addr: Option<SocketAddr>,
    /// Receive the webhooks of forges there, without TLS, such as 0.0.0.0:9292; put what ends TLS before it
    #[arg(long, value_name = "IP:PORT", conflicts_with = "once")]
    webhook_addr: Option<SocketAddr>,
    /// How the results of --once are printed
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    state: StateArguments,
    #[command(flatten)]
    cluster: ClusterArguments,
}

pub(super) async fn run(arguments: Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let Arguments {
        config,
        namespace,
        once,
        age_key_file,
        default_service_account,
        cluster_name,
        metrics_addr,
        webhook_addr,
        output,
        state,
        cluster,
    } = arguments;
    if age_key_file.is_some() && config.is_none() {
        return Err(CommandError::new(Exit::Unusable, SHARED_KEYS));
    }
    let state_dir = state.state_dir;
    prepare_state_dir(&state_dir)?;
    let age_keys = match &age_key_file {
        Some(path) => {
            let text = read_secret_file(path)?;
            // Looked at now, so that a bad key stops the start and not the first sealed file.
            Keys::parse_age(&text).map_err(CommandError::unusable)?;
            Some(text)
        }
        None => None,
    };
    let folder = match &config {
        Some(path) => Some(Folder::read(path, &state_dir).map_err(CommandError::unusable)?),
        None => None,
    };
    let reach = namespace.map_or(Reach::Cluster, Reach::Namespace);
    let found = cluster.find().await?;
    let cluster = match &cluster_name {
        Some(name) => found.named(name),
        None => found,
    };
    let audit = AuditLog::open(&state_dir, Timestamp::now()).map_err(CommandError::unusable)?;
    let notifications = Notifications::open(&state_dir).map_err(CommandError::unusable)?;
    let (store, definitions) = match folder {
        Some((folder, definitions)) => (Store::Folder(folder), definitions),
        None if once => (
            Store::InCluster(InCluster::new(cluster.clone())),
            listed(&cluster, &reach).await?,
        ),
        None => (
            Store::InCluster(InCluster::new(cluster.clone())),
            Definitions::default(),
        ),
    };
    let in_cluster = matches!(store, Store::InCluster(_));
    let metrics = Arc::new(Metrics::default());
    let receivers = Arc::new(receivers(webhook_addr));
    let context = Arc::new(Context {
        cluster: cluster.clone(),
        store,
        audit,
        state_dir,
        age_keys,
        default_service_account,
        metrics: Arc::clone(&metrics),
        waits: Waits::default(),
        left: Left::default(),
        receivers: Arc::clone(&receivers),
    });
    let health = Arc::new(Health::new(Instant::now()));
    let controller = Controller::new(context, notifications, Arc::clone(&health), definitions);
    if once {
        return print(&controller.once().await, output, console);
    }
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone())?);
    if let Some(address) = metrics_addr {
        let address = serve(address, health, Arc::clone(&metrics), stop.clone())
            .await
            .map_err(CommandError::unusable)?;
        tracing::info!(%address, "health and metrics are served");
    }
    if let Some(address) = webhook_addr {
        let address = receive(address, receivers, metrics, stop.clone())
            .await
            .map_err(CommandError::unusable)?;
        tracing::info!(%address, "webhooks are received");
    }
    let (sender, changes) = mpsc::channel(PENDING_CHANGES);
    if in_cluster {
        let client = cluster.client().map_err(CommandError::unusable)?;
        tokio::spawn(watch(client, reach, sender.clone(), stop.clone()));
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        cluster = cluster.name(),
        "fluxops is running"
    );
    controller.run(changes, stop).await;
    // Kept until here: a channel without senders would be ready all the time.
    drop(sender);
    tracing::info!("fluxops has stopped");
    Ok(Exit::Success)
}

fn receivers(address: Option<SocketAddr>) -> Receivers {
    let now = Instant::now();
    match address {
        Some(_) => Receivers::served(now),
        None => Receivers::not_served(now),
    }
}

async fn listed(cluster: &Cluster, reach: &Reach) -> Result<Definitions, CommandError> {
    let client = cluster.client().map_err(CommandError::unusable)?;
    list(&client, reach).await.map_err(|_| {
        let message = "failed to list our objects: is the API server there, and are the CRDs installed (`fluxops crds`)?";
        CommandError::new(Exit::Unusable, message)
    })
}

fn prepare_state_dir(path: &std::path::Path) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|error| {
        let message = format!(
            "failed to make the state directory {}: {error}; choose one with --state-dir",
            path.display()
        );
        CommandError::new(Exit::Unusable, message)
    })
}

/// Stops cleanly on SIGTERM and SIGINT.
fn stop_on_signal(stop: CancellationToken) -> Result<impl Future<Output = ()>, CommandError> {
    let listen = |kind| signal(kind).map_err(CommandError::from);
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: running reconciles get to finish");
        stop.cancel();
    })
}

fn print(lines: &[Line], format: Format, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    match format {
        Format::Json => writeln!(console.output, "{}", serde_json::json!(lines))?,
        Format::Text => {
            let row = |line: &Line| {
                vec![
                    line.object.clone(),
                    format!("{:?}", line.outcome),
                    line.revision.clone().unwrap_or_else(|| "-".to_owned()),
                    line.signer.clone().unwrap_or_else(|| "-".to_owned()),
                    line.message.clone(),
                ]
            };
            let rows: Vec<_> = lines.iter().map(row).collect();
            table(
                console.output,
                &["OBJECT", "OUTCOME", "REVISION", "SIGNER", "MESSAGE"],
                &rows,
            )?;
        }
    }
    let all_ready = lines.iter().all(|line| line.outcome != Outcome::NotReady);
    Ok(if all_ready { Exit::Success } else { Exit::Negative })
}
