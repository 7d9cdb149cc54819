//! Where a commit can be looked at.

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::event::CommitId;

/// The most characters of a link; Slack takes no longer URL.
pub const MAX_LINK_CHARS: usize = 2_000;

/// The address of a page that people may open: http or https, without credentials.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Link(String);

impl Link {
    /// Reads a link.
    pub fn parse(text: &str) -> Result<Self, InvalidLink> {
        let url = Url::parse(text).map_err(|_| InvalidLink)?;
        let is_plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        // The URL standard leaves these as they are; in Slack's markup and in HTML they mean something.
        let text = String::from(url)
            .replace('|', "%7C")
            .replace('<', "%3C")
            .replace('>', "%3E")
            .replace('"', "%22")
            .replace('\'', "%27");
        if is_plain && text.chars().count() <= MAX_LINK_CHARS {
            Ok(Self(text))
        } else {
            Err(InvalidLink)
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Link {
    type Error = InvalidLink;

    fn try_from(text: String) -> Result<Self, InvalidLink> {
        Self::parse(&text)
    }
}

impl From<Link> for String {
    fn from(link: Link) -> Self {
        link.0
    }
}

/// Not an address of a page that people may open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a link: http or https, without credentials, at most {MAX_LINK_CHARS} characters")]
pub struct InvalidLink;

/// The software a forge runs, as far as its links differ.
enum Forge {
    GitHub,
    GitLab,
    /// Gitea, Forgejo.
    Gitea,
    Bitbucket,
}

/// The page of a commit, if the repository's URL is one of a forge that is known: github.com, gitlab.com,
/// codeberg.org, gitea.com, bitbucket.org, and hosts that carry the software's name as their first label
/// (`gitlab.example.com`). Credentials in the URL do not get into the link.
pub fn commit_link(repository: &str, id: &CommitId) -> Option<Link> {
    let url = Url::parse(repository).ok()?;
    let host = url.host_str()?;
    let (forge, host) = known_forge(host)?;
    // An ssh port says nothing about the web port.
    let port = match (url.scheme(), url.port()) {
        ("https" | "http", Some(port)) => format!(":{port}"),
        ("https" | "http" | "ssh" | "git+ssh", _) => String::new(),
        _ => return None,
    };
    let path = url.path().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    if path.split('/').filter(|segment| !segment.is_empty()).count() < 2 {
        return None;
    }
    let page = match forge {
        Forge::GitHub | Forge::Gitea => "commit",
        Forge::GitLab => "-/commit",
        Forge::Bitbucket => "commits",
    };
    Link::parse(&format!("https://{host}{port}/{path}/{page}/{}", id.as_str())).ok()
}

/// The forge behind a host, and the host of its pages.
fn known_forge(host: &str) -> Option<(Forge, &str)> {
    Some(match host {
        "github.com" | "ssh.github.com" | "www.github.com" => (Forge::GitHub, "github.com"),
        "gitlab.com" | "altssh.gitlab.com" => (Forge::GitLab, "gitlab.com"),
        "bitbucket.org" | "altssh.bitbucket.org" => (Forge::Bitbucket, "bitbucket.org"),
        "codeberg.org" | "gitea.com" => (Forge::Gitea, host),
        _ => match host.split_once('.')?.0 {
            "github" => (Forge::GitHub, host),
            "gitlab" => (Forge::GitLab, host),
            "gitea" | "forgejo" => (Forge::Gitea, host),
            // A self-hosted Bitbucket has other paths, which the URL of a clone does not give away.
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d3f2a1b9c0d";

    #[test]
    fn known_forges_have_a_page_for_a_commit() {
        let id = CommitId::parse(ID).unwrap();
        for (repository, page) in [
            (
                "https://github.com/acme/apps",
                "https://github.com/acme/apps/commit/",
            ),
            (
                "https://github.com/acme/apps.git/",
                "https://github.com/acme/apps/commit/",
            ),
            (
                "ssh://git@github.com/acme/apps.git",
                "https://github.com/acme/apps/commit/",
            ),
            (
                "ssh://git@ssh.github.com:443/acme/apps.git",
                "https://github.com/acme/apps/commit/",
            ),
            (
                "https://user:hunter2@github.com/acme/apps",
                "https://github.com/acme/apps/commit/",
            ),
            (
                "https://gitlab.com/acme/team/apps.git",
                "https://gitlab.com/acme/team/apps/-/commit/",
            ),
            (
                "https://gitlab.example.com:8443/a/b",
                "https://gitlab.example.com:8443/a/b/-/commit/",
            ),
            (
                "ssh://git@gitlab.example.com:2222/a/b",
                "https://gitlab.example.com/a/b/-/commit/",
            ),
            ("https://codeberg.org/a/b", "https://codeberg.org/a/b/commit/"),
            (
                "https://forgejo.example.org/a/b",
                "https://forgejo.example.org/a/b/commit/",
            ),
            (
                "https://bitbucket.org/a/b.git",
                "https://bitbucket.org/a/b/commits/",
            ),
            (
                "https://github.com/a/b|c>d",
                "https://github.com/a/b%7Cc%3Ed/commit/",
            ),
        ] {
            let link = commit_link(repository, &id);
            assert_eq!(link.unwrap().as_str(), format!("{page}{ID}"), "{repository}");
        }
    }

    #[test]
    fn elsewhere_there_is_no_link() {
        let id = CommitId::parse(ID).unwrap();
        for repository in [
            "https://git.example.com/a/b",
            "https://github.com/acme",
            "https://notgithub.com/a/b",
            "file:///srv/git/apps.git",
            "http://127.0.0.1:8080/apps.git",
            "github.com/a/b",
            "",
        ] {
            assert_eq!(commit_link(repository, &id), None, "{repository}");
        }
    }

    #[test]
    fn only_plain_web_addresses_are_links() {
        for bad in [
            "javascript:alert(1)",
            "https://user@example.com/",
            "ftp://example.com/",
            "x",
            "",
        ] {
            assert_eq!(Link::parse(bad), Err(InvalidLink), "{bad}");
        }
        let longest = format!("https://example.com/{}", "a".repeat(MAX_LINK_CHARS - 20));
        assert!(Link::parse(&longest).is_ok());
        assert!(Link::parse(&format!("{longest}a")).is_err());
    }
}
