//! What a repository is opened with, from the Secrets that `secretRef` and `proxySecretRef` name.
//!
//! Keys have Flux's names. A key that would be ignored is refused instead: the user believes that it counts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::known_hosts::{InvalidKnownHosts, KnownHosts};
use super::url::{GitUrl, Location, Tls};
use crate::api::SecretData;

/// What a repository is opened with. It fits the scheme of the URL it was made for.
pub struct Credentials(pub(super) Kind);

pub(super) enum Kind {
    /// A public repository.
    Anonymous,
    Http(HttpCredentials),
    Ssh(SshCredentials),
}

#[derive(Default)]
pub(super) struct HttpCredentials {
    /// The value of the header `Authorization`.
    pub(super) authorization: Option<Zeroizing<String>>,
    /// PEM certificates; when given, no other authority is trusted.
    pub(super) authority: Option<Zeroizing<Vec<u8>>>,
    /// The client's certificate chain and key, one PEM text.
    pub(super) client: Option<Zeroizing<Vec<u8>>>,
}

pub(super) struct SshCredentials {
    /// A private key in one of OpenSSH's formats.
    pub(super) identity: Zeroizing<String>,
    pub(super) passphrase: Option<Zeroizing<String>>,
    pub(super) known_hosts: KnownHosts,
}

/// A proxy for http and https, with its own credentials.
pub struct Proxy {
    /// `http://…` or `https://…`, without user information.
    pub(super) address: reqwest::Url,
    pub(super) login: Option<Login>,
}

/// A user and a password.
pub(super) struct Login {
    pub(super) user: Zeroizing<String>,
    pub(super) password: Zeroizing<String>,
}

