//! Where a repository is: a URL whose parts have been looked at, and that holds no secret.

use std::fmt;

use reqwest::Url;

/// The longest URL that is taken, in bytes; servers and proxies commonly end there.
pub const MAX_URL: usize = 2048;
/// The port of an SSH server when the URL names none (RFC 4253 §4.1).
const SSH_PORT: u16 = 22;
/// The SSH user when the URL names none, as in Flux.
const SSH_USER: &str = "git";

/// Where a `GitSource` was written down: that decides whether it may name a folder of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// A custom resource: whoever wrote it may have no rights on the machine that fluxops runs on.
    Cluster,
    /// A file given with `--config`.
    ConfigFile,
}

/// The URL of a Git repository, without user information that could be a secret.
///
/// `Display` shows the normalised URL. Every part is safe to show: what could hold a credential is refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GitUrl {
    text: String,
    location: Location,
}

/// What a URL leads to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Location {
    /// A smart HTTP server; the URL ends without a slash.
    Http(Url, Tls),
    /// An SSH server.
    Ssh(SshLocation),
    /// A folder of this machine.
    Local(std::path::PathBuf),
}

/// Whether a connection to an HTTP server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tls {
    /// `https`
    Encrypted,
    /// `http`
    Plain,
}

/// Where an SSH server is, and the path of the repository on it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SshLocation {
    pub(super) user: String,
    /// A name or an address, the latter without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the remote `git-upload-pack` gets it.
    pub(super) path: String,
}

/// Why a URL is not taken. The URL itself is never part of the message: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Longer than [`MAX_URL`].
    #[error("the URL is longer than {MAX_URL} bytes")]
    TooLong,
    /// White space, a control character, or a character that is not ASCII.
    #[error("the URL has a space, a control character, a backslash or a character that is not ASCII")]
    Character,
    /// `user@host:path`.
    #[error("the URL has no scheme; write git@host:path as ssh://git@host/path")]
    NoScheme,
    /// Not https, ssh, http or file.
    #[error(
        "the URL's scheme is {0:?}; there are https, ssh, http (without credentials) and file (with --config)"
    )]
    Scheme(String),
    /// Not a URL.
    #[error("the URL cannot be parsed")]
    Syntax,
    /// A user or password before the host.
    #[error("the URL has credentials before its host; put them into the Secret that secretRef names")]
    Credentials,
    /// Something after `?` or `#`.
    #[error("the URL has a query or a fragment")]
    Query,
    /// Not a host name or address, or one that reads like an option.
    #[error("the URL's host is not a host name or an address")]
    Host,
    /// An SSH user that reads like an option or holds odd characters.
    #[error("the URL's user may only have letters, digits, '.', '_', '+' and '-', and not begin with '-'")]
    User,
    /// No path, or one with `..`.
    #[error("the URL's path is empty, has a '..' or begins with '-'")]
    Path,
    /// `file://` in a custom resource.
    #[error("file:// is only possible with --config")]
    FileInCluster,
}

impl GitUrl {
    /// Parses a URL. `home` is where it was written down.
    pub fn parse(text: &str, home: Home) -> Result<Self, InvalidUrl> {
        if text.len() > MAX_URL {
            return Err(InvalidUrl::TooLong);
        }
        // The parser of the URL standard drops tabs and newlines and reads a backslash as a slash.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(InvalidUrl::Character);
        }
        let (scheme, _) = text.split_once("://").ok_or(InvalidUrl::NoScheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "https" | "http" | "ssh" | "file") {
            return Err(InvalidUrl::Scheme(shown_scheme(&scheme)));
        }
        let url = Url::parse(text).map_err(|_| InvalidUrl::Syntax)?;
        if url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidUrl::Query);
        }
        if url.password().is_some() || (scheme != "ssh" && !url.username().is_empty()) {
            return Err(InvalidUrl::Credentials);
        }
        let path = checked_path(&url)?;
        let location = match scheme.as_str() {
            "file" => Location::Local(local_path(&url, path, home)?),
            "ssh" => Location::Ssh(ssh_location(&url, path)?),
            other => {
                checked_host(&url)?;
                let tls = if other == "https" {
                    Tls::Encrypted
                } else {
                    Tls::Plain
                };
                let mut base = url.clone();
                base.set_path(url.path().trim_end_matches('/'));
                Location::Http(base, tls)
            }
        };
        Ok(Self {
            text: url.as_str().trim_end_matches('/').to_owned(),
            location,
        })
    }

    /// The host, for messages; None for a folder of this machine.
    pub fn host(&self) -> Option<&str> {
        match &self.location {
            Location::Http(url, _) => url.host_str(),
            Location::Ssh(ssh) => Some(&ssh.host),
            Location::Local(_) => None,
        }
    }

    pub(super) fn location(&self) -> &Location {
        &self.location
    }
}

