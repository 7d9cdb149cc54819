//! Arguments, logs, the exit code: the only file that touches the process.

#![warn(clippy::disallowed_methods)]

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use fluxops::cli::{Cli, Console, Exit, LogFormat};
use tracing_subscriber::EnvFilter;
use zeroizing_alloc::ZeroAlloc;

/// Memory is wiped when it is freed. No `Drop` can do that for what serde, hyper and rustls copy on the way.
#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    fluxops::process::harden();
    let cli = Cli::parse();
    start_log(cli.log_format());
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("failed to start: {error}"), Exit::Unusable),
    };
    let mut output = io::stdout().lock();
    let mut errors = io::stderr();
    let mut console = Console {
        output: &mut output,
        colour: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        watched: errors.is_terminal(),
        errors: &mut errors,
    };
    let outcome = runtime.block_on(cli.run(&mut console));
    // What still runs is not worth waiting for: intents are on disk, messages in the outbox.
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => fail(&failure.to_string(), failure.exit()),
    }
}

fn fail(message: &str, exit: Exit) -> ExitCode {
    // Nobody is left to be told when stderr is gone.
    let _ = writeln!(io::stderr(), "fluxops: {message}");
    ExitCode::from(exit as u8)
}

/// Logs go to stderr. What kube's client would log is off: at WARN it prints whole replies.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_env("FLUXOPS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let quiet = [
        "kube_client=off",
        "kube_runtime=error",
        "hyper=error",
        "hyper_util=error",
        "rustls=error",
        "tower=error",
        "reqwest=error",
    ];
    let filter = quiet
        .iter()
        .filter_map(|directive| directive.parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().flatten_event(true).with_current_span(false).init(),
    }
}
