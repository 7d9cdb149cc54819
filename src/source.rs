//! Step one, fetch: from what a GitSource says to a [`Revision`] whose objects are here.
//!
//! ```text
//! Remote ─lock, ask the remote for its references→ target ─receive what is missing, check that it is whole→ Revision
//! ```
//! Nothing is believed of a revision but that it is complete; whether it may be used is for the next step to say.
//! There is no work tree, and nothing that the remote names becomes the name of a file.

mod clock;
mod credentials;
mod error;
mod http;
mod known_hosts;
mod local;
mod mirror;
mod pkt_line;
mod range;
mod reference;
mod ssh;
mod upload_pack;
mod url;

use std::fmt;
use std::path::Path;
use std::time::Duration;

use git_signature::ObjectId;
use git2::{ObjectType, Oid};
use tokio_util::sync::CancellationToken;

pub use self::clock::{MAX_FETCH, Step};
pub use self::credentials::{Credentials, InvalidCredentials, Proxy};
pub use self::error::FetchError;
pub use self::http::MAX_REDIRECTS;
pub use self::known_hosts::{InvalidKnownHosts, MAX_KNOWN_HOSTS};
pub use self::mirror::{
    MAX_HAVES, MAX_HEADER_BYTES, MAX_MARKS, MAX_PACK_BYTES, MAX_PACK_OBJECTS, MAX_PACKS, MAX_TREE_DEPTH,
    Mirror,
};
pub use self::range::{InvalidRange, MAX_RANGE};
pub use self::reference::{InvalidReference, MAX_REFERENCE, ReferenceName};
pub use self::upload_pack::{MAX_MESSAGE, MAX_REFERENCES};
pub use self::url::{GitUrl, Home, InvalidUrl, MAX_URL};

use self::clock::Clock;
use self::credentials::{HttpCredentials, Kind};
use self::local::Local;
use self::mirror::{Target, is_marked, target};
use self::range::{Range, version_of_tag};
use self::reference::Wanted;
use self::upload_pack::{Origin, RemoteReference, UploadPack};
use self::url::Location;
use crate::api::GitReference;

/// Where tags are.
const TAGS: &str = "refs/tags/";
/// How much longer than [`MAX_FETCH`] is waited for work that is not the network's, until the fetch is given up.
const GRACE: Duration = Duration::from_secs(60);

/// Where a repository is and how to get in.
pub struct Remote {
    /// Its URL.
    pub url: GitUrl,
    /// Made for this URL.
    pub credentials: Credentials,
    /// For http and https only.
    pub proxy: Option<Proxy>,
    /// How long one network step may take.
    pub timeout: Duration,
}

/// A commit whose objects are in a mirror. Nobody has said yet that it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    mirror: Mirror,
    reference: Option<ReferenceName>,
    commit: Oid,
    commit_hex: String,
    tag: Option<Oid>,
}

/// Fetches what `reference` leads to into the mirror of the remote's URL below `state_dir`.
///
/// The work is done on a thread for blocking work and ends by itself in bounded time; when the future is dropped,
/// it ends at its next step.
pub async fn fetch(
    state_dir: &Path,
    remote: Remote,
    reference: GitReference,
) -> Result<Revision, FetchError> {
    let wanted = Wanted::parse(&reference)?;
    let mirror = Mirror::of(state_dir, &remote.url);
    let cancelled = CancellationToken::new();
    let _cancel_when_dropped = cancelled.clone().drop_guard();
    let clock = Clock::start(remote.timeout, cancelled);
    let task = tokio::task::spawn_blocking({
        let clock = clock.clone();
        move || fetch_blocking(mirror, &remote, wanted, &clock)
    });
    match tokio::time::timeout(MAX_FETCH + GRACE, task).await {
        Ok(result) => result.map_err(FetchError::Task)?,
        Err(_) => Err(clock.timeout(Step::Objects)),
    }
}

fn fetch_blocking(
    mirror: Mirror,
    remote: &Remote,
    wanted: Wanted,
    clock: &Clock,
) -> Result<Revision, FetchError> {
    let lock = mirror.lock(clock)?;
    let repository = mirror.prepare(&lock)?;
    let (repository, reference, id) = match wanted {
        Wanted::Commit { commit, branch: None } => {
            // A commit does not change: once it is here, there is nothing to ask.
            if is_marked(&repository, commit) {
                (repository, None, commit)
            } else {
                let mut origin = connect(remote, "HEAD", clock)?;
                (
                    mirror.bring(repository, commit, &mut *origin, &lock)?,
                    None,
                    commit,
                )
            }
        }
        Wanted::Commit {
            commit,
            branch: Some(branch),
        } => {
            let mut origin = connect(remote, branch.as_str(), clock)?;
            let tip = named(origin.references(), &branch)?;
            let repository = mirror.bring(repository, tip, &mut *origin, &lock)?;
            if commit != tip && !repository.graph_descendant_of(tip, commit).unwrap_or(false) {
                return Err(FetchError::NotOnBranch {
                    commit: commit.to_string(),
                    branch: branch.to_string(),
                });
            }
            // Of the branch only the newest files were checked to be here.
            (
                mirror.bring(repository, commit, &mut *origin, &lock)?,
                Some(branch),
                commit,
            )
        }
        Wanted::Reference(name) => {
            let mut origin = connect(remote, name.as_str(), clock)?;
            let id = named(origin.references(), &name)?;
            (mirror.bring(repository, id, &mut *origin, &lock)?, Some(name), id)
        }
        Wanted::Version(range) => {
            let mut origin = connect(remote, TAGS, clock)?;
            let (name, id) = newest(origin.references(), &range)?;
            (mirror.bring(repository, id, &mut *origin, &lock)?, Some(name), id)
        }
    };
    let shown = reference
        .as_ref()
        .map_or_else(|| id.to_string(), ToString::to_string);
    let Target { commit, tag } = target(&repository, id).ok_or(FetchError::NotACommit(shown))?;
    if reference.is_none() && tag.is_some() {
        return Err(FetchError::NotACommit(id.to_string()));
    }
    Ok(Revision {
        mirror,
        reference,
        commit,
        commit_hex: commit.to_string(),
        tag,
    })
}

