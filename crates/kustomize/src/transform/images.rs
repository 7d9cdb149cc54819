//! `images`

use std::borrow::Cow;

use manifest_yaml::{Mapping, Value};
use regex::bytes::{Regex, RegexBuilder};

use super::{Place, Specs, visit_fields};
use crate::BuildError;
use crate::field_spec::{FieldProblem, FieldSpec, Shape};
use crate::kustomization::Image;
use crate::resource::Resource;
use crate::resources::Resources;

/// The tag and digest that may follow a name (`IsImageMatched` of kustomize's image.go).
const TAG_AND_DIGEST: &str = r"(:[a-zA-Z0-9_.{}-]*)?(@[a-zA-Z0-9]+([.+_-][a-zA-Z0-9]+)*:[a-zA-Z0-9_.{}-]*)?$";

/// Fields that hold containers wherever they are.
const CONTAINERS: [&str; 2] = ["containers", "initContainers"];

/// What to make of the images of one name.
pub(crate) struct ImageTag<'a> {
    pub(crate) image: Cow<'a, Image>,
    pub(crate) specs: Specs<'a>,
}

/// Sets the images of containers and image volumes (kustomize's `ImageTagTransformer`).
pub(super) fn set_images(
    ImageTag { image, specs }: &ImageTag<'_>,
    place: &Place,
    resources: &mut Resources,
) -> Result<(), BuildError> {
    // What is no regular expression matches nothing.
    let Some(pattern) = pattern(&image.name) else {
        return Ok(());
    };
    for resource in resources
        .iter_mut()
        .filter(|resource| resource.kind() != "CustomResourceDefinition")
    {
        set_image(resource, image, &pattern, specs).map_err(|problem| place.failed(resource, problem))?;
    }
    Ok(())
}

fn pattern(name: &str) -> Option<Regex> {
    // Go's character classes know ASCII only.
    RegexBuilder::new(&format!("^{name}{TAG_AND_DIGEST}"))
        .unicode(false)
        .build()
        .ok()
}

/// kustomize looks twice, for containers anywhere and by its field specs, so that an image in both places is changed
/// twice: a `tagSuffix` is added twice. What it prints is what counts.
fn set_image(
    resource: &mut Resource,
    image: &Image,
    pattern: &Regex,
    specs: &[FieldSpec],
) -> Result<(), FieldProblem> {
    visit_containers(resource.value_mut(), "", &mut |field, path| {
        update(field, path, image, pattern)
    })?;
    visit_fields(resource, specs, Shape::Never, &mut |field, path| {
        update(field, path, image, pattern)
    })
}

type Update<'a> = dyn FnMut(&mut Value, &str) -> Result<(), FieldProblem> + 'a;

/// Runs `update` on the image of every container in any list with the name of one (`LegacyFilter` of kustomize's
/// filters/imagetag/legacy.go).
fn visit_containers(map: &mut Mapping, path: &str, update: &mut Update<'_>) -> Result<(), FieldProblem> {
    for (key, value) in map.iter_mut() {
        let path = if path.is_empty() {
            key.to_owned()
        } else {
            format!("{path}.{key}")
        };
        visit_nested(value, &path, update)?;
        if !CONTAINERS.contains(&key) {
            continue;
        }
        let Value::Sequence(containers) = value else {
            continue;
        };
        for (index, container) in containers.iter_mut().enumerate() {
            let path = format!("{path}.{index}");
            let Value::Mapping(container) = container else {
                return Err(FieldProblem::type_error(&path, "a map", container));
            };
            if let Some(field) = container.get_mut("image") {
                update(field, &format!("{path}.image"))?;
            }
        }
    }
    Ok(())
}

fn visit_nested(value: &mut Value, path: &str, update: &mut Update<'_>) -> Result<(), FieldProblem> {
    match value {
        Value::Mapping(map) => visit_containers(map, path, update),
        Value::Sequence(items) => items
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, item)| visit_nested(item, &format!("{path}.{index}"), update)),
        _ => Ok(()),
    }
}

