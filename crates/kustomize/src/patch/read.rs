//! From the fields of a kustomization to patches.

use std::rc::Rc;

use manifest_yaml::{Limits, ParseError, Schema, Value, from_json, from_yaml};

use super::json::JsonPatch;
use super::strategic::StrategicPatch;
use super::{Change, Content, Form, Patch, PatchField, Source, is_json_patch, refuse};
use crate::folder::Folder;
use crate::kustomization::{Fields, Reference};
use crate::schema::Schemas;
use crate::selector::Selector;
use crate::transform::Place;
use crate::{BuildError, Content as FileContent};

/// Reads the entries of `patches` or `patchesJson6902`.
pub(crate) fn read(fields: &mut Fields<'_>, field: &str) -> Result<Vec<PatchField>, BuildError> {
    let mut patches = Vec::new();
    for (index, mut entry) in fields.maps(field)?.into_iter().enumerate() {
        patches.push(read_one(&mut entry, "patch", format!("{field}[{index}]"))?);
        entry.finish()?;
    }
    Ok(patches)
}

/// Takes the fields of one patch; `inline` is the name of the field that may hold its text.
pub(crate) fn read_one(
    fields: &mut Fields<'_>,
    inline: &str,
    field: String,
) -> Result<PatchField, BuildError> {
    let text = fields.string(inline)?.unwrap_or_default();
    let path = fields.string("path")?.unwrap_or_default();
    let source = match (text.trim(), path.as_str()) {
        ("", "") => return Err(fields.value_error(inline, "is missing, and so is path")),
        ("", _) => Source::File(Reference {
            field: fields.path_of("path"),
            path,
        }),
        (text, "") => Source::Inline(text.to_owned()),
        _ => return Err(fields.value_error(inline, "is given, and so is path")),
    };
    let target = match fields.map("target")? {
        None => None,
        Some(mut target) => {
            let selector = Selector::read(&mut target)?;
            target.finish()?;
            Some(Rc::new(selector))
        }
    };
    let change = |allowed| if allowed { Change::Allowed } else { Change::Undone };
    let (mut name, mut kind) = (Change::Undone, Change::Undone);
    if let Some(mut options) = fields.map("options")? {
        name = change(options.flag("allowNameChange")?);
        kind = change(options.flag("allowKindChange")?);
        options.finish()?;
    }
    Ok(PatchField {
        source,
        target,
        name,
        kind,
        field,
    })
}

/// Loads an entry of `patches` or, as `form` says, `patchesJson6902`.
pub(crate) fn load(
    entry: &PatchField,
    form: Form,
    folder: &Folder<'_>,
    place: &Place,
    schemas: &Rc<Schemas>,
) -> Result<Patch, BuildError> {
    if form == Form::Json
        && !entry
            .target
            .as_ref()
            .is_some_and(|target| target.asks_for_a_name())
    {
        return Err(place.value_error("target", "does not name an object"));
    }
    let (file, documents) = match &entry.source {
        Source::Inline(text) => (place.file.clone(), parse_text(&place.file, text.as_bytes())?),
        Source::File(reference) => parse_file(folder, reference)?,
    };
    let content = if is_json_patch(&documents) {
        Content::Json(JsonPatch::read(documents).map_err(|problem| refuse(&file, &entry.field, problem))?)
    } else if form == Form::Json && !documents.is_empty() {
        return Err(refuse(&file, &entry.field, "it is no list of operations"));
    } else {
        let mut patches = StrategicPatch::read(documents, &file, &entry.field)?;
        for patch in &mut patches {
            (patch.name, patch.kind) = (entry.name, entry.kind);
        }
        Content::Strategic(patches)
    };
    match &content {
        Content::Json(_) if entry.target.is_none() => {
            return Err(place.value_error(
                "target",
                "is missing, and operations do not say what they are for",
            ));
        }
        Content::Strategic(patches) if patches.len() > 1 && entry.target.is_some() => {
            return Err(place.value_error(
                "target",
                "is given for several patches; give each an entry of its own",
            ));
        }
        Content::Strategic(patches) if patches.is_empty() && form == Form::Json => {
            return Err(refuse(&file, &entry.field, "it is empty"));
        }
        _ => {}
    }
    Ok(Patch {
        content,
        target: entry.target.clone(),
        form,
        schemas: Rc::clone(schemas),
    })
}

/// Loads `patchesStrategicMerge`, whose entries are patches or the paths of files with some.
pub(crate) fn load_strategic(
    references: &[Reference],
    folder: &Folder<'_>,
    schemas: &Rc<Schemas>,
) -> Result<Patch, BuildError> {
    let mut patches = Vec::new();
    for reference in references {
        let inline = from_yaml(reference.path.as_bytes(), Schema::GoYamlV3, &Limits::default());
        let is_object = |value: &Value| value.as_mapping().is_some();
        let (file, documents) = match inline {
            Ok(documents) if documents.iter().all(|document| is_object(&document.value)) => (
                folder.file.clone(),
                documents.into_iter().map(|document| document.value).collect(),
            ),
            _ => parse_file(folder, reference)?,
        };
        patches.extend(StrategicPatch::read(documents, &file, &reference.field)?);
    }
    if patches.is_empty() {
        return Err(refuse(&folder.file, "patchesStrategicMerge", "it is empty"));
    }
    Ok(Patch {
        content: Content::Strategic(patches),
        target: None,
        form: Form::Strategic,
        schemas: Rc::clone(schemas),
    })
}

/// The documents of a patch file, and its path from the root. What was sealed in it stays sensitive.
fn parse_file(folder: &Folder<'_>, reference: &Reference) -> Result<(String, Vec<Value>), BuildError> {
    let (file, content) = folder.file_content(reference)?;
    let documents = match content {
        FileContent::Plain(bytes) => parse_text(&file, &bytes)?,
        FileContent::Sensitive(_) => folder.documents(&file)?,
    };
    Ok((file, documents))
}

/// The documents of a patch. Operations are read with Kubernetes' rules for YAML, and as JSON if they look like it;
/// objects are read as manifests are (`jsonPatchFromBytes` of kustomize's `PatchTransformer`).
fn parse_text(file: &str, text: &[u8]) -> Result<Vec<Value>, BuildError> {
    let limits = Limits::default();
    let values = |documents: Result<Vec<manifest_yaml::Document>, ParseError>| match documents {
        Ok(documents) => Ok(documents
            .into_iter()
            .map(|document| document.value)
            .collect::<Vec<_>>()),
        Err(source) => Err(BuildError::Yaml {
            file: file.to_owned(),
            source,
        }),
    };
    if text.first() == Some(&b'[') {
        return values(from_json(text, &limits));
    }
    let operations = values(from_yaml(text, Schema::Kubernetes, &limits))?;
    if is_json_patch(&operations) {
        return Ok(operations);
    }
    values(from_yaml(text, Schema::GoYamlV3, &limits))
}
