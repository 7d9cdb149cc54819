//! Strategic merge: a patch over a value, with lists merged by the keys that the kind's schema gives.
//!
//! It is kyaml's (yaml/merge2 and yaml/walk): lists are merged with the patch's elements first, a list that the schema
//! does not merge is replaced, and the whole object is walked, so that elements of a merged list that are the same become
//! one even where the patch says nothing.

mod directive;
mod elements;
mod list;

use manifest_yaml::{Mapping, Value};

use crate::field_spec::FieldProblem;
use crate::schema::{Schema, Schemas};
use directive::{Directive, Directives};

/// A merge on its way through a value.
pub(crate) struct Merge<'s> {
    schemas: &'s Schemas,
    /// The keys and positions that lead to where it is.
    walked: Vec<String>,
}

impl<'s> Merge<'s> {
    /// What an object comes to with a patch over it; nothing if the patch deletes it.
    pub(crate) fn object(
        schemas: &'s Schemas,
        base: Mapping,
        patch: &Mapping,
    ) -> Result<Option<Mapping>, FieldProblem> {
        let mut merge = Self {
            schemas,
            walked: Vec::new(),
        };
        if matches!(
            patch.get(directive::PATCH).and_then(Value::as_str),
            Some("replace")
        ) {
            return Err(merge.problem(
                "kustomize does not replace whole objects; delete it, and list another under resources",
            ));
        }
        let base = Value::Mapping(base);
        let schema = schemas.of_value(&base);
        match merge.both(schema, base, &Value::Mapping(patch.share()))? {
            Some(Value::Mapping(merged)) if !merged.is_empty() => Ok(Some(merged)),
            _ => Ok(None),
        }
    }

