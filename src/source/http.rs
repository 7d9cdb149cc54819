//! Smart HTTP (gitprotocol-http(5)) through rustls, with what the source's Secret says for this source alone:
//! authority, client certificate, login and proxy.
//!
//! Nothing is sent to another server than the URL's: a redirect may change the path, never scheme, host or port.
//! Without a proxy of its own, a source uses the one of the environment (`HTTPS_PROXY`, `NO_PROXY`), as in Flux.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Certificate, Client, Identity, RequestBuilder, Response, StatusCode, Url};

use super::clock::{Clock, Step};
use super::credentials::{HttpCredentials, Login, Proxy};
use super::error::FetchError;
use super::pkt_line::Incoming;
use super::upload_pack::{Discretion, Transport};
use super::url::Tls;

/// The most redirects within the server that are followed.
pub const MAX_REDIRECTS: usize = 3;
const SERVICE: &str = "service=git-upload-pack";
const ADVERTISEMENT: &str = "application/x-git-upload-pack-advertisement";
const REQUEST: &str = "application/x-git-upload-pack-request";
const RESULT: &str = "application/x-git-upload-pack-result";

/// A repository on an HTTP server.
pub(super) struct Http {
    client: Client,
    repository: Url,
    discretion: Discretion,
}

impl Http {
    pub(super) fn new(
        repository: &Url,
        tls: Tls,
        credentials: &HttpCredentials,
        proxy: Option<&Proxy>,
    ) -> Result<Self, FetchError> {
        // One provider serves the whole process; a second installation changes nothing.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut headers = HeaderMap::new();
        headers.insert(
            HeaderName::from_static("git-protocol"),
            HeaderValue::from_static("version=2"),
        );
        let discretion = match &credentials.authorization {
            Some(value) => {
                let mut value = HeaderValue::from_str(value).map_err(|_| FetchError::Certificate("login"))?;
                value.set_sensitive(true);
                headers.insert(AUTHORIZATION, value);
                Discretion::Withhold
            }
            None => Discretion::Quote,
        };
        let mut builder = Client::builder()
            .user_agent(concat!("git/fluxops-", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .https_only(tls == Tls::Encrypted);
        if let Some(authority) = &credentials.authority {
            let unusable = |_| FetchError::Certificate("ca.crt");
            let authorities = Certificate::from_pem_bundle(authority).map_err(unusable)?;
            if authorities.is_empty() {
                return Err(FetchError::Certificate("ca.crt"));
            }
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(client) = &credentials.client {
            let identity =
                Identity::from_pem(client).map_err(|_| FetchError::Certificate("tls.crt and tls.key"))?;
            builder = builder.identity(identity);
        }
        if let Some(proxy) = proxy {
            let mut through =
                reqwest::Proxy::all(proxy.address.clone()).map_err(|error| broken(error, Step::Connect))?;
            if let Some(Login { user, password }) = &proxy.login {
                through = through.basic_auth(user, password);
            }
            builder = builder.proxy(through);
        }
        let client = builder
            .build()
            .map_err(|_| FetchError::Certificate("certificates"))?;
        Ok(Self {
            client,
            repository: repository.clone(),
            discretion,
        })
    }

    fn service_url(&self, path: &str) -> Url {
        let mut url = self.repository.clone();
        url.set_path(&format!("{}{path}", self.repository.path()));
        url
    }

    /// Follows a redirect if it stays on the server and still leads to a list of references.
    fn follow(&mut self, from: &Url, response: &Response) -> Result<(), FetchError> {
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        let target = location
            .and_then(|location| from.join(location).ok())
            .ok_or(FetchError::Protocol("it redirects to nowhere"))?;
        let refused = || FetchError::RedirectRefused {
            to: target.origin().ascii_serialization(),
        };
        let stays =
            target.origin() == from.origin() && target.username().is_empty() && target.password().is_none();
        let path = target
            .path()
            .strip_suffix("/info/refs")
            .filter(|_| stays)
            .ok_or_else(refused)?;
        self.repository.set_path(path);
        Ok(())
    }
}

impl Transport for Http {
    fn open(&mut self, clock: &Clock) -> Result<Box<dyn Incoming + '_>, FetchError> {
        for _ in 0..=MAX_REDIRECTS {
            let mut url = self.service_url("/info/refs");
            url.set_query(Some(SERVICE));
            let response = send(self.client.get(url.clone()), clock, Step::Connect)?;
            if response.status().is_redirection() {
                self.follow(&url, &response)?;
            } else {
                return Body::checked(response, ADVERTISEMENT, clock, Step::References);
            }
        }
        Err(FetchError::Protocol("it redirects too often"))
    }

    fn ask(
        &mut self,
        request: Vec<u8>,
        clock: &Clock,
        step: Step,
    ) -> Result<Box<dyn Incoming + '_>, FetchError> {
        let url = self.service_url("/git-upload-pack");
        let post = self
            .client
            .post(url)
            .header(CONTENT_TYPE, REQUEST)
            .header(ACCEPT, RESULT)
            .body(request);
        let response = send(post, clock, step)?;
        Body::checked(response, RESULT, clock, step)
    }

    fn discretion(&self) -> Discretion {
        self.discretion
    }
}

fn send(request: RequestBuilder, clock: &Clock, step: Step) -> Result<Response, FetchError> {
    clock
        .wait(step, request.send())?
        .map_err(|error| broken(error, step))
}

/// The body of a response, as it comes.
struct Body {
    response: Response,
    clock: Clock,
    step: Step,
    /// What was received and not yet read.
    rest: Vec<u8>,
    read: usize,
}

impl Body {
    fn checked<'body>(
        response: Response,
        content_type: &str,
        clock: &Clock,
        step: Step,
    ) -> Result<Box<dyn Incoming + 'body>, FetchError> {
        let status = response.status();
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                return Err(FetchError::Authentication {
                    status: status.as_u16(),
                });
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(FetchError::NotFound {
                    status: status.as_u16(),
                });
            }
            _ if status.is_redirection() => {
                let to = response.url().origin().ascii_serialization();
                return Err(FetchError::RedirectRefused { to });
            }
            _ => {
                return Err(FetchError::Status {
                    status: status.as_u16(),
                });
            }
        }
        let given = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if given.split(';').next().unwrap_or_default().trim() != content_type {
            return Err(FetchError::Protocol("its answer is not of Git's content type"));
        }
        Ok(Box::new(Self {
            response,
            clock: clock.clone(),
            step,
            rest: Vec::new(),
            read: 0,
        }))
    }
}

impl Incoming for Body {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        while self.read == self.rest.len() {
            match self
                .clock
                .wait(self.step, self.response.chunk())?
                .map_err(|error| broken(error, self.step))?
            {
                None => return Ok(0),
                Some(chunk) => {
                    self.rest = chunk.into();
                    self.read = 0;
                }
            }
        }
        let rest = self.rest.get(self.read..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        self.read += count;
        Ok(count)
    }
}

/// A connection's error, told by its causes: the outermost names the URL and says little.
fn broken(error: reqwest::Error, step: Step) -> FetchError {
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    FetchError::Network { step, reason }
}
