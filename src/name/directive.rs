//! Annotations with which a user says how a single object is treated.

/// What such an annotation is about. Each has our name and Flux's, so that repositories that come from Flux keep
/// what they protect (kustomize-controller, `docs/spec/v1/kustomizations.md`, "Controlling the apply behavior").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directive {
    /// How it is applied: `Override`, which is the default, `Merge`, `IfNotPresent` or `Ignore`.
    Ssa,
    /// `disabled` keeps it from being pruned.
    Prune,
    /// `Enabled` has it deleted and made anew when it differs in a field that cannot be changed.
    Force,
    /// `disabled` leaves it alone altogether.
    Reconcile,
    /// `disabled` keeps variables from being substituted in it.
    Substitute,
}

impl Directive {
    fn keys(self) -> [&'static str; 2] {
        match self {
            Self::Ssa => ["fluxops.dev/ssa", "kustomize.toolkit.fluxcd.io/ssa"],
            Self::Prune => ["fluxops.dev/prune", "kustomize.toolkit.fluxcd.io/prune"],
            Self::Force => ["fluxops.dev/force", "kustomize.toolkit.fluxcd.io/force"],
            Self::Reconcile => ["fluxops.dev/reconcile", "kustomize.toolkit.fluxcd.io/reconcile"],
            Self::Substitute => ["fluxops.dev/substitute", "kustomize.toolkit.fluxcd.io/substitute"],
        }
    }

    /// Whether one of an object's annotations gives it this value, in upper or lower case.
    pub(crate) fn says<'a>(self, value: &str, annotation: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut found = self.keys().into_iter().filter_map(annotation);
        found.any(|found| found.eq_ignore_ascii_case(value))
    }

    /// The same, where case matters.
    pub(crate) fn says_exactly<'a>(self, value: &str, annotation: impl Fn(&str) -> Option<&'a str>) -> bool {
        let mut found = self.keys().into_iter().filter_map(annotation);
        found.any(|found| found == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_count_in_upper_and_lower_case() {
        for (key, value, holds) in [
            ("fluxops.dev/prune", "disabled", true),
            ("kustomize.toolkit.fluxcd.io/prune", "Disabled", true),
            ("fluxops.dev/prune", "enabled", false),
            ("fluxops.dev/reconcile", "disabled", false),
        ] {
            let annotation = |asked: &str| (asked == key).then_some(value);
            assert_eq!(
                Directive::Prune.says("disabled", annotation),
                holds,
                "{key}: {value}"
            );
        }
    }
}
