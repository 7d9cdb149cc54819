//! Variables in the built objects, as Flux's `postBuild` has them.

use kustomize::{MissingVariable, Variables, substitute};
use manifest_yaml::Value;

use super::RenderError;
use super::manifest::place;
use crate::api::SubstituteStrategy;
use crate::name::Directive;

/// Variables, and when they are substituted.
#[derive(Default)]
pub struct Substitution {
    variables: Variables,
    strategy: SubstituteStrategy,
}

impl Substitution {
    /// These variables.
    pub fn new(variables: Variables, strategy: SubstituteStrategy) -> Self {
        Self { variables, strategy }
    }

    /// Substitutes them in an object, unless it says that it is to be left alone.
    pub(super) fn run(&self, object: &mut Value, folder: &str) -> Result<(), RenderError> {
        let asked_for = match self.strategy {
            SubstituteStrategy::Always => true,
            SubstituteStrategy::WithVariables => !self.variables.is_empty(),
        };
        if !asked_for || is_exempt(object) {
            return Ok(());
        }
        substitute(object, &self.variables, MissingVariable::Refuse).map_err(|source| {
            RenderError::Substitute {
                place: place(object, folder),
                source,
            }
        })
    }
}

/// Whether a label or an annotation of an object keeps its text as it is. Flux wants this one in lower case.
fn is_exempt(object: &Value) -> bool {
    ["labels", "annotations"].into_iter().any(|field| {
        Directive::Substitute.says_exactly("disabled", |key| {
            object.get_path(&["metadata", field, key]).and_then(Value::as_str)
        })
    })
}
