//! What is noteworthy about an entry of SSH keys.

use jiff::Timestamp;

use super::revoked::RevokedKeys;
use super::{Entry, Identity, Role};
use crate::inspection::{Problem, expires_soon};
use crate::moment::Moment;
use crate::refusal::Refusal;

impl Entry {
    /// Everything that is noteworthy about the entry alone.
    pub(crate) fn problems(&self, revoked: &RevokedKeys, now: Timestamp) -> Vec<Problem> {
        if let Err(refusal) = self.check(revoked, now) {
            return vec![Problem::Refused(refusal)];
        }
        let until = self.grant.window.last();
        let ends = until.and_then(|until| expires_soon(until, now));
        ends.into_iter().chain(self.excess_of_authority()).collect()
    }

    /// Whether what the key signs now, or certifies, can be accepted.
    fn check(&self, revoked: &RevokedKeys, now: Timestamp) -> Result<(), Refusal> {
        let name = self.key.name();
        if let Some(by) = revoked.lookup(&self.key, None) {
            return Err(Refusal::Revoked { key: name, by });
        }
        self.key
            .check_strength()
            .map_err(|error| error.into_refusal(name.clone()))?;
        self.grant.check_namespace(&name)?;
        self.grant.check_window(&name, Moment::Now(now))
    }

    /// What an authority may do beyond what it probably should.
    fn excess_of_authority(&self) -> impl Iterator<Item = Problem> {
        let is_authority = self.role == Role::Authority;
        let anybody = match &self.grant.identity {
            Identity::Principals(patterns) => patterns.matches_anything(),
            Identity::Label(_) => false,
        };
        let problems = [
            (is_authority && self.grant.namespaces.is_none()).then_some(Problem::AuthorityForAllNamespaces),
            (is_authority && anybody).then_some(Problem::AuthorityForAnybody),
        ];
        problems.into_iter().flatten()
    }

    /// Whether both entries let the same key do the same at the same time.
    pub(crate) fn repeats(&self, other: &Self) -> bool {
        self.key == other.key
            && self.role == other.role
            && self.grant.namespaces == other.grant.namespaces
            && self.grant.window.overlaps(&other.grant.window)
    }
}
