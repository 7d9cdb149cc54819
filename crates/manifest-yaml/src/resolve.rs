//! From the syntax tree to values.

use std::collections::HashSet;

use crate::schema::{float_as_number, key_of_float};
use crate::syntax::{self, Anchors, Content, Node, ScalarStyle, Stream};
use crate::{
    Limits, Mapping, Number, ParseError, Position, Scalar, ScalarError, Schema, Value, resolve_scalar,
};

/// A document with its types resolved.
#[derive(Debug)]
pub struct Document {
    /// Its content; never null.
    pub value: Value,
    /// Where it starts in its text.
    pub position: Position,
}

/// Reads the documents of a YAML stream; those that are empty or null are left out.
pub fn from_yaml(bytes: &[u8], schema: Schema, limits: &Limits) -> Result<Vec<Document>, ParseError> {
    let text = utf8(bytes, limits)?;
    resolve(&syntax::parse_yaml(text, limits)?, schema)
}

/// Reads the one value of a JSON text; `null` gives no document.
///
/// Integers within `i64` and `u64` are kept exactly, all other numbers are floats.
pub fn from_json(bytes: &[u8], limits: &Limits) -> Result<Vec<Document>, ParseError> {
    let text = utf8(bytes, limits)?;
    resolve_with(&syntax::parse_json(text, limits)?, Rules::Json)
}

/// Gives the scalars of a parsed stream their types, follows its aliases, and merges where the schema does.
///
/// It holds for streams of [`syntax::parse_yaml`]; documents that are empty or null are left out.
pub fn resolve(stream: &Stream, schema: Schema) -> Result<Vec<Document>, ParseError> {
    resolve_with(stream, Rules::Yaml(schema))
}

fn resolve_with(stream: &Stream, rules: Rules) -> Result<Vec<Document>, ParseError> {
    let mut documents = Vec::new();
    for document in stream.documents() {
        let Some(root) = &document.root else { continue };
        let resolver = Resolver {
            anchors: document.anchors(),
            rules,
        };
        match resolver.value(root)? {
            Value::Null => {}
            value => documents.push(Document {
                value,
                position: document.position,
            }),
        }
    }
    Ok(documents)
}

/// The text, unless it is too large to look at or is not UTF-8.
fn utf8<'bytes>(bytes: &'bytes [u8], limits: &Limits) -> Result<&'bytes str, ParseError> {
    syntax::check_size(bytes.len(), limits)?;
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = std::str::from_utf8(valid).unwrap_or_default();
        ParseError::NotUtf8 {
            position: Position::of_offset(valid, valid.len()),
        }
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    Yaml(Schema),
    Json,
}

struct Resolver<'tree> {
    anchors: Anchors<'tree>,
    rules: Rules,
}

impl<'tree> Resolver<'tree> {
    fn value(&self, node: &'tree Node) -> Result<Value, ParseError> {
        let node = self.follow(node)?;
        match &node.content {
            Content::Scalar { text, style } => self.scalar_value(node, text, *style),
            Content::Sequence { items, .. } => {
                let items = items
                    .iter()
                    .map(|item| self.value(item))
                    .collect::<Result<_, _>>()?;
                Ok(Value::Sequence(items))
            }
            Content::Mapping { entries, .. } => Ok(Value::Mapping(self.mapping(entries)?)),
            Content::Alias(_) => Err(ParseError::RecursiveAlias {
                position: node.position,
            }),
        }
    }

