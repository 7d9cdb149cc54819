//! Points in time as Go reads and writes them in RFC 3339.

use jiff::Timestamp;
use jiff::civil::Date;

/// RFC 3339 in the form of Go's `time.RFC3339Nano`, from what `time.Time.UnmarshalText` takes: the offset is kept, zero
/// is `Z`, the fraction has at most nine digits and no zeros at its end.
pub(crate) fn canonical(text: &str) -> Option<String> {
    let parts = Rfc3339::parse(text)?;
    let fraction = parts
        .fraction
        .get(..parts.fraction.len().min(9))?
        .trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{}{dot}{fraction}{}", parts.seconds, parts.offset))
}

/// The same without the fraction, as Go's `time.RFC3339` writes it: what the MAC of a file is bound to.
pub(crate) fn canonical_to_the_second(text: &str) -> Option<String> {
    let parts = Rfc3339::parse(text)?;
    Some(format!("{}{}", parts.seconds, parts.offset))
}

/// What sops writes as `lastmodified`.
pub(crate) fn last_modified(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

struct Rfc3339<'text> {
    /// `2024-01-01T00:00:00`
    seconds: &'text str,
    /// The digits after the dot.
    fraction: &'text str,
    /// `Z` or `+02:00`
    offset: &'text str,
}

impl<'text> Rfc3339<'text> {
    fn parse(text: &'text str) -> Option<Self> {
        let (seconds, rest) = text.split_at_checked("2006-01-02T15:04:05".len())?;
        let (date, time) = seconds.split_once('T')?;
        if !is_date(date) || !is_time(time) {
            return None;
        }
        let (fraction, offset) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                if digits == 0 {
                    return None;
                }
                rest.split_at_checked(digits)?
            }
        };
        let offset = match offset {
            "Z" | "+00:00" | "-00:00" => "Z",
            _ => {
                let (hours, minutes) = offset.strip_prefix(['+', '-'])?.split_once(':')?;
                (two_digits(hours)? <= 23 && two_digits(minutes)? <= 59).then_some(offset)?
            }
        };
        Some(Self {
            seconds,
            fraction,
            offset,
        })
    }
}

fn is_date(text: &str) -> bool {
    let mut fields = text.split('-');
    let (Some(year), Some(month), Some(day), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return false;
    };
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    match (year.parse::<i16>(), two_digits(month), two_digits(day)) {
        (Ok(year), Some(month), Some(day)) if is_year => Date::new(year, month, day).is_ok(),
        _ => false,
    }
}

fn is_time(text: &str) -> bool {
    let limits = [23, 59, 59];
    text.split(':').count() == limits.len()
        && text
            .split(':')
            .zip(limits)
            .all(|(field, limit)| two_digits(field).is_some_and(|value| value <= limit))
}

fn two_digits(text: &str) -> Option<i8> {
    let is_number = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_go_writes_it() {
        let table = [
            (
                "2024-01-01T00:00:00Z",
                Some("2024-01-01T00:00:00Z"),
                Some("2024-01-01T00:00:00Z"),
            ),
            (
                "2024-02-29T23:59:59.120Z",
                Some("2024-02-29T23:59:59.12Z"),
                Some("2024-02-29T23:59:59Z"),
            ),
            (
                "2024-01-01T00:00:00.000Z",
                Some("2024-01-01T00:00:00Z"),
                Some("2024-01-01T00:00:00Z"),
            ),
            (
                "2024-01-01T00:00:00.1234567891Z",
                Some("2024-01-01T00:00:00.123456789Z"),
                Some("2024-01-01T00:00:00Z"),
            ),
            (
                "2024-01-01T00:00:00+00:00",
                Some("2024-01-01T00:00:00Z"),
                Some("2024-01-01T00:00:00Z"),
            ),
            (
                "2024-01-01T00:00:00.5-07:30",
                Some("2024-01-01T00:00:00.5-07:30"),
                Some("2024-01-01T00:00:00-07:30"),
            ),
            ("2023-02-29T00:00:00Z", None, None),
            ("2024-13-01T00:00:00Z", None, None),
            ("2024-01-01T24:00:00Z", None, None),
            ("2024-01-01T00:00:60Z", None, None),
            ("2024-01-01 00:00:00Z", None, None),
            ("2024-01-01T00:00:00", None, None),
            ("2024-01-01T00:00:00.Z", None, None),
            ("2024-01-01T00:00:00,5Z", None, None),
            ("2024-01-01T0:00:00Z", None, None),
            ("2024-01-01T00:00:00+2:00", None, None),
            ("2024-01-01T00:00:00é", None, None),
            ("", None, None),
        ];
        for (text, nanoseconds, seconds) in table {
            assert_eq!(canonical(text).as_deref(), nanoseconds, "{text}");
            assert_eq!(canonical_to_the_second(text).as_deref(), seconds, "{text}");
        }
    }

    #[test]
    fn now_is_written_to_the_second() {
        let now: Timestamp = "2026-11-23T21:43:04.987Z".parse().unwrap();
        assert_eq!(last_modified(now), "2026-11-23T21:43:04Z");
    }
}
