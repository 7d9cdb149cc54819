//! How a Delivery wants its objects treated where the API server leaves a choice.

use manifest_yaml::Value;

use super::concession::Concession;
use super::ignore::{Ignore, InvalidIgnore, owners};
use super::ownership::our_fields;
use crate::api::DeliverySpec;
use crate::cluster::Metadata;
use crate::render::Manifest;

/// How a Delivery wants its objects treated.
#[derive(Default)]
pub struct Treatment {
    pub(super) force: Force,
    ignore: Vec<Ignore>,
}

/// Which objects are deleted and made anew when they differ in a field that cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Force {
    /// Those that ask for it by an annotation.
    #[default]
    Annotated,
    /// All but those that hold what cannot be made again, which have to ask for it themselves.
    Everything,
}

impl Treatment {
    /// As a spec has it; refused where one of its rules cannot be understood.
    pub fn of(spec: &DeliverySpec) -> Result<Self, InvalidIgnore> {
        let rules = spec.ignore.iter().enumerate();
        Ok(Self {
            force: if spec.force {
                Force::Everything
            } else {
                Force::Annotated
            },
            ignore: rules
                .map(|(index, rule)| Ignore::new(index, rule))
                .collect::<Result<_, _>>()?,
        })
    }

    /// What is sent of an object that is there, where something of it is left to others.
    pub(super) fn conceded(&self, manifest: &Manifest, live: &Metadata) -> Option<Value> {
        let mut rules = self.ignore.iter().filter(|rule| rule.is_for(manifest)).peekable();
        rules.peek()?;
        let mut body = manifest.body().share();
        let ours = our_fields(live);
        let mut has_taken = false;
        for rule in rules {
            for theirs in owners(live, &rule.fields) {
                let concession = Concession {
                    theirs,
                    ours,
                    fields: &rule.fields,
                };
                has_taken |= concession.take_out_of(&mut body);
            }
        }
        has_taken.then_some(body)
    }
}
