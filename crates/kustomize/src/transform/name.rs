//! `namePrefix` and `nameSuffix`

use std::borrow::Cow;

use manifest_yaml::Value;

use super::{Place, Specs};
use crate::BuildError;
use crate::field_spec::{FieldProblem, Shape};
use crate::resource::{Id, KindSelector, Resource};
use crate::resources::Resources;

/// Kinds whose names mean something by themselves (`prefixFieldSpecsToSkip` of kustomize's `PrefixTransformer`), as
/// group and kind.
const FIXED_NAMES: [(&str, &str); 3] = [
    ("", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("", "Namespace"),
];

/// The field that counts as renaming an object.
const NAME: &str = "metadata/name";

/// What to put before or after names.
pub(crate) struct Affix<'a> {
    pub(crate) text: Cow<'a, str>,
    pub(crate) specs: Specs<'a>,
}

/// On which end of a name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Front,
    Back,
}

/// Puts a prefix or suffix to names and to whatever else the field specs lead to (kustomize's `PrefixTransformer` and
/// `SuffixTransformer`).
pub(super) fn add_affix(
    affix: &Affix<'_>,
    end: End,
    place: &Place,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    if affix.text.is_empty() {
        return Ok(());
    }
    for resource in resources.iter_mut() {
        let original = resource.original_id();
        if has_fixed_name(&original) {
            continue;
        }
        add(affix, end, &original, resource).map_err(|problem| place.failed(resource, problem))?;
    }
    Ok(())
}

fn add(affix: &Affix<'_>, end: End, original: &Id, resource: &mut Resource) -> Result<(), FieldProblem> {
    let text = affix.text.as_ref();
    for spec in affix.specs.iter().filter(|spec| spec.kinds.selects(original)) {
        if spec.path == NAME && !resource.name().is_empty() {
            match end {
                End::Front => resource.prefixes.push(text.to_owned()),
                End::Back => resource.suffixes.push(text.to_owned()),
            }
            resource.remember_id();
        }
        if !spec.kinds.selects(&resource.id()) {
            continue;
        }
        spec.visit(
            resource.value_mut(),
            Shape::Scalar,
            &mut |field, path| match field {
                Value::Null => {
                    *field = text.into();
                    Ok(())
                }
                Value::String(name) => {
                    *name = match end {
                        End::Front => format!("{text}{name}"),
                        End::Back => format!("{name}{text}"),
                    };
                    Ok(())
                }
                other => Err(FieldProblem::type_error(path, "a string", other)),
            },
        )?;
    }
    Ok(())
}

fn has_fixed_name(id: &Id) -> bool {
    FIXED_NAMES
        .iter()
        .any(|(group, kind)| KindSelector::new(group, "", kind).selects(id))
}
