//! How many calls are taken in a time: a token bucket, whose clock is given.

use std::time::{Duration, Instant};

/// How many calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many at once, after a quiet time.
    pub burst: u32,
    /// How long until one more is taken.
    pub every: Duration,
}

/// What is left of a rate.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    left: u32,
    /// Up to when time was turned into calls.
    counted: Instant,
}

impl TokenBucket {
    /// A full one.
    pub fn full(rate: Rate, now: Instant) -> Self {
        Self {
            rate,
            left: rate.burst,
            counted: now,
        }
    }

    /// Takes a call, if one is left.
    #[must_use]
    pub fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.counted);
        let gained = elapsed.as_nanos() / self.rate.every.as_nanos().max(1);
        match u32::try_from(gained) {
            Ok(gained) if gained < self.rate.burst - self.left => {
                self.left += gained;
                self.counted += self.rate.every * gained;
            }
            // Full: time that is not needed is not saved up.
            _ => {
                self.left = self.rate.burst;
                self.counted = now.max(self.counted);
            }
        }
        let taken = self.left > 0;
        self.left = self.left.saturating_sub(1);
        taken
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        burst: 3,
        every: Duration::from_secs(2),
    };

    #[test]
    fn a_burst_is_taken_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut bucket = TokenBucket::full(RATE, start);
        let mut taken = |seconds| bucket.take(start + Duration::from_secs(seconds));
        assert_eq!(
            [0, 0, 0, 0, 1, 2, 2, 5, 6, 6].map(&mut taken),
            [true, true, true, false, false, true, false, true, true, false]
        );
        assert_eq!([100, 100, 100, 100].map(&mut taken), [true, true, true, false]);
    }

    #[test]
    fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
        let before = Instant::now();
        let start = before + Duration::from_secs(5);
        let mut bucket = TokenBucket::full(RATE, start);
        let taken = (0..10).filter(|_| bucket.take(before)).count();
        assert_eq!(taken, 3);
    }

    proptest! {
        #[test]
        fn no_more_are_taken_than_the_rate_allows(steps in proptest::collection::vec(0_u64..5_000, 1..200)) {
            let start = Instant::now();
            let mut bucket = TokenBucket::full(RATE, start);
            let mut now = start;
            let mut taken = 0;
            for step in steps {
                now += Duration::from_millis(step);
                taken += u128::from(bucket.take(now));
            }
            let allowed = u128::from(RATE.burst) + (now - start).as_nanos() / RATE.every.as_nanos();
            prop_assert!(taken <= allowed, "{taken} of {allowed}");
        }
    }
}
