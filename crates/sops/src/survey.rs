//! What of a file is in clear although its rule says that it is sealed: asked without any key.

use manifest_yaml::syntax::Comment;

use crate::encrypted_value::EncryptedValue;
use crate::error::StructureError;
use crate::format::Tree;
use crate::key_path::KeyPath;
use crate::rule::{Rule, Scope};
use crate::scalar::Scalar;
use crate::walk::{Leaf, Place, Visitor, walk};

/// The first value that the rule seals and that is written in clear: of a plain file, what sealing would seal; of a
/// sealed one, what was put in by hand. `None` if there is none. Nulls, empty strings and comments do not count: sops
/// leaves the first two clear, and puts up with clear comments.
///
/// A sealed file has its rule in its [`Metadata`](crate::Metadata). That the other values are authentic only
/// [`open`](crate::open()) can say.
pub fn first_clear_value(tree: &Tree, rule: &Rule) -> Result<Option<KeyPath>, StructureError> {
    let mut survey = Survey { tree, found: None };
    walk(tree, rule, &mut survey)?;
    Ok(survey.found)
}

struct Survey<'a> {
    tree: &'a Tree,
    found: Option<KeyPath>,
}

impl<'a> Visitor<'a> for Survey<'a> {
    type Error = StructureError;

    fn scalar(&mut self, leaf: &Leaf<'a, '_>) -> Result<(), StructureError> {
        if self.found.is_some() || leaf.place.scope() == Scope::Clear {
            return Ok(());
        }
        let is_clear = match Scalar::resolve(leaf.node, self.tree.format()) {
            Ok(None) => false,
            Ok(Some(scalar)) => !scalar.is_empty() && EncryptedValue::parse(scalar.as_str()).is_err(),
            // What cannot be read cannot be sealed.
            Err(_) => true,
        };
        if is_clear {
            self.found = Some(leaf.place.path());
        }
        Ok(())
    }

    fn comment(&mut self, _: &'a Comment, _: &Place<'a>) -> Result<(), StructureError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use manifest_yaml::Limits;

    use super::*;
    use crate::format::Format;
    use crate::go_regex::GoRegex;

    fn found(text: &str, rule: &Rule) -> Option<String> {
        let tree = Format::Yaml.parse(text, &Limits::default()).unwrap();
        first_clear_value(&tree, rule)
            .unwrap()
            .map(|path| path.to_string())
    }

    #[test]
    fn finds_what_the_rule_seals() {
        let data = Rule::EncryptedRegex(GoRegex::parse("^data$").unwrap());
        let sealed = "ENC[AES256_GCM,data:AA==,iv:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=,\
                      tag:AAAAAAAAAAAAAAAAAAAAAA==,type:str]";
        for (text, expected) in [
            ("kind: Secret\ndata: {a: b, c: d}\n", Some("data.a")),
            ("kind: Secret\n---\nx: {data: [null, 7]}\n", Some("x.data[1]")),
            ("kind: Secret\ndata: {a: '', b: null}\n", None),
            ("kind: Secret\nmeta: {a: b}\n", None),
            (&format!("data: {{a: '{sealed}'}}\nsops: {{data: 1}}\n"), None),
            (&format!("data: {{a: '{sealed}', b: clear}}\n"), Some("data.b")),
        ] {
            assert_eq!(found(text, &data).as_deref(), expected, "{text}");
        }
        assert_eq!(found("a_unencrypted: b\n", &Rule::default()), None);
        assert_eq!(found("a: b\n", &Rule::default()).as_deref(), Some("a"));
    }
}
