//! `replacements`: values of one object that are written into others.

mod apply;
mod structured;
mod targets;

pub(crate) use apply::replace;

use std::rc::Rc;

use manifest_yaml::Value;

use crate::BuildError;
use crate::field_path::{self, Part};
use crate::folder::Folder;
use crate::kustomization::{Fields, Reference};
use crate::resource::KindSelector;
use crate::selector::Selector;

/// The field that is meant where none is named.
const DEFAULT_PATH: &str = "metadata.name";

/// An entry of `replacements`.
pub(crate) struct Replacement {
    source: Source,
    targets: Vec<Target>,
    /// The file that holds the entry.
    file: String,
    /// The path to it within the file.
    field: String,
}

/// Where a value comes from.
enum Source {
    /// It is given.
    Value(String),
    /// It is a field of an object.
    Object(ObjectSource),
}

struct ObjectSource {
    kinds: KindSelector,
    /// Empty if any will do.
    name: String,
    /// Empty if any will do.
    namespace: String,
    path: FieldPath,
    piece: Option<Piece>,
}

/// Where a value goes.
struct Target {
    select: Selector,
    reject: Vec<Selector>,
    paths: Vec<FieldPath>,
    piece: Option<Piece>,
    create: Create,
}

/// A path, and how it is written.
struct FieldPath {
    text: String,
    parts: Vec<Part>,
}

/// A part of a text that a delimiter splits.
struct Piece {
    delimiter: String,
    /// Below zero for what comes before the first, beyond the last for what comes after it; only in targets.
    index: i64,
}

/// What to do where a target has no such field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Create {
    Yes,
    No,
}

/// An entry of the field `replacements`: a replacement, or the path of a file with some.
pub(crate) enum ReplacementField {
    Inline(Rc<Replacement>),
    File(Reference),
}

/// Takes the entries of `replacements`.
pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Vec<ReplacementField>, BuildError> {
    let mut replacements = Vec::new();
    for mut entry in fields.maps("replacements")? {
        match entry.string("path")?.filter(|path| !path.is_empty()) {
            None => replacements.push(ReplacementField::Inline(Rc::new(read_replacement(entry)?))),
            Some(path) => {
                let field = entry.path_of("path");
                entry.finish()?;
                replacements.push(ReplacementField::File(Reference { field, path }));
            }
        }
    }
    Ok(replacements)
}

/// The replacements of the entries, those of files included: a file holds one, or a list of them.
pub(crate) fn load(
    entries: &[ReplacementField],
    folder: &Folder<'_>,
) -> Result<Vec<Rc<Replacement>>, BuildError> {
    let mut replacements = Vec::new();
    for entry in entries {
        let reference = match entry {
            ReplacementField::Inline(replacement) => {
                replacements.push(Rc::clone(replacement));
                continue;
            }
            ReplacementField::File(reference) => reference,
        };
        let (file, document) = folder.settings(reference)?;
        match document {
            Value::Sequence(items) => {
                for (index, item) in items.into_iter().enumerate() {
                    let fields = Fields::of_map(&file, format!("[{index}]"), item)?;
                    replacements.push(Rc::new(read_replacement(fields)?));
                }
            }
            document => {
                let fields = Fields::of_document(&file, document)?;
                replacements.push(Rc::new(read_replacement(fields)?));
            }
        }
    }
    Ok(replacements)
}

fn read_replacement(mut fields: Fields<'_>) -> Result<Replacement, BuildError> {
    let value = fields.string("sourceValue")?;
    let source = match (value, fields.map("source")?) {
        (Some(_), Some(_)) => {
            return Err(fields.value_error("sourceValue", "is given, and so is source"));
        }
        (Some(value), None) => Source::Value(value),
        (None, Some(source)) => Source::Object(read_source(source)?),
        (None, None) => return Err(fields.value_error("source", "is missing")),
    };
    let mut targets = Vec::new();
    for target in fields.maps("targets")? {
        targets.push(read_target(target)?);
    }
    if targets.is_empty() {
        return Err(fields.value_error("targets", "is missing"));
    }
    let (file, field) = fields.place();
    fields.finish()?;
    Ok(Replacement {
        source,
        targets,
        file,
        field,
    })
}

fn read_source(mut fields: Fields<'_>) -> Result<ObjectSource, BuildError> {
    let mut part = |field| fields.string(field).map(Option::unwrap_or_default);
    let kinds = KindSelector {
        group: part("group")?,
        version: part("version")?,
        kind: part("kind")?,
    };
    let name = part("name")?;
    let namespace = part("namespace")?;
    let text = part("fieldPath")?;
    let path = read_path(&fields, "fieldPath", text)?;
    let (piece, _) = read_options(&mut fields)?;
    fields.finish()?;
    Ok(ObjectSource {
        kinds,
        name,
        namespace,
        path,
        piece,
    })
}

fn read_target(mut fields: Fields<'_>) -> Result<Target, BuildError> {
    let Some(mut selected) = fields.map("select")? else {
        return Err(fields.value_error("select", "is missing"));
    };
    let select = Selector::read(&mut selected)?;
    selected.finish()?;
    let mut reject = Vec::new();
    for mut rejected in fields.maps("reject")? {
        reject.push(Selector::read(&mut rejected)?);
        rejected.finish()?;
    }
    let mut paths = Vec::new();
    for (index, text) in fields.strings("fieldPaths")?.into_iter().enumerate() {
        paths.push(read_path(&fields, &format!("fieldPaths[{index}]"), text)?);
    }
    if paths.is_empty() {
        paths.push(read_path(&fields, "fieldPaths", String::new())?);
    }
    let (piece, create) = read_options(&mut fields)?;
    fields.finish()?;
    Ok(Target {
        select,
        reject,
        paths,
        piece,
        create,
    })
}

fn read_path(fields: &Fields<'_>, field: &str, text: String) -> Result<FieldPath, BuildError> {
    let text = match text.as_str() {
        "" => DEFAULT_PATH.to_owned(),
        _ => text,
    };
    let parts = field_path::parse(&text).map_err(|problem| fields.value_error(field, problem))?;
    Ok(FieldPath { text, parts })
}

fn read_options(fields: &mut Fields<'_>) -> Result<(Option<Piece>, Create), BuildError> {
    let Some(mut options) = fields.map("options")? else {
        return Ok((None, Create::No));
    };
    let delimiter = options.string("delimiter")?.unwrap_or_default();
    let index = options.integer("index")?.unwrap_or_default();
    let create = if options.flag("create")? {
        Create::Yes
    } else {
        Create::No
    };
    options.unsupported("encoding", "kustomize has never given it an effect; remove it")?;
    options.finish()?;
    let piece = (!delimiter.is_empty()).then_some(Piece { delimiter, index });
    Ok((piece, create))
}
