//! `fluxops build`: what the pipeline would make of a folder.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use kustomize::{LoadRestriction, Overlay};
use zeroize::Zeroizing;

use super::{CommandError, Console, Exit, read_secret_file};
use crate::api::CommonMetadata;
use crate::files::{Files, Keys, Tree};
use crate::render::{Folder, Rendering, SecretForm, Substitution, render};

#[derive(Args)]
#[command(after_help = "Example: fluxops build clusters/home --age-key-file ~/keys.txt")]
pub(super) struct Arguments {
    /// The folder
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print sensitive values instead of ***
    #[arg(long)]
    show_secrets: bool,
    /// age identities that open the sealed files
    #[arg(long, value_name = "FILE", env = "SOPS_AGE_KEY_FILE")]
    age_key_file: Option<PathBuf>,
    /// Where the files that a kustomization names may lie
    #[arg(long, value_enum, default_value_t)]
    load_restrictor: LoadRestrictor,
}

/// kustomize's names for it.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
#[clap(rename_all = "verbatim")]
enum LoadRestrictor {
    /// In its folder or below
    #[default]
    LoadRestrictionsRootOnly,
    /// Anywhere in the repository, as a Delivery allows it
    LoadRestrictionsNone,
}

impl From<LoadRestrictor> for LoadRestriction {
    fn from(restrictor: LoadRestrictor) -> Self {
        match restrictor {
            LoadRestrictor::LoadRestrictionsRootOnly => Self::RootOnly,
            LoadRestrictor::LoadRestrictionsNone => Self::None,
        }
    }
}

pub(super) fn run(arguments: &Arguments, console: &mut Console<'_>) -> Result<Exit, CommandError> {
    let Arguments {
        directory,
        show_secrets,
        age_key_file,
        load_restrictor,
    } = arguments;
    let keys = match age_key_file {
        Some(path) => Keys::parse_age(&read_secret_file(path)?).map_err(CommandError::unusable)?,
        None => Keys::default(),
    };
    let (root, folder) = root_and_folder(directory)?;
    let rendering = Rendering {
        folder: Folder::parse(&folder).map_err(CommandError::unusable)?,
        overlay: Overlay::default(),
        restriction: (*load_restrictor).into(),
        substitution: Substitution::default(),
        common_metadata: CommonMetadata::default(),
        owner: None,
        secrets: SecretForm::Written,
    };
    let tree = Tree::folder(&root);
    let files = Files::new(&tree, &keys).map_err(CommandError::unusable)?;
    let rendered = render(&files, &rendering)
        .map_err(|error| CommandError::new(Exit::Negative, crate::chain(&error)))?;
    for (index, manifest) in rendered.manifests().iter().enumerate() {
        if index > 0 {
            writeln!(console.output, "---")?;
        }
        let document = if *show_secrets {
            manifest_yaml::to_yaml_exposed(manifest.body())
        } else {
            Zeroizing::new(manifest_yaml::to_yaml_masked(manifest.body()))
        };
        console.output.write_all(document.as_bytes())?;
    }
    Ok(Exit::Success)
}

/// The root that paths may not leave, and the folder below it: in a Git work tree its top, as in the cluster; elsewhere
/// the current folder, if the folder is below that.
fn root_and_folder(directory: &Path) -> Result<(PathBuf, String), CommandError> {
    let directory = directory.canonicalize().map_err(|error| {
        CommandError::new(
            Exit::Unusable,
            format!("failed to open {}: {error}", directory.display()),
        )
    })?;
    let current = std::env::current_dir().and_then(|current| current.canonicalize());
    let work_tree = directory.ancestors().find(|above| above.join(".git").exists());
    let root = match (work_tree, &current) {
        (Some(top), _) => top,
        (None, Ok(current)) if directory.starts_with(current) => current,
        (None, _) => &directory,
    };
    let folder = directory.strip_prefix(root).unwrap_or(Path::new(""));
    Ok((root.to_owned(), folder.to_string_lossy().into_owned()))
}
