//! What a chat server's answer means for the message.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;

/// The longest pause that a server may impose. A larger `Retry-After` is a mistake or a trap.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// What came back.
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// The header `Retry-After`, read.
    pub(super) retry_after: Option<Duration>,
    /// The start of the body.
    pub(super) body: Vec<u8>,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The message is there.
    Accepted,
    /// Not now; the server may say how long to wait.
    Later {
        /// How long it asks us to wait, at most [`MAX_RETRY_AFTER`].
        wait: Option<Duration>,
        /// Why.
        why: String,
    },
    /// Nobody could be reached; the message has nothing to do with it.
    Unreachable {
        /// Why.
        why: String,
    },
    /// It would take the message, were the Notifier, its Secret or the channel in order: somebody has to act.
    Misconfigured {
        /// What is not in order, and what to do.
        why: String,
    },
    /// This message will never be taken.
    Rejected {
        /// Why.
        why: String,
    },
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110 §10.2.3).
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let date = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
        Duration::try_from(date.duration_since(now)).unwrap_or_default()
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// A word out of a server's answer, made safe for a log line.
pub(super) fn quoted_word(word: &str) -> String {
    const MAX_WORD_CHARS: usize = 64;
    let is_plain =
        |character: &char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
    word.chars().filter(is_plain).take(MAX_WORD_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2015-10-21T07:28:00Z".parse().unwrap();
        for (value, seconds) in [
            ("0", Some(0)),
            (" 30 ", Some(30)),
            ("3600", Some(3600)),
            ("99999999", Some(MAX_RETRY_AFTER.as_secs())),
            ("Wed, 21 Oct 2015 07:29:00 GMT", Some(60)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(
                retry_after(value, now),
                seconds.map(Duration::from_secs),
                "{value}"
            );
        }
    }

    #[test]
    fn a_quoted_word_brings_nothing_along() {
        assert_eq!(quoted_word("invalid_auth\n<b>"), "invalid_authb");
    }
}
