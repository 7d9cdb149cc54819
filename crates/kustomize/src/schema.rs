//! What a strategic merge has to know of kinds: which of their lists are merged element by element, and by which keys.

mod builtin;
mod choice;
mod given;

use manifest_yaml::Value;

pub(crate) use choice::SchemaChoice;
use given::{Builtin, Given};

/// A type of the built-in kinds: its fields that lead to merged lists.
pub(crate) struct BuiltinType(&'static [(&'static str, BuiltinField)]);

pub(crate) enum BuiltinField {
    Object(&'static BuiltinType),
    /// A merged list with its keys, none if its elements are scalars, and the type of its elements.
    List(&'static [&'static str], &'static BuiltinType),
}

/// The release of Kubernetes whose kinds kustomize has built in, as `openapi.version` has to name it.
pub(crate) const BUILTIN_VERSION: &str = "v1.21.2";

/// The kinds that a build knows.
pub(crate) enum Schemas {
    /// Kubernetes' own.
    Builtin,
    /// Those of a file, and Kubernetes' own where they are known beside them.
    Given(Given),
}

impl Schemas {
    /// The type of a kind.
    fn of_kind(&self, api_version: &str, kind: &str) -> Schema<'_> {
        let builtin = || of_builtin_kind(api_version, kind).map_or(Schema::Unknown, Schema::Builtin);
        match self {
            Self::Builtin => builtin(),
            Self::Given(given) => match (given.of_kind(api_version, kind), given.builtin) {
                (Some(schema), _) => Schema::Given(given, schema),
                (None, Builtin::Known) => builtin(),
                (None, Builtin::Unknown) => Schema::Unknown,
            },
        }
    }

    /// The type of a value, if its place does not say: that of its kind, if it is an object (`GetSchema` of kyaml's
    /// walk.go).
    pub(crate) fn of_value(&self, value: &Value) -> Schema<'_> {
        let part = |key| value.get_path(&[key]).and_then(Value::as_str).unwrap_or_default();
        match (part("apiVersion"), part("kind")) {
            ("", _) | (_, "") => Schema::Unknown,
            (api_version, kind) => self.of_kind(api_version, kind),
        }
    }
}

/// Whether Kubernetes' own kinds have it.
pub(crate) fn is_builtin(api_version: &str, kind: &str) -> bool {
    of_builtin_kind(api_version, kind).is_some()
}

fn of_builtin_kind(api_version: &str, kind: &str) -> Option<&'static BuiltinType> {
    builtin::KINDS
        .iter()
        .find(|(name, versions, _)| *name == kind && versions.contains(&api_version))
        .map(|(_, _, of_kind)| *of_kind)
}

/// The type of a definition.
fn builtin_definition(name: &str) -> Option<&'static BuiltinType> {
    builtin::DEFINITIONS
        .iter()
        .find(|(definition, _)| *definition == name)
        .map(|(_, of_definition)| *of_definition)
}

/// The type of a value.
#[derive(Clone, Copy)]
pub(crate) enum Schema<'s> {
    /// Nothing is known; a value that is an object tells its kind.
    Unknown,
    /// It is known that nothing in it is merged by key.
    Plain,
    Builtin(&'static BuiltinType),
    /// A list of a built-in type.
    BuiltinList(&'static [&'static str], &'static BuiltinType),
    Given(&'s Given, &'s Value),
}

/// A list that is merged element by element.
pub(crate) struct MergedList<'s> {
    /// The fields that tell elements apart; none if they are scalars.
    pub(crate) keys: Vec<&'s str>,
    pub(crate) elements: Schema<'s>,
}

impl<'s> Schema<'s> {
    /// The type of a field of a map.
    pub(crate) fn field(self, name: &str) -> Self {
        match self {
            Self::Unknown => Self::Unknown,
            Self::Plain | Self::BuiltinList(..) => Self::Plain,
            Self::Builtin(BuiltinType(fields)) => match fields.iter().find(|(field, _)| *field == name) {
                None => Self::Plain,
                Some((_, BuiltinField::Object(inner))) => Self::Builtin(inner),
                Some((_, BuiltinField::List(keys, elements))) => Self::BuiltinList(keys, elements),
            },
            Self::Given(given, schema) => given.field(schema, name),
        }
    }

    /// How a list is merged; nothing if it is replaced.
    pub(crate) fn merged_list(self) -> Option<MergedList<'s>> {
        match self {
            Self::Unknown | Self::Plain | Self::Builtin(_) => None,
            Self::BuiltinList(keys, elements) => Some(MergedList {
                keys: keys.to_vec(),
                elements: Self::Builtin(elements),
            }),
            Self::Given(given, schema) => given::merge_keys(schema).map(|keys| MergedList {
                keys,
                elements: given.elements(schema),
            }),
        }
    }
}
