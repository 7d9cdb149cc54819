//! How old the newest commit may be (`verify.maxAge`). Pure.
//!
//! Who holds back what is pushed, or leads fluxops to an old copy of the remote, forges nothing: all that is there is
//! signed. That nothing new comes is all that there is to see of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Whether a commit of this time is older than it may be. The time is the committer's, which whoever signs it sets; one
/// that is in the future is refused before.
pub fn is_stale(committed: Timestamp, max_age: Duration, now: Timestamp) -> bool {
    let max_age = SignedDuration::try_from(max_age).unwrap_or(SignedDuration::MAX);
    now.duration_since(committed) > max_age
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_is_stale_once_it_is_older_than_allowed() {
        let day = Duration::from_hours(24);
        for (committed, max_age, now, expected) in [
            (0, day, 0, false),
            (0, day, 86_400, false),
            (0, day, 86_401, true),
            (100_000, day, 0, false),
            (100_000, Duration::from_secs(1), 100_001, false),
            (100_000, Duration::from_secs(1), 100_002, true),
            (-100_000, day, 0, true),
            (0, Duration::MAX, 86_401, false),
        ] {
            let at = |second| Timestamp::from_second(second).unwrap();
            let is = is_stale(at(committed), max_age, at(now));
            assert_eq!(is, expected, "{committed} {max_age:?} {now}");
        }
        assert!(is_stale(Timestamp::MIN, day, Timestamp::MAX));
        assert!(!is_stale(Timestamp::MAX, day, Timestamp::MIN));
    }
}
