//! Connections to the API server for requests that are awaited one by one.
//!
//! kube's own client leaves Nagle's algorithm on (RFC 9293 §3.7.4): a request whose head and body go out in two
//! segments then waits for the server's delayed acknowledgement, 40 ms on Linux, which is many times what the
//! server needs to answer.

use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt as _;
use tower::{BoxError, ServiceBuilder};

/// A client without retries of its own. Behind a proxy it is kube's, which knows how to speak to one.
pub(super) fn client(mut config: kube::Config) -> Result<kube::Client, kube::Error> {
    // kube's own retries outlast the timeout of a request, and then nobody knows what the server said.
    config.default_retry = false;
    if config.proxy_url.is_some() {
        return kube::Client::try_from(config);
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(config.connect_timeout);
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(Client::builder(TokioExecutor::new()).build(connector));
    Ok(kube::Client::new(service, config.default_namespace.clone()))
}
