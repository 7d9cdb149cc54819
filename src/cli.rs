//! The command line.

mod audit;
mod build;
mod crds;
mod events;
mod get;
mod history;
mod keys;
mod reconcile;
mod rollback;
mod run;
mod secrets;
mod suspend;
mod trace;
mod tree;
mod trust;
mod verify;

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use zeroize::Zeroizing;

use crate::cluster::{Cluster, ClusterOptions};

/// GitOps that can prove what it did.
///
/// Takes a Git repository to a Kubernetes cluster: verifies who signed each commit, opens SOPS-sealed manifests in
/// memory, applies them, and keeps a tamper-evident log of what was done.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    after_help = "Start with: fluxops run --config fluxops.yaml --once"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// How logs are written to stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: a JSON object a line.
    Json,
}

#[derive(Subcommand)]
enum Command {
    /// Reconcile: fetch, verify, open, render, apply, again and again
    Run(run::Arguments),
    /// Render a folder as the pipeline would, and print it
    Build(build::Arguments),
    /// Say who signed a commit or tag, and whether to trust it
    Verify(verify::Arguments),
    /// Make and check the folder with the keys of those who may sign
    Trust(trust::Arguments),
    /// Seal and open SOPS files
    Secrets(secrets::Arguments),
    /// Make age identities
    Keys(keys::Arguments),
    /// Read the audit log, and check that nobody changed it
    Audit(audit::Arguments),
    /// Show what is reconciled, its revision and who signed it
    Get(get::Arguments),
    /// Reconcile an object now, and wait for what comes of it
    Reconcile(reconcile::Arguments),
    /// Leave an object alone until it is resumed
    Suspend(suspend::Suspend),
    /// Reconcile a suspended object again, or let go of a revision that is held
    Resume(suspend::Resume),
    /// Show what happened to our objects of late
    Events(events::Arguments),
    /// Show which revisions a Delivery had, what came of them, and who signed them
    History(history::Arguments),
    /// Go back to an older revision of a Delivery, and hold it until it is resumed
    Rollback(rollback::Arguments),
    /// Say which commit last changed an object in the cluster, and who signed it
    Trace(trace::Arguments),
    /// Show what a Delivery has in the cluster
    Tree(tree::Arguments),
    /// Print the `CustomResourceDefinitions`
    Crds(crds::Arguments),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// Which cluster.
#[derive(Args, Debug, Clone, Default)]
struct ClusterArguments {
    /// A kubeconfig file [default: $KUBECONFIG, ~/.kube/config, or the cluster this runs in]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A context in the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// Where state is kept.
#[derive(Args, Debug, Clone)]
struct StateArguments {
    /// Where bare repositories, the audit log and waiting messages are kept
    #[arg(
        long,
        value_name = "DIR",
        env = "FLUXOPS_STATE_DIR",
        default_value = "/var/lib/fluxops"
    )]
    state_dir: PathBuf,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

/// Where results go.
pub struct Console<'a> {
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Whether it understands colours.
    pub colour: bool,
    /// Standard error: what is said beside the results.
    pub errors: &'a mut dyn Write,
    /// Whether standard error is a terminal, so that somebody may watch.
    pub watched: bool,
}

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All is well.
    Success = 0,
    /// It worked, and the answer is no: not ready, not trusted, broken.
    Negative = 1,
    /// Arguments or files that cannot be used.
    Unusable = 2,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub struct CommandError {
    message: String,
    exit: Exit,
}

impl CommandError {
    /// Arguments, files or settings that cannot be used; the whole chain of causes is told.
    fn unusable(error: impl std::error::Error) -> Self {
        Self {
            message: crate::chain(&error),
            exit: Exit::Unusable,
        }
    }

    fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            exit,
        }
    }

    /// How the process ends for it.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

/// A reader that closed its end has had enough: that is no error.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe {
            Exit::Success
        } else {
            Exit::Unusable
        };
        Self {
            message: format!("failed to write the output: {error}"),
            exit,
        }
    }
}

impl Cli {
    /// How logs are to be written.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// Runs the command.
    pub async fn run(self, console: &mut Console<'_>) -> Result<Exit, CommandError> {
        match self.command {
            Command::Run(arguments) => Box::pin(run::run(arguments, console)).await,
            Command::Build(arguments) => build::run(&arguments, console),
            Command::Verify(arguments) => verify::run(&arguments, console),
            Command::Trust(arguments) => trust::run(&arguments, console),
            Command::Secrets(arguments) => secrets::run(&arguments, console).await,
            Command::Keys(arguments) => keys::run(&arguments, console),
            Command::Audit(arguments) => audit::run(&arguments, console),
            Command::Get(arguments) => get::run(arguments, console).await,
            Command::Reconcile(arguments) => reconcile::run(arguments, console).await,
            Command::Suspend(arguments) => suspend::suspend(arguments, console).await,
            Command::Resume(arguments) => suspend::resume(arguments, console).await,
            Command::Events(arguments) => events::run(arguments, console).await,
            Command::History(arguments) => history::run(arguments, console).await,
            Command::Rollback(arguments) => rollback::run(arguments, console).await,
            Command::Trace(arguments) => trace::run(&arguments, console),
            Command::Tree(arguments) => tree::run(arguments, console).await,
            Command::Crds(arguments) => crds::run(&arguments, console),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "fluxops", console.output);
                Ok(Exit::Success)
            }
        }
    }
}

impl ClusterArguments {
    async fn find(&self) -> Result<Cluster, CommandError> {
        let options = ClusterOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        };
        Cluster::find(&options).await.map_err(CommandError::unusable)
    }
}

/// Reads a file that holds a secret; its content is wiped with the buffer.
fn read_secret_file(path: &Path) -> Result<Zeroizing<String>, CommandError> {
    let failed = |reason: &dyn fmt::Display| {
        CommandError::new(
            Exit::Unusable,
            format!("failed to read {}: {reason}", path.display()),
        )
    };
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| failed(&error))?);
    let text = str::from_utf8(&bytes).map_err(|_| failed(&"it is not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// Rows as columns, the way kubectl prints them.
fn table(output: &mut dyn Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    const GAP: usize = 3;
    let widths: Vec<usize> = header
        .iter()
        .enumerate()
        .map(|(column, title)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.chars().count())
                .chain([title.chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut print = |cells: &mut dyn Iterator<Item = &str>| {
        let mut line = String::new();
        for (cell, width) in cells.zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width + GAP - cell.chars().count()));
        }
        writeln!(output, "{}", line.trim_end())
    };
    print(&mut header.iter().copied())?;
    for row in rows {
        print(&mut row.iter().map(String::as_str))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_table_is_aligned() {
        let mut output = Vec::new();
        let rows = [
            vec!["a".to_owned(), "Ready".to_owned()],
            vec!["long".to_owned(), "x".to_owned()],
        ];
        table(&mut output, &["NAME", "STATUS"], &rows).unwrap();
        assert_eq!(
            String::from_utf8(output).unwrap(),
            "NAME   STATUS\na      Ready\nlong   x\n"
        );
    }
}
