//! Durations in the notation of Go, as every Kubernetes user writes them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest duration that is taken: a year. What is longer is a mistake.
pub const MAX_DURATION: Duration = Duration::from_hours(8784);

/// A positive duration such as `1m30s` (Go's `time.ParseDuration`, without sign, days or exponents).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct GoDuration(pub Duration);

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration; write it as in Go, for example 30s, 10m or 1h30m")]
pub struct InvalidDuration(String);

impl FromStr for GoDuration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        let invalid = || InvalidDuration(text.chars().take(40).collect());
        let mut rest = text;
        let mut total = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .ok_or_else(invalid)?;
            let (number, tail) = rest.split_at_checked(digits).ok_or_else(invalid)?;
            let unit_end = tail
                .find(|c: char| c.is_ascii_digit() || c == '.')
                .unwrap_or(tail.len());
            let (unit, tail) = tail.split_at_checked(unit_end).ok_or_else(invalid)?;
            total = total
                .checked_add(part(number, unit).ok_or_else(invalid)?)
                .ok_or_else(invalid)?;
            rest = tail;
        }
        if text.is_empty() || total > MAX_DURATION {
            Err(invalid())
        } else {
            Ok(Self(total))
        }
    }
}

/// One number with its unit; exact, in nanoseconds.
fn part(number: &str, unit: &str) -> Option<Duration> {
    const LONGEST_FRACTION: usize = 9;
    let nanoseconds: u64 = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty()
        || fraction.contains('.')
        || fraction.len() > LONGEST_FRACTION
        || number.ends_with('.')
    {
        return None;
    }
    let whole = whole.parse::<u64>().ok()?.checked_mul(nanoseconds)?;
    let fraction = if fraction.is_empty() {
        0
    } else {
        let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
        u128::from(fraction.parse::<u64>().ok()?) * u128::from(nanoseconds) / u128::from(scale)
    };
    Some(Duration::from_nanos(
        whole.checked_add(u64::try_from(fraction).ok()?)?,
    ))
}

/// As Go prints it, without the trailing zero units.
impl fmt::Display for GoDuration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let millis = self.0.subsec_millis();
        if hours > 0 {
            write!(formatter, "{hours}h")?;
        }
        if minutes > 0 {
            write!(formatter, "{minutes}m")?;
        }
        if rest > 0 {
            write!(formatter, "{rest}s")?;
        }
        if millis > 0 || self.0.as_millis() == 0 {
            write!(formatter, "{millis}ms")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h))+$"})
    }
}

/// How often something is looked at: a duration of at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Interval(GoDuration);

impl Interval {
    /// The shortest interval.
    pub const MIN: Duration = Duration::from_secs(1);

    /// An interval of this length, if it is long enough.
    pub fn new(duration: Duration) -> Option<Self> {
        (duration >= Self::MIN).then_some(Self(GoDuration(duration)))
    }

    /// Its length.
    pub fn duration(self) -> Duration {
        self.0.0
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let duration = GoDuration::deserialize(deserializer)?;
        Self::new(duration.0).ok_or_else(|| {
            serde::de::Error::custom(format!("an interval is at least 1s, this is {duration}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("30s", 30_000),
            ("1m30s", 90_000),
            ("1.5h", 5_400_000),
            ("100ms", 100),
            ("0.25s", 250),
            ("10m", 600_000),
        ] {
            let parsed: GoDuration = text.parse().unwrap();
            assert_eq!(parsed.0.as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn what_go_would_not_read_is_refused() {
        let huge = "99999999999999999999h";
        for text in [
            "", "1", "s", "-1s", "+1s", "1d", "1e3s", " 1s", "1s ", "1.s", ".5s", "1..5s", "1S", huge,
            "9000h",
        ] {
            assert!(text.parse::<GoDuration>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_is_read_back() {
        for text in ["30s", "1m30s", "2h", "1h1m1s", "250ms", "0ms"] {
            assert_eq!(text.parse::<GoDuration>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_interval_is_at_least_a_second() {
        assert!(serde_json::from_str::<Interval>("\"999ms\"").is_err());
        assert_eq!(
            serde_json::from_str::<Interval>("\"1s\"").unwrap().duration(),
            Interval::MIN
        );
    }
}
