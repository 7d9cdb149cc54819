//! What operators look at: whether the process lives and is ready, and its metrics, over HTTP.

mod health;
mod metrics;
mod server;

pub use health::{HEARTBEAT, Health, LONGEST_SILENCE};
pub use metrics::{Ended, Metrics};
pub use server::{MAX_CONNECTIONS, ServeError, serve};
