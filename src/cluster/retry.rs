//! When a request that the API server put off is sent again.
//!
//! Every request of ours can be sent twice: applies and merges set the same fields, deletions name the object's uid,
//! and a creation that happened is refused the second time.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

/// How often one request is sent at most.
pub(super) const MAX_TRIES: u32 = 4;
/// The pause before the second try; doubled for each further one. A server that asks for more gets more.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// How long to wait before a request is sent again; nothing if the answer to this try stands, because it is final,
/// was the last, or asks for more time than is left.
pub(super) fn pause(status: StatusCode, headers: &HeaderMap, tries: u32, left: Duration) -> Option<Duration> {
    let put_off = matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    );
    if !put_off || tries >= MAX_TRIES {
        return None;
    }
    let ours = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1));
    // RFC 9110 §10.2.3 allows a date as well; the API server sends seconds.
    let asked = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let pause = asked.map_or(ours, |seconds| ours.max(Duration::from_secs(seconds)));
    (pause < left).then_some(pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn asked(retry_after: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::RETRY_AFTER, http::HeaderValue::from_static(retry_after))])
    }

    #[test]
    fn what_is_put_off_is_tried_again_with_growing_pauses_and_not_for_ever() {
        let pauses: Vec<_> = (1..=MAX_TRIES)
            .map(|tries| pause(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), tries, MINUTE))
            .collect();
        let milliseconds = |pause: u64| Some(Duration::from_millis(pause));
        assert_eq!(
            pauses,
            [milliseconds(500), milliseconds(1_000), milliseconds(2_000), None]
        );
    }

    #[test]
    fn the_server_may_ask_for_more_than_we_would_wait_but_not_for_more_than_there_is() {
        let pause = |asked: HeaderMap| pause(StatusCode::SERVICE_UNAVAILABLE, &asked, 1, MINUTE);
        assert_eq!(pause(asked("7")), Some(Duration::from_secs(7)));
        assert_eq!(pause(asked("0")), Some(FIRST_PAUSE));
        assert_eq!(pause(asked("soon")), Some(FIRST_PAUSE));
        assert_eq!(pause(asked("60")), None);
        assert_eq!(pause(asked("18446744073709551615")), None);
    }

    #[test]
    fn an_answer_that_is_final_stands() {
        for status in [StatusCode::FORBIDDEN, StatusCode::INTERNAL_SERVER_ERROR] {
            assert_eq!(pause(status, &asked("1"), 1, MINUTE), None);
        }
    }
}
