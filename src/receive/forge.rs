//! What the forges call the headers of a call.

use http::HeaderMap;

use crate::api::ReceiverType;

/// The one value of a header. One that comes twice is none: it would be unclear which one counts.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

impl ReceiverType {
    /// The header with the event's name.
    fn event_header(self) -> Option<&'static str> {
        match self {
            Self::GitHub => Some("x-github-event"),
            Self::GitLab => Some("x-gitlab-event"),
            Self::Gitea => Some("x-gitea-event"),
            Self::Forgejo => Some("x-forgejo-event"),
            Self::Bitbucket => Some("x-event-key"),
            Self::GenericHmac => None,
        }
    }

    /// The headers that may have the id of the call, the better one first. Bitbucket's `X-Hook-UUID` is that of the webhook
    /// and the same for all calls.
    fn id_headers(self) -> &'static [&'static str] {
        match self {
            Self::GitHub => &["x-github-delivery"],
            Self::GitLab => &["idempotency-key", "x-gitlab-event-uuid"],
            Self::Gitea => &["x-gitea-delivery"],
            Self::Forgejo => &["x-forgejo-delivery"],
            // Cloud, and Data Center.
            Self::Bitbucket => &["x-request-uuid", "x-request-id"],
            Self::GenericHmac => &[],
        }
    }

    /// The name of the event, in the forge's words.
    pub(super) fn event(self, headers: &HeaderMap) -> Option<&str> {
        std::str::from_utf8(single(headers, self.event_header()?)?).ok()
    }

    /// The id of the call, which the forge gives to no other.
    pub(super) fn id(self, headers: &HeaderMap) -> Option<&[u8]> {
        self.id_headers().iter().find_map(|name| single(headers, name))
    }

    /// Whether calls name their event.
    pub(super) fn names_events(self) -> bool {
        self.event_header().is_some()
    }

    /// Whether an event only tries whether somebody answers.
    pub(super) fn is_ping(self, event: &str) -> bool {
        match self {
            Self::GitHub => event == "ping",
            Self::Bitbucket => event == "diagnostics:ping",
            Self::GitLab | Self::Gitea | Self::Forgejo | Self::GenericHmac => false,
        }
    }
}
