//! `git-upload-pack` over SSH, through libssh2. Whom we talk to is decided by [`KnownHosts`], not by the library.

use std::io::{Read as _, Write as _};

use ssh2::{Channel, ErrorCode, MethodType, Session};

use super::clock::{Clock, Step};
use super::credentials::SshCredentials;
use super::error::FetchError;
use super::known_hosts::{KnownHosts, Verdict, fingerprint};
use super::pkt_line::Incoming;
use super::upload_pack::{Discretion, MAX_MESSAGE, Transport, refused};
use super::url::SshLocation;

/// `LIBSSH2_ERROR_TIMEOUT`
const TIMEOUT: ErrorCode = ErrorCode::Session(-9);
/// `LIBSSH2_ERROR_SOCKET_TIMEOUT`
const SOCKET_TIMEOUT: ErrorCode = ErrorCode::Session(-30);
/// Host key algorithms that are never asked for: SHA-1 and DSA.
const WEAK_ALGORITHMS: [&str; 3] = ["ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "ssh-dss"];

/// A repository on an SSH server.
pub(super) struct Ssh<'source> {
    location: &'source SshLocation,
    credentials: &'source SshCredentials,
    connection: Option<Connection>,
}

struct Connection {
    session: Session,
    channel: Channel,
}

impl<'source> Ssh<'source> {
    pub(super) fn new(location: &'source SshLocation, credentials: &'source SshCredentials) -> Self {
        Self {
            location,
            credentials,
            connection: None,
        }
    }
}

impl Transport for Ssh<'_> {
    fn open(&mut self, clock: &Clock) -> Result<Box<dyn Incoming + '_>, FetchError> {
        let SshLocation {
            user,
            host,
            port,
            path,
        } = self.location;
        let connecting = |error| broken(&error, clock, Step::Connect);
        let stream = clock
            .wait(
                Step::Connect,
                tokio::net::TcpStream::connect((host.as_str(), *port)),
            )?
            .and_then(tokio::net::TcpStream::into_std)
            .and_then(|stream| stream.set_nonblocking(false).map(|()| stream))
            .map_err(|error| FetchError::Network {
                step: Step::Connect,
                reason: error.to_string(),
            })?;
        let mut session = Session::new().map_err(connecting)?;
        session.set_tcp_stream(stream);
        prefer_known_keys(&session, &self.credentials.known_hosts, self.location).map_err(connecting)?;
        limit(&session, clock, Step::Connect)?;
        session.handshake().map_err(connecting)?;
        check_host_key(&session, &self.credentials.known_hosts, self.location)?;

        limit(&session, clock, Step::Connect)?;
        let passphrase = self.credentials.passphrase.as_ref().map(|text| text.as_str());
        session
            .userauth_pubkey_memory(user, None, &self.credentials.identity, passphrase)
            .map_err(|error| match broken(&error, clock, Step::Connect) {
                timeout @ FetchError::Timeout { .. } => timeout,
                _ => FetchError::SshLogin { user: user.clone() },
            })?;

        limit(&session, clock, Step::Connect)?;
        let mut channel = session.channel_session().map_err(connecting)?;
        // A server that does not accept the variable speaks the first protocol, which is as well.
        let _ = channel.setenv("GIT_PROTOCOL", "version=2");
        channel
            .exec(&format!("git-upload-pack {}", quoted(path)))
            .map_err(connecting)?;
        let connection = self.connection.insert(Connection { session, channel });
        Ok(Box::new(Output {
            connection,
            clock: clock.clone(),
            step: Step::References,
        }))
    }

    fn ask(
        &mut self,
        request: Vec<u8>,
        clock: &Clock,
        step: Step,
    ) -> Result<Box<dyn Incoming + '_>, FetchError> {
        let connection = self
            .connection
            .as_mut()
            .ok_or(FetchError::Protocol("it was not asked to begin"))?;
        let mut rest = request.as_slice();
        while !rest.is_empty() {
            limit(&connection.session, clock, step)?;
            let count = connection
                .channel
                .write(rest)
                .map_err(|error| broken_pipe(&error, clock, step))?;
            rest = rest.get(count..).unwrap_or_default();
        }
        Ok(Box::new(Output {
            connection,
            clock: clock.clone(),
            step,
        }))
    }

    fn discretion(&self) -> Discretion {
        // A private key is never sent.
        Discretion::Quote
    }
}

