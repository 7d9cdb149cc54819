//! Lists that are merged element by element (kyaml's `yaml/walk/associative_sequence.go`).

use manifest_yaml::{Mapping, Value};

use super::Merge;
use super::directive::{self, Directive};
use super::elements::{Elements, matches_set};
use crate::field_path::number_text;
use crate::field_spec::FieldProblem;
use crate::schema::MergedList;

/// The values of the keys of an element, in the order of the keys; empty where it has none.
type Key = Vec<String>;

impl<'s> Merge<'s> {
    /// Merges the elements of a patch, if it speaks of the list, into those of a list.
    pub(super) fn list(
        &mut self,
        list: &MergedList<'s>,
        base: Vec<Value>,
        patch: Option<&[Value]>,
    ) -> Result<Option<Value>, FieldProblem> {
        let (directive, elements) = match patch {
            None => (Directive::Merge, Vec::new()),
            Some(items) => directive::of_list(items).map_err(|problem| self.problem(problem))?,
        };
        match directive {
            Directive::Delete => Ok(None),
            Directive::Replace => self.added_list(list, patch.unwrap_or_default()),
            Directive::Merge => {
                self.check_once(list, &elements)?;
                self.merged(list, base, &elements)
                    .map(|merged| Some(merged.into()))
            }
        }
    }

    /// The elements of a patch, where there are no others; kyaml merges them with themselves.
    pub(super) fn added_list(
        &mut self,
        list: &MergedList<'s>,
        items: &[Value],
    ) -> Result<Option<Value>, FieldProblem> {
        let (directive, elements) = directive::of_list(items).map_err(|problem| self.problem(problem))?;
        if directive == Directive::Delete {
            return Ok(None);
        }
        self.check_once(list, &elements)?;
        let mut added = Vec::new();
        for (index, element) in elements.into_iter().enumerate() {
            let is_whole = list.keys.iter().all(|key| element.get_path(&[key]).is_some());
            if !is_whole && element.get_path(&[directive::PATCH]).and_then(Value::as_str) == Some("delete") {
                return Err(self
                    .problem("kustomize adds an element that is to be deleted and does not have all keys"));
            }
            match self.within(&index.to_string(), |merge| merge.add(list.elements, element))? {
                Some(Value::Mapping(map)) if map.is_empty() => {}
                element => added.extend(element),
            }
        }
        self.merged(list, added, &[]).map(|merged| Some(merged.into()))
    }

    fn merged(
        &mut self,
        list: &MergedList<'s>,
        base: Vec<Value>,
        patch: &[&Value],
    ) -> Result<Vec<Value>, FieldProblem> {
        if list.keys.is_empty() {
            self.scalars(base, patch)
        } else {
            self.elements(list, base, patch)
        }
    }

    /// Refuses a patch that speaks of an element twice, or may do so, of which kustomize hears once.
    fn check_once(&self, list: &MergedList<'s>, patch: &[&Value]) -> Result<(), FieldProblem> {
        let mut keys: Vec<Key> = Vec::new();
        for element in patch {
            let mut key = Key::new();
            for name in &list.keys {
                key.push(match element.get_path(&[name]) {
                    None => String::new(),
                    Some(Value::Null) => {
                        return Err(self.problem(format!("{name}, by which the list is merged, is null")));
                    }
                    Some(value) => key_text(value).map_err(|problem| self.problem(problem))?,
                });
            }
            if let Some(other) = keys.iter().find(|other| united(other, &key).is_some()) {
                let (one, other) = (key.join(","), other.join(","));
                return Err(self.problem(format!("the patch has an element twice: {other} and {one}")));
            }
            if key.iter().any(|part| !part.is_empty()) {
                keys.push(key);
            }
        }
        Ok(())
    }

    /// The scalars of the patch, then those that only the list has, each once.
    fn scalars(&self, base: Vec<Value>, patch: &[&Value]) -> Result<Vec<Value>, FieldProblem> {
        let mut seen: Vec<String> = Vec::new();
        let mut merged = Vec::new();
        for value in patch.iter().map(|value| value.share()).chain(base) {
            let text = key_text(&value).map_err(|problem| self.problem(problem))?;
            if text.is_empty() {
                return Err(self.problem("an element is no scalar"));
            }
            if !seen.contains(&text) {
                seen.push(text);
                merged.push(value);
            }
        }
        Ok(merged)
    }

    fn elements(
        &mut self,
        list: &MergedList<'s>,
        base: Vec<Value>,
        patch: &[&Value],
    ) -> Result<Vec<Value>, FieldProblem> {
        if let ([only], []) = (base.as_slice(), patch)
            && list.keys.iter().all(|key| only.get_path(&[key]).is_none())
        {
            // kustomize loses all elements without a key but the last one.
            return Ok(base);
        }
        let of_patch: Vec<Key> = self.keys_of(list, patch.iter().copied())?;
        let of_base: Vec<Key> = self.keys_of(list, base.iter())?;
        let mut all: Vec<Key> = Vec::new();
        for key in of_patch.iter().chain(&of_base) {
            if !all.contains(key) {
                all.push(key.clone());
            }
        }
        if list.keys.len() > 1 {
            unite(&mut all);
        }
        // Keys that no element has tell nothing apart.
        let used: Vec<usize> = (0..list.keys.len())
            .filter(|index| all.iter().any(|key| !part(key, *index).is_empty()))
            .collect();
        let keys: Vec<&str> = used
            .iter()
            .filter_map(|index| list.keys.get(*index).copied())
            .collect();
        let mut elements = Elements::new(base);
        for key in &all {
            let wanted: Vec<&str> = used.iter().map(|index| part(key, *index)).collect();
            let patch = patch.iter().find(|element| matches_set(element, &keys, &wanted));
            elements.merge_one(self, list, (&keys, &wanted), patch.copied())?;
        }
        elements.put_back_the_rest(&keys);
        Ok(elements.into_values())
    }

