//! Making an object anew that cannot be changed into what it should be.

use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use tokio::time::Instant;

use super::{ApplyError, persist};
use crate::cluster::{ClusterError, Metadata, Resource, Seen, Session};
use crate::observe::{State, Target, Treatment};
use crate::plan::Action;

/// How long an object that was deleted may take to be gone.
pub const DELETION_TIMEOUT: Duration = Duration::from_mins(1);
/// How often that is looked at.
const DELETION_POLL: Duration = Duration::from_millis(100);
/// How often an object is looked at anew because it changed between the look and its deletion.
pub const MAX_LOOKS: usize = 3;

/// Deletes an object and makes it anew, if that is still what it takes. It is deleted only in the very state in which
/// the API server said that it does. What was done comes back, with what is there now.
pub(super) async fn recreate(
    session: &Session,
    treatment: &Treatment,
    target: &mut Target,
) -> Result<(Action, Metadata), ApplyError> {
    for _ in 0..MAX_LOOKS {
        target.look_again(session, treatment, Timestamp::now()).await?;
        let Some(resource) = target.resource.clone() else {
            return Err(ClusterError::Unaddressable.into());
        };
        let object = target.manifest.object();
        let live = match (&target.state, &target.live) {
            (State::Immutable(_), Some(live)) => live,
            (State::Missing, _) => return Ok((Action::Create, persist(session, target, &resource).await?)),
            (State::Different(_) | State::Ownership | State::Fresh | State::Same, _) => {
                return Ok((Action::Configure, persist(session, target, &resource).await?));
            }
            _ => return Err(ApplyError::Moved),
        };
        let seen = Seen::State {
            uid: &live.uid,
            version: &live.version,
        };
        match session.delete(object, &resource, seen).await {
            Err(ClusterError::Refused(refusal)) if refusal.status() == StatusCode::CONFLICT => {}
            Err(error) => return Err(error.into()),
            Ok(()) => {
                wait_until_gone(session, target, &resource, &live.uid).await?;
                target.forget_live();
                let made = persist(session, target, &resource).await;
                return Ok((Action::Recreate, made.map_err(ApplyError::NotMadeAnew)?));
            }
        }
    }
    Err(ApplyError::Moved)
}

async fn wait_until_gone(
    session: &Session,
    target: &Target,
    resource: &Resource,
    uid: &str,
) -> Result<(), ApplyError> {
    let deadline = Instant::now() + DELETION_TIMEOUT;
    loop {
        let live = session.metadata(target.manifest.object(), resource).await;
        let Some(live) = live?.filter(|live| live.uid == uid) else {
            return Ok(());
        };
        if Instant::now() >= deadline {
            return Err(ApplyError::NotGone {
                finalizers: live.finalizers,
            });
        }
        tokio::time::sleep(DELETION_POLL).await;
    }
}
