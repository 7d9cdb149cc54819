//! Why a fetch failed, what Flux calls that, and what to do next.

use std::time::Duration;

use super::clock::Step;
use super::credentials::InvalidCredentials;
use super::reference::InvalidReference;
use super::url::InvalidUrl;

/// Why a fetch failed. No message holds a credential, nor text of a server that was sent one.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The spec's `url`.
    #[error("failed to use the URL")]
    Url(#[from] InvalidUrl),
    /// The Secret that `secretRef` or `proxySecretRef` names.
    #[error("failed to use the credentials")]
    Credentials(#[from] InvalidCredentials),
    /// A certificate or key in the Secret.
    #[error("failed to use the Secret's {0}")]
    Certificate(&'static str),
    /// The SSH key in the Secret.
    #[error("failed to log in as {user} with the Secret's identity")]
    SshLogin {
        /// The user of the URL.
        user: String,
    },
    /// The spec's `ref`.
    #[error("failed to use the reference")]
    Reference(#[from] InvalidReference),
    /// A proxy was given for something other than http and https.
    #[error("failed to use the proxy: it can only carry http:// and https://")]
    ProxyUnsupported,
    /// 401 or 403.
    #[error("failed to log in: the server answered {status}")]
    Authentication {
        /// The HTTP status.
        status: u16,
    },
    /// 404 or 410.
    #[error("failed to find the repository: the server answered {status}")]
    NotFound {
        /// The HTTP status.
        status: u16,
    },
    /// Another status that is not 200.
    #[error("failed to talk to the server: it answered {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// No entry in `known_hosts`.
    #[error("failed to trust {host}: known_hosts has no entry for it; it shows {fingerprint}")]
    HostKeyUnknown {
        /// `host` or `[host]:port`.
        host: String,
        /// As `ssh-keygen -l` prints it.
        fingerprint: String,
    },
    /// Entries in `known_hosts`, but for other keys.
    #[error("failed to trust {host}: it shows the key {fingerprint}, known_hosts has others")]
    HostKeyMismatch {
        /// `host` or `[host]:port`.
        host: String,
        /// As `ssh-keygen -l` prints it.
        fingerprint: String,
    },
    /// `@revoked` in `known_hosts`.
    #[error("failed to trust {host}: its key {fingerprint} is revoked in known_hosts")]
    HostKeyRevoked {
        /// `host` or `[host]:port`.
        host: String,
        /// As `ssh-keygen -l` prints it.
        fingerprint: String,
    },
    /// A redirect that would leave the server, or one where Git has none.
    #[error("failed to follow a redirect to {to}")]
    RedirectRefused {
        /// Scheme, host and port.
        to: String,
    },
    /// A network step took too long.
    #[error("failed to finish in time: {}s passed while {step}", .after.as_secs_f32())]
    Timeout {
        /// What was waited for.
        step: Step,
        /// The source's timeout.
        after: Duration,
    },
    /// Nobody waits any more.
    #[error("failed to finish: the fetch was called off")]
    Cancelled,
    /// No connection, or one that broke.
    #[error("failed while {step}: {reason}")]
    Network {
        /// What was being done.
        step: Step,
        /// What went wrong, without URLs.
        reason: String,
    },
    /// An answer that is not Git's.
    #[error("failed to understand the server: {0}")]
    Protocol(&'static str),
    /// The server said why it refuses.
    #[error("failed to fetch: the server says {0:?}")]
    Refused(String),
    /// SHA-256 repositories are not supported.
    #[error("failed to use the repository: its object format is {0:?}, only sha1 is supported")]
    ObjectFormat(String),
    /// Nothing by that name.
    #[error("failed to find {0} in the repository")]
    ReferenceNotFound(String),
    /// No tag in the range.
    #[error("failed to find a tag in the range {0:?}")]
    NoVersion(String),
    /// The reference leads to something else.
    #[error("failed to use {0}: it does not lead to a commit by at most one annotated tag")]
    NotACommit(String),
    /// `commit` with `branch`.
    #[error("failed to use commit {commit}: it is not on {branch}")]
    NotOnBranch {
        /// The full id.
        commit: String,
        /// The reference's full name.
        branch: String,
    },
    /// A limit was reached.
    #[error("failed to take what the server sends: more than {limit} {what}")]
    TooLarge {
        /// The unit.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// Objects are missing, or are not what they should be.
    #[error("failed to use the objects that the server sent: {0}")]
    BadObjects(String),
    /// The repository of a `file://` URL.
    #[error("failed to read the repository: {0}")]
    Local(String),
    /// The bare repository in the state directory, or the disk that it is on.
    #[error("failed to keep the mirror in the state directory: {0}")]
    Mirror(String),
    /// The task that did it is gone.
    #[error("failed to run the fetch")]
    Task(#[source] tokio::task::JoinError),
}

impl FetchError {
    /// One word for conditions and events; Flux's where Flux has one.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Url(_) => "URLInvalid",
            Self::Credentials(_) | Self::Certificate(_) | Self::ProxyUnsupported => "InvalidCredentials",
            Self::Reference(_) => "InvalidReference",
            Self::Authentication { .. } | Self::SshLogin { .. } => "AuthenticationFailed",
            Self::HostKeyUnknown { .. } => "HostKeyUnknown",
            Self::HostKeyMismatch { .. } => "HostKeyMismatch",
            Self::HostKeyRevoked { .. } => "HostKeyRevoked",
            Self::RedirectRefused { .. } => "RedirectRefused",
            Self::Timeout { .. } => "Timeout",
            Self::ReferenceNotFound(_) | Self::NoVersion(_) | Self::NotOnBranch { .. } => "ReferenceNotFound",
            Self::TooLarge { .. } => "TooLarge",
            Self::Mirror(_) => "StorageOperationFailed",
            Self::Cancelled
            | Self::NotFound { .. }
            | Self::Status { .. }
            | Self::Network { .. }
            | Self::Protocol(_)
            | Self::Refused(_)
            | Self::ObjectFormat(_)
            | Self::NotACommit(_)
            | Self::BadObjects(_)
            | Self::Local(_)
            | Self::Task(_) => "GitOperationFailed",
        }
    }

    /// Whether trying again can help without anybody changing a spec, a Secret or the repository.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::Cancelled
            | Self::Network { .. }
            | Self::Mirror(_)
            | Self::Task(_) => true,
            Self::Status { status } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether it was us who would not go on, and not something that failed: this belongs into the audit log.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::HostKeyUnknown { .. }
                | Self::HostKeyMismatch { .. }
                | Self::HostKeyRevoked { .. }
                | Self::RedirectRefused { .. }
                | Self::TooLarge { .. }
                | Self::BadObjects(_)
        )
    }

    /// What to do next.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Url(_) => "correct spec.url",
            Self::Credentials(_) | Self::Certificate(_) => "correct the Secret",
            Self::ProxyUnsupported => "remove spec.proxySecretRef, or use an https:// URL",
            Self::Reference(_) => "correct spec.ref",
            Self::SshLogin { .. } => {
                "check that the public half of the Secret's identity may read the repository"
            }
            Self::Authentication { .. } => {
                "check that the credentials in the Secret are current and may read it"
            }
            Self::NotFound { .. } => {
                "check spec.url; servers also answer so when the credentials may not see it"
            }
            Self::Status { .. } => "look at the server; the fetch is tried again",
            Self::HostKeyUnknown { .. } => {
                "compare the fingerprint with the one the host's owner publishes, then add it to known_hosts"
            }
            Self::HostKeyMismatch { .. } => {
                "somebody may be between you and the host; change known_hosts only if its owner announced a new key"
            }
            Self::HostKeyRevoked { .. } => "do not use this host until its owner has replaced the key",
            Self::RedirectRefused { .. } => {
                "set spec.url to where the repository is now, if you trust that server"
            }
            Self::Timeout { .. } => "look at the server and the network, or raise spec.timeout",
            Self::Cancelled | Self::Task(_) => "nothing; the fetch is tried again",
            Self::Network { .. } => {
                "look at the server, its certificate and the network; the fetch is tried again"
            }
            Self::Protocol(_) => "check that spec.url is a Git repository and not a web page",
            Self::Refused(_) => "see what the server says",
            Self::ObjectFormat(_) => "use a repository with the object format sha1",
            Self::ReferenceNotFound(_) => "push it, or correct spec.ref",
            Self::NoVersion(_) => "push a tag like v1.2.3 that is in the range, or correct spec.ref.semver",
            Self::NotACommit(_) => "let the reference point at a commit, or at an annotated tag of one",
            Self::NotOnBranch { .. } => "correct spec.ref.commit, or remove spec.ref.branch",
            Self::TooLarge { .. } => {
                "use a smaller repository for manifests; if it is small, run `git repack -adf` on the server"
            }
            Self::BadObjects(_) => "run `git fsck` on the server",
            Self::Local(_) => "check the folder that spec.url names, and who owns it",
            Self::Mirror(_) => "check the space and the permissions of the state directory",
        }
    }
}
