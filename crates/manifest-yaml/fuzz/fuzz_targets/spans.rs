//! Any text that means something: the spans of its tree nest, and an edit of any node or entry can be made.
#![no_main]

use std::ops::Range;

use libfuzzer_sys::fuzz_target;
use manifest_yaml::syntax::{Content, Node, entry_extent, parse_yaml};
use manifest_yaml::{Edit, Limits, Schema, resolve, splice};

fuzz_target!(|text: &str| {
    let Ok(stream) = parse_yaml(text, &Limits::default()) else { return };
    // Maps with collections or nothing as keys are parsed, but no schema takes them.
    if resolve(&stream, Schema::Kubernetes).is_err() {
        return;
    }
    for root in stream.documents().iter().filter_map(|document| document.root.as_ref()) {
        check(text, root, 0..text.len());
    }
});

fn check(text: &str, node: &Node, within: Range<usize>) {
    assert!(within.start <= node.span.start && node.span.end <= within.end, "{:?} in {within:?}", node.span);
    edit(text, node.span.clone());
    let mut from = node.span.start;
    let mut child = |child: &Node| {
        check(text, child, from..node.span.end);
        from = child.span.end;
    };
    match &node.content {
        Content::Sequence { items, .. } => items.iter().for_each(child),
        Content::Mapping { entries, .. } => {
            for (index, (key, value)) in entries.iter().enumerate() {
                child(key);
                child(value);
                edit(text, entry_extent(text, node, index).expect("the entry is there"));
            }
        }
        Content::Scalar { .. } | Content::Alias(_) => {}
    }
}

fn edit(text: &str, range: Range<usize>) {
    splice(text, vec![Edit { range, replacement: String::new().into() }]).expect("spans can be edited");
}