/// Why the data of a Secret is not taken. Names keys, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCredentials {
    /// A key that this kind of URL has no use for.
    #[error("the Secret's key {0:?} is of no use for {1}")]
    UnknownKey(String, &'static str),
    /// A key that another one needs.
    #[error("the Secret has {0:?} but not {1:?}")]
    Missing(&'static str, &'static str),
    /// A key that cannot be done without.
    #[error("the Secret has no {0:?}, which {1} needs")]
    Required(&'static str, &'static str),
    /// Two keys that say the same thing differently.
    #[error("the Secret has both {0:?} and {1:?}; only one can count")]
    Contradictory(&'static str, &'static str),
    /// A value that cannot be what it should be.
    #[error("the Secret's {0:?} {1}")]
    Value(&'static str, &'static str),
    /// `known_hosts` cannot be used.
    #[error("the Secret's \"known_hosts\" cannot be used")]
    KnownHosts(#[source] InvalidKnownHosts),
    /// Credentials for a connection that everybody can listen to.
    #[error("http:// carries credentials in the clear; use https://")]
    InTheClear,
    /// Credentials for a folder.
    #[error("file:// takes no credentials")]
    ForFolder,
    /// They were made for another URL, or ssh:// has none.
    #[error("the URL needs other credentials; ssh:// needs a Secret with \"identity\" and \"known_hosts\"")]
    Unfit,
}

impl Credentials {
    /// None: for public repositories and folders.
    pub fn anonymous() -> Self {
        Self(Kind::Anonymous)
    }

    /// Reads the data of the Secret that `secretRef` names, for use with `url`.
    pub fn from_secret(url: &GitUrl, data: SecretData) -> Result<Self, InvalidCredentials> {
        match url.location() {
            Location::Http(_, Tls::Encrypted) => {
                http_credentials(Fields(data)).map(|http| Self(Kind::Http(http)))
            }
            Location::Http(_, Tls::Plain) => Err(InvalidCredentials::InTheClear),
            Location::Ssh(_) => ssh_credentials(Fields(data)).map(|ssh| Self(Kind::Ssh(ssh))),
            Location::Local(_) => Err(InvalidCredentials::ForFolder),
        }
    }
}

impl Proxy {
    /// Reads the data of the Secret that `proxySecretRef` names: `address`, and both or none of `username` and
    /// `password`.
    pub fn from_secret(data: SecretData) -> Result<Self, InvalidCredentials> {
        const ADDRESS: &str = "address";
        let mut fields = Fields(data);
        let address = fields
            .text(ADDRESS)?
            .ok_or(InvalidCredentials::Required(ADDRESS, "a proxy"))?;
        let invalid = InvalidCredentials::Value(
            ADDRESS,
            "is not http://HOST:PORT or https://HOST:PORT (user and password have their own keys)",
        );
        let address = reqwest::Url::parse(&address).map_err(|_| invalid.clone())?;
        let plain = matches!(address.scheme(), "http" | "https")
            && address.has_host()
            && address.username().is_empty()
            && address.password().is_none()
            && matches!(address.path(), "" | "/")
            && address.query().is_none();
        if !plain {
            return Err(invalid);
        }
        let login = fields.login()?;
        fields.end("a proxy")?;
        Ok(Self { address, login })
    }
}

fn http_credentials(mut fields: Fields) -> Result<HttpCredentials, InvalidCredentials> {
    let login = fields.login()?.map(|Login { user, password }| {
        let pair = Zeroizing::new(format!("{}:{}", *user, *password));
        Zeroizing::new(format!(
            "Basic {}",
            *Zeroizing::new(STANDARD.encode(pair.as_bytes()))
        ))
    });
    let bearer = fields
        .text("bearerToken")?
        .map(|token| Zeroizing::new(format!("Bearer {}", *token)));
    if login.is_some() && bearer.is_some() {
        return Err(InvalidCredentials::Contradictory("username", "bearerToken"));
    }
    let authority = match (fields.pem("ca.crt")?, fields.pem("caFile")?) {
        (Some(_), Some(_)) => return Err(InvalidCredentials::Contradictory("ca.crt", "caFile")),
        (one, other) => one.or(other),
    };
    let client = match (fields.pem("tls.crt")?, fields.pem("tls.key")?) {
        (Some(mut chain), Some(key)) => {
            let mut both = Zeroizing::new(Vec::with_capacity(chain.len() + key.len() + 1));
            both.append(&mut chain);
            both.push(b'\n');
            both.extend_from_slice(&key);
            Some(both)
        }
        (None, None) => None,
        (Some(_), None) => return Err(InvalidCredentials::Missing("tls.crt", "tls.key")),
        (None, Some(_)) => return Err(InvalidCredentials::Missing("tls.key", "tls.crt")),
    };
    fields.end("https://")?;
    Ok(HttpCredentials {
        authorization: login.or(bearer),
        authority,
        client,
    })
}

fn ssh_credentials(mut fields: Fields) -> Result<SshCredentials, InvalidCredentials> {
    const SCHEME: &str = "ssh://";
    let identity = fields
        .lines("identity")?
        .ok_or(InvalidCredentials::Required("identity", SCHEME))?;
    let known_hosts = fields
        .lines("known_hosts")?
        .ok_or(InvalidCredentials::Required("known_hosts", SCHEME))?;
    let known_hosts = KnownHosts::parse(&known_hosts).map_err(InvalidCredentials::KnownHosts)?;
    let passphrase = fields.text("password")?;
    // `flux create secret git` writes it beside the private key, from which it can be derived.
    fields.take("identity.pub");
    fields.end(SCHEME)?;
    Ok(SshCredentials {
        identity,
        passphrase,
        known_hosts,
    })
}

/// The keys of a Secret that have not been looked at yet.
struct Fields(SecretData);

impl Fields {
    fn take(&mut self, key: &str) -> Option<Zeroizing<Vec<u8>>> {
        self.0.remove(key)
    }

    /// A value of several lines.
    fn lines(&mut self, key: &'static str) -> Result<Option<Zeroizing<String>>, InvalidCredentials> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        match std::str::from_utf8(&value) {
            Ok("") => Err(InvalidCredentials::Value(key, "is empty")),
            Ok(text) => Ok(Some(Zeroizing::new(text.to_owned()))),
            Err(_) => Err(InvalidCredentials::Value(key, "is not UTF-8")),
        }
    }

    /// A value of one line. A newline at its end, as editors leave it, would silently become part of a password.
    fn text(&mut self, key: &'static str) -> Result<Option<Zeroizing<String>>, InvalidCredentials> {
        match self.lines(key)? {
            Some(text) if text.ends_with(['\n', '\r']) => {
                Err(InvalidCredentials::Value(key, "ends with a newline"))
            }
            Some(text) if text.chars().any(char::is_control) => {
                Err(InvalidCredentials::Value(key, "has a control character"))
            }
            text => Ok(text),
        }
    }

    /// A value in PEM (RFC 7468).
    fn pem(&mut self, key: &'static str) -> Result<Option<Zeroizing<Vec<u8>>>, InvalidCredentials> {
        match self.lines(key)? {
            Some(text) if !text.contains("-----BEGIN ") => Err(InvalidCredentials::Value(key, "is not PEM")),
            Some(text) => Ok(Some(Zeroizing::new(text.as_bytes().to_vec()))),
            None => Ok(None),
        }
    }

    fn login(&mut self) -> Result<Option<Login>, InvalidCredentials> {
        match (self.text("username")?, self.text("password")?) {
            // A colon would end the user's name (RFC 7617 §2).
            (Some(user), Some(_)) if user.contains(':') => {
                Err(InvalidCredentials::Value("username", "has a colon"))
            }
            (Some(user), Some(password)) => Ok(Some(Login { user, password })),
            (None, None) => Ok(None),
            (Some(_), None) => Err(InvalidCredentials::Missing("username", "password")),
            (None, Some(_)) => Err(InvalidCredentials::Missing("password", "username")),
        }
    }

    fn end(self, purpose: &'static str) -> Result<(), InvalidCredentials> {
        match self.0.into_keys().next() {
            Some(key) => Err(InvalidCredentials::UnknownKey(key, purpose)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::url::Home;
    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
    const HOSTS: &str =
        "git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio\n";

    fn data(entries: &[(&str, &str)]) -> SecretData {
        let entry =
            |(key, value): &(&str, &str)| ((*key).to_owned(), Zeroizing::new(value.as_bytes().to_vec()));
        entries.iter().map(entry).collect()
    }

    fn read(url: &str, entries: &[(&str, &str)]) -> Result<Credentials, InvalidCredentials> {
        Credentials::from_secret(&GitUrl::parse(url, Home::ConfigFile).unwrap(), data(entries))
    }

    #[test]
    fn a_login_becomes_a_header() {
        for (entries, wanted) in [
            (
                &[("username", "Aladdin"), ("password", "open sesame")][..],
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            (&[("bearerToken", "token")][..], "Bearer token"),
        ] {
            let Credentials(Kind::Http(http)) = read("https://git.example/apps", entries).unwrap() else {
                panic!()
            };
            assert_eq!(http.authorization.unwrap().as_str(), wanted);
        }
    }

    #[test]
    fn what_contradicts_or_does_not_count_is_refused_by_name() {
        use InvalidCredentials::{
            Contradictory, ForFolder, InTheClear, Missing, Required, UnknownKey, Value,
        };
        let https = "https://git.example/apps";
        let ssh = "ssh://git@git.example/apps";
        for (url, entries, wanted) in [
            (https, &[("username", "ada")][..], Missing("username", "password")),
            (https, &[("password", "x")][..], Missing("password", "username")),
            (
                https,
                &[("username", "a:b"), ("password", "x")][..],
                Value("username", "has a colon"),
            ),
            (
                https,
                &[("username", "a"), ("password", "x\n")][..],
                Value("password", "ends with a newline"),
            ),
            (
                https,
                &[("bearerToken", "a\u{7}b")][..],
                Value("bearerToken", "has a control character"),
            ),
            (
                https,
                &[("bearerToken", "")][..],
                Value("bearerToken", "is empty"),
            ),
            (
                https,
                &[("username", "a"), ("password", "x"), ("bearerToken", "t")][..],
                Contradictory("username", "bearerToken"),
            ),
            (
                https,
                &[("ca.crt", PEM), ("caFile", PEM)][..],
                Contradictory("ca.crt", "caFile"),
            ),
            (
                https,
                &[("ca.crt", "nonsense")][..],
                Value("ca.crt", "is not PEM"),
            ),
            (https, &[("tls.crt", PEM)][..], Missing("tls.crt", "tls.key")),
            (https, &[("tls.key", PEM)][..], Missing("tls.key", "tls.crt")),
            (
                https,
                &[("identity", "key")][..],
                UnknownKey("identity".into(), "https://"),
            ),
            (
                https,
                &[("githubAppID", "1")][..],
                UnknownKey("githubAppID".into(), "https://"),
            ),
            (ssh, &[("known_hosts", HOSTS)][..], Required("identity", "ssh://")),
            (ssh, &[("identity", "key")][..], Required("known_hosts", "ssh://")),
            (
                ssh,
                &[("identity", "key"), ("known_hosts", HOSTS), ("username", "ada")][..],
                UnknownKey("username".into(), "ssh://"),
            ),
            (
                "http://git.example/apps",
                &[("username", "a"), ("password", "x")][..],
                InTheClear,
            ),
            ("http://git.example/apps", &[][..], InTheClear),
            ("file:///srv/apps", &[("ca.crt", PEM)][..], ForFolder),
        ] {
            assert_eq!(
                read(url, entries).err(),
                Some(wanted),
                "{url} {:?}",
                entries.first()
            );
        }
    }

    #[test]
    fn an_ssh_secret_as_flux_writes_it_is_taken() {
        let entries = [
            ("identity", "key"),
            ("identity.pub", "ssh-ed25519 AAAA"),
            ("known_hosts", HOSTS),
            ("password", "x"),
        ];
        assert!(read("ssh://git@git.example/apps", &entries).is_ok());
    }

    #[test]
    fn a_proxy_is_http_or_https_without_user_information() {
        for address in ["http://proxy.example:3128", "https://proxy.example/"] {
            assert!(
                Proxy::from_secret(data(&[("address", address)])).is_ok(),
                "{address}"
            );
        }
        for address in [
            "socks5://proxy:1080",
            "proxy:3128",
            "http://ada:secret@proxy:3128",
            "http://proxy/x",
        ] {
            let error = Proxy::from_secret(data(&[("address", address)])).err().unwrap();
            assert!(
                matches!(error, InvalidCredentials::Value("address", _)),
                "{address}"
            );
            assert!(!error.to_string().contains("secret"));
        }
        let error = Proxy::from_secret(data(&[("address", "http://proxy:1"), ("user", "ada")])).err();
        assert_eq!(
            error,
            Some(InvalidCredentials::UnknownKey("user".into(), "a proxy"))
        );
        assert!(Proxy::from_secret(data(&[])).is_err());
    }
}
