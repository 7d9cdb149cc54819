//! Calls, over HTTP.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::service::service_fn;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Answer, Receivers, Refusal};
use crate::operations::{Bounds, Metrics, ServeError, listen};

/// The largest body of a call, in bytes. A push of many commits has some hundred KiB; GitHub sends at most 25 MiB, and what is
/// refused is fetched at the interval.
pub const MAX_BODY: usize = 3 << 20;
/// How many calls are served at a time; others wait. With the largest body, that is 48 MiB.
pub const MAX_CALLS: usize = 16;
/// The most bytes that the request line and the headers may have together.
pub const MAX_HEADERS: usize = 16 << 10;
/// How long a client may take to send its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take to send the headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last, which is one call.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);

/// Listens, and takes calls until it is told to stop. The address that it listens on comes back.
pub async fn receive(
    address: SocketAddr,
    receivers: Arc<Receivers>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<SocketAddr, ServeError> {
    let bounds = Bounds {
        connections: MAX_CALLS,
        header_bytes: MAX_HEADERS,
        header_time: HEADER_TIMEOUT,
        connection_time: CONNECTION_TIMEOUT,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let (receivers, metrics) = (Arc::clone(&receivers), Arc::clone(&metrics));
        async move {
            let outcome = call(request, &receivers).await;
            metrics.called(outcome.map_or_else(Refusal::as_str, Answer::as_str));
            Ok::<_, Infallible>(response(outcome))
        }
    });
    listen(address, bounds, service, stop).await
}

async fn call(request: Request<Incoming>, receivers: &Receivers) -> Result<Answer, Refusal> {
    let (parts, body) = request.into_parts();
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Refusal::TooLarge);
    }
    if parts.method != Method::POST {
        return Err(Refusal::UnknownPath);
    }
    let admitted = receivers.admit(parts.uri.path(), Instant::now())?;
    let receiver = admitted.receiver().clone();
    let outcome = match read(body).await {
        Ok(body) => take(receivers, &admitted, &parts.headers, &body),
        Err(refusal) => Err(refusal),
    };
    match outcome {
        Ok(answer) => {
            tracing::info!(%receiver, outcome = answer.as_str(), "a webhook was called");
        }
        Err(refusal) => {
            tracing::warn!(%receiver, reason = refusal.as_str(), "a call of a webhook was refused");
        }
    }
    outcome
}

fn take(
    receivers: &Receivers,
    admitted: &super::Admitted,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Answer, Refusal> {
    receivers.take(admitted, headers, body, Instant::now(), Timestamp::now())
}

async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let whole = Limited::new(body, MAX_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::TooLarge),
        Ok(Err(_)) | Err(_) => Err(Refusal::Incomplete),
    }
}

/// Who cannot show the token does not learn whether there is a Receiver.
fn response(outcome: Result<Answer, Refusal>) -> Response<Full<Bytes>> {
    let (status, text) = match outcome {
        Ok(Answer::Accepted) => (StatusCode::ACCEPTED, "accepted\n"),
        Ok(Answer::Ignored) => (StatusCode::OK, "this event does not count\n"),
        Ok(Answer::Ping) => (StatusCode::OK, "ok\n"),
        Err(Refusal::UnknownPath | Refusal::Suspended | Refusal::Unauthentic) => (StatusCode::NOT_FOUND, ""),
        Err(Refusal::RateLimited) => (StatusCode::TOO_MANY_REQUESTS, ""),
        Err(Refusal::Replayed) => (StatusCode::CONFLICT, "this call was taken before\n"),
        Err(Refusal::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, ""),
        Err(Refusal::Incomplete) => (StatusCode::REQUEST_TIMEOUT, ""),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    // One call, one connection: none is held by who waits.
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
