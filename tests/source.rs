//! Fetching, from real servers: git's own upload-pack behind HTTP and sshd, and servers that misbehave.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fluxops::api::{GitReference, SecretData};
use fluxops::source::{
    Credentials, Fetch, FetchError, GitUrl, Home, MAX_MARKS, MAX_PACKS, MAX_TREE_DEPTH, Mirror, ObjectError,
    ObjectType, Oid, Proxy, RawObject, Revision, fetch,
};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// Short, for servers that never answer.
const IMPATIENCE: Duration = Duration::from_millis(700);
const PASSWORD: &str = "p4ssw0rd-marker";

/// A folder with a bare repository `apps.git`, a clone to work in, and a state directory.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self {
            folder: TempDir::new().unwrap(),
        };
        world.git(&["init", "-q", "--bare", "-b", "main", "served/apps.git"]);
        world.git(&["clone", "-q", "served/apps.git", "work"]);
        world.git(&["-C", "work", "checkout", "-q", "-b", "main"]);
        world.push("one");
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, content: &str) -> String {
        std::fs::write(self.path(name), content).unwrap();
        self.text(name)
    }

    fn git(&self, arguments: &[&str]) -> String {
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
    fn push(&self, text: &str) -> String {
        std::fs::create_dir_all(self.path("work/app")).unwrap();
        self.write("work/app/file", text);
        self.git(&["-C", "work", "add", "."]);
        self.git(&["-C", "work", "commit", "-q", "-m", text]);
        self.git(&["-C", "work", "push", "-q", "origin", "HEAD"]);
        self.git(&["-C", "work", "rev-parse", "HEAD"])
    }

    fn local(&self) -> Fetch {
        remote(&format!("file://{}", self.text("served/apps.git")), &[])
    }

    async fn fetch(&self, remote: Fetch, reference: GitReference) -> Result<Revision, FetchError> {
        fetch(Fetch {
            state_dir: self.path("state"),
            reference: Some(reference),
            ..remote
        })
        .await
    }

    fn mirror(&self, url: &str) -> Mirror {
        Mirror::of(
            &self.path("state"),
            &GitUrl::parse(url, Home::ConfigFile).unwrap(),
        )
    }

    /// The requests that a server or a proxy logged.
    fn requests(&self, log: &str) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path(log)).unwrap_or_default();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// A program of `tests/world`, stopped at the end of its scope.
struct Program {
    process: Child,
    url: String,
}

impl Program {
    fn start(script: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/world")
            .join(script);
        let mut process = Command::new("python3")
            .arg(&script)
            .args(arguments)
            .arg("--parent-death")
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed for the servers in tests/world");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening ")
            .unwrap_or_else(|| panic!("{} said {line:?}", script.display()));
        Self {
            url: url.to_owned(),
            process,
        }
    }

    fn git(world: &World, arguments: &[&str]) -> Self {
        let root = world.text("served");
        let log = world.text("requests");
        Self::start(
            "git_http_server.py",
            &[&["--root", &root, "--request-log", &log], arguments].concat(),
        )
    }

    fn port(&self) -> &str {
        self.url.rsplit_once(':').unwrap().1
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn secret(entries: &[(&str, &str)]) -> SecretData {
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), Zeroizing::new(value.as_bytes().to_vec()));
    entries.iter().map(entry).collect::<BTreeMap<_, _>>()
}

fn remote(url: &str, entries: &[(&str, &str)]) -> Fetch {
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
        state_dir: PathBuf::new(),
    }
}

fn main_branch() -> GitReference {
    GitReference {
        branch: Some("main".into()),
        ..GitReference::default()
    }
}

fn tag(name: &str) -> GitReference {
    GitReference {
        tag: Some(name.into()),
        ..GitReference::default()
    }
}

fn name(revision: &Revision) -> &str {
    revision.reference().unwrap().as_str()
}

/// An object, if it can be read.
fn read(revision: &Revision, id: Oid) -> Option<RawObject> {
    revision.objects().ok()?.raw_object(id, 1 << 20).ok()
}

