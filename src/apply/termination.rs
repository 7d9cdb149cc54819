//! Waiting until objects that were deleted are gone.

use std::time::Duration;

use tokio::time::Instant;

use super::Change;
use crate::cluster::{ClusterError, Session};
use crate::name::ObjectRef;
use crate::plan::Action;

/// How often it is looked whether an object is gone.
const POLL: Duration = Duration::from_millis(200);

/// Waits until the objects that were deleted are gone; those that still are there at the deadline come back. One that
/// somebody made anew under the name is gone.
pub async fn wait_for_termination(
    session: &Session,
    changes: &[Change],
    deadline: Instant,
) -> Result<Vec<ObjectRef>, ClusterError> {
    let deleted = changes.iter().filter(|change| change.action == Action::Delete);
    let mut waiting: Vec<&ObjectRef> = deleted.map(|change| &change.object).collect();
    loop {
        let mut left = Vec::with_capacity(waiting.len());
        for object in waiting {
            if is_terminating(session, object).await? {
                left.push(object);
            }
        }
        if left.is_empty() || Instant::now() >= deadline {
            return Ok(left.into_iter().cloned().collect());
        }
        waiting = left;
        tokio::time::sleep(POLL).await;
    }
}

async fn is_terminating(session: &Session, object: &ObjectRef) -> Result<bool, ClusterError> {
    let Some(resource) = session.resource(object).await? else {
        return Ok(false);
    };
    let live = session.metadata(object, &resource).await?;
    Ok(live.is_some_and(|live| live.deletion_timestamp.is_some()))
}
