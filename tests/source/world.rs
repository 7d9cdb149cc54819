//! A repository, a state directory, and how to fetch from the one into the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use fluxops::api::{GitReference, SecretData};
use fluxops::source::{
    Credentials, Fetch, FetchError, GitUrl, Home, Mirror, Oid, RawObject, Revision, WantApprovals, fetch,
};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::support::git_servers::{Certificates, GitServer, SshServer};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short, for servers that never answer.
pub(crate) const IMPATIENCE: Duration = Duration::from_millis(700);
pub(crate) const PASSWORD: &str = "p4ssw0rd-marker";

/// A folder with a bare repository `apps.git`, a clone to work in, and a state directory.
pub(crate) struct World {
    folder: TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self {
            folder: TempDir::new().unwrap(),
        };
        world.git(&["init", "-q", "--bare", "-b", "main", "served/apps.git"]);
        world.git(&["clone", "-q", "served/apps.git", "work"]);
        world.git(&["-C", "work", "checkout", "-q", "-b", "main"]);
        world.push("one");
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap())
            .env("HOME", self.folder.path())
            .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_TERMINAL_PROMPT", "0")])
            .envs([
                ("GIT_AUTHOR_NAME", "Ada"),
                ("GIT_AUTHOR_EMAIL", "ada@example.com"),
            ])
            .envs([
                ("GIT_COMMITTER_NAME", "Ada"),
                ("GIT_COMMITTER_EMAIL", "ada@example.com"),
            ])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Commits a file with the text to the branch that is checked out, and pushes it; the commit's id.
    pub(crate) fn push(&self, text: &str) -> String {
        std::fs::create_dir_all(self.path("work/app")).unwrap();
        self.write("work/app/file", text);
        self.git(&["-C", "work", "add", "."]);
        self.git(&["-C", "work", "commit", "-q", "-m", text]);
        self.git(&["-C", "work", "push", "-q", "origin", "HEAD"]);
        self.git(&["-C", "work", "rev-parse", "HEAD"])
    }

    pub(crate) fn local(&self) -> Fetch {
        remote(&format!("file://{}", self.text("served/apps.git")), &[])
    }

    pub(crate) async fn fetch(&self, remote: Fetch, reference: GitReference) -> Result<Revision, FetchError> {
        fetch(Fetch {
            state_dir: self.path("state"),
            reference: Some(reference),
            ..remote
        })
        .await
    }

    pub(crate) fn mirror(&self, url: &str) -> Mirror {
        Mirror::of(
            &self.path("state"),
            &GitUrl::parse(url, Home::ConfigFile).unwrap(),
        )
    }

    /// Serves `apps.git` over HTTP.
    pub(crate) fn serve(&self, more: &[&str]) -> GitServer {
        GitServer::start(&self.path("served"), self.path("requests"), more)
    }

    /// Serves `apps.git` over SSH.
    pub(crate) fn serve_ssh(&self, more: &[&str]) -> SshServer {
        SshServer::start(&self.path("served"), self.folder.path(), more)
    }

    pub(crate) fn certificates(&self) -> Certificates {
        Certificates::make(self.folder.path())
    }
}

pub(crate) fn secret(entries: &[(&str, &str)]) -> SecretData {
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), Zeroizing::new(value.as_bytes().to_vec()));
    entries.iter().map(entry).collect::<BTreeMap<_, _>>()
}

pub(crate) fn remote(url: &str, entries: &[(&str, &str)]) -> Fetch {
    let url = GitUrl::parse(url, Home::ConfigFile).unwrap();
    let credentials = match entries {
        [] => Credentials::anonymous(),
        entries => Credentials::from_secret(&url, secret(entries)).unwrap(),
    };
    Fetch {
        url,
        reference: None,
        credentials,
        proxy: None,
        timeout: PATIENCE,
        approvals: WantApprovals::Never,
        state_dir: PathBuf::new(),
    }
}

pub(crate) fn main_branch() -> GitReference {
    GitReference {
        branch: Some("main".into()),
        ..GitReference::default()
    }
}

pub(crate) fn tag(name: &str) -> GitReference {
    GitReference {
        tag: Some(name.into()),
        ..GitReference::default()
    }
}

pub(crate) fn name(revision: &Revision) -> &str {
    revision.reference().unwrap().as_str()
}

/// An object, if it can be read.
pub(crate) fn read(revision: &Revision, id: Oid) -> Option<RawObject> {
    revision.objects().ok()?.raw_object(id, 1 << 20).ok()
}

/// The whole chain of an error, as it is logged.
pub(crate) fn told(error: &FetchError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
