//! Step one, fetch: from what a `GitSource` says to a [`Revision`] whose objects are here.
//!
//! ```text
//! Fetch ─lock, ask the remote for its references→ target ─receive what is missing, check that it is whole→ Revision
//! ```
//! Nothing is believed of a revision but that it is complete; whether it may be used is for the next step to say.
//! There is no work tree, and nothing that the remote names becomes the name of a file.

mod clock;
mod complete;
mod credentials;
mod error;
mod http;
mod known_hosts;
mod local;
mod mirror;
mod pack;
mod pkt_line;
mod range;
mod receive;
mod reference;
mod ssh;
mod upload_pack;
mod url;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use git_signature::ObjectId;
pub use git2::{ObjectType, Oid};
use tokio_util::sync::CancellationToken;

pub use self::clock::{DEFAULT_STEP, MAX_FETCH, Step};
pub use self::complete::MAX_TREE_DEPTH;
pub use self::credentials::{Credentials, InvalidCredentials, Proxy};
pub use self::error::FetchError;
pub use self::http::MAX_REDIRECTS;
pub use self::known_hosts::{InvalidKnownHosts, MAX_KNOWN_HOSTS};
pub use self::mirror::{MAX_HAVES, MAX_MARKS, MAX_PACKS, Mirror};
pub use self::pack::{
    MAX_DELTA_DEPTH, MAX_PACK_BYTES, MAX_PACK_OBJECTS, MAX_UNPACKED_OBJECT, MAX_UNPACKED_PACK,
};
pub use self::range::{InvalidRange, MAX_RANGE};
pub use self::reference::{InvalidReference, MAX_REFERENCE, ReferenceName};
pub use self::upload_pack::{MAX_MESSAGE, MAX_REFERENCES};
pub use self::url::{GitUrl, Home, InvalidUrl, MAX_URL};

use self::clock::Clock;
use self::credentials::{HttpCredentials, Kind};
use self::local::Local;
use self::mirror::{Target, target};
use self::range::{Range, version_of_tag};
use self::reference::Wanted;
use self::upload_pack::{Remote, RemoteReference, UploadPack};
use self::url::Location;
use crate::api::GitReference;

/// Where the tags are by which people approve what stands at a path.
pub const APPROVALS: &str = "refs/tags/approvals/";
/// The most of them that a remote may have: each costs a pass at each fetch.
pub const MAX_APPROVALS: usize = 10_000;
/// Annotated tags by their references.
pub type Approvals = BTreeMap<String, ObjectId>;
/// Where tags are.
const TAGS: &str = "refs/tags/";
/// How much longer than [`MAX_FETCH`] is waited for work that is not the network's, until the fetch is given up.
const GRACE: Duration = Duration::from_mins(1);

/// What to fetch, with what, and where to keep it.
pub struct Fetch {
    /// Where the repository is.
    pub url: GitUrl,
    /// What is followed.
    pub reference: Option<GitReference>,
    /// Made for this URL.
    pub credentials: Credentials,
    /// For http and https only.
    pub proxy: Option<Proxy>,
    /// How long one network step may take.
    pub timeout: Duration,
    /// Whether tags are brought by which people approve what stands at a path.
    pub approvals: WantApprovals,
    /// The folder that mirrors are kept in.
    pub state_dir: PathBuf,
}

/// Whether tags are brought by which people approve what stands at a path ([`APPROVALS`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantApprovals {
    /// They are not.
    Never,
    /// They are whenever the remote is asked. It is not for a commit that is pinned and here.
    IfAsked,
    /// They are at each fetch.
    Always,
}

/// A commit whose objects are in a mirror. Nobody has said yet that it may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    mirror: Mirror,
    reference: Option<ReferenceName>,
    commit: Oid,
    tag: Option<Oid>,
    approvals: Approvals,
}

/// The objects of a mirror, opened for reading.
pub struct Objects {
    mirror: Mirror,
    repository: git2::Repository,
}

/// An object as it is hashed, without its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawObject {
    /// Commit, tree, blob or tag.
    pub kind: ObjectType,
    /// The exact bytes.
    pub data: Vec<u8>,
}

