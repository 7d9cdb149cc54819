//! The block flattened to one level (stores/flatten.go): `age__list_0__map_enc` for the field `enc` of the first item
//! of the list `age`.

use std::collections::BTreeMap;

use manifest_yaml::syntax::{CollectionStyle, Content, Node, ScalarStyle};

use super::SyntaxError;

const MAP_SEPARATOR: &str = "__map_";
const LIST_SEPARATOR: &str = "__list_";

/// Most steps of a flattened key. The deepest that sops writes has six: the encryption context of a key in a group.
const MAX_STEPS: usize = 8;

/// One step of a flattened key.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// What grows out of the entries.
enum Branch {
    Leaf(Node),
    Map(BTreeMap<String, Branch>),
    List(BTreeMap<usize, Branch>),
}

/// The block out of its flattened entries; `None` if there are none.
pub(super) fn unflatten(entries: Vec<(String, Node)>) -> Result<Option<Node>, SyntaxError> {
    let mut root: Option<Branch> = None;
    let Some((_, first)) = entries.first() else {
        return Ok(None);
    };
    let position = first.position;
    let span = first.span.start..entries.last().map_or(first.span.end, |(_, last)| last.span.end);
    for (key, node) in entries {
        let position = node.position;
        let fail = |problem| SyntaxError::Block { position, problem };
        insert(&mut root, &steps(&key).map_err(fail)?, node).map_err(fail)?;
    }
    let made_up = |content| Node {
        span: span.clone(),
        position,
        tag: None,
        anchor: None,
        content,
        comments: Vec::new(),
    };
    root.map(|root| root.into_node(&made_up))
        .transpose()
        .map_err(|problem| SyntaxError::Block { position, problem })
}

/// The entries of a block as they are flattened, in its order.
pub(crate) fn flatten(block: &Node) -> Vec<(String, &str)> {
    let mut flat = Vec::new();
    push("", block, &mut flat);
    flat
}

fn push<'a>(key: &str, node: &'a Node, flat: &mut Vec<(String, &'a str)>) {
    match &node.content {
        Content::Scalar { text, .. } => flat.push((key.to_owned(), text)),
        Content::Sequence { items, .. } => {
            for (index, item) in items.iter().enumerate() {
                push(&format!("{key}{LIST_SEPARATOR}{index}"), item, flat);
            }
        }
        Content::Mapping { entries, .. } => {
            let separator = if key.is_empty() { "" } else { MAP_SEPARATOR };
            for (name, value) in entries {
                let name = name.as_scalar().unwrap_or_default();
                push(&format!("{key}{separator}{name}"), value, flat);
            }
        }
        // A block that we write has none.
        Content::Alias(_) => {}
    }
}

fn steps(key: &str) -> Result<Vec<Step<'_>>, &'static str> {
    let mut steps = Vec::new();
    let mut rest = key;
    let mut is_index = false;
    loop {
        let next = [MAP_SEPARATOR, LIST_SEPARATOR]
            .into_iter()
            .filter_map(|separator| Some((rest.find(separator)?, separator)))
            .min();
        let token = next
            .map_or(Some(rest), |(at, _)| rest.get(..at))
            .unwrap_or_default();
        steps.push(if is_index {
            Step::Index(
                token
                    .parse()
                    .map_err(|_| "its key has an index that is no number")?,
            )
        } else {
            Step::Key(token)
        });
        if steps.len() > MAX_STEPS {
            return Err("its key has more levels than a block has");
        }
        let Some((at, separator)) = next else {
            return Ok(steps);
        };
        rest = rest.get(at + separator.len()..).unwrap_or_default();
        is_index = separator == LIST_SEPARATOR;
    }
}

fn insert(branch: &mut Option<Branch>, steps: &[Step<'_>], node: Node) -> Result<(), &'static str> {
    let Some((step, steps)) = steps.split_first() else {
        return match branch.replace(Branch::Leaf(node)) {
            None => Ok(()),
            Some(Branch::Leaf(_)) => Err("it is there twice"),
            Some(_) => Err("it is a list or a map elsewhere"),
        };
    };
    let branch = branch.get_or_insert_with(|| match step {
        Step::Key(_) => Branch::Map(BTreeMap::new()),
        Step::Index(_) => Branch::List(BTreeMap::new()),
    });
    match (branch, step) {
        (Branch::Map(entries), Step::Key(key)) => {
            let mut inner = entries.remove(*key);
            insert(&mut inner, steps, node)?;
            entries.extend(inner.map(|inner| ((*key).to_owned(), inner)));
        }
        (Branch::List(items), Step::Index(index)) => {
            let mut inner = items.remove(index);
            insert(&mut inner, steps, node)?;
            items.extend(inner.map(|inner| (*index, inner)));
        }
        _ => return Err("what it is in is something else elsewhere"),
    }
    Ok(())
}

impl Branch {
    fn into_node(self, made_up: &impl Fn(Content) -> Node) -> Result<Node, &'static str> {
        Ok(match self {
            Self::Leaf(node) => node,
            Self::Map(entries) => {
                let entries = entries
                    .into_iter()
                    .map(|(key, value)| {
                        let key = made_up(Content::Scalar {
                            text: key,
                            style: ScalarStyle::DoubleQuoted,
                        });
                        Ok((key, value.into_node(made_up)?))
                    })
                    .collect::<Result<_, &'static str>>()?;
                made_up(Content::Mapping {
                    entries,
                    style: CollectionStyle::Block,
                })
            }
            Self::List(items) => {
                if items
                    .keys()
                    .enumerate()
                    .any(|(expected, index)| expected != *index)
                {
                    return Err("a list in it misses an item");
                }
                let items = items
                    .into_values()
                    .map(|item| item.into_node(made_up))
                    .collect::<Result<_, _>>()?;
                made_up(Content::Sequence {
                    items,
                    style: CollectionStyle::Block,
                })
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Position;

    use super::*;

    fn leaf(text: &str) -> Node {
        Node {
            span: 0..0,
            position: Position::START,
            tag: None,
            anchor: None,
            content: Content::Scalar {
                text: text.to_owned(),
                style: ScalarStyle::DoubleQuoted,
            },
            comments: Vec::new(),
        }
    }

    fn unflattened(keys: &[&str]) -> Result<Vec<String>, SyntaxError> {
        let entries = keys.iter().map(|key| ((*key).to_owned(), leaf(key))).collect();
        let block = unflatten(entries)?.unwrap();
        Ok(flatten(&block).into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn flattened_keys_go_both_ways() {
        let keys = [
            "age__list_0__map_enc",
            "age__list_0__map_recipient",
            "age__list_1__map_enc",
            "key_groups__list_0__map_kms__list_0__map_context__map_a",
            "lastmodified",
        ];
        assert_eq!(unflattened(&keys).unwrap(), keys);
        let shuffled = [keys[2], keys[4], keys[0], keys[1], keys[3]];
        assert_eq!(unflattened(&shuffled).unwrap(), keys);
    }

    #[test]
    fn contradictions_are_refused() {
        let deep = "a__map_a".repeat(MAX_STEPS);
        for keys in [
            &["a", "a"][..],
            &["a", "a__map_b"],
            &["a__map_b", "a"],
            &["a__map_b", "a__list_0"],
            &["a__list_1"],
            &["a__list_0", "a__list_2"],
            &["a__list_x"],
            &["a__list_-1"],
            &["a__list_99999999999999999999"],
            &[&deep],
        ] {
            let refused = unflattened(keys);
            assert!(matches!(refused, Err(SyntaxError::Block { .. })), "{keys:?}");
        }
    }
}
