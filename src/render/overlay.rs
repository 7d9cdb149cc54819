//! What a Delivery adds to the kustomization of its folder.

use kustomize::{MissingComponents, Overlay, OverlayImage, OverlayPatch, Target};

use crate::api::{DeliverySpec, Image, Patch, PatchTarget};

/// What a spec says of it.
pub(super) fn of(spec: &DeliverySpec) -> Overlay {
    Overlay {
        namespace: spec.target_namespace.clone(),
        name_prefix: spec.name_prefix.clone(),
        name_suffix: spec.name_suffix.clone(),
        components: spec.components.clone(),
        missing_components: if spec.ignore_missing_components {
            MissingComponents::PassedOver
        } else {
            MissingComponents::Refused
        },
        patches: spec.patches.iter().map(patch).collect(),
        images: spec.images.iter().map(image).collect(),
    }
}

fn patch(Patch { patch, target }: &Patch) -> OverlayPatch {
    OverlayPatch {
        patch: patch.clone(),
        target: target.clone().map(selector),
    }
}

/// The objects that a spec means, as the kustomize engine knows them.
pub(crate) fn selector(target: PatchTarget) -> Target {
    let PatchTarget {
        group,
        version,
        kind,
        name,
        namespace,
        annotation_selector,
        label_selector,
    } = target;
    Target {
        group,
        version,
        kind,
        name,
        namespace,
        label_selector,
        annotation_selector,
    }
}

fn image(image: &Image) -> OverlayImage {
    let Image {
        name,
        new_name,
        new_tag,
        digest,
    } = image.clone();
    OverlayImage {
        name,
        new_name,
        new_tag,
        digest,
    }
}