/// Why an object cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// It is not there, or damaged. The next fetch clones the mirror anew.
    #[error("failed to read the object {0}")]
    Unreadable(Oid),
    /// It is larger than the caller takes.
    #[error("failed to read the object {id}: it has {size} bytes, more than {limit}")]
    TooLarge {
        /// Which.
        id: Oid,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

/// Fetches. The work is done on a thread for blocking work and ends by itself in bounded time; when the future is
/// dropped, it ends at its next step.
pub async fn fetch(fetch: Fetch) -> Result<Revision, FetchError> {
    let cancelled = CancellationToken::new();
    let _cancel_when_dropped = cancelled.clone().drop_guard();
    let clock = Clock::start(fetch.timeout, cancelled);
    let task = tokio::task::spawn_blocking({
        let clock = clock.clone();
        move || fetch_blocking(&fetch, &clock)
    });
    match tokio::time::timeout(MAX_FETCH + GRACE, task).await {
        Ok(result) => result.map_err(FetchError::Task)?,
        Err(_) => Err(clock.timeout(Step::Objects)),
    }
}

fn fetch_blocking(fetch: &Fetch, clock: &Clock) -> Result<Revision, FetchError> {
    let wanted = Wanted::parse(fetch.reference.as_ref())?;
    let mirror = Mirror::of(&fetch.state_dir, &fetch.url);
    let mut workspace = mirror.prepare(mirror.lock(clock)?)?;
    let mut approvals = Vec::new();
    let (reference, id) = match wanted {
        Wanted::Commit { commit, branch: None } => {
            // A commit does not change: once it is here, there is nothing to ask.
            if !workspace.has(commit) || fetch.approvals == WantApprovals::Always {
                let mut remote = connect(fetch, "HEAD", clock)?;
                approvals = fetch.approvals_of(&*remote)?;
                workspace.bring(commit, &approvals, &mut *remote, clock)?;
            }
            (None, commit)
        }
        Wanted::Commit {
            commit,
            branch: Some(branch),
        } => {
            let mut remote = connect(fetch, branch.as_str(), clock)?;
            let tip = named(remote.references(), &branch)?;
            approvals = fetch.approvals_of(&*remote)?;
            workspace.bring(tip, &approvals, &mut *remote, clock)?;
            let is_below = |commit| {
                workspace
                    .repository()
                    .graph_descendant_of(tip, commit)
                    .unwrap_or(false)
            };
            if commit != tip && !is_below(commit) {
                return Err(FetchError::NotOnBranch {
                    commit: commit.to_string(),
                    branch: branch.to_string(),
                });
            }
            // Of the branch only the newest files were checked to be here.
            workspace.bring(commit, &[], &mut *remote, clock)?;
            (Some(branch), commit)
        }
        Wanted::Reference(name) => {
            let mut remote = connect(fetch, name.as_str(), clock)?;
            let id = named(remote.references(), &name)?;
            approvals = fetch.approvals_of(&*remote)?;
            workspace.bring(id, &approvals, &mut *remote, clock)?;
            (Some(name), id)
        }
        Wanted::Version(range) => {
            let mut remote = connect(fetch, TAGS, clock)?;
            let (name, id) = newest(remote.references(), &range)?;
            approvals = fetch.approvals_of(&*remote)?;
            workspace.bring(id, &approvals, &mut *remote, clock)?;
            (Some(name), id)
        }
    };
    let shown = reference
        .as_ref()
        .map_or_else(|| id.to_string(), ToString::to_string);
    let Target { commit, tag } = target(workspace.repository(), id).ok_or(FetchError::NotACommit(shown))?;
    if reference.is_none() && tag.is_some() {
        return Err(FetchError::NotACommit(id.to_string()));
    }
    Ok(Revision {
        mirror,
        reference,
        commit,
        tag,
        approvals: workspace.tags(&approvals)?,
    })
}

impl Fetch {
    /// The references that approve something, among those that a remote listed.
    fn approvals_of(&self, remote: &dyn Remote) -> Result<Vec<RemoteReference>, FetchError> {
        if self.approvals == WantApprovals::Never {
            return Ok(Vec::new());
        }
        let listed = remote.references().iter();
        let found: Vec<_> = listed
            .filter(|reference| reference.name.starts_with(APPROVALS))
            .cloned()
            .collect();
        if found.len() > MAX_APPROVALS {
            return Err(FetchError::TooLarge {
                what: "tags below refs/tags/approvals/",
                limit: MAX_APPROVALS as u64,
            });
        }
        Ok(found)
    }
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

/// Connects to where the URL leads, and asks for the references of this prefix and for approvals if they are wanted.
fn connect<'fetch>(
    fetch: &'fetch Fetch,
    prefix: &str,
    clock: &Clock,
) -> Result<Box<dyn Remote + 'fetch>, FetchError> {
    let prefixes: &[&str] = match fetch.approvals {
        WantApprovals::Never => &[prefix],
        WantApprovals::IfAsked | WantApprovals::Always => &[prefix, APPROVALS],
    };
    if fetch.proxy.is_some() && !matches!(fetch.url.location(), Location::Http(..)) {
        return Err(FetchError::ProxyUnsupported);
    }
    match (fetch.url.location(), &fetch.credentials.0) {
        (Location::Http(url, tls), Kind::Http(credentials)) => {
            let transport = http::Http::new(url, *tls, credentials, fetch.proxy.as_ref())?;
            Ok(Box::new(UploadPack::connect(transport, prefixes, clock)?))
        }
        (Location::Http(url, tls), Kind::Anonymous) => {
            let transport = http::Http::new(url, *tls, &HttpCredentials::default(), fetch.proxy.as_ref())?;
            Ok(Box::new(UploadPack::connect(transport, prefixes, clock)?))
        }
        (Location::Ssh(location), Kind::Ssh(credentials)) => {
            let transport = ssh::Ssh::new(location, credentials);
            Ok(Box::new(UploadPack::connect(transport, prefixes, clock)?))
        }
        (Location::Local(path), Kind::Anonymous) => Ok(Box::new(Local::open(path, prefixes)?)),
        _ => Err(FetchError::Credentials(InvalidCredentials::Unfit)),
    }
}

