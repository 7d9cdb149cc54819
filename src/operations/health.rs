//! Whether the loop that reconciles is alive, and whether it knows what there is to reconcile.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often the loop says that it is alive when it has nothing to do.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// How long it may say nothing: a few requests to the API server that each take all of their time.
pub const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// What the loop says of itself.
pub struct Health {
    last_beat: Mutex<Instant>,
    ready: AtomicBool,
}

impl Health {
    /// Of a process that starts now.
    pub fn new(now: Instant) -> Self {
        Self {
            last_beat: Mutex::new(now),
            ready: AtomicBool::new(false),
        }
    }

    /// The loop is alive.
    pub fn beat(&self, now: Instant) {
        // A thread that panicked left the time whole.
        *self
            .last_beat
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = now;
    }

    /// Everything that is to be reconciled was listed once.
    pub fn listed(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether the loop was heard of lately.
    pub fn is_alive(&self, now: Instant) -> bool {
        let last = *self
            .last_beat
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        now.saturating_duration_since(last) <= LONGEST_SILENCE
    }

    /// Whether it knows what there is to reconcile.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_is_silent_for_too_long_is_not_alive() {
        let start = Instant::now();
        let health = Health::new(start);
        assert!(health.is_alive(start + LONGEST_SILENCE));
        assert!(!health.is_alive(start + LONGEST_SILENCE + Duration::from_secs(1)));
        health.beat(start + LONGEST_SILENCE);
        assert!(health.is_alive(start + LONGEST_SILENCE * 2));
        assert!(!health.is_ready());
        health.listed();
        assert!(health.is_ready());
    }
}