    /// The keys of elements. Those without the first one kustomize loses, or loses others for them.
    fn keys_of<'v>(
        &self,
        list: &MergedList<'s>,
        elements: impl Iterator<Item = &'v Value>,
    ) -> Result<Vec<Key>, FieldProblem> {
        let key_of = |(index, element): (usize, &Value)| {
            let problem =
                |problem: String| FieldProblem::new(&format!("{}.{index}", self.walked.join(".")), problem);
            let Value::Mapping(map) = element else {
                return Err(FieldProblem::type_error(
                    &format!("{}.{index}", self.walked.join(".")),
                    "a map",
                    element,
                ));
            };
            let mut key = Key::new();
            for name in &list.keys {
                let text = map.get(name).map_or(Ok(String::new()), key_text);
                key.push(
                    text.map_err(|reason| problem(format!("{name}, by which the list is merged, {reason}")))?,
                );
            }
            match (key.first().map(String::as_str), list.keys.first()) {
                (None | Some(""), Some(name)) => Err(problem(format!(
                    "{name}, by which the list is merged, is missing"
                ))),
                _ => Ok(key),
            }
        };
        elements.enumerate().map(key_of).collect()
    }

    /// `$deleteFromPrimitiveList`
    pub(super) fn delete_scalars(
        &self,
        map: &mut Mapping,
        field: &str,
        values: &[Value],
    ) -> Result<(), FieldProblem> {
        let texts = |values: &[Value]| {
            values
                .iter()
                .map(key_text)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|problem| self.problem(problem))
        };
        let Some(items) = map.get_mut(field).and_then(Value::as_sequence_mut) else {
            return Ok(());
        };
        let deleted = texts(values)?;
        let mut present = texts(items)?.into_iter();
        items.retain(|_| !present.next().is_some_and(|text| deleted.contains(&text)));
        Ok(())
    }

    /// `$setElementOrder`: the elements that it lists, in its order; each of the others comes before the first of them that
    /// it came before.
    pub(super) fn order(
        &self,
        list: Option<&MergedList<'s>>,
        map: &mut Mapping,
        field: &str,
        order: &[Value],
    ) -> Result<(), FieldProblem> {
        let Some(list) = list else {
            return Err(self.problem("$setElementOrder is for lists that are merged by a key"));
        };
        let Some(items) = map.get_mut(field).and_then(Value::as_sequence_mut) else {
            return Ok(());
        };
        let scalar = |value: &Value| key_text(value).map(|text| vec![text]);
        let keys = |values: &[Value]| {
            if list.keys.is_empty() {
                let keys: Result<Vec<Key>, _> = values.iter().map(scalar).collect();
                keys.map_err(|problem| self.problem(problem))
            } else {
                self.keys_of(list, values.iter())
            }
        };
        let wanted = keys(order)?;
        let present = keys(items)?;
        let place = |key: &Key| wanted.iter().position(|other| other == key);
        let mut listed: Vec<(usize, usize)> = present
            .iter()
            .enumerate()
            .filter_map(|(index, key)| Some((place(key)?, index)))
            .collect();
        listed.sort_unstable();
        let mut others = (0..items.len())
            .filter(|index| present.get(*index).is_some_and(|key| place(key).is_none()))
            .peekable();
        let mut sorted = Vec::with_capacity(items.len());
        for (_, index) in listed {
            while let Some(other) = others.next_if(|other| *other < index) {
                sorted.push(other);
            }
            sorted.push(index);
        }
        sorted.extend(others);
        let mut taken: Vec<Option<Value>> = std::mem::take(items).into_iter().map(Some).collect();
        items.extend(
            sorted
                .into_iter()
                .filter_map(|index| taken.get_mut(index)?.take()),
        );
        Ok(())
    }
}

/// Makes one of keys that differ only in parts that one of them does not have (`mergeValues`).
fn unite(all: &mut [Key]) {
    for index in 0..all.len() {
        let Some(first) = all.get(index).cloned() else {
            return;
        };
        for other in 0..all.len() {
            let Some(united) = all.get(other).and_then(|second| united(&first, second)) else {
                continue;
            };
            for place in [index, other] {
                if let Some(key) = all.get_mut(place) {
                    key.clone_from(&united);
                }
            }
        }
    }
}

/// Both keys in one, if a part of them is the same and no part differs (`match`).
fn united(first: &Key, second: &Key) -> Option<Key> {
    let mut has_common = false;
    let mut united = Key::new();
    for (first, second) in first.iter().zip(second) {
        if first == second {
            has_common = true;
        } else if !first.is_empty() && !second.is_empty() {
            return None;
        }
        united.push(if first.is_empty() { second } else { first }.clone());
    }
    has_common.then_some(united)
}

fn part(key: &Key, index: usize) -> &str {
    key.get(index).map_or("", String::as_str)
}

/// The text of a scalar; empty for what is none.
pub(super) fn key_text(value: &Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number_text(*number)),
        Value::Sensitive(_) => Err("is sealed, and has to be read"),
        Value::Null | Value::Sequence(_) | Value::Mapping(_) => Ok(String::new()),
    }
}
