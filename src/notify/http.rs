//! Requests to chat servers: bounded in time and size, never redirected, and silent about addresses.

use std::error::Error as _;
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, RequestBuilder, Response, redirect};

use super::answer::{Answer, Reply, retry_after};

/// How long a request may take, from the name's resolution to the end of the answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection may take to be made.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of an answer that are read.
pub const MAX_REPLY_BYTES: usize = 64 * 1024;

/// A client that is made when it is first needed: it reads the system's certificates, which costs memory.
#[derive(Default)]
pub(super) struct Http(OnceLock<Client>);

impl Http {
    /// Sends a request; whatever keeps it from being answered is an [`Answer`] already.
    pub(super) async fn send(
        &self,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Reply, Answer> {
        let response = request(self.client()?).send().await.map_err(unreachable)?;
        let status = response.status();
        let retry_after = (response.headers().get(RETRY_AFTER))
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry_after(value, Timestamp::now()));
        let body = read(response).await?;
        Ok(Reply {
            status,
            retry_after,
            body,
        })
    }

    fn client(&self) -> Result<&Client, Answer> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        // An error says that a provider is installed already, which is all we want.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .user_agent(concat!("fluxops/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            // Messages are rare, and a kept connection keeps buffers with a token in them.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(unreachable)?;
        Ok(self.0.get_or_init(|| client))
    }
}

/// The start of the body: what is longer than [`MAX_REPLY_BYTES`] is no answer that we know.
async fn read(mut response: Response) -> Result<Vec<u8>, Answer> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        let left = MAX_REPLY_BYTES - body.len();
        body.extend(chunk.iter().take(left));
        if chunk.len() >= left {
            break;
        }
    }
    Ok(body)
}

/// What went wrong, without the address: a webhook's is a secret.
fn unreachable(error: reqwest::Error) -> Answer {
    let error = error.without_url();
    let mut why = if error.is_timeout() {
        format!("no answer within {} s", REQUEST_TIMEOUT.as_secs())
    } else {
        error.to_string()
    };
    let mut source = error.source();
    while let Some(cause) = source {
        why = format!("{why}: {cause}");
        source = cause.source();
    }
    Answer::Unreachable { why }
}
