//! The elements of a list on their way through a merge.

use manifest_yaml::Value;

use super::Merge;
use super::directive;
use super::list::key_text;
use crate::field_spec::FieldProblem;
use crate::schema::MergedList;

/// An element: its place in `slots`, which is what makes it the same element.
type Slot = usize;

/// The elements of a list while it is merged.
pub(super) struct Elements {
    slots: Vec<Option<Value>>,
    /// Elements of the list that have not been deleted.
    left: Vec<Slot>,
    /// Elements of the result.
    items: Vec<Slot>,
}

impl Elements {
    pub(super) fn new(base: Vec<Value>) -> Self {
        Self {
            left: (0..base.len()).collect(),
            slots: base.into_iter().map(Some).collect(),
            items: Vec::new(),
        }
    }

    /// Merges the elements of one key.
    pub(super) fn merge_one<'s>(
        &mut self,
        merge: &mut Merge<'s>,
        list: &MergedList<'s>,
        (keys, wanted): (&[&str], &[&str]),
        patch: Option<&Value>,
    ) -> Result<(), FieldProblem> {
        let base = self
            .left
            .iter()
            .copied()
            .find(|slot| self.holds(*slot, |element| matches_set(element, keys, wanted)));
        let name = wanted.join(",");
        let merged = merge.within(&name, |merge| match (base.and_then(|slot| self.slots.get_mut(slot)?.take()), patch) {
            (Some(base), Some(patch)) => {
                if patch.get_path(&[directive::PATCH]).and_then(Value::as_str) == Some("replace") {
                    return Err(merge.problem("kustomize does not replace single elements; set the fields to null that should go"));
                }
                merge.both(list.elements, base, patch)
            }
            (Some(base), None) => merge.keep(list.elements, base),
            (None, Some(patch)) => merge.add(list.elements, patch),
            (None, None) => Ok(None),
        })?;
        match merged {
            Some(Value::Mapping(map)) if !map.is_empty() => {
                let value = Some(Value::Mapping(map));
                let slot = base.unwrap_or(self.slots.len());
                match self.slots.get_mut(slot) {
                    Some(place) => *place = value,
                    None => self.slots.push(value),
                }
                self.set(slot, keys, wanted);
            }
            _ => self.left.retain(|slot| match self.slots.get(*slot) {
                Some(Some(element)) => !matches_fields(element, keys, wanted),
                _ => false,
            }),
        }
        Ok(())
    }

    /// Puts what is left of the list into the result, each element in the place of the one that it is, or at the end
    /// (`appendListNode`). With several keys kyaml takes what is there out first.
    pub(super) fn put_back_the_rest(&mut self, keys: &[&str]) {
        for slot in std::mem::take(&mut self.left) {
            let mut wanted = Vec::new();
            for key in keys {
                match self
                    .slots
                    .get(slot)
                    .and_then(Option::as_ref)
                    .and_then(|element| element.get_path(&[key]))
                {
                    None => self.items.push(slot),
                    Some(value) => wanted.push(written(value)),
                }
            }
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            if keys.len() > 1 {
                let slots = &self.slots;
                self.items.retain(|item| match slots.get(*item) {
                    Some(Some(element)) => !matches_fields(element, keys, &wanted),
                    _ => false,
                });
            }
            self.set(slot, keys, &wanted);
        }
    }

    /// Puts an element into the result, in the place of those that match or at the end (`ElementSetter` of kyaml's fns.go).
    fn set(&mut self, slot: Slot, keys: &[&str], wanted: &[&str]) {
        let mut found = false;
        for index in 0..self.items.len() {
            let Some(item) = self.items.get(index).copied() else {
                break;
            };
            if self.holds(item, |element| matches_fields(element, keys, wanted)) {
                found = true;
                if let Some(item) = self.items.get_mut(index) {
                    *item = slot;
                }
            }
        }
        if !found {
            self.items.push(slot);
        }
    }

    fn holds(&self, slot: Slot, is: impl Fn(&Value) -> bool) -> bool {
        self.slots.get(slot).and_then(Option::as_ref).is_some_and(is)
    }

    pub(super) fn into_values(self) -> Vec<Value> {
        let value = |slot: &Slot| self.slots.get(*slot)?.as_ref().map(Value::share);
        self.items.iter().filter_map(value).collect()
    }
}

/// Whether the fields of an element are as wanted, those that are wanted empty aside (`elementValueList`).
pub(super) fn matches_set(element: &Value, keys: &[&str], wanted: &[&str]) -> bool {
    keys.iter()
        .zip(wanted)
        .filter(|(_, wanted)| !wanted.is_empty())
        .all(|(key, wanted)| field_is(element, key, wanted))
}

/// Whether the fields of an element are as wanted; one that is wanted empty has to be there, and one of which nothing is
/// said does not matter (`ElementSetter`).
fn matches_fields(element: &Value, keys: &[&str], wanted: &[&str]) -> bool {
    keys.iter().zip(wanted).all(|(key, wanted)| {
        if wanted.is_empty() {
            element.get_path(&[key]).is_some()
        } else {
            field_is(element, key, wanted)
        }
    })
}

fn field_is(element: &Value, key: &str, wanted: &str) -> bool {
    element
        .get_path(&[key])
        .is_some_and(|field| written(field) == wanted)
}

/// The text of a field as it is written, which of null is the word.
fn written(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        other => key_text(other).unwrap_or_default(),
    }
}