/// Replaces the parts of an image that the entry gives (kustomize's filters/imagetag/updater.go).
fn update(field: &mut Value, path: &str, image: &Image, pattern: &Regex) -> Result<(), FieldProblem> {
    let current = match field {
        Value::String(current) => current,
        Value::Null => return Ok(()),
        other => return Err(FieldProblem::type_error(path, "a string", other)),
    };
    if pattern.is_match(current.as_bytes()) {
        *field = Reference::parse(current).updated(image).into();
    }
    Ok(())
}

/// An image reference in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Reference<'a> {
    name: &'a str,
    tag: &'a str,
    digest: &'a str,
}

impl<'a> Reference<'a> {
    /// Splits at the first colon and the first `@` behind the first slash (`Split` of kustomize's image.go): a colon
    /// before it belongs to the registry's port.
    fn parse(text: &'a str) -> Self {
        let registry = text.find('/').unwrap_or_default();
        let behind = text.get(registry..).unwrap_or_default();
        let at = |found: Option<usize>| found.map(|offset| offset + registry);
        let cut = |position: usize| (text.get(..position), text.get(position + 1..));
        match (at(behind.find(':')), at(behind.find('@'))) {
            (None, None) => Self {
                name: text,
                tag: "",
                digest: "",
            },
            (Some(colon), Some(sign)) if colon < sign => {
                let (name, _) = cut(colon);
                Self {
                    name: name.unwrap_or_default(),
                    tag: text.get(colon + 1..sign).unwrap_or_default(),
                    digest: cut(sign).1.unwrap_or_default(),
                }
            }
            (_, Some(sign)) => {
                let (name, digest) = cut(sign);
                Self {
                    name: name.unwrap_or_default(),
                    tag: "",
                    digest: digest.unwrap_or_default(),
                }
            }
            (Some(colon), None) => {
                let (name, tag) = cut(colon);
                Self {
                    name: name.unwrap_or_default(),
                    tag: tag.unwrap_or_default(),
                    digest: "",
                }
            }
        }
    }

    /// The text with the parts of an entry; a new tag or digest replaces both.
    fn updated(&self, image: &Image) -> String {
        let given = |text: &'a str, new: &str| {
            if new.is_empty() {
                text.to_owned()
            } else {
                new.to_owned()
            }
        };
        let (tag, digest) = match (
            image.new_tag.as_str(),
            image.digest.as_str(),
            image.tag_suffix.as_str(),
        ) {
            ("", "", "") => (self.tag.to_owned(), self.digest.to_owned()),
            ("", "", suffix) => (format!("{}{suffix}", self.tag), String::new()),
            (tag, digest, _) => (tag.to_owned(), digest.to_owned()),
        };
        let mut text = given(self.name, &image.new_name);
        for (separator, part) in [(':', tag), ('@', digest)] {
            if !part.is_empty() {
                text.push(separator);
                text.push_str(&part);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_references() {
        for (text, name, tag, digest) in [
            ("nginx", "nginx", "", ""),
            ("nginx:1", "nginx", "1", ""),
            ("nginx@sha256:aa", "nginx", "", "sha256:aa"),
            ("nginx:1@sha256:aa", "nginx", "1", "sha256:aa"),
            ("localhost:5000/nginx", "localhost:5000/nginx", "", ""),
            ("localhost:5000/a/nginx:1", "localhost:5000/a/nginx", "1", ""),
            (
                "localhost:5000/nginx@sha256:aa",
                "localhost:5000/nginx",
                "",
                "sha256:aa",
            ),
        ] {
            assert_eq!(Reference::parse(text), Reference { name, tag, digest }, "{text}");
        }
    }

    #[test]
    fn a_name_is_a_regular_expression_for_all_of_it() {
        let matches = |name, image: &str| pattern(name).unwrap().is_match(image.as_bytes());
        assert!(matches("nginx", "nginx:1"));
        assert!(!matches("nginx", "my-nginx:1"));
        assert!(!matches("nginx", "nginx/nginx:1"));
        assert!(matches("(.*)/nginx", "example.com/nginx:1"));
        assert!(pattern("[").is_none());
    }
}