    /// The schema of a value, which may be one of an object within another.
    fn schema_of(&self, schema: Schema<'s>, base: Option<&Value>, patch: Option<&Value>) -> Schema<'s> {
        let Schema::Unknown = schema else {
            return schema;
        };
        let known = |value: Option<&Value>| match value.map(|value| self.schemas.of_value(value)) {
            None | Some(Schema::Unknown) => None,
            known => known,
        };
        known(base).or_else(|| known(patch)).unwrap_or(Schema::Unknown)
    }

    /// A value that the patch speaks of.
    fn both(
        &mut self,
        schema: Schema<'s>,
        base: Value,
        patch: &Value,
    ) -> Result<Option<Value>, FieldProblem> {
        let schema = self.schema_of(schema, Some(&base), Some(patch));
        match (base, patch) {
            (_, Value::Null) => Ok(None),
            (Value::Null, patch) => self.add_field(schema, patch),
            (Value::Mapping(base), Value::Mapping(patch)) => self.map(schema, base, patch),
            (Value::Sequence(base), Value::Sequence(patch)) => match schema.merged_list() {
                Some(list) => self.list(&list, base, Some(patch)),
                None => self.replacement(patch),
            },
            (Value::Mapping(_), other) => Err(self.mismatch("a map", other)),
            (Value::Sequence(_), other) => Err(self.mismatch("a list", other)),
            (_, other @ (Value::Mapping(_) | Value::Sequence(_))) => Err(self.mismatch("a scalar", other)),
            (_, scalar) => Ok(Some(scalar.share())),
        }
    }

    /// A value that the patch says nothing of.
    fn keep(&mut self, schema: Schema<'s>, base: Value) -> Result<Option<Value>, FieldProblem> {
        let schema = self.schema_of(schema, Some(&base), None);
        match base {
            Value::Mapping(map) => {
                let mut kept = Mapping::new();
                for (key, value) in map {
                    if let Some(value) = self.within(&key, |merge| merge.keep(schema.field(&key), value))? {
                        kept.insert(key, value);
                    }
                }
                Ok(Some(kept.into()))
            }
            Value::Sequence(items) => match schema.merged_list() {
                Some(list) => self.list(&list, items, None),
                None => Ok(Some(items.into())),
            },
            other => Ok(Some(other)),
        }
    }

    /// A field that a map of the object does not have. Where kustomize would print what a list says of itself, it is
    /// refused.
    fn add_field(&mut self, schema: Schema<'s>, patch: &Value) -> Result<Option<Value>, FieldProblem> {
        if let (Value::Sequence(items), Some(_)) = (patch, schema.merged_list())
            && items.iter().any(directive::stands_alone)
        {
            return Err(self.problem("there is no list that $patch could be for"));
        }
        self.add(schema, patch)
    }

    /// A value that is only in the patch.
    fn add(&mut self, schema: Schema<'s>, patch: &Value) -> Result<Option<Value>, FieldProblem> {
        let schema = self.schema_of(schema, None, Some(patch));
        match patch {
            Value::Null => Ok(None),
            Value::Mapping(map) => {
                let directives = Directives::of_map(map).map_err(|problem| self.problem(problem))?;
                if directives.patch == Directive::Delete {
                    return Ok(None);
                }
                let mut added = Mapping::new();
                for (key, value) in directive::fields(map) {
                    if let Some(value) = self.within(key, |merge| merge.add(schema.field(key), value))? {
                        added.insert(key, value);
                    }
                }
                Ok(Some(added.into()))
            }
            Value::Sequence(items) => match schema.merged_list() {
                Some(list) => self.added_list(&list, items),
                None => self.replacement(items),
            },
            scalar => Ok(Some(scalar.share())),
        }
    }

    fn map(
        &mut self,
        schema: Schema<'s>,
        base: Mapping,
        patch: &Mapping,
    ) -> Result<Option<Value>, FieldProblem> {
        let directives = Directives::of_map(patch).map_err(|problem| self.problem(problem))?;
        match directives.patch {
            Directive::Delete => return Ok(None),
            Directive::Replace => {
                let rest: Mapping = directive::fields(patch)
                    .map(|(key, value)| (key.to_owned(), value.share()))
                    .collect();
                return self.add(schema, &rest.into());
            }
            Directive::Merge => {}
        }
        let mut merged = Mapping::new();
        for (key, value) in base {
            let is_retained = directives.retains(&key);
            let value = self.within(&key, |merge| match patch.get(&key) {
                Some(patch) => merge.both(schema.field(&key), value, patch),
                None if !is_retained => Ok(None),
                None => merge.keep(schema.field(&key), value),
            })?;
            if let Some(value) = value {
                merged.insert(key, value);
            }
        }
        let added: Vec<&str> = directive::fields(patch).map(|(key, _)| key).collect();
        for key in added {
            if let (false, Some(value)) = (merged.contains_key(key), patch.get(key))
                && let Some(value) = self.within(key, |merge| merge.add_field(schema.field(key), value))?
            {
                merged.insert(key, value);
            }
        }
        for (field, values) in &directives.deletions {
            self.within(field, |merge| merge.delete_scalars(&mut merged, field, values))?;
        }
        for (field, order) in &directives.orders {
            let list = schema.field(field).merged_list();
            self.within(field, |merge| {
                merge.order(list.as_ref(), &mut merged, field, order)
            })?;
        }
        Ok(Some(merged.into()))
    }

    /// A list of the patch that takes the place of another.
    fn replacement(&self, items: &[Value]) -> Result<Option<Value>, FieldProblem> {
        let is_directive = |item: &Value| item.get_path(&[directive::PATCH]).is_some();
        if items.iter().any(is_directive) {
            return Err(self.problem(
                "a $patch within a list that is not merged by a key has no effect; write the whole list",
            ));
        }
        Ok(Some(items.iter().map(Value::share).collect::<Vec<_>>().into()))
    }

    fn within<T>(
        &mut self,
        key: &str,
        work: impl FnOnce(&mut Self) -> Result<T, FieldProblem>,
    ) -> Result<T, FieldProblem> {
        self.walked.push(key.to_owned());
        let result = work(self);
        self.walked.pop();
        result
    }

    fn problem(&self, problem: impl Into<String>) -> FieldProblem {
        FieldProblem::new(&self.walked.join("."), problem)
    }

    fn mismatch(&self, expected: &str, found: &Value) -> FieldProblem {
        FieldProblem::new(
            &self.walked.join("."),
            format!("{expected} cannot be patched with {}", found.kind_name()),
        )
    }
}
