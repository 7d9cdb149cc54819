//! `namePrefix` and `nameSuffix`

use crate::kustomization::Kustomization;
use crate::resource::{Id, KindSelector, Resource};
use crate::resources::Resources;

/// Kinds whose names mean something by themselves (`prefixFieldSpecsToSkip` of kustomize's `PrefixTransformer`), as
/// group and kind.
const FIXED_NAMES: [(&str, &str); 3] = [
    ("", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("", "Namespace"),
];

/// Puts `namePrefix` before the names.
pub(super) fn add_prefix(kustomization: &Kustomization, resources: &mut Resources) {
    let prefix = &kustomization.name_prefix;
    if prefix.is_empty() {
        return;
    }
    for resource in resources.iter_mut().filter(|resource| is_renamed(resource)) {
        resource.prefixes.push(prefix.clone());
        resource.remember_id();
        resource.set_name(format!("{prefix}{}", resource.name()));
    }
}

/// Puts `nameSuffix` after the names.
pub(super) fn add_suffix(kustomization: &Kustomization, resources: &mut Resources) {
    let suffix = &kustomization.name_suffix;
    if suffix.is_empty() {
        return;
    }
    for resource in resources.iter_mut().filter(|resource| is_renamed(resource)) {
        resource.suffixes.push(suffix.clone());
        resource.remember_id();
        resource.set_name(format!("{}{suffix}", resource.name()));
    }
}

fn is_renamed(resource: &Resource) -> bool {
    !resource.name().is_empty() && !has_fixed_name(&resource.original_id())
}

fn has_fixed_name(id: &Id) -> bool {
    FIXED_NAMES
        .iter()
        .any(|(group, kind)| KindSelector::new(group, "", kind).selects(id))
}
