//! The times at which a signature is judged.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::refusal::Refusal;

/// How far a commit's clock may be ahead of ours. Clocks that are set over the network differ by seconds;
/// more than some minutes is a broken clock, or somebody who signs for a time when the key is gone.
pub const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(10);

/// The times at which a key must be valid. The first is chosen by whoever signs, so the second must agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The time that the commit gives for itself, or the tag.
    Committed(Timestamp),
    /// The time that the signature gives for itself (OpenPGP only).
    Signed(Timestamp),
    /// The time of judgement.
    Now(Timestamp),
}

impl Moment {
    /// The time itself.
    pub fn time(self) -> Timestamp {
        match self {
            Self::Committed(time) | Self::Signed(time) | Self::Now(time) => time,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Committed(time) => write!(f, "at the time of the commit ({time})"),
            Self::Signed(time) => write!(f, "at the time of the signature ({time})"),
            Self::Now(time) => write!(f, "now ({time})"),
        }
    }
}

/// The two times that every signature is judged at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// What the commit or tag says.
    pub(crate) committed: Timestamp,
    /// When it is judged.
    pub(crate) now: Timestamp,
}

impl Times {
    /// The moments at which a key must be valid.
    pub(crate) fn moments(self) -> [Moment; 2] {
        [Moment::Committed(self.committed), Moment::Now(self.now)]
    }

    /// Refuses a moment that lies in the future.
    pub(crate) fn refuse_future(self, moment: Moment) -> Result<(), Refusal> {
        if moment.time().duration_since(self.now) > MAX_CLOCK_SKEW {
            return Err(Refusal::FromTheFuture {
                moment,
                now: self.now,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_may_differ_by_the_bound_and_no_more() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let judge = |committed| Times { committed, now }.refuse_future(Moment::Committed(committed));
        assert_eq!(judge(now + MAX_CLOCK_SKEW), Ok(()));
        assert_eq!(judge(Timestamp::MIN), Ok(()));
        let late = now + MAX_CLOCK_SKEW + SignedDuration::from_secs(1);
        assert_eq!(
            judge(late),
            Err(Refusal::FromTheFuture {
                moment: Moment::Committed(late),
                now
            })
        );
    }
}
