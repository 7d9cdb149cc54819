//! Conditions, by the rules of kstatus (sigs.k8s.io/cli-utils, `pkg/kstatus`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a condition speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ConditionType {
    /// The object is as its spec says.
    Ready,
    /// The source's revision was verified.
    SourceVerified,
    /// The source's newest commit is older than it may be; there only while it is.
    Stale,
    /// What was applied is healthy.
    Healthy,
    /// Work is going on; there only while it is.
    Reconciling,
    /// No progress without a change by the user; there only while it is so.
    Stalled,
    /// Something that was applied is not as it was, and stays so; there only while that is known.
    Drifted,
}

/// Whether it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

/// One condition, in the form of `metav1.Condition`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it speaks of.
    #[serde(rename = "type")]
    pub type_: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word for machines.
    pub reason: String,
    /// A sentence for people.
    pub message: String,
    /// When the status last changed, RFC 3339.
    pub last_transition_time: String,
    /// The generation of the object it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// The most characters a message may have; `metav1.Condition` allows 32768, Flux cuts at 20000.
pub(super) const MAX_MESSAGE: usize = 20_000;

/// The conditions of an object: at most one of each type.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Conditions(Vec<Condition>);

impl Conditions {
    /// The condition of a type.
    pub fn get(&self, type_: ConditionType) -> Option<&Condition> {
        self.0.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether the condition of a type holds.
    pub fn holds(&self, type_: ConditionType) -> bool {
        self.get(type_)
            .is_some_and(|condition| condition.status == ConditionStatus::True)
    }

    /// Sets a condition; the transition time moves only when the status does.
    pub fn set(
        &mut self,
        type_: ConditionType,
        status: ConditionStatus,
        reason: &str,
        message: &str,
        generation: Option<i64>,
        now: Timestamp,
    ) {
        let unchanged = self.get(type_).filter(|former| former.status == status);
        let last_transition_time = match unchanged {
            Some(former) => former.last_transition_time.clone(),
            None => now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        };
        let condition = Condition {
            type_,
            status,
            reason: reason.to_owned(),
            message: message.chars().take(MAX_MESSAGE).collect(),
            last_transition_time,
            observed_generation: generation,
        };
        self.remove(type_);
        self.0.push(condition);
        self.0.sort_by_key(|condition| condition.type_);
    }

    /// Takes a condition away.
    pub fn remove(&mut self, type_: ConditionType) {
        self.0.retain(|condition| condition.type_ != type_);
    }

    /// The conditions, Ready first.
    pub fn iter(&self) -> impl Iterator<Item = &Condition> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transition_time_moves_only_with_the_status() {
        let (early, late) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let mut conditions = Conditions::default();
        conditions.set(
            ConditionType::Ready,
            ConditionStatus::True,
            "Applied",
            "a",
            Some(1),
            early,
        );
        conditions.set(
            ConditionType::Ready,
            ConditionStatus::True,
            "Applied",
            "b",
            Some(2),
            late,
        );
        let ready = conditions.get(ConditionType::Ready).unwrap();
        assert_eq!(
            (ready.message.as_str(), ready.last_transition_time.as_str()),
            ("b", "1970-01-01T00:00:00Z")
        );
        conditions.set(
            ConditionType::Ready,
            ConditionStatus::False,
            "Failed",
            "c",
            Some(2),
            late,
        );
        assert_eq!(
            conditions.get(ConditionType::Ready).unwrap().last_transition_time,
            "1970-01-01T00:01:00Z"
        );
    }

    #[test]
    fn a_message_is_cut_at_its_limit() {
        let mut conditions = Conditions::default();
        let long = "ä".repeat(MAX_MESSAGE + 1);
        conditions.set(
            ConditionType::Ready,
            ConditionStatus::False,
            "F",
            &long,
            None,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(
            conditions
                .get(ConditionType::Ready)
                .unwrap()
                .message
                .chars()
                .count(),
            MAX_MESSAGE
        );
    }
}