impl Revision {
    /// Where its objects are.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// The reference that led to it; None for a commit that was named by its id alone.
    pub fn reference(&self) -> Option<&ReferenceName> {
        self.reference.as_ref()
    }

    /// The commit.
    pub fn commit(&self) -> Oid {
        self.commit
    }

    /// The annotated tag, if the reference points at one. Its object's `tag` field need not be the reference's
    /// name: that is for verification to compare.
    pub fn tag(&self) -> Option<Oid> {
        self.tag
    }

    /// Another commit of the same mirror, followed by the same reference.
    pub(crate) fn earlier(&self, commit: Oid) -> Self {
        Self {
            commit,
            tag: None,
            ..self.clone()
        }
    }

    /// The tags that approve something, if they were asked for.
    pub fn approvals(&self) -> &Approvals {
        &self.approvals
    }

    /// Opens the objects for reading.
    pub fn objects(&self) -> Result<Objects, FetchError> {
        let mirror = self.mirror.clone();
        let repository = mirror.open()?;
        Ok(Objects { mirror, repository })
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

impl Objects {
    /// Whether there is such an object.
    pub fn has(&self, id: Oid) -> bool {
        self.repository.odb().is_ok_and(|odb| odb.exists(id))
    }

    /// A commit that two descend from, the best by their dates. A hint: dates can be anything.
    pub fn merge_base(&self, one: Oid, other: Oid) -> Option<Oid> {
        self.repository.merge_base(one, other).ok()
    }

    /// Reads an object of at most `limit` bytes, checked against its id. When one cannot be read that has to be
    /// there, the mirror is condemned.
    pub fn raw_object(&self, id: Oid, limit: u64) -> Result<RawObject, ObjectError> {
        let unreadable = || {
            self.mirror.condemn();
            ObjectError::Unreadable(id)
        };
        let odb = self.repository.odb().map_err(|_| unreadable())?;
        // The size is looked at first: a small delta can stand for a huge object.
        let (size, _) = odb.read_header(id).map_err(|_| unreadable())?;
        let size = size as u64;
        if size > MAX_UNPACKED_OBJECT {
            // None was fetched with it.
            return Err(unreadable());
        }
        if size > limit {
            return Err(ObjectError::TooLarge { id, size, limit });
        }
        let object = odb.read(id).map_err(|_| unreadable())?;
        Ok(RawObject {
            kind: object.kind(),
            data: object.data().to_vec(),
        })
    }
}
