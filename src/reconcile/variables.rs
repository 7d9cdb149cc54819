//! The variables of a Delivery: those of the Secrets and `ConfigMap`s that it names, and its own.

use kustomize::{SubstituteError, Variable, Variables};
use zeroize::Zeroizing;

use super::{Context, Failure, delivery_name, sibling};
use crate::api::{DeliverySpec, PostBuild, Remedy, VariablesKind, VariablesReference};
use crate::name::Key;
use crate::notify::Step;
use crate::render::Substitution;
use crate::store::StoreError;

/// Why an entry is no variable. No variant holds a value.
#[derive(Debug, thiserror::Error)]
enum VariablesError {
    /// It cannot be called so.
    #[error("failed to take variables from {place}")]
    Name {
        /// The object that has the entry.
        place: String,
        /// Why.
        source: SubstituteError,
    },
    /// It is no text.
    #[error(
        "failed to take variables from {place}: the value of {name:?} is not UTF-8; keep it in an object of its own"
    )]
    NotText {
        /// The object that has the entry.
        place: String,
        /// Which entry.
        name: String,
    },
}

impl From<VariablesError> for Failure {
    fn from(error: VariablesError) -> Self {
        Self::new(Step::Configure, "InvalidVariables", &error, Remedy::Change)
    }
}

/// What `postBuild` of a Delivery says. Later references win over earlier ones, and its own values over all.
pub(super) async fn substitution(
    context: &Context,
    key: &Key,
    spec: &DeliverySpec,
) -> Result<Substitution, Failure> {
    let Some(PostBuild {
        substitute,
        substitute_from,
        substitute_strategy,
    }) = &spec.post_build
    else {
        return Ok(Substitution::default());
    };
    let mut variables = Variables::default();
    for reference in substitute_from {
        let place = format!("the {} {}", kind(reference.kind), reference.name);
        for (name, value) in entries(context, key, reference, &place).await? {
            insert(&mut variables, &place, &name, value)?;
        }
    }
    for (name, value) in substitute {
        insert(
            &mut variables,
            "spec.postBuild.substitute",
            name,
            Variable::Plain(value.clone()),
        )?;
    }
    Ok(Substitution::new(
        variables,
        substitute_strategy.unwrap_or_default(),
    ))
}

fn kind(kind: VariablesKind) -> &'static str {
    match kind {
        VariablesKind::Secret => "Secret",
        VariablesKind::ConfigMap => "ConfigMap",
    }
}

fn insert(variables: &mut Variables, place: &str, name: &str, value: Variable) -> Result<(), VariablesError> {
    variables
        .insert(name, value)
        .map_err(|source| VariablesError::Name {
            place: place.to_owned(),
            source,
        })
}

/// The entries of an object. One that may be missing, and is, has none.
async fn entries(
    context: &Context,
    key: &Key,
    reference: &VariablesReference,
    place: &str,
) -> Result<Vec<(String, Variable)>, Failure> {
    let reader = delivery_name(key);
    let object = sibling(key, &reference.name)?;
    let not_text = |name: &str| VariablesError::NotText {
        place: place.to_owned(),
        name: name.to_owned(),
    };
    let read = match reference.kind {
        VariablesKind::Secret => context.store.secret(&reader, &object).await.map(|data| {
            let sensitive = |(name, bytes): (&String, &Zeroizing<Vec<u8>>)| {
                let text = str::from_utf8(bytes).map_err(|_| not_text(name))?;
                Ok((name.clone(), Variable::Sensitive(Zeroizing::new(text.to_owned()))))
            };
            data.iter()
                .map(sensitive)
                .collect::<Result<Vec<_>, VariablesError>>()
        }),
        VariablesKind::ConfigMap => context.store.config_map(&reader, &object).await.map(|data| {
            let plain = |(name, bytes): (String, Vec<u8>)| {
                let text = String::from_utf8(bytes).map_err(|_| not_text(&name))?;
                Ok((name, Variable::Plain(text)))
            };
            data.into_iter().map(plain).collect()
        }),
    };
    match read {
        Err(StoreError::NotFound { .. }) if reference.optional => Ok(Vec::new()),
        read => Ok(read??),
    }
}
