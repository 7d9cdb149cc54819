//! Adding the field specs of one configuration to those of another.

use super::{Configuration, References};
use crate::field_spec::{FieldSpec, merge};
use crate::order::reference_rank;

impl Configuration {
    /// A configuration without any field specs, to which those of a file are added.
    pub(super) fn empty() -> Self {
        Self {
            namespace: Vec::new(),
            selectors: Vec::new(),
            template_labels: Vec::new(),
            claim_template_labels: Vec::new(),
            labels: Vec::new(),
            annotations: Vec::new(),
            name_prefix: Vec::new(),
            name_suffix: Vec::new(),
            images: Vec::new(),
            replicas: Vec::new(),
            references: Vec::new(),
            var_references: Vec::new(),
        }
    }

    /// Adds the field specs of another (`Merge` of kustomize's transformerconfig.go). Two that say different things of
    /// a missing field are an error, which is the path of the field.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<(), String> {
        merge(&mut self.namespace, &other.namespace)?;
        merge(&mut self.selectors, &other.selectors)?;
        merge(&mut self.template_labels, &other.template_labels)?;
        merge(&mut self.claim_template_labels, &other.claim_template_labels)?;
        merge(&mut self.labels, &other.labels)?;
        merge(&mut self.annotations, &other.annotations)?;
        merge(&mut self.name_prefix, &other.name_prefix)?;
        merge(&mut self.name_suffix, &other.name_suffix)?;
        merge(&mut self.images, &other.images)?;
        merge(&mut self.replicas, &other.replicas)?;
        merge(&mut self.var_references, &other.var_references)?;
        for references in &other.references {
            self.add_references(references)?;
        }
        self.references
            .sort_by_cached_key(|references| reference_rank(&references.target));
        Ok(())
    }

    /// Adds who refers to one kind.
    pub(super) fn add_references(&mut self, more: &References) -> Result<(), String> {
        let mut known = self.references.iter_mut();
        if let Some(references) = known.find(|references| references.target == more.target) {
            return merge(&mut references.referrers, &more.referrers);
        }
        self.references.push(more.clone());
        Ok(())
    }

    /// Adds one spec to a list of them; see [`merge`](Self::merge).
    pub(super) fn add(specs: &mut Vec<FieldSpec>, spec: &FieldSpec) -> Result<(), String> {
        merge(specs, [spec])
    }
}