    fn follow(&self, node: &'tree Node) -> Result<&'tree Node, ParseError> {
        self.anchors.follow(node).ok_or(ParseError::RecursiveAlias {
            position: node.position,
        })
    }

    fn scalar_value(&self, node: &Node, text: &str, style: ScalarStyle) -> Result<Value, ParseError> {
        let not_finite = ParseError::NotFinite {
            position: node.position,
        };
        Ok(match self.scalar(node, text, style)? {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Int(value) => Value::Number(Number::Integer(value)),
            Scalar::Unsigned(value) => Value::Number(Number::Unsigned(value)),
            Scalar::Float(value) if self.rules == Rules::Yaml(Schema::Kubernetes) => {
                Value::Number(float_as_number(value).ok_or(not_finite)?)
            }
            Scalar::Float(value) if value.is_finite() => Value::Number(Number::Float(value)),
            Scalar::Float(_) => return Err(not_finite),
            Scalar::String(text) => Value::String(text.into_owned()),
            Scalar::Timestamp(text) => Value::String(text),
        })
    }

    fn scalar<'text>(
        &self,
        node: &Node,
        text: &'text str,
        style: ScalarStyle,
    ) -> Result<Scalar<'text>, ParseError> {
        let position = node.position;
        match self.rules {
            Rules::Yaml(schema) => {
                resolve_scalar(schema, text, style, node.tag.as_ref()).map_err(|error| match error {
                    ScalarError::TagMismatch => ParseError::TagMismatch {
                        position,
                        tag: node.tag.as_ref().map(|tag| tag.name.clone()).unwrap_or_default(),
                    },
                    ScalarError::InvalidBase64 => ParseError::InvalidBase64 { position },
                    ScalarError::BinaryNotUtf8 => ParseError::BinaryNotUtf8 { position },
                })
            }
            Rules::Json => Ok(json_scalar(text, style)),
        }
    }

    fn mapping(&self, entries: &'tree [(Node, Node)]) -> Result<Mapping, ParseError> {
        let mut mapping = Mapping::new();
        // Keys that came by a merge and may still be overridden; and where the merge is.
        let mut merged = HashSet::new();
        let mut merge: Option<Position> = None;
        for (key_node, value_node) in entries {
            if self.is_merge(key_node) {
                if let Some(first) = merge.replace(key_node.position) {
                    let position = key_node.position;
                    return Err(ParseError::DuplicateKey {
                        position,
                        key: "<<".to_owned(),
                        first,
                    });
                }
                self.merge(key_node, value_node, entries, &mut mapping, &mut merged)?;
                continue;
            }
            let key = self.key(key_node)?;
            if mapping.contains_key(&key) && !merged.remove(&key) {
                let first = self.position_of(&key, entries).unwrap_or(key_node.position);
                return Err(ParseError::DuplicateKey {
                    position: key_node.position,
                    key,
                    first,
                });
            }
            mapping.insert(key, self.value(value_node)?);
        }
        Ok(mapping)
    }

    /// A plain `<<`, or one that is tagged so (`isMerge` in decode.go of go-yaml v2).
    fn is_merge(&self, key: &Node) -> bool {
        self.rules == Rules::Yaml(Schema::Kubernetes)
            && match &key.content {
                Content::Scalar { text, style } if text == "<<" => match &key.tag {
                    None => *style == ScalarStyle::Plain,
                    Some(tag) => tag.name == "!!merge" || tag.name == "!",
                },
                _ => false,
            }
    }

    /// Brings in the keys of one map, or of several of which the first that has a key counts.
    fn merge(
        &self,
        key_node: &Node,
        value_node: &'tree Node,
        entries: &'tree [(Node, Node)],
        mapping: &mut Mapping,
        merged: &mut HashSet<String>,
    ) -> Result<(), ParseError> {
        let sources = match &value_node.content {
            Content::Sequence { items, .. } => items.iter().collect(),
            _ => vec![value_node],
        };
        for source in sources {
            let Content::Mapping { entries: brought, .. } = &self.follow(source)?.content else {
                return Err(ParseError::InvalidMerge {
                    position: source.position,
                });
            };
            for (key, value) in self.mapping(brought)? {
                if !mapping.contains_key(&key) {
                    merged.insert(key.clone());
                    mapping.insert(key, value);
                } else if !merged.contains(&key) {
                    let position = key_node.position;
                    let first = self.position_of(&key, entries).unwrap_or(position);
                    return Err(ParseError::AmbiguousMerge { position, key, first });
                }
            }
        }
        Ok(())
    }

    /// Where a map first has a key.
    fn position_of(&self, key: &str, entries: &'tree [(Node, Node)]) -> Option<Position> {
        let mut nodes = entries
            .iter()
            .map(|(node, _)| node)
            .filter(|node| !self.is_merge(node));
        nodes
            .find(|node| self.key(node).is_ok_and(|found| found == key))
            .map(|node| node.position)
    }

    /// A key as a string: for Kubernetes by the rules of `convertToJSONableObject` in sigs.k8s.io/yaml, for SOPS only
    /// strings (`TreeBranch` of sops.go refuses others when it is walked).
    fn key(&self, node: &'tree Node) -> Result<String, ParseError> {
        let position = node.position;
        let target = self.follow(node)?;
        let refused = |kind| Err(ParseError::UnsupportedKey { position, kind });
        let (text, style) = match &target.content {
            Content::Scalar { text, style } => (text, *style),
            Content::Sequence { .. } => return refused("a list"),
            Content::Mapping { .. } | Content::Alias(_) => return refused("a map"),
        };
        let stringify = self.rules == Rules::Yaml(Schema::Kubernetes);
        match self.scalar(target, text, style)? {
            Scalar::String(text) => Ok(text.into_owned()),
            Scalar::Null => refused("null"),
            Scalar::Bool(value) if stringify => Ok(value.to_string()),
            Scalar::Bool(_) => refused("a boolean"),
            Scalar::Int(value) if stringify => Ok(value.to_string()),
            Scalar::Float(value) if stringify => Ok(key_of_float(value)),
            Scalar::Unsigned(_) if stringify => refused("an integer above 9223372036854775807"),
            Scalar::Int(_) | Scalar::Unsigned(_) | Scalar::Float(_) => refused("a number"),
            Scalar::Timestamp(_) => refused("a time"),
        }
    }
}

/// RFC 8259; the text is known to be well-formed.
fn json_scalar(text: &str, style: ScalarStyle) -> Scalar<'_> {
    if style != ScalarStyle::Plain {
        return Scalar::String(text.into());
    }
    match text {
        "null" => Scalar::Null,
        "true" => Scalar::Bool(true),
        "false" => Scalar::Bool(false),
        number => {
            let signed = number.parse().map(Scalar::Int);
            let unsigned = || number.parse().map(Scalar::Unsigned);
            signed
                .or_else(|_| unsigned())
                .unwrap_or_else(|_| Scalar::Float(number.parse().unwrap_or(f64::NAN)))
        }
    }
}
