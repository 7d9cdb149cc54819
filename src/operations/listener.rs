//! A small HTTP server whose clients cannot hold it up.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// What clients may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many connections are served at a time; others wait.
    pub connections: usize,
    /// The most bytes that the request line and the headers may have together.
    pub header_bytes: usize,
    /// How long a client may take to send them.
    pub header_time: Duration,
    /// How long a connection may last.
    pub connection_time: Duration,
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address}")]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

/// Listens, and has a service answer until it is told to stop. The address that it listens on comes back.
pub async fn listen<S>(
    address: SocketAddr,
    bounds: Bounds,
    service: S,
    stop: CancellationToken,
) -> Result<SocketAddr, ServeError>
where
    S: Service<Request<Incoming>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
        + Send
        + Sync
        + 'static,
{
    let failed = |source| ServeError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let service = Arc::new(service);
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        let places = Arc::new(Semaphore::new(bounds.connections));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let Ok((stream, _)) = listener.accept().await else {
                // The process has too many files open; it may have fewer soon.
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            };
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .max_header_size(bounds.header_bytes)
                    .header_read_timeout(bounds.header_time)
                    .serve_connection(TokioIo::new(stream), service);
                // Who hangs up or talks nonsense is told nothing more.
                let _ = tokio::time::timeout(bounds.connection_time, connection).await;
                drop(place);
            });
        }
    }));
    Ok(bound)
}
