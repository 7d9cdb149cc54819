//! How long the network may take: no step waits longer than the source's timeout, no fetch longer than its end.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::error::FetchError;

/// The timeout of a network step when a source gives none, as in Flux.
pub const DEFAULT_STEP: Duration = Duration::from_mins(1);
/// The longest a whole fetch may take, however steadily it moves; it is begun anew at the next interval.
pub const MAX_FETCH: Duration = Duration::from_mins(15);
/// How often something that cannot be waited for is looked at.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What is waited for, in the words of a message: "timed out after 60s while …".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Another fetch works on the same mirror.
    Lock,
    /// Name resolution, TCP, TLS or SSH, and a login.
    Connect,
    /// The remote lists its references.
    References,
    /// The remote sends objects.
    Objects,
    /// Deltas are put together.
    Unpack,
}

impl std::fmt::Display for Step {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Lock => "waiting for another fetch of the same repository",
            Self::Connect => "connecting",
            Self::References => "asking for the references",
            Self::Objects => "receiving objects",
            Self::Unpack => "unpacking objects",
        })
    }
}

/// The time that is left, and whether anybody still waits.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    step: Duration,
    end: Instant,
    cancelled: CancellationToken,
}

impl Clock {
    pub(super) fn start(step: Duration, cancelled: CancellationToken) -> Self {
        Self {
            step,
            end: Instant::now() + MAX_FETCH.max(step),
            cancelled,
        }
    }

    /// The same with everything from now on in one step: for what is only good as a whole.
    pub(super) fn one_step(&self) -> Self {
        Self {
            end: self.end.min(Instant::now() + self.step),
            ..self.clone()
        }
    }

    /// How long the next wait may take; never zero, which some libraries take for "for ever".
    pub(super) fn left(&self, step: Step) -> Result<Duration, FetchError> {
        if self.cancelled.is_cancelled() {
            return Err(FetchError::Cancelled);
        }
        match self.step.min(self.end.saturating_duration_since(Instant::now())) {
            Duration::ZERO => Err(self.timeout(step)),
            left => Ok(left.max(Duration::from_millis(1))),
        }
    }

    pub(super) fn timeout(&self, step: Step) -> FetchError {
        FetchError::Timeout {
            step,
            after: self.step,
        }
    }

    /// Waits for a future on this thread, which has to be one for blocking work.
    pub(super) fn wait<T>(&self, step: Step, future: impl Future<Output = T>) -> Result<T, FetchError> {
        let left = self.left(step)?;
        tokio::runtime::Handle::current().block_on(async {
            match self
                .cancelled
                .run_until_cancelled(tokio::time::timeout(left, future))
                .await
            {
                None => Err(FetchError::Cancelled),
                Some(Err(_)) => Err(self.timeout(step)),
                Some(Ok(value)) => Ok(value),
            }
        })
    }

    /// Asks until there is an answer.
    pub(super) fn poll<T>(
        &self,
        step: Step,
        mut ask: impl FnMut() -> Result<Option<T>, FetchError>,
    ) -> Result<T, FetchError> {
        loop {
            if let Some(value) = ask()? {
                return Ok(value);
            }
            std::thread::sleep(self.left(step)?.min(LOOK_AGAIN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_ends_and_so_does_the_whole() {
        let clock = Clock::start(Duration::from_millis(30), CancellationToken::new()).one_step();
        let error = clock.poll(Step::Lock, || Ok(None::<()>)).unwrap_err();
        assert!(
            matches!(error, FetchError::Timeout { step: Step::Lock, .. }),
            "{error}"
        );
    }

    #[test]
    fn nothing_is_waited_for_once_cancelled() {
        let cancelled = CancellationToken::new();
        let clock = Clock::start(DEFAULT_STEP, cancelled.clone());
        assert!(clock.left(Step::Connect).unwrap() <= DEFAULT_STEP);
        cancelled.cancel();
        assert!(matches!(clock.left(Step::Connect), Err(FetchError::Cancelled)));
    }
}
