//! A single run: every object once, sources first, Deliveries after those they depend on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::order::depends_on;
use super::{Controller, DeliveryDefinition, Line};
use crate::name::{Key, Kind, ObjectName};
use crate::reconcile::Trigger;

/// How long `--once` tries to get its messages out.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(15);

impl Controller {
    /// Reconciles every object once, sources first, Deliveries after those they depend on.
    pub async fn once(mut self) -> Vec<Line> {
        self.begin().await;
        let unreachable = self.unreachable_deliveries();
        while let Some(batch) = self.next_batch() {
            self.schedule.begin_batch(batch);
            loop {
                self.start_due();
                let context = Arc::clone(&self.context);
                tokio::select! {
                    finished = self.running.join_next_with_id() => match finished {
                        Some(finished) => self.finish(finished).await,
                        None => break,
                    },
                    () = context.waits.another() => {}
                }
            }
        }
        for name in unreachable {
            let delivery = self.definitions.deliveries.get(&name.key);
            if let Some(Err(failure)) = delivery.map(|delivery| self.ready_to_apply(delivery)) {
                self.report_delivery_failure(&name.key, Trigger::Start, failure)
                    .await;
            }
        }
        match self.notifications.flush(FLUSH_TIMEOUT).await {
            Ok(0) => {}
            Ok(waiting) => tracing::warn!(
                waiting,
                "messages stay in the outbox; the next run tries them again"
            ),
            Err(error) => tracing::error!(error = %crate::chain(&error), "messages could not be delivered"),
        }
        self.reporter.take_lines()
    }

    /// The next objects of a single run: all sources, then Deliveries level by level.
    fn next_batch(&self) -> Option<BTreeSet<ObjectName>> {
        let done = self.schedule.done();
        let name = |kind, key: &Key| ObjectName {
            kind,
            key: key.clone(),
        };
        let sources: BTreeSet<_> = self
            .definitions
            .sources
            .keys()
            .map(|key| name(Kind::GitSource, key))
            .filter(|name| !done.contains(name))
            .collect();
        if !sources.is_empty() {
            return Some(sources);
        }
        let free = |delivery: &&DeliveryDefinition| {
            !self.definitions.deliveries.values().any(|other| {
                depends_on(delivery, &other.key) && !done.contains(&name(Kind::Delivery, &other.key))
            })
        };
        let deliveries: BTreeSet<_> = self
            .definitions
            .deliveries
            .values()
            .filter(free)
            .map(|delivery| name(Kind::Delivery, &delivery.key))
            .filter(|name| !done.contains(name))
            .collect();
        (!deliveries.is_empty()).then_some(deliveries)
    }
}
