//! How long to wait before the next try.

use std::time::Duration;

/// The wait after the first failure.
pub const FIRST_WAIT: Duration = Duration::from_secs(2);
/// The longest wait.
pub const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// The wait after so many failed tries: doubled each time up to [`LONGEST_WAIT`], of which the second half is
/// scaled by `random` in 0 to 1, so that those who failed together do not come back together.
pub(super) fn backoff(failed: u32, random: f64) -> Duration {
    let doubled = 2_u32.checked_pow(failed.saturating_sub(1)).unwrap_or(u32::MAX);
    let whole = FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT);
    let half = whole / 2;
    half + half.mul_f64(random.clamp(0.0, 1.0))
}

/// A number in 0 to 1; one half where the system has no randomness to give.
pub(super) fn random() -> f64 {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 4];
    match ring::rand::SystemRandom::new().fill(&mut bytes) {
        Ok(()) => f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_its_cap() {
        for (failed, seconds) in [
            (0, 2),
            (1, 2),
            (2, 4),
            (3, 8),
            (9, 512),
            (10, 600),
            (11, 600),
            (u32::MAX, 600),
        ] {
            assert_eq!(backoff(failed, 1.0), Duration::from_secs(seconds), "{failed}");
            assert_eq!(backoff(failed, 0.0), Duration::from_secs(seconds) / 2, "{failed}");
        }
        assert_eq!(backoff(1, 0.5), Duration::from_millis(1500));
        assert_eq!(backoff(1, f64::INFINITY), FIRST_WAIT);
    }

    #[test]
    fn randomness_is_in_range() {
        assert!((0..100).all(|_| (0.0..=1.0).contains(&random())));
    }
}
