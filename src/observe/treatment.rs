//! How a Delivery wants its objects treated where the API server leaves a choice.

use crate::api::DeliverySpec;

/// How a Delivery wants its objects treated.
#[derive(Debug, Default)]
pub struct Treatment {
    /// Which objects are made anew when they cannot be changed.
    pub force: Force,
}

/// Which objects are deleted and made anew when they differ in a field that cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// Those that ask for it by an annotation.
    #[default]
    Annotated,
    /// All but those that hold what cannot be made again, which have to ask for it themselves.
    Everything,
}

impl Treatment {
    /// As a spec has it.
    pub fn of(spec: &DeliverySpec) -> Self {
        Self {
            force: if spec.force {
                Force::Everything
            } else {
                Force::Annotated
            },
        }
    }
}
