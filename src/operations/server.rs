//! `/livez`, `/readyz` and `/metrics`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use tokio_util::sync::CancellationToken;

use super::{Bounds, Health, Metrics, ServeError, listen};

/// How many connections are served at a time; others wait.
pub const MAX_CONNECTIONS: usize = 16;
/// The most bytes that the request line and the headers may have together.
const MAX_HEADERS: usize = 16 << 10;
/// How long a client may take to say what it wants.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_mins(1);
/// What scrapers are told that metrics are (`OpenMetrics` 1.0).
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Listens, and serves until it is told to stop. The address that it listens on comes back.
pub async fn serve(
    address: SocketAddr,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) -> Result<SocketAddr, ServeError> {
    let bounds = Bounds {
        connections: MAX_CONNECTIONS,
        header_bytes: MAX_HEADERS,
        header_time: HEADER_TIMEOUT,
        connection_time: CONNECTION_TIMEOUT,
    };
    let service = service_fn(move |request: Request<Incoming>| {
        let response = answer(&request, &health, &metrics);
        std::future::ready(Ok::<_, Infallible>(response))
    });
    listen(address, bounds, service, stop).await
}

fn answer<B>(request: &Request<B>, health: &Health, metrics: &Metrics) -> Response<Full<Bytes>> {
    let state = |holds| {
        if holds {
            (StatusCode::OK, "ok\n")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "no\n")
        }
    };
    let ((status, text), content_type) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/livez") => (state(health.is_alive(Instant::now())), "text/plain"),
        (&Method::GET | &Method::HEAD, "/readyz") => (state(health.is_ready()), "text/plain"),
        (&Method::GET | &Method::HEAD, "/metrics") => match metrics.to_text() {
            Ok(text) => return response(StatusCode::OK, OPEN_METRICS, text.into()),
            Err(_) => (state(false), "text/plain"),
        },
        (&Method::GET | &Method::HEAD, _) => (
            (StatusCode::NOT_FOUND, "/livez, /readyz, /metrics\n"),
            "text/plain",
        ),
        _ => ((StatusCode::METHOD_NOT_ALLOWED, ""), "text/plain"),
    };
    response(status, content_type, text.into())
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static(content_type),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_path_has_its_answer() {
        let (health, metrics) = (Health::new(Instant::now()), Metrics::default());
        let asked = |method: Method, path: &str| {
            let request = Request::builder().method(method).uri(path).body(()).unwrap();
            answer(&request, &health, &metrics).status().as_u16()
        };
        assert_eq!(asked(Method::GET, "/livez"), 200);
        assert_eq!(asked(Method::GET, "/readyz"), 503);
        health.listed();
        assert_eq!(asked(Method::GET, "/readyz"), 200);
        assert_eq!(asked(Method::GET, "/metrics"), 200);
        assert_eq!(asked(Method::GET, "/"), 404);
        assert_eq!(asked(Method::POST, "/metrics"), 405);
    }
}
