//! What operators look at: whether the process lives and is ready, and its metrics, over HTTP.

mod health;
mod listener;
mod metrics;
mod server;

pub use health::{HEARTBEAT, Health, LONGEST_SILENCE};
pub use listener::{Bounds, ServeError, listen};
pub use metrics::{Ended, Metrics};
pub use server::{MAX_CONNECTIONS, serve};
