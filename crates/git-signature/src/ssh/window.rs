//! Validity windows: `valid-after` and `valid-before` of a line, and the two bounds of a certificate.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::moment::Moment;
use crate::refusal::{Refusal, Validity};

/// A span of time with optional ends, both of them inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Window {
    /// The window of a line: sshsig.c refuses what is before `valid-after` or after `valid-before`, so that
    /// both times themselves are inside.
    pub(crate) fn of_line(after: Option<Timestamp>, before: Option<Timestamp>) -> Option<Self> {
        match (after, before) {
            (Some(after), Some(before)) if before <= after => None,
            (first, last) => Some(Self { first, last }),
        }
    }

    /// The window of a certificate: `valid after <= time < valid before` (PROTOCOL.certkeys), in seconds.
    pub(crate) fn of_certificate(after: u64, before: u64) -> Self {
        let time = |seconds: u64| {
            i64::try_from(seconds)
                .ok()
                .and_then(|s| Timestamp::from_second(s).ok())
        };
        Self {
            // A beginning beyond all time: never valid.
            first: Some(time(after).unwrap_or(Timestamp::MAX)),
            // An end beyond all time is how ssh-keygen writes "forever"; an end of 0 comes before any time.
            last: match before.checked_sub(1) {
                Some(last) => time(last),
                None => Some(Timestamp::MIN),
            },
        }
    }

    /// The last moment inside, if there is one.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        self.last
    }

    /// Whether some moment is inside of both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, two: &Self| match (one.last, two.first) {
            (Some(last), Some(first)) => last < first,
            _ => false,
        };
        !ends_before(self, other) && !ends_before(other, self)
    }

    pub(crate) fn check(&self, moment: Moment, what: impl Fn() -> Validity) -> Result<(), Refusal> {
        let time = moment.time();
        match (self.first, self.last) {
            (Some(from), _) if time < from => Err(Refusal::NotYetValid {
                what: what(),
                moment,
                from,
            }),
            (_, Some(until)) if time > until => Err(Refusal::Expired {
                what: what(),
                moment,
                until,
            }),
            _ => Ok(()),
        }
    }
}

/// Reads the time of a `valid-after` or `valid-before` option: `YYYYMMDD[HHMM[SS]]`, with `Z` or `UTC` at
/// the end if it pleases.
///
/// ssh-keygen(1) takes a time without the letter in the machine's local time zone. What a commit proves must
/// not depend on where it is looked at, so here it is UTC as well.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let digits = text
        .strip_suffix(['Z', 'z'])
        .or_else(|| {
            text.len().checked_sub(3).and_then(|at| {
                let (digits, zone) = text.split_at_checked(at)?;
                zone.eq_ignore_ascii_case("UTC").then_some(digits)
            })
        })
        .unwrap_or(text);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i8> { digits.get(from..to)?.parse().ok() };
    let (hour, minute, second) = match digits.len() {
        8 => (0, 0, 0),
        12 => (number(8, 10)?, number(10, 12)?, 0),
        14 => (number(8, 10)?, number(10, 12)?, number(12, 14)?),
        _ => return None,
    };
    let year = digits.get(..4)?.parse().ok()?;
    let time = DateTime::new(year, number(4, 6)?, number(6, 8)?, hour, minute, second, 0)
        .ok()?
        .to_zoned(TimeZone::UTC)
        .ok()?
        .timestamp();
    // sshsig.c takes 0 for "no bound", and refuses it as a time.
    (time > Timestamp::UNIX_EPOCH).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_utc() {
        for (text, time) in [
            ("20240229", "2024-02-29T00:00:00Z"),
            ("20240229Z", "2024-02-29T00:00:00Z"),
            ("202402291530", "2024-02-29T15:30:00Z"),
            ("202402291530Z", "2024-02-29T15:30:00Z"),
            ("20240229153045", "2024-02-29T15:30:45Z"),
            ("20240229153045z", "2024-02-29T15:30:45Z"),
            ("20240229153045UTC", "2024-02-29T15:30:45Z"),
        ] {
            assert_eq!(parse_time(text), Some(time.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "UTC",
            "2024",
            "2024-02-29",
            "20230229",
            "20241301",
            "20240229T",
            "2024022924",
            "202402292460",
            "20240229153060",
            "20240229153045ZZ",
            "20240229153045+01",
            "+2024022",
            "19700101",
            "always",
            "2024022９",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn windows_overlap_where_they_share_a_moment() {
        let at = |second| Timestamp::from_second(second).ok();
        let window = |first, last| Window { first, last };
        let middle = window(at(10), at(20));
        for (other, overlaps) in [
            (window(None, None), true),
            (window(None, at(10)), true),
            (window(None, at(9)), false),
            (window(at(20), None), true),
            (window(at(21), None), false),
            (window(at(12), at(15)), true),
        ] {
            assert_eq!(middle.overlaps(&other), overlaps, "{other:?}");
            assert_eq!(other.overlaps(&middle), overlaps, "{other:?}");
        }
    }

    #[test]
    fn both_ends_of_a_line_s_window_are_inside() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let what = || {
            Validity::Line(crate::KeyName {
                kind: crate::SignerKind::Ssh,
                fingerprint: String::new(),
            })
        };
        let window = Window::of_line(Some(at(10)), Some(at(20))).unwrap();
        let reason = |window: Window, second| {
            window
                .check(Moment::Now(at(second)), what)
                .err()
                .map(|refusal| refusal.reason())
        };
        assert_eq!(reason(window, 9), Some("NotYetValid"));
        assert_eq!(reason(window, 10), None);
        assert_eq!(reason(window, 20), None);
        assert_eq!(reason(window, 21), Some("Expired"));
        assert_eq!(Window::of_line(Some(at(10)), Some(at(10))), None);

        let window = Window::of_certificate(10, 20);
        assert_eq!(reason(window, 9), Some("NotYetValid"));
        assert_eq!(reason(window, 10), None);
        assert_eq!(reason(window, 19), None);
        assert_eq!(reason(window, 20), Some("Expired"));
        assert_eq!(reason(Window::of_certificate(0, u64::MAX), 20), None);
        assert_eq!(
            reason(Window::of_certificate(u64::MAX, u64::MAX), 20),
            Some("NotYetValid")
        );
        assert_eq!(reason(Window::of_certificate(0, 0), 0), Some("Expired"));
    }
}