/// What the program on the server prints.
struct Output<'channel> {
    connection: &'channel mut Connection,
    clock: Clock,
    step: Step,
}

impl Incoming for Output<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, FetchError> {
        limit(&self.connection.session, &self.clock, self.step)?;
        let channel = &mut self.connection.channel;
        let count = channel
            .read(buffer)
            .map_err(|error| broken_pipe(&error, &self.clock, self.step))?;
        if count > 0 {
            return Ok(count);
        }
        // It ended; what it wrote to its standard error says why.
        let mut message = [0; MAX_MESSAGE];
        match channel.stderr().read(&mut message) {
            Ok(count) if count > 0 => Err(refused(
                message.get(..count).unwrap_or_default(),
                Discretion::Quote,
            )),
            _ => Ok(0),
        }
    }
}

/// Asks for the kinds of key that are known first, and for the others behind them, so that a changed key is seen
/// and named rather than ending in "no common algorithm".
fn prefer_known_keys(
    session: &Session,
    known: &KnownHosts,
    location: &SshLocation,
) -> Result<(), ssh2::Error> {
    let supported = session.supported_algs(MethodType::HostKey)?;
    let mut wishes = known.algorithms(&location.host, location.port);
    wishes.retain(|wish| supported.contains(wish));
    for algorithm in supported {
        if !WEAK_ALGORITHMS.contains(&algorithm) && !wishes.contains(&algorithm) {
            wishes.push(algorithm);
        }
    }
    session.method_pref(MethodType::HostKey, &wishes.join(","))
}

fn check_host_key(session: &Session, known: &KnownHosts, location: &SshLocation) -> Result<(), FetchError> {
    let (key, _) = session
        .host_key()
        .ok_or(FetchError::Protocol("it shows no host key"))?;
    let SshLocation { host, port, .. } = location;
    let host_and_port = if *port == 22 {
        host.clone()
    } else {
        format!("[{host}]:{port}")
    };
    match known.verdict(host, *port, key) {
        Verdict::Known => Ok(()),
        Verdict::Unknown => Err(FetchError::HostKeyUnknown {
            host: host_and_port,
            fingerprint: fingerprint(key),
        }),
        Verdict::Mismatch => Err(FetchError::HostKeyMismatch {
            host: host_and_port,
            fingerprint: fingerprint(key),
        }),
        Verdict::Revoked => Err(FetchError::HostKeyRevoked {
            host: host_and_port,
            fingerprint: fingerprint(key),
        }),
    }
}

/// A path for the shell on the server, quoted as git does it (quote.c, `sq_quote_buf`).
fn quoted(path: &str) -> String {
    let inner = path.replace('\'', "'\\''").replace('!', "'\\!'");
    format!("'{inner}'")
}

/// Gives the next call of the library as long as the clock allows.
fn limit(session: &Session, clock: &Clock, step: Step) -> Result<(), FetchError> {
    let left = clock.left(step)?;
    session.set_timeout(u32::try_from(left.as_millis()).unwrap_or(u32::MAX).max(1));
    Ok(())
}

fn broken(error: &ssh2::Error, clock: &Clock, step: Step) -> FetchError {
    match error.code() {
        TIMEOUT | SOCKET_TIMEOUT => clock.timeout(step),
        _ => FetchError::Network {
            step,
            reason: error.message().to_owned(),
        },
    }
}

fn broken_pipe(error: &std::io::Error, clock: &Clock, step: Step) -> FetchError {
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => clock.timeout(step),
        _ => FetchError::Network {
            step,
            reason: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        for path in [
            "/srv/apps.git",
            "/it's; rm -rf $HOME `id` \\ \"x\"",
            "/a!b",
            "~ada/x",
        ] {
            let script = format!("printf %s {}", quoted(path));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
        }
    }
}
