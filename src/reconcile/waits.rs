//! Runs that only wait until what they applied is healthy: they take nobody's turn, and end at once when there is something
//! newer to apply.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::name::Key;

/// Which Deliveries wait.
#[derive(Default)]
pub struct Waits {
    waiting: Mutex<BTreeMap<Key, CancellationToken>>,
    begun: Notify,
    all: CancellationToken,
}

/// A Delivery that waits, until this is dropped.
pub struct Waiting<'a> {
    waits: &'a Waits,
    key: Key,
    over: CancellationToken,
}

impl Waits {
    /// A Delivery begins to wait.
    pub fn begin(&self, key: &Key) -> Waiting<'_> {
        let over = self.all.child_token();
        self.waiting().insert(key.clone(), over.clone());
        self.begun.notify_one();
        Waiting {
            waits: self,
            key: key.clone(),
            over,
        }
    }

    /// Ends the wait of a Delivery, if it waits: there is something newer.
    pub fn end(&self, key: &Key) {
        if let Some(over) = self.waiting().get(key) {
            over.cancel();
        }
    }

    /// Ends all waits, those that are still to begin included: the process stops.
    pub fn end_all(&self) {
        self.all.cancel();
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.waiting().len()
    }

    /// Until another one begins to wait.
    pub async fn another(&self) {
        self.begun.notified().await;
    }

    /// A thread that panicked left the map usable: each change of it is a single one.
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<Key, CancellationToken>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting<'_> {
    /// Until somebody ends it.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.waits.waiting().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_for_its_own_delivery_alone() {
        let waits = Waits::default();
        let key = |name| Key::new("apps", name).unwrap();
        let (web, db) = (waits.begin(&key("web")), waits.begin(&key("db")));
        waits.another().await;
        assert_eq!(waits.count(), 2);
        waits.end(&key("other"));
        waits.end(&key("web"));
        web.over().await;
        assert!(!db.over.is_cancelled());
        drop(web);
        assert_eq!(waits.count(), 1);
        // What ended before says nothing of the next.
        assert!(!waits.begin(&key("web")).over.is_cancelled());
        waits.end_all();
        db.over().await;
        drop(db);
        assert_eq!(waits.count(), 0);
        waits.begin(&key("web")).over().await;
    }
}
