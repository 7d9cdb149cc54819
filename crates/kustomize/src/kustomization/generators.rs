//! `configMapGenerator`, `secretGenerator` and `generatorOptions`.

use super::fields::Fields;
use super::{ConfigMapGenerator, Reference, SecretGenerator, references};
use crate::BuildError;
use crate::resource::{Behavior, ContentHash};

/// `generatorOptions`, or the `options` of one generator.
#[derive(Default)]
pub(crate) struct GeneratorOptions {
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    omit_hash: bool,
    immutable: bool,
}

impl GeneratorOptions {
    /// The options of a generator over those of its kustomization. A flag that is set in either is set
    /// (`MergeGlobalOptionsIntoLocal` of kustomize's generatoroptions.go).
    fn over(mut self, common: &Self) -> Self {
        let add = |own: &mut Vec<(String, String)>, common: &[(String, String)]| {
            for (key, value) in common {
                if !own.iter().any(|(own, _)| own == key) {
                    own.push((key.clone(), value.clone()));
                }
            }
        };
        add(&mut self.labels, &common.labels);
        add(&mut self.annotations, &common.annotations);
        self.omit_hash |= common.omit_hash;
        self.immutable |= common.immutable;
        self
    }
}

pub(super) fn read_options(fields: Option<Fields<'_>>) -> Result<GeneratorOptions, BuildError> {
    let Some(mut fields) = fields else {
        return Ok(GeneratorOptions::default());
    };
    let options = GeneratorOptions {
        labels: fields.string_map("labels")?,
        annotations: fields.string_map("annotations")?,
        omit_hash: fields.flag("disableNameSuffixHash")?,
        immutable: fields.flag("immutable")?,
    };
    fields.finish()?;
    Ok(options)
}

pub(super) fn read_config_maps(
    fields: &mut Fields<'_>,
    options: &GeneratorOptions,
) -> Result<Vec<ConfigMapGenerator>, BuildError> {
    let mut generators = Vec::new();
    for (index, mut entry) in fields.maps("configMapGenerator")?.into_iter().enumerate() {
        let generator = read_config_map(&mut entry, options, format!("configMapGenerator[{index}]"))?;
        check_name(&entry, &generator)?;
        generators.push(generator);
        entry.finish()?;
    }
    Ok(generators)
}

pub(super) fn read_secrets(
    fields: &mut Fields<'_>,
    options: &GeneratorOptions,
) -> Result<Vec<SecretGenerator>, BuildError> {
    let mut generators = Vec::new();
    for (index, mut entry) in fields.maps("secretGenerator")?.into_iter().enumerate() {
        let generator = read_secret(&mut entry, options, format!("secretGenerator[{index}]"))?;
        check_name(&entry, &generator.source)?;
        generators.push(generator);
        entry.finish()?;
    }
    Ok(generators)
}

/// Within a kustomization a generator has to say what it makes.
fn check_name(entry: &Fields<'_>, generator: &ConfigMapGenerator) -> Result<(), BuildError> {
    if generator.name.is_empty() {
        return Err(entry.value_error("name", "is missing"));
    }
    Ok(())
}

/// Takes the fields of one Secret.
pub(crate) fn read_secret(
    entry: &mut Fields<'_>,
    common: &GeneratorOptions,
    field: String,
) -> Result<SecretGenerator, BuildError> {
    Ok(SecretGenerator {
        secret_type: entry.string("type")?.unwrap_or_default(),
        source: read_config_map(entry, common, field)?,
    })
}

/// Takes the fields of one `ConfigMap`, and those that a Secret has too.
pub(crate) fn read_config_map(
    entry: &mut Fields<'_>,
    common: &GeneratorOptions,
    field: String,
) -> Result<ConfigMapGenerator, BuildError> {
    let options = read_options(entry.map("options")?)?.over(common);
    let name = entry.string("name")?.unwrap_or_default();
    let behavior = match entry.string("behavior")?.unwrap_or_default().as_str() {
        "" | "create" => Behavior::Create,
        "replace" => Behavior::Replace,
        "merge" => Behavior::Merge,
        _ => return Err(entry.value_error("behavior", "is not create, replace or merge")),
    };
    let mut envs = references(entry, "envs")?;
    if let Some(path) = entry.string("env")?.filter(|path| !path.is_empty()) {
        let field = entry.path_of("env");
        envs.push(Reference { field, path });
    }
    Ok(ConfigMapGenerator {
        name,
        namespace: entry.string("namespace")?.unwrap_or_default(),
        behavior,
        content_hash: if options.omit_hash {
            ContentHash::Omit
        } else {
            ContentHash::Append
        },
        immutable: options.immutable,
        labels: options.labels,
        annotations: options.annotations,
        literals: references(entry, "literals")?,
        files: references(entry, "files")?,
        envs,
        field,
    })
}