impl fmt::Display for GitUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A scheme for a message: in `user:secret@host://x` the part before `://` is no scheme and must not be shown.
fn shown_scheme(scheme: &str) -> String {
    const LONGEST: usize = 16;
    let is_scheme = scheme.len() <= LONGEST
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if is_scheme {
        scheme.to_owned()
    } else {
        "…".to_owned()
    }
}

/// The decoded path. Git decodes percent signs in ssh:// and file:// URLs (connect.c, `url_decode`), and so do
/// HTTP servers; what is hidden behind them is therefore checked as well.
fn checked_path(url: &Url) -> Result<String, InvalidUrl> {
    let decoded = percent_decoded(url.path()).ok_or(InvalidUrl::Path)?;
    let trimmed = decoded.trim_matches('/');
    let plain = !trimmed.is_empty()
        && !trimmed.starts_with('-')
        && !decoded.chars().any(char::is_control)
        && trimmed.split('/').all(|part| part != "..");
    if plain {
        Ok(decoded.trim_end_matches('/').to_owned())
    } else {
        Err(InvalidUrl::Path)
    }
}

fn checked_host(url: &Url) -> Result<String, InvalidUrl> {
    let host = url.host_str().ok_or(InvalidUrl::Host)?;
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = address {
        return match address.parse::<std::net::Ipv6Addr>() {
            Ok(_) => Ok(address.to_owned()),
            Err(_) => Err(InvalidUrl::Host),
        };
    }
    let plain = !host.is_empty()
        && !host.starts_with(['-', '.'])
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
    if plain {
        Ok(host.to_ascii_lowercase())
    } else {
        Err(InvalidUrl::Host)
    }
}

fn ssh_location(url: &Url, path: String) -> Result<SshLocation, InvalidUrl> {
    let user = match url.username() {
        "" => SSH_USER,
        user => user,
    };
    let plain = !user.starts_with('-')
        && user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'+'));
    if !plain {
        return Err(InvalidUrl::User);
    }
    // `/~user/repo` means the home of a user: git sends it without the slash.
    let path = match path.strip_prefix("/~") {
        Some(rest) => format!("~{rest}"),
        None => path,
    };
    Ok(SshLocation {
        user: user.to_owned(),
        host: checked_host(url)?,
        port: url.port().unwrap_or(SSH_PORT),
        path,
    })
}

