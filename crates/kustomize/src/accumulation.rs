//! What a kustomization and its bases come to.

use std::rc::Rc;

use crate::BuildError;
use crate::configuration::Configuration;
use crate::resources::Resources;
use crate::vars::Vars;

/// Objects, and what is needed to work on them further up (kustomize's `ResAccumulator`).
pub(crate) struct Accumulation {
    pub(crate) resources: Resources,
    /// The fields to work on: those that are built in, and those of all kustomizations so far.
    pub(crate) configuration: Rc<Configuration>,
    pub(crate) vars: Vars,
}

impl Accumulation {
    /// Nothing but the configuration that is built in.
    pub(crate) fn new(builtin: &Rc<Configuration>) -> Self {
        Self {
            resources: Resources::default(),
            configuration: Rc::clone(builtin),
            vars: Vars::default(),
        }
    }

    /// Adds what a base came to; `conflict` makes the error of two configurations that contradict each other on a path.
    pub(crate) fn merge(
        &mut self,
        other: Self,
        conflict: impl FnOnce(&str) -> BuildError,
    ) -> Result<(), BuildError> {
        self.resources.append_all(other.resources)?;
        if !Rc::ptr_eq(&self.configuration, &other.configuration) {
            Rc::make_mut(&mut self.configuration)
                .merge(&other.configuration)
                .map_err(|path| conflict(&path))?;
        }
        self.vars.merge(other.vars)
    }

    /// Adds the configuration of a file.
    pub(crate) fn configure(&mut self, more: &Configuration) -> Result<(), String> {
        Rc::make_mut(&mut self.configuration).merge(more)
    }
}
