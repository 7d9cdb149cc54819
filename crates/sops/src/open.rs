//! From a sealed file to values.

use manifest_yaml::syntax::{Anchors, Comment, Content, Document, Node};
use manifest_yaml::{Limits, Mapping, Value};

use crate::data_key::DataKeySource;
use crate::error::{LeafError, OpenError, StructureError};
use crate::format::{Format, Tree};
use crate::rule::Rule;
use crate::scalar::{Kind, Scalar};
use crate::unseal::{Comments, PAYLOAD_KEY, Unsealed, find_payload, unseal};
use crate::walk::{self, Leaf, Place, Step, Visitor};

/// A sealed file, opened and authenticated.
pub struct Opened {
    /// Its documents, without the `sops` block and without sealed comments; documents that hold nothing else are left
    /// out. Every scalar that was sealed is a [`Value::Sensitive`], typed as it was; times are strings, as they are in
    /// Kubernetes after sops decrypted them.
    pub documents: Vec<Value>,
}

/// Opens a sealed file: recovers its data key, opens its values, checks its message authentication code. There is no
/// way around the last.
pub fn open(
    text: &str,
    format: Format,
    keys: &dyn DataKeySource,
    limits: &Limits,
) -> Result<Opened, OpenError> {
    let tree = format.parse(text, limits).map_err(OpenError::Parse)?;
    if format == Format::Binary {
        find_payload(&tree)?;
    }
    let unsealed = unseal(&tree, keys, Comments::Ignored)?;
    build(&tree, &unsealed)
}

/// Reads a plain file into the values that it would have if it had been sealed and opened; none of them is sensitive.
/// With [`Opened::write_as`] it is put into another format before it is sealed, as `sops encrypt --output-type` does.
pub fn read_plain(plain: &[u8], format: Format, limits: &Limits) -> Result<Opened, OpenError> {
    let text = str::from_utf8(plain).map_err(|_| OpenError::NotText)?;
    if format == Format::Binary {
        let mut payload = Mapping::new();
        payload.insert(PAYLOAD_KEY, Value::String(text.to_owned()));
        return Ok(Opened {
            documents: vec![Value::Mapping(payload)],
        });
    }
    let tree = format.parse(text, limits).map_err(OpenError::Parse)?;
    walk::walk(&tree, &Rule::default(), &mut Structure)?;
    build(
        &tree,
        &Unsealed {
            leaves: Vec::new(),
            comments: Vec::new(),
        },
    )
}

/// Looks at the structure alone.
struct Structure;

impl<'a> Visitor<'a> for Structure {
    type Error = OpenError;

    fn scalar(&mut self, _: &Leaf<'a, '_>) -> Result<(), OpenError> {
        Ok(())
    }

    fn comment(&mut self, _: &'a Comment, _: &Place<'a>) -> Result<(), OpenError> {
        Ok(())
    }
}

fn build(tree: &Tree, unsealed: &Unsealed<'_>) -> Result<Opened, OpenError> {
    let mut documents = Vec::new();
    for document in tree.documents() {
        let builder = Builder {
            tree,
            anchors: document.anchors(),
            leaves: LeavesBySpan(unsealed),
            steps: Vec::new(),
        };
        documents.extend(builder.document(document)?);
    }
    Ok(Opened { documents })
}

/// The opened leaves, to be found by where they are written. No two overlap, and they are in order.
struct LeavesBySpan<'a, 'b>(&'b Unsealed<'a>);

impl LeavesBySpan<'_, '_> {
    fn find(&self, node: &Node) -> Option<&Scalar<'static>> {
        let leaves = &self.0.leaves;
        let index = leaves
            .binary_search_by_key(&node.span.start, |leaf| leaf.node.span.start)
            .ok()?;
        leaves
            .get(index)
            .filter(|leaf| std::ptr::eq(leaf.node, node))
            .map(|leaf| &leaf.scalar)
    }
}

struct Builder<'a, 'b> {
    tree: &'a Tree,
    anchors: Anchors<'a>,
    leaves: LeavesBySpan<'a, 'b>,
    /// Where the builder is, for errors.
    steps: Vec<Step<'a>>,
}

impl<'a> Builder<'a, '_> {
    /// The value of a document without its `sops` entry; `None` if nothing is left.
    fn document(mut self, document: &'a Document) -> Result<Option<Value>, OpenError> {
        let Some(entries) = document.root.as_ref().and_then(Node::as_entries) else {
            return Ok(None);
        };
        let tree = self.tree;
        let content = entries.iter().filter(|(key, _)| !tree.is_block_key(key));
        let mapping = self.mapping(content)?;
        Ok((!mapping.is_empty()).then_some(Value::Mapping(mapping)))
    }

    /// The value of a node; `None` for a comment that is sealed as an item of a list.
    fn value(&mut self, node: &'a Node) -> Result<Option<Value>, OpenError> {
        // The walk has followed every alias before.
        let node = self.anchors.follow(node).unwrap_or(node);
        match &node.content {
            Content::Mapping { entries, .. } => Ok(Some(Value::Mapping(self.mapping(entries.iter())?))),
            Content::Sequence { items, .. } => {
                let mut values = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    self.steps.push(Step::Index(index));
                    values.extend(self.value(item)?);
                    self.steps.pop();
                }
                Ok(Some(Value::Sequence(values)))
            }
            Content::Scalar { .. } | Content::Alias(_) => {
                self.scalar(node).map_err(|error| OpenError::Leaf {
                    position: node.position,
                    path: walk::key_path(&self.steps),
                    error,
                })
            }
        }
    }

    fn mapping(&mut self, entries: impl Iterator<Item = &'a (Node, Node)>) -> Result<Mapping, OpenError> {
        let mut mapping = Mapping::new();
        for (key, value) in entries {
            // The walk has refused every other key.
            let Some(text) = key.as_scalar() else { continue };
            self.steps.push(Step::Key(text));
            // A map of values has no room for sections of the same name; the walk has refused all other repetitions.
            if mapping.contains_key(text) {
                return Err(OpenError::Structure(StructureError::RepeatedSection {
                    position: key.position,
                    path: walk::key_path(&self.steps),
                }));
            }
            if let Some(value) = self.value(value)? {
                mapping.insert(text, value);
            }
            self.steps.pop();
        }
        Ok(mapping)
    }

    fn scalar(&self, node: &Node) -> Result<Option<Value>, LeafError> {
        match self.leaves.find(node) {
            Some(opened) if opened.kind() == Kind::Comment => Ok(None),
            Some(opened) => opened.to_sensitive().map(Value::Sensitive).map(Some),
            None => match Scalar::resolve(node, self.tree.format())? {
                Some(scalar) => scalar.to_value().map(Some),
                None => Ok(Some(Value::Null)),
            },
        }
    }
}