/// The whole chain of an error, as it is logged.
fn told(error: &FetchError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_branch_is_followed() {
    let world = World::new();
    let first = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    let revision = world.fetch(world.local(), main_branch()).await.unwrap();
    assert_eq!(revision.to_string(), format!("main@sha1:{first}"));
    assert_eq!(name(&revision), "refs/heads/main");
    assert_eq!(revision.commit().to_string(), first);
    assert_eq!(revision.tag(), None);
    let raw = read(&revision, revision.commit()).unwrap();
    assert_eq!(raw.kind, ObjectType::Commit);
    assert_eq!(
        String::from_utf8(raw.data).unwrap().trim_end(),
        world.git(&["-C", "work", "cat-file", "commit", &first])
    );

    let second = world.push("two");
    assert_eq!(
        world
            .fetch(world.local(), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    let mirror = revision.mirror().path().to_str().unwrap();
    world.git(&["-C", mirror, "fsck", "--strict"]);
    assert_eq!(
        world.git(&["-C", mirror, "cat-file", "-p", &format!("{second}:app/file")]),
        "two"
    );
}

#[tokio::test]
async fn the_mirror_is_private_and_bare() {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::new();
    let revision = world.fetch(world.local(), main_branch()).await.unwrap();
    for folder in [revision.mirror().path(), &world.path("state/git")] {
        assert_eq!(
            std::fs::metadata(folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }
    assert!(!revision.mirror().path().join("app").exists());
    let names = world.git(&["-C", revision.mirror().path().to_str().unwrap(), "for-each-ref"]);
    assert_eq!(
        names,
        format!("{0} commit\trefs/fluxops/{0}", revision.commit().to_string())
    );
}

#[tokio::test]
async fn tags_lead_to_commits() {
    let world = World::new();
    let commit = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    for arguments in [
        &["tag", "light"][..],
        &["tag", "-a", "-m", "one", "v1.0.0"],
        &["tag", "-a", "-m", "nested", "nested", "v1.0.0"],
        &["tag", "tree", "HEAD^{tree}"],
        &["push", "-q", "--tags"],
    ] {
        world.git(&[&["-C", "work"], arguments].concat());
    }
    let light = world.fetch(world.local(), tag("light")).await.unwrap();
    assert_eq!(
        (light.to_string(), light.tag()),
        (format!("light@sha1:{commit}"), None)
    );

    let annotated = world.fetch(world.local(), tag("v1.0.0")).await.unwrap();
    assert_eq!(annotated.to_string(), format!("v1.0.0@sha1:{commit}"));
    let id = annotated.tag().unwrap();
    assert_eq!(id.to_string(), world.git(&["-C", "work", "rev-parse", "v1.0.0"]));
    let raw = read(&annotated, id).unwrap();
    assert_eq!(raw.kind, ObjectType::Tag);
    assert_eq!(
        String::from_utf8(raw.data).unwrap().trim_end(),
        world.git(&["-C", "work", "cat-file", "tag", "v1.0.0"])
    );

    for name in ["nested", "tree"] {
        let error = world.fetch(world.local(), tag(name)).await.unwrap_err();
        assert!(
            matches!(error, FetchError::NotACommit(_) | FetchError::Local(_)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_highest_version_in_a_range_is_taken() {
    let world = World::new();
    let server = Program::git(&world, &[]);
    for version in ["v1.0.0", "v1.2.0", "v1.10.0", "2.0.0", "v2.1.0-rc.1", "latest"] {
        world.push(version);
        world.git(&["-C", "work", "tag", "-a", "-m", version, version]);
    }
    world.git(&["-C", "work", "push", "-q", "--tags"]);
    for (range, wanted) in [
        ("1.x", "v1.10.0"),
        ("*", "2.0.0"),
        (">=2.0.0-0", "v2.1.0-rc.1"),
        ("~1.2", "v1.2.0"),
    ] {
        for url in [
            format!("{}/apps.git", server.url),
            format!("file://{}", world.text("served/apps.git")),
        ] {
            let reference = GitReference {
                semver: Some(range.into()),
                ..GitReference::default()
            };
            let revision = world.fetch(remote(&url, &[]), reference).await.unwrap();
            assert_eq!(name(&revision), format!("refs/tags/{wanted}"), "{range}");
        }
    }
    let none = GitReference {
        semver: Some(">=3".into()),
        ..GitReference::default()
    };
    assert!(matches!(
        world.fetch(world.local(), none).await,
        Err(FetchError::NoVersion(_))
    ));
}

#[tokio::test]
async fn a_commit_is_asked_for_once() {
    let world = World::new();
    let server = Program::git(&world, &[]);
    let url = format!("{}/apps.git", server.url);
    let first = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    world.push("two");
    let commit = |id: &str, branch: Option<&str>| GitReference {
        commit: Some(id.into()),
        branch: branch.map(Into::into),
        ..GitReference::default()
    };
    for _ in 0..2 {
        let revision = world
            .fetch(remote(&url, &[]), commit(&first, None))
            .await
            .unwrap();
        assert_eq!(revision.to_string(), format!("sha1:{first}"));
        assert!(revision.reference().is_none());
    }
    assert_eq!(
        world.requests("requests").len(),
        3,
        "greeting, ls-refs and fetch, then nothing"
    );

    let revision = world
        .fetch(remote(&url, &[]), commit(&first, Some("main")))
        .await
        .unwrap();
    assert_eq!(revision.to_string(), format!("main@sha1:{first}"));
    world.git(&["-C", "work", "checkout", "-q", "--orphan", "other"]);
    let other = world.push("other");
    let error = world
        .fetch(remote(&url, &[]), commit(&other, Some("main")))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::NotOnBranch { .. }), "{error:?}");
    let error = world
        .fetch(remote(&url, &[]), commit(&"1".repeat(40), None))
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn only_what_changed_is_fetched() {
    let world = World::new();
    let server = Program::git(&world, &[]);
    let url = format!("{}/apps.git", server.url);
    let commands = || {
        let requests = world.requests("requests");
        let command =
            |request: &serde_json::Value| request["command"].as_str().unwrap_or("greeting").to_owned();
        requests.iter().map(command).collect::<Vec<_>>()
    };
    let first = world.fetch(remote(&url, &[]), main_branch()).await.unwrap();
    assert_eq!(commands(), ["greeting", "ls-refs", "fetch"]);
    assert_eq!(
        world.fetch(remote(&url, &[]), main_branch()).await.unwrap(),
        first
    );
    assert_eq!(commands()[3..], ["greeting", "ls-refs"]);

    let second = world.push("two");
    assert_eq!(
        world
            .fetch(remote(&url, &[]), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    assert_eq!(commands()[5..], ["greeting", "ls-refs", "fetch"]);
    // The second pack has a commit, two folders and a file, and nothing of the first.
    let packs = std::fs::read_dir(first.mirror().path().join("objects/pack")).unwrap();
    let packs = packs
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "pack"));
    let sizes = packs.map(|path| u32::from_be_bytes(std::fs::read(path).unwrap()[8..12].try_into().unwrap()));
    assert_eq!(sizes.collect::<Vec<_>>(), [4, 4]);

    // A branch that went back needs nothing that is not here.
    world.git(&["-C", "work", "push", "-q", "-f", "origin", "HEAD~1:main"]);
    assert_eq!(
        world.fetch(remote(&url, &[]), main_branch()).await.unwrap(),
        first
    );
    world.git(&["-C", first.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

#[tokio::test]
async fn a_server_of_the_first_protocol_does_as_well() {
    let world = World::new();
    let server = Program::git(&world, &[]);
    let url = format!(
        "http://127.0.0.1:{}/apps.git",
        forget_protocol_2(server.port().parse().unwrap())
    );
    let first = world.fetch(remote(&url, &[]), main_branch()).await.unwrap();
    let second = world.push("two");
    assert_eq!(
        world
            .fetch(remote(&url, &[]), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    let requests = world.requests("requests");
    assert_eq!(requests.len(), 4, "the first protocol has no ls-refs");
    assert!(requests.iter().all(|request| request["protocol"].is_null()));
    world.git(&["-C", first.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

/// Stands before a server and spoils the header that asks for the second protocol; the port it listens on.
fn forget_protocol_2(server: u16) -> u16 {
    const HEADER: &[u8] = b"git-protocol:";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let relay = move |mut client: TcpStream| {
        let mut upstream = TcpStream::connect(("127.0.0.1", server)).unwrap();
        let (mut answers, mut back) = (upstream.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut answers, &mut back));
        let mut buffer = [0; 8192];
        while let Ok(count @ 1..) = client.read(&mut buffer) {
            let piece = &mut buffer[..count];
            if let Some(at) = piece.windows(HEADER.len()).position(|window| window == HEADER) {
                piece[at] = b'x';
            }
            upstream.write_all(piece).unwrap();
        }
    };
    std::thread::spawn(move || {
        listener
            .incoming()
            .flatten()
            .for_each(|client| drop(std::thread::spawn(move || relay(client))));
    });
    port
}

#[tokio::test]
async fn https_takes_its_own_authority_and_client_certificate() {
    let world = World::new();
    certificates(&world);
    let (cert, key, ca) = (
        world.text("server.crt"),
        world.text("server.key"),
        world.text("ca.crt"),
    );
    let server = Program::git(&world, &["--tls", &cert, &key, "--client-ca", &ca]);
    let url = format!("{}/apps.git", server.url);
    let read = |name: &str| std::fs::read_to_string(world.path(name)).unwrap();
    let (authority, client, client_key) = (read("ca.crt"), read("client.crt"), read("client.key"));

    let whole = [
        ("ca.crt", &*authority),
        ("tls.crt", &*client),
        ("tls.key", &*client_key),
    ];
    world.fetch(remote(&url, &whole), main_branch()).await.unwrap();
    assert_eq!(world.requests("requests")[0]["client_certificate"], "fluxops");

    for incomplete in [&[][..], &whole[..1], &whole[1..]] {
        let error = world
            .fetch(remote(&url, incomplete), main_branch())
            .await
            .unwrap_err();
        assert!(matches!(error, FetchError::Network { .. }), "{error:?}");
    }
    let wrong = [("ca.crt", &*client)];
    assert!(world.fetch(remote(&url, &wrong), main_branch()).await.is_err());
    let broken = [(
        "ca.crt",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    )];
    let error = world
        .fetch(remote(&url, &broken), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "InvalidCredentials", "{error:?}");
}

#[tokio::test]
async fn https_logs_in_with_password_or_token() {
    let world = World::new();
    certificates(&world);
    let (cert, key) = (world.text("server.crt"), world.text("server.key"));
    let file = world.write("password", PASSWORD);
    let authority = std::fs::read_to_string(world.path("ca.crt")).unwrap();
    let ada = format!("ada:{file}");
    let server = Program::git(
        &world,
        &["--tls", &cert, &key, "--basic", &ada, "--bearer", &file],
    );
    let url = format!("{}/apps.git", server.url);
    for login in [
        &[("username", "ada"), ("password", PASSWORD)][..],
        &[("bearerToken", PASSWORD)],
    ] {
        let entries = [&[("ca.crt", &*authority)], login].concat();
        world.fetch(remote(&url, &entries), main_branch()).await.unwrap();
    }
    let wrong = [
        ("ca.crt", &*authority),
        ("username", "ada"),
        ("password", "wr0ng-marker"),
    ];
    let error = world
        .fetch(remote(&url, &wrong), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "AuthenticationFailed", "{error:?}");
    assert!(!told(&error).contains("marker"));
    let error = world
        .fetch(remote(&url, &wrong[..1]), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "AuthenticationFailed");
}

#[tokio::test]
async fn credentials_never_leave_the_server() {
    let world = World::new();
    certificates(&world);
    let (cert, key) = (world.text("server.crt"), world.text("server.key"));
    let file = world.write("password", PASSWORD);
    let authority = std::fs::read_to_string(world.path("ca.crt")).unwrap();
    let root = world.text("served");
    let (log, other_log) = (world.text("requests"), world.text("other"));
    let tls = ["--tls", &cert, &key, "--root", &root, "--request-log"];
    let ada = format!("ada:{file}");
    let server = Program::start(
        "git_http_server.py",
        &[&tls[..], &[&log, "--basic", &ada]].concat(),
    );
    let other = Program::start("git_http_server.py", &[&tls[..], &[&other_log]].concat());
    let entries = [
        ("ca.crt", &*authority),
        ("username", "ada"),
        ("password", PASSWORD),
    ];

    let escaped = |url: &str| url.replace(':', "%3A").replace('/', "%2F");
    let away = format!("{}/redirect/{}/apps.git", server.url, escaped(&other.url));
    let error = world
        .fetch(remote(&away, &entries), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "RedirectRefused", "{error:?}");
    assert!(error.to_string().contains(&other.url), "{error}");
    assert_eq!(world.requests("other").len(), 0);

    let home = format!("{}/redirect/{}/apps.git", server.url, escaped(&server.url));
    world.fetch(remote(&home, &entries), main_branch()).await.unwrap();
}

#[tokio::test]
async fn a_proxy_is_used_when_given() {
    let world = World::new();
    certificates(&world);
    let (cert, key) = (world.text("server.crt"), world.text("server.key"));
    let file = world.write("password", PASSWORD);
    let authority = std::fs::read_to_string(world.path("ca.crt")).unwrap();
    let server = Program::git(&world, &["--tls", &cert, &key]);
    let (ada, log) = (format!("ada:{file}"), world.text("proxied"));
    // "localhost" is in the server's certificate, and port 4430 leads to it through the proxy alone.
    let resolve = format!("localhost:4430=127.0.0.1:{}", server.port());
    let proxy = Program::start(
        "http_proxy.py",
        &["--basic", &ada, "--resolve", &resolve, "--request-log", &log],
    );
    let through = |login: &[(&str, &str)]| {
        let mut remote = remote("https://localhost:4430/apps.git", &[("ca.crt", &authority)]);
        remote.proxy =
            Some(Proxy::from_secret(secret(&[&[("address", &*proxy.url)], login].concat())).unwrap());
        remote
    };
    world
        .fetch(
            through(&[("username", "ada"), ("password", PASSWORD)]),
            main_branch(),
        )
        .await
        .unwrap();
    assert_eq!(world.requests("proxied")[0]["target"], "localhost:4430");
    let error = world
        .fetch(
            through(&[("username", "ada"), ("password", "wr0ng-marker")]),
            main_branch(),
        )
        .await;
    assert!(!told(&error.unwrap_err()).contains("marker"));

    let mut local = world.local();
    local.proxy = through(&[]).proxy;
    assert!(matches!(
        world.fetch(local, main_branch()).await,
        Err(FetchError::ProxyUnsupported)
    ));
}

#[tokio::test]
async fn servers_that_misbehave_are_named_and_left() {
    let world = World::new();
    let server = Program::git(&world, &[]);
    for (fault, reason) in [
        ("hang", "Timeout"),
        ("stall", "Timeout"),
        ("garbage", "GitOperationFailed"),
        ("truncate", "GitOperationFailed"),
        ("status/401", "AuthenticationFailed"),
        ("status/404", "GitOperationFailed"),
        ("status/500", "GitOperationFailed"),
        ("slow/300", "Timeout"),
    ] {
        let mut remote = remote(&format!("{}/{fault}/apps.git", server.url), &[]);
        remote.timeout = IMPATIENCE;
        let began = Instant::now();
        let error = world.fetch(remote, main_branch()).await.expect_err(fault);
        assert_eq!(error.reason(), reason, "{fault}: {error:?}");
        assert!(
            began.elapsed() < IMPATIENCE * 4,
            "{fault} took {:?}",
            began.elapsed()
        );
        assert!(!error.advice().is_empty());
    }
    // The same repository, asked properly, is not hurt by what came before.
    world
        .fetch(remote(&format!("{}/apps.git", server.url), &[]), main_branch())
        .await
        .unwrap();
    let nobody = remote("http://127.0.0.1:1/apps.git", &[]);
    assert!(matches!(
        world.fetch(nobody, main_branch()).await,
        Err(FetchError::Network { .. })
    ));
}

#[tokio::test]
async fn a_fetch_ends_when_nobody_waits() {
    let world = World::new();
    let server = Program::git(&world, &[]);
    let url = format!("{}/hang/apps.git", server.url);
    let waiting = tokio::time::timeout(
        Duration::from_millis(300),
        world.fetch(remote(&url, &[]), main_branch()),
    );
    assert!(waiting.await.is_err());
    // The lock of the mirror is free again at once, long before the timeout of the first.
    let mut again = remote(&url, &[]);
    again.timeout = IMPATIENCE;
    let error = world.fetch(again, main_branch()).await.unwrap_err();
    assert!(error.to_string().contains("connecting"), "{error}");
}

#[tokio::test]
async fn a_damaged_mirror_is_cloned_anew() {
    let world = World::new();
    let good = world.fetch(world.local(), main_branch()).await.unwrap();
    let mirror = good.mirror().path().to_owned();
    for damage in ["HEAD", "objects", "config"] {
        let path = mirror.join(damage);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::write(&path, "\0damaged").unwrap();
        }
        let healed = world
            .fetch(world.local(), main_branch())
            .await
            .unwrap_or_else(|error| panic!("{damage}: {error:?}"));
        assert!(read(&healed, healed.commit()).is_some(), "{damage}");
    }
    good.mirror().discard().unwrap();
    assert!(read(&good, good.commit()).is_none());
    let again = world.fetch(world.local(), main_branch()).await.unwrap();
    assert!(read(&again, again.commit()).is_some());
}

#[tokio::test]
async fn fetches_of_one_repository_take_turns() {
    let world = World::new();
    let expected = world.git(&["-C", "work", "rev-parse", "HEAD"]);
    let fetches = (0..8).map(|_| world.fetch(world.local(), main_branch()));
    for result in futures::future::join_all(fetches).await {
        assert_eq!(result.unwrap().commit().to_string(), expected);
    }
}

#[tokio::test]
async fn an_incomplete_repository_is_not_taken() {
    let world = World::new();
    let blob = world.git(&["-C", "work", "rev-parse", "HEAD:app/file"]);
    let served = world
        .path("served/apps.git/objects")
        .join(&blob[..2])
        .join(&blob[2..]);
    std::fs::remove_file(served).unwrap();
    let error = world.fetch(world.local(), main_branch()).await.unwrap_err();
    assert!(
        matches!(error, FetchError::Local(_) | FetchError::BadObjects(_)),
        "{error:?}"
    );
    let url = format!("file://{}", world.text("served/apps.git"));
    assert_eq!(
        std::fs::read_dir(world.mirror(&url).path().join("refs"))
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name() == "fluxops")
            .count(),
        0
    );
}

#[tokio::test]
async fn an_object_is_read_up_to_a_limit() {
    let world = World::new();
    let revision = world.fetch(world.local(), main_branch()).await.unwrap();
    let objects = revision.objects().unwrap();
    let size = read(&revision, revision.commit()).unwrap().data.len() as u64;
    assert!(objects.raw_object(revision.commit(), size).is_ok());
    let error = objects.raw_object(revision.commit(), size - 1).unwrap_err();
    assert_eq!(
        error,
        ObjectError::TooLarge {
            id: revision.commit(),
            size,
            limit: size - 1
        }
    );
    let absent: Oid = "1111111111111111111111111111111111111111".parse().unwrap();
    assert_eq!(
        objects.raw_object(absent, size).unwrap_err(),
        ObjectError::Unreadable(absent)
    );
}

#[tokio::test]
async fn a_mirror_of_many_packs_is_cloned_anew() {
    let world = World::new();
    let first = world.fetch(world.local(), main_branch()).await.unwrap();
    let packs = first.mirror().path().join("objects/pack");
    let count = || std::fs::read_dir(&packs).unwrap().count();
    for number in 0..=MAX_PACKS {
        std::fs::write(packs.join(format!("pack-{number:040}.pack")), "").unwrap();
    }
    let second = world.push("two");
    let fetched = world.fetch(world.local(), main_branch()).await.unwrap();
    assert_eq!(
        (fetched.commit().to_string(), count()),
        (second, 2),
        "one pack and its index"
    );
}

#[tokio::test]
async fn folders_within_folders_have_an_end() {
    let world = World::new();
    let deep = |depth: usize| vec!["d"; depth].join("/");
    for (depth, taken) in [(MAX_TREE_DEPTH, true), (MAX_TREE_DEPTH + 1, false)] {
        let folder = format!("work/{}", deep(depth));
        std::fs::create_dir_all(world.path(&folder)).unwrap();
        world.write(&format!("{folder}/file"), "deep");
        world.push(&depth.to_string());
        let result = world.fetch(world.local(), main_branch()).await;
        assert_eq!(result.is_ok(), taken, "{depth}: {result:?}");
    }
}

#[tokio::test]
async fn branches_that_are_left_are_forgotten_in_the_end() {
    let world = World::new();
    let mut last = None;
    for number in 0..MAX_MARKS + 3 {
        world.git(&[
            "-C",
            "work",
            "checkout",
            "-q",
            "--orphan",
            &format!("branch-{number}"),
        ]);
        let commit = world.push(&number.to_string());
        let reference = GitReference {
            branch: Some(format!("branch-{number}")),
            ..GitReference::default()
        };
        let revision = world.fetch(world.local(), reference).await.unwrap();
        assert_eq!(revision.commit().to_string(), commit);
        last = Some(revision);
    }
    let last = last.unwrap();
    let marks = world.git(&[
        "-C",
        last.mirror().path().to_str().unwrap(),
        "for-each-ref",
        "--format=%(refname)",
    ]);
    assert_eq!(marks.lines().count(), MAX_MARKS);
    assert!(marks.contains(&last.commit().to_string()));
}

#[tokio::test]
async fn what_is_not_there_is_named() {
    let world = World::new();
    let absent = GitReference {
        branch: Some("absent".into()),
        ..GitReference::default()
    };
    let error = world.fetch(world.local(), absent).await.unwrap_err();
    assert_eq!(
        (error.reason(), error.to_string().contains("refs/heads/absent")),
        ("ReferenceNotFound", true)
    );
    // The default is master, as in Flux, and this repository has none.
    let error = world
        .fetch(world.local(), GitReference::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refs/heads/master"), "{error}");
    // A name that another one begins with is not that one.
    world.git(&["-C", "work", "push", "-q", "origin", "HEAD:absentee"]);
    let absent = GitReference {
        branch: Some("absent".into()),
        ..GitReference::default()
    };
    assert!(world.fetch(world.local(), absent).await.is_err());
    world.git(&["init", "-q", "--bare", "served/empty.git"]);
    let server = Program::git(&world, &[]);
    let error = world
        .fetch(remote(&format!("{}/empty.git", server.url), &[]), main_branch())
        .await
        .unwrap_err();
    assert_eq!(error.reason(), "ReferenceNotFound");
    world.git(&["init", "-q", "--bare", "--object-format=sha256", "served/new.git"]);
    let error = world
        .fetch(remote(&format!("{}/new.git", server.url), &[]), main_branch())
        .await
        .unwrap_err();
    assert!(matches!(error, FetchError::ObjectFormat(_)), "{error:?}");
}

/// An SSH server, and what its Secret holds.
struct SshWorld {
    server: Program,
    identity: String,
    known_hosts: String,
    host_key: String,
}

impl SshWorld {
    fn start(world: &World, more: &[&str]) -> Self {
        for (name, kind) in [
            ("host", "ed25519"),
            ("host_ecdsa", "ecdsa"),
            ("identity", "ed25519"),
            ("other", "ed25519"),
        ] {
            keygen(world, name, kind, "");
        }
        let (root, hosts) = (world.text("served"), world.text("known_hosts"));
        let (host, ecdsa, keys) = (
            world.text("host"),
            world.text("host_ecdsa"),
            world.text("identity.pub"),
        );
        let arguments = [
            "--root",
            &root,
            "--host-key",
            &host,
            "--host-key",
            &ecdsa,
            "--authorized-keys",
            &keys,
            "--known-hosts",
            &hosts,
        ];
        let server = Program::start("sshd.py", &[&arguments[..], more].concat());
        let read = |name: &str| std::fs::read_to_string(world.path(name)).unwrap();
        Self {
            server,
            identity: read("identity"),
            known_hosts: read("known_hosts"),
            host_key: read("host.pub").split(' ').take(2).collect::<Vec<_>>().join(" "),
        }
    }

    fn remote(&self, known_hosts: &str) -> Fetch {
        self.remote_with(&[("identity", &self.identity), ("known_hosts", known_hosts)])
    }

    fn remote_with(&self, entries: &[(&str, &str)]) -> Fetch {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let url = format!("ssh://{}@127.0.0.1:{}/apps.git", user.trim(), self.server.port());
        remote(&url, entries)
    }
}

fn keygen(world: &World, name: &str, kind: &str, passphrase: &str) {
    let file = world.text(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", &file])
        .status();
    assert!(
        made.expect("ssh-keygen is needed; install openssh-client")
            .success()
    );
}

#[tokio::test]
async fn ssh_trusts_known_hosts_alone() {
    let world = World::new();
    let ssh = SshWorld::start(&world, &[]);
    let host = format!("[127.0.0.1]:{}", ssh.server.port());
    let other = std::fs::read_to_string(world.path("other.pub")).unwrap();
    let hashed = hashed(&world, &ssh.known_hosts);
    assert!(hashed.starts_with("|1|"));
    let ecdsa_only = ssh
        .known_hosts
        .lines()
        .find(|line| line.contains("ecdsa"))
        .unwrap();
    let revoked = format!("{}\n@revoked * {}\n", ssh.known_hosts, ssh.host_key);
    for (known_hosts, wanted) in [
        (ssh.known_hosts.clone(), None),
        (hashed, None),
        (ecdsa_only.to_owned(), None),
        (format!("git.example {}", ssh.host_key), Some("HostKeyUnknown")),
        (format!("127.0.0.1 {}", ssh.host_key), Some("HostKeyUnknown")),
        (format!("{host} {other}"), Some("HostKeyMismatch")),
        (revoked, Some("HostKeyRevoked")),
    ] {
        let result = world.fetch(ssh.remote(&known_hosts), main_branch()).await;
        assert_eq!(
            result.as_ref().err().map(FetchError::reason),
            wanted,
            "{known_hosts}: {result:?}"
        );
    }
    let print = Command::new("ssh-keygen")
        .args(["-l", "-f", &world.text("host.pub")])
        .output()
        .unwrap()
        .stdout;
    let print = String::from_utf8(print).unwrap();
    let error = world
        .fetch(ssh.remote(&format!("{host} {other}")), main_branch())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains(print.split(' ').nth(1).unwrap()),
        "{error} has not {print}"
    );
}

/// Hashes the names of a `known_hosts` with ssh-keygen.
fn hashed(world: &World, known_hosts: &str) -> String {
    let file = world.write("to_hash", known_hosts);
    assert!(
        Command::new("ssh-keygen")
            .args(["-q", "-H", "-f", &file])
            .output()
            .unwrap()
            .status
            .success()
    );
    std::fs::read_to_string(file).unwrap()
}

#[tokio::test]
async fn ssh_follows_a_branch() {
    let world = World::new();
    let ssh = SshWorld::start(&world, &[]);
    let first = world
        .fetch(ssh.remote(&ssh.known_hosts), main_branch())
        .await
        .unwrap();
    assert_eq!(
        world
            .fetch(ssh.remote(&ssh.known_hosts), main_branch())
            .await
            .unwrap(),
        first
    );
    let second = world.push("two");
    assert_eq!(
        world
            .fetch(ssh.remote(&ssh.known_hosts), main_branch())
            .await
            .unwrap()
            .commit()
            .to_string(),
        second
    );
    world.git(&["-C", first.mirror().path().to_str().unwrap(), "fsck", "--strict"]);
}

#[tokio::test]
async fn ssh_logs_in_with_the_secrets_key() {
    let world = World::new();
    let ssh = SshWorld::start(&world, &[]);
    let wrong = std::fs::read_to_string(world.path("other")).unwrap();
    for identity in [wrong.as_str(), "no key"] {
        let entries = [("identity", identity), ("known_hosts", &*ssh.known_hosts)];
        let error = world
            .fetch(ssh.remote_with(&entries), main_branch())
            .await
            .unwrap_err();
        assert_eq!(error.reason(), "AuthenticationFailed", "{error:?}");
    }
    for kind in ["ed25519", "rsa", "ecdsa"] {
        keygen(&world, kind, kind, PASSWORD);
        std::fs::copy(world.path(&format!("{kind}.pub")), world.path("identity.pub")).unwrap();
        let identity = std::fs::read_to_string(world.path(kind)).unwrap();
        let locked = [("identity", &*identity), ("known_hosts", &*ssh.known_hosts)];
        assert!(
            world
                .fetch(ssh.remote_with(&locked), main_branch())
                .await
                .is_err(),
            "{kind}"
        );
        let entries = [&locked[..], &[("password", PASSWORD)]].concat();
        world
            .fetch(ssh.remote_with(&entries), main_branch())
            .await
            .unwrap_or_else(|error| panic!("{kind}: {error:?}"));
    }
}

#[tokio::test]
async fn ssh_servers_that_misbehave_are_left() {
    let world = World::new();
    let ssh = SshWorld::start(&world, &[]);
    let url = format!("ssh://root@127.0.0.1:{}/absent.git", ssh.server.port());
    let entries = [("identity", &*ssh.identity), ("known_hosts", &*ssh.known_hosts)];
    let error = world
        .fetch(remote(&url, &entries), main_branch())
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("no repository") || error.reason() == "AuthenticationFailed",
        "{error}"
    );
    for (fault, reason) in [("hang", "Timeout"), ("garbage", "GitOperationFailed")] {
        let (root, host, keys) = (
            world.text("served"),
            world.text("host"),
            world.text("identity.pub"),
        );
        let arguments = [
            "--root",
            &root,
            "--host-key",
            &host,
            "--authorized-keys",
            &keys,
            "--fault",
            fault,
        ];
        let server = Program::start("sshd.py", &arguments);
        let mut remote = remote(
            &format!("ssh://git@127.0.0.1:{}/apps.git", server.port()),
            &entries,
        );
        remote.timeout = IMPATIENCE;
        let began = Instant::now();
        let error = world.fetch(remote, main_branch()).await.expect_err(fault);
        assert!(
            error.reason() == reason || error.reason() == "Timeout",
            "{fault}: {error:?}"
        );
        assert!(
            began.elapsed() < IMPATIENCE * 4,
            "{fault} took {:?}",
            began.elapsed()
        );
    }
}

/// A CA, a certificate for the server and one for a client, made by openssl.
fn certificates(world: &World) {
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .args(arguments)
            .current_dir(world.folder.path())
            .output();
        let output = output.expect("openssl is needed to make certificates; install openssl");
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let authority = [
        "req",
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=test CA",
        "-keyout",
        "ca.key",
        "-out",
        "ca.crt",
    ];
    openssl(&[&authority[..], &key].concat());
    for (name, subject, extension) in [
        (
            "server",
            "/CN=server",
            "subjectAltName=IP:127.0.0.1,DNS:localhost",
        ),
        ("client", "/CN=fluxops", "extendedKeyUsage=clientAuth"),
    ] {
        let file = |suffix: &str| format!("{name}.{suffix}");
        let extensions = world.write(&file("ext"), extension);
        let request = [
            "req",
            "-subj",
            subject,
            "-keyout",
            &file("key"),
            "-out",
            &file("csr"),
        ];
        openssl(&[&request[..], &key].concat());
        let signing = [
            "-CA",
            "ca.crt",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
        ];
        let made = [
            "x509",
            "-req",
            "-in",
            &file("csr"),
            "-extfile",
            &extensions,
            "-out",
            &file("crt"),
        ];
        openssl(&[&made[..], &signing].concat());
    }
}