fn named(references: &[RemoteReference], name: &ReferenceName) -> Result<Oid, FetchError> {
    let found = references
        .iter()
        .find(|reference| reference.name == name.as_str());
    found
        .map(|reference| reference.target)
        .ok_or_else(|| FetchError::ReferenceNotFound(name.to_string()))
}

/// The tag with the highest version in a range. Of versions that differ in their build alone the name decides,
/// so that the choice does not depend on the server's order.
fn newest(references: &[RemoteReference], range: &Range) -> Result<(ReferenceName, Oid), FetchError> {
    let tagged = references.iter().filter_map(|reference| {
        let version = version_of_tag(reference.name.strip_prefix(TAGS)?)?;
        let name = ReferenceName::parse(&reference.name).ok()?;
        range
            .contains(&version)
            .then_some((version, name, reference.target))
    });
    let highest = tagged.max_by(|(one, one_name, _), (other, other_name, _)| {
        one.cmp_precedence(other).then_with(|| one_name.cmp(other_name))
    });
    let (_, name, id) = highest.ok_or_else(|| FetchError::NoVersion(range.as_str().to_owned()))?;
    Ok((name, id))
}

/// Connects to where the URL leads.
fn connect<'remote>(
    remote: &'remote Remote,
    prefix: &str,
    clock: &Clock,
) -> Result<Box<dyn Origin + 'remote>, FetchError> {
    if remote.proxy.is_some() && !matches!(remote.url.location(), Location::Http(..)) {
        return Err(FetchError::ProxyUnsupported);
    }
    match (remote.url.location(), &remote.credentials.0) {
        (Location::Http(url, tls), Kind::Http(credentials)) => {
            let transport = http::Http::new(url, *tls, credentials, remote.proxy.as_ref())?;
            Ok(Box::new(UploadPack::connect(transport, prefix, clock)?))
        }
        (Location::Http(url, tls), Kind::Anonymous) => {
            let transport = http::Http::new(url, *tls, &HttpCredentials::default(), remote.proxy.as_ref())?;
            Ok(Box::new(UploadPack::connect(transport, prefix, clock)?))
        }
        (Location::Ssh(location), Kind::Ssh(credentials)) => {
            let transport = ssh::Ssh::new(location, credentials);
            Ok(Box::new(UploadPack::connect(transport, prefix, clock)?))
        }
        (Location::Local(path), Kind::Anonymous) => Ok(Box::new(Local::open(path, prefix)?)),
        _ => Err(FetchError::Credentials(InvalidCredentials::OtherUrl)),
    }
}

impl Revision {
    /// The full name of the reference that led here; the commit's id, if that was asked for alone.
    pub fn reference(&self) -> &str {
        self.reference
            .as_ref()
            .map_or(&self.commit_hex, ReferenceName::as_str)
    }

    /// The commit's full id.
    pub fn commit_hex(&self) -> String {
        self.commit_hex.clone()
    }

    /// The bare repository that holds the objects. Its configuration decides nothing.
    pub fn repository_path(&self) -> &Path {
        self.mirror.path()
    }

    /// The mirror, to be discarded when an object turns out to be unreadable.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// The commit's id and its exact bytes.
    pub fn raw_commit(&self) -> Result<(ObjectId, Vec<u8>), FetchError> {
        self.raw_object(self.commit, ObjectType::Commit)
    }

    /// The annotated tag's id and its exact bytes, if the reference points at one. That the name in it is the
    /// reference's, and that it leads to the commit, is for verification to see.
    pub fn raw_tag(&self) -> Result<Option<(ObjectId, Vec<u8>)>, FetchError> {
        self.tag
            .map(|tag| self.raw_object(tag, ObjectType::Tag))
            .transpose()
    }

    fn raw_object(&self, id: Oid, kind: ObjectType) -> Result<(ObjectId, Vec<u8>), FetchError> {
        let data = mirror::raw_object(&self.mirror.open()?, id, kind)?;
        let bytes =
            <[u8; 20]>::try_from(id.as_bytes()).map_err(|_| FetchError::ObjectFormat("not sha1".into()))?;
        Ok((ObjectId::from_bytes(bytes), data))
    }
}

/// As Flux writes it: `main@sha1:<id>`, `v1.0@sha1:<id>`, `sha1:<id>`.
impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(reference) = &self.reference {
            write!(formatter, "{}@", reference.short())?;
        }
        write!(formatter, "sha1:{}", self.commit)
    }
}
