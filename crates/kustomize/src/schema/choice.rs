//! Which schemas a build goes by.

use std::rc::Rc;

use super::{Builtin, Given, Schemas, is_builtin};
use crate::BuildError;
use crate::folder::Folder;
use crate::kustomization::OpenApi;
use crate::resource::Resource;

/// The schemas of a build: those that the first kustomization with a word on it asks for, the one that is built before its
/// bases and its bases in their order. They count for everything that comes after (`SetSchema` of kyaml's openapi.go).
pub(crate) struct SchemaChoice {
    schemas: Rc<Schemas>,
    made: Made,
    /// Whether Kubernetes' own kinds were needed already; if so they stay known.
    builtin: Builtin,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Yes,
    NotYet,
}

impl SchemaChoice {
    pub(crate) fn new() -> Self {
        Self {
            schemas: Rc::new(Schemas::Builtin),
            made: Made::NotYet,
            builtin: Builtin::Unknown,
        }
    }

    pub(crate) fn schemas(&self) -> &Rc<Schemas> {
        &self.schemas
    }

    /// Takes what a kustomization says, unless another one has spoken. Its file has to be readable anyway.
    pub(crate) fn choose(
        &mut self,
        openapi: Option<&OpenApi>,
        folder: &Folder<'_>,
    ) -> Result<(), BuildError> {
        let given = match openapi {
            None => return Ok(()),
            Some(OpenApi::Builtin) => None,
            Some(OpenApi::File(reference)) => {
                let (file, document) = folder.settings(reference)?;
                let given = Given::read(document, self.builtin).map_err(|(field, problem)| {
                    BuildError::FieldValue {
                        file,
                        field,
                        problem: problem.to_owned(),
                    }
                })?;
                Some(given)
            }
        };
        if self.made == Made::Yes {
            return Ok(());
        }
        self.made = Made::Yes;
        self.schemas = Rc::new(given.map_or(Schemas::Builtin, Schemas::Given));
        Ok(())
    }

    /// Notes an object; of a kind that kustomize does not know by heart it asks the built-in schemas.
    pub(crate) fn note_object(&mut self, object: &Resource) {
        if !is_builtin(object.api_version(), object.kind()) {
            self.builtin = Builtin::Known;
        }
    }

    /// Notes that patches were merged.
    pub(crate) fn note_merge(&mut self) {
        self.builtin = Builtin::Known;
    }
}