fn local_path(url: &Url, path: String, home: Home) -> Result<std::path::PathBuf, InvalidUrl> {
    if home == Home::Cluster {
        return Err(InvalidUrl::FileInCluster);
    }
    match url.host_str() {
        None | Some("" | "localhost") => Ok(path.into()),
        Some(_) => Err(InvalidUrl::Host),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_taken_as_git_writes_them() {
        for (text, shown) in [
            (
                "https://git.example/team/apps.git",
                "https://git.example/team/apps.git",
            ),
            ("HTTPS://Git.Example:443/apps/", "https://git.example/apps"),
            ("http://127.0.0.1:8080/apps.git", "http://127.0.0.1:8080/apps.git"),
            ("https://[::1]:8443/apps", "https://[::1]:8443/apps"),
            (
                "ssh://git@git.example:2222/srv/apps.git",
                "ssh://git@git.example:2222/srv/apps.git",
            ),
            ("file:///srv/apps.git", "file:///srv/apps.git"),
        ] {
            assert_eq!(GitUrl::parse(text, Home::ConfigFile).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn ssh_urls_have_user_host_port_and_path() {
        for (text, user, host, port, path) in [
            ("ssh://git.example/apps", "git", "git.example", 22, "/apps"),
            (
                "ssh://deploy@Git.Example:2222/a%20b",
                "deploy",
                "git.example",
                2222,
                "/a b",
            ),
            (
                "ssh://git@[2001:db8::1]/~ada/apps",
                "git",
                "2001:db8::1",
                22,
                "~ada/apps",
            ),
        ] {
            let url = GitUrl::parse(text, Home::Cluster).unwrap();
            let wanted = SshLocation {
                user: user.into(),
                host: host.into(),
                port,
                path: path.into(),
            };
            assert_eq!(url.location(), &Location::Ssh(wanted), "{text}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (text, wanted) in [
            ("git@git.example:team/apps.git", InvalidUrl::NoScheme),
            ("git.example/apps", InvalidUrl::NoScheme),
            ("git://git.example/apps", InvalidUrl::Scheme("git".into())),
            ("ext::sh -c id", InvalidUrl::Character),
            ("ext://sh", InvalidUrl::Scheme("ext".into())),
            ("ada:hunter2@git.example://x", InvalidUrl::Scheme("…".into())),
            ("https://ada@git.example/apps", InvalidUrl::Credentials),
            ("https://ada:hunter2@git.example/apps", InvalidUrl::Credentials),
            ("ssh://ada:hunter2@git.example/apps", InvalidUrl::Credentials),
            (
                "https://git.example/apps?private_token=hunter2",
                InvalidUrl::Query,
            ),
            ("https://git.example/apps#main", InvalidUrl::Query),
            ("ssh://-oProxyCommand=id/apps", InvalidUrl::Host),
            ("ssh://git@-oProxyCommand/apps", InvalidUrl::Host),
            ("ssh://git@git%0aexample/apps", InvalidUrl::Host),
            ("ssh://-l@git.example/apps", InvalidUrl::User),
            ("ssh://git@git.example/", InvalidUrl::Path),
            ("ssh://git@git.example/--upload-pack=id", InvalidUrl::Path),
            ("https://git.example/a/%2e%2e/b%2f../c", InvalidUrl::Path),
            ("https://git.example/a%0ab", InvalidUrl::Path),
            ("https://git.example/a\tb", InvalidUrl::Character),
            ("https://git.example\\@evil.example/a", InvalidUrl::Character),
            ("https://", InvalidUrl::Syntax),
            ("file:///srv/apps.git", InvalidUrl::FileInCluster),
        ] {
            let error = GitUrl::parse(text, Home::Cluster).unwrap_err();
            assert_eq!(error, wanted, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{text}");
        }
        assert_eq!(
            GitUrl::parse(&format!("https://a/{}", "a".repeat(MAX_URL)), Home::Cluster),
            Err(InvalidUrl::TooLong)
        );
        assert_eq!(
            GitUrl::parse("file://host/srv", Home::ConfigFile),
            Err(InvalidUrl::Host)
        );
    }

    proptest! {
        #[test]
        fn no_password_is_ever_shown(user in "[a-z]{1,8}", rest in "[ -~]{0,40}", scheme in "(https|http|ssh|file|git)") {
            let marker = "p4ssw0rdmarker";
            let text = format!("{scheme}://{user}:{marker}@{rest}");
            let error = GitUrl::parse(&text, Home::ConfigFile).unwrap_err();
            prop_assert!(!error.to_string().contains(marker));
        }

        #[test]
        fn what_is_shown_parses_to_the_same(text in "(https|ssh)://[a-z]{1,9}(:[1-9][0-9]{1,3})?/[a-zA-Z0-9/._~-]{1,30}") {
            if let Ok(url) = GitUrl::parse(&text, Home::Cluster) {
                prop_assert_eq!(GitUrl::parse(&url.to_string(), Home::Cluster).unwrap(), url);
            }
        }
    }
}
