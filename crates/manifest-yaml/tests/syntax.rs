//! Spans, comments and extents: what a splice relies on.
// clippy.toml excepts test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use manifest_yaml::syntax::{
    Content, Node, Placement, ScalarStyle, Stream, entry_extent, parse_json, parse_yaml,
};
use manifest_yaml::{Edit, Limits, Position, splice};
use zeroize::Zeroizing;

fn parse(text: &str) -> Stream {
    parse_yaml(text, &Limits::default()).unwrap()
}

fn root(stream: &Stream) -> &Node {
    stream.documents().first().unwrap().root.as_ref().unwrap()
}

/// The node at a path of map keys and list indices.
fn node<'a>(stream: &'a Stream, path: &[&str]) -> &'a Node {
    path.iter().fold(root(stream), |node, step| match &node.content {
        Content::Mapping { entries, .. } => {
            &entries
                .iter()
                .find(|(key, _)| key.as_scalar() == Some(step))
                .unwrap()
                .1
        }
        Content::Sequence { items, .. } => &items[step.parse::<usize>().unwrap()],
        _ => panic!("no {step}"),
    })
}

fn written<'a>(text: &'a str, path: &[&str]) -> &'a str {
    &text[node(&parse(text), path).span.clone()]
}

const MIXED: &str = "\
plain: one two
quoted: \"a \\
  b\"  # right
tagged: !!str &x 12
? explicit
: &y
  inner: 1
literal: |2-  # header
    two
   lines

folded: &z !t >+
  x


empty:
  # about nothing
alias: *x
list:
- a
- - b
-
flow: {k: [v, 'w'], u}
";

#[test]
fn spans_cover_whole_nodes() {
    for (path, expected) in [
        (&["plain"][..], "one two"),
        (&["quoted"], "\"a \\\n  b\""),
        (&["tagged"], "!!str &x 12"),
        (&["explicit"], "&y\n  inner: 1"),
        (&["explicit", "inner"], "1"),
        (&["literal"], "|2-  # header\n    two\n   lines"),
        (&["folded"], "&z !t >+\n  x"),
        (&["empty"], ""),
        (&["alias"], "*x"),
        (&["list"], "- a\n- - b\n-"),
        (&["list", "1"], "- b"),
        (&["list", "2"], ""),
        (&["flow"], "{k: [v, 'w'], u}"),
        (&["flow", "k"], "[v, 'w']"),
        (&["flow", "u"], ""),
    ] {
        assert_eq!(written(MIXED, path), expected, "{path:?}");
        let windows = MIXED.replace('\n', "\r\n");
        assert_eq!(
            written(&windows, path),
            expected.replace('\n', "\r\n"),
            "{path:?} with CRLF"
        );
    }
    let stream = parse(MIXED);
    assert_eq!(
        node(&stream, &["empty"]).span.start,
        MIXED.find("empty:").unwrap() + "empty:".len()
    );
    assert_eq!(
        node(&stream, &["literal"]).position,
        Position { line: 8, column: 10 }
    );
    assert_eq!(
        node(&stream, &["list"]).position,
        Position { line: 20, column: 1 }
    );
    assert_eq!(node(&stream, &["tagged"]).tag.as_ref().unwrap().name, "!!str");
    assert_eq!(node(&stream, &["tagged"]).anchor.as_ref().unwrap().name, "x");
    let document = stream.documents().first().unwrap();
    assert_eq!(
        document
            .anchors()
            .follow(node(&stream, &["alias"]))
            .unwrap()
            .as_scalar(),
        Some("12")
    );
}

#[test]
fn block_scalars_of_every_shape() {
    for (text, path, expected) in [
        ("a: |", &["a"][..], "|"),
        ("a: |\n", &["a"], "|"),
        ("a: |\n\n\nb: 1\n", &["a"], "|"),
        ("a: | # c | d\n  x\n", &["a"], "| # c | d\n  x"),
        ("a: |\n\n  x\n", &["a"], "|\n\n  x"),
        ("a: |\n  x  \n\n", &["a"], "|\n  x  "),
        ("a: |\n  x", &["a"], "|\n  x"),
        ("a: |\n  x\n# c\n", &["a"], "|\n  x"),
        ("a: |\n  # no comment\nb: 1\n", &["a"], "|\n  # no comment"),
        ("- |\n  x\n- >\n  y\n", &["1"], ">\n  y"),
        ("a:\n  # above | here\n  !t\n  |\n  x\n", &["a"], "!t\n  |\n  x"),
        ("--- |\n  x\n", &[], "|\n  x"),
        ("'a|b': |\n  x\n", &["a|b"], "|\n  x"),
        ("? a\n: |\n  x\n", &["a"], "|\n  x"),
        ("|\n  x\n", &[], "|\n  x"),
        ("# c | d\n>-\n - x\n", &[], ">-\n - x"),
        ("a: |\r  x\rb: 1\r", &["a"], "|\r  x"),
    ] {
        assert_eq!(written(text, path), expected, "{text:?}");
    }
}

/// What an edit of a SOPS file does: every leaf replaced, everything else as it was.
#[test]
fn splicing_leaves_leaves_a_document_of_the_same_shape() {
    fn leaves<'a>(node: &'a Node, found: &mut Vec<&'a Node>) {
        match &node.content {
            Content::Mapping { entries, .. } => entries.iter().for_each(|(_, value)| leaves(value, found)),
            Content::Sequence { items, .. } => items.iter().for_each(|item| leaves(item, found)),
            Content::Scalar { .. } => found.push(node),
            Content::Alias(_) => {}
        }
    }
    for text in [
        MIXED.replace("*x", "y"),
        MIXED.replace("*x", "y").replace('\n', "\r\n"),
    ] {
        let stream = parse(&text);
        let mut found = Vec::new();
        leaves(root(&stream), &mut found);
        let edits = found
            .iter()
            .filter(|leaf| !leaf.span.is_empty())
            .map(|leaf| Edit {
                range: leaf.span.clone(),
                replacement: Zeroizing::new("X".to_owned()),
            });
        let edited = splice(&text, edits.collect()).unwrap();
        let again = parse(&edited);
        let mut replaced = Vec::new();
        leaves(root(&again), &mut replaced);
        assert_eq!(replaced.len(), found.len(), "{edited:?}");
        let texts: Vec<_> = replaced.iter().filter_map(|leaf| leaf.as_scalar()).collect();
        assert!(texts.iter().all(|text| ["X", ""].contains(text)), "{texts:?}");
        assert_eq!(text.contains("\r\n"), edited.contains("\r\n"));
    }
}

#[test]
fn what_is_left_out_is_behind_its_indicator() {
    for (text, path, before) in [
        ("a:\nb: 1\n", &["a"][..], "a:"),
        ("a:  # c\nb: 1\n", &["a"], "a:"),
        ("? a\n\n\nb: 1\n", &["a"], "? a"),
        ("? a\n:\n", &["a"], "? a\n:"),
        ("a:\n- # c\n- x\n", &["a", "0"], "a:\n-"),
        ("a:\n- x\n-   # c\n", &["a", "1"], "a:\n- x\n-"),
        ("-\n- # c\n-\n", &["1"], "-\n-"),
        ("{a, b: }", &["a"], "{a"),
        ("{a, b: }", &["b"], "{a, b:"),
    ] {
        let stream = parse(text);
        let span = node(&stream, path).span.clone();
        assert_eq!((&text[..span.start], span.is_empty()), (before, true), "{text:?}");
        assert_eq!(
            node(&stream, path).position,
            Position::of_offset(text, span.start),
            "{text:?}"
        );
    }
    let stream = parse("a:\n- # c\n- x\n");
    assert_eq!(comments(node(&stream, &["a"])), [" c"]);
    assert_eq!(node(&stream, &["a"]).span, 3..12);
}

fn comments(node: &Node) -> Vec<&str> {
    node.comments
        .iter()
        .map(|comment| comment.text.as_str())
        .collect()
}

#[test]
fn comments_belong_to_the_collection_of_their_column() {
    let text = "\
# head

# above a
a: 1 # right of a
# above b
b: # right of b
  # above c
  c: 1 # right of c
  # below c
# above d
d:
# above the first item
- x # right of x
# above the second item
- y
# above e
e: [ # in flow
  1,
  # above 2
  2 ] # right of e
f:
  - g: 1
    # in the item
  # in the list
  - 2
# foot
";
    let stream = parse(text);
    assert_eq!(
        comments(root(&stream)),
        [
            " head",
            " above a",
            " right of a",
            " above b",
            " right of b",
            " above d",
            " above e",
            " right of e",
            " foot"
        ]
    );
    assert_eq!(
        comments(node(&stream, &["b"])),
        [" above c", " right of c", " below c"]
    );
    assert_eq!(
        comments(node(&stream, &["d"])),
        [" above the first item", " right of x", " above the second item"]
    );
    assert_eq!(comments(node(&stream, &["e"])), [" in flow", " above 2"]);
    assert_eq!(comments(node(&stream, &["f"])), [" in the list"]);
    assert_eq!(comments(node(&stream, &["f", "0"])), [" in the item"]);
    let right = root(&stream)
        .comments
        .iter()
        .find(|comment| comment.text == " right of a")
        .unwrap();
    assert_eq!(&text[right.span.clone()], "# right of a");
    assert_eq!(
        (right.placement, right.position),
        (Placement::Right, Position { line: 4, column: 6 })
    );
    assert!(stream.documents().first().unwrap().comments.is_empty() && stream.comments().is_empty());
}

#[test]
fn comments_outside_collections() {
    let stream = parse("# one\n--- # two\nscalar # three\n# four\n...\n# five\n");
    let document = stream.documents().first().unwrap();
    let texts: Vec<_> = document
        .comments
        .iter()
        .map(|comment| comment.text.as_str())
        .collect();
    assert_eq!(texts, [" one", " two", " three", " four"]);
    assert_eq!(stream.comments().first().unwrap().text, " five");
}

#[test]
fn thousands_of_comments_in_a_row() {
    let text = format!("a: 1\n{}b: 2\n", "# c\n".repeat(5000));
    assert_eq!(root(&parse(&text)).comments.len(), 5000);
}

/// The text without the entry.
fn without(text: &str, stream: &Stream, path: &[&str], key: &str) -> String {
    let map = node(stream, path);
    let entries = map.as_entries().unwrap();
    let index = entries
        .iter()
        .position(|(found, _)| found.as_scalar() == Some(key))
        .unwrap();
    let extent = entry_extent(text, map, index).unwrap();
    let edit = Edit {
        range: extent,
        replacement: Zeroizing::new(String::new()),
    };
    splice(text, vec![edit]).unwrap().to_string()
}

#[test]
fn an_entry_is_cut_out_whole() {
    for (text, path, expected) in [
        (
            "a: 1\nsops:\n    mac: x\n    # in it\n    list:\n        - y\n",
            &[][..],
            "a: 1\n",
        ),
        (
            "a: 1\nsops:\n  mac: |\n    x\n# after\nb: 2\n",
            &[],
            "a: 1\n# after\nb: 2\n",
        ),
        ("a: 1\nsops: x # with it\nb: 2", &[], "a: 1\nb: 2"),
        ("a: 1\nsops: x", &[], "a: 1\n"),
        ("a: 1\r\nsops:\r\n  mac: x\r\nb: 2\r\n", &[], "a: 1\r\nb: 2\r\n"),
        ("a: 1\n? sops\n: x\nb: 2\n", &[], "a: 1\nb: 2\n"),
        ("a: why -?\nsops: x\n", &[], "a: why -?\n"),
        ("a: |\n  why\n  ?\nsops: x\n", &[], "a: |\n  why\n  ?\n"),
        ("a: 1 # why ?\nsops: x\n", &[], "a: 1 # why ?\n"),
        ("# ?\nsops: x\nb: 1\n", &[], "# ?\nb: 1\n"),
        ("? sops\n: x\n? b\n: 1\n", &[], "? b\n: 1\n"),
        ("{a: 1, ? sops : x}", &[], "{a: 1}"),
        ("{? sops : x, ? b : 1}", &[], "{? b : 1}"),
        ("\u{feff}sops: x\na: 1\n", &[], "\u{feff}a: 1\n"),
        ("- sops: x\n  a: 1\n", &["0"], "- a: 1\n"),
        ("{a: 1, sops: {b: 2}, c: 3}", &[], "{a: 1, c: 3}"),
        ("{a: 1, sops: {b: 2}}", &[], "{a: 1}"),
        ("{sops: {b: 2}, a: 1}", &[], "{a: 1}"),
        ("{sops: x}", &[], "{}"),
    ] {
        assert_eq!(without(text, &parse(text), path, "sops"), expected, "{text:?}");
    }
}

#[test]
fn an_entry_is_cut_out_of_json() {
    for (text, expected) in [
        (
            "{\n\t\"a\": 1,\n\t\"sops\": {\n\t\t\"mac\": \"x\"\n\t}\n}",
            "{\n\t\"a\": 1\n}",
        ),
        ("{\n\t\"sops\": [],\n\t\"a\": 1\n}", "{\n\t\"a\": 1\n}"),
        (
            "{\"a\":\"sops\",\"sops\":null,\"b\":2}",
            "{\"a\":\"sops\",\"b\":2}",
        ),
    ] {
        let stream = parse_json(text, &Limits::default()).unwrap();
        assert_eq!(without(text, &stream, &[], "sops"), expected);
    }
}

#[test]
fn json_gives_the_same_tree() {
    let text = "{\"a\": [1, -2.5e3, true, null, \"x\\u00e9\\ud83d\\ude00\\n\"], \"b\": {}}";
    let stream = parse_json(text, &Limits::default()).unwrap();
    assert_eq!(&text[node(&stream, &["a", "1"]).span.clone()], "-2.5e3");
    assert_eq!(node(&stream, &["a", "4"]).as_scalar(), Some("xé😀\n"));
    let Content::Scalar { style, .. } = node(&stream, &["a", "4"]).content else {
        panic!("no scalar")
    };
    assert_eq!(style, ScalarStyle::DoubleQuoted);
    assert_eq!(&text[node(&stream, &["b"]).span.clone()], "{}");
}

/// Every node of a tree lies in its parent, in order, on character boundaries.
#[test]
fn spans_nest() {
    fn check(text: &str, node: &Node, within: std::ops::Range<usize>) {
        assert!(
            within.start <= node.span.start && node.span.end <= within.end,
            "{:?} in {within:?}",
            node.span
        );
        assert!(text.get(node.span.clone()).is_some());
        let children: Vec<&Node> = match &node.content {
            Content::Mapping { entries, .. } => {
                entries.iter().flat_map(|(key, value)| [key, value]).collect()
            }
            Content::Sequence { items, .. } => items.iter().collect(),
            _ => Vec::new(),
        };
        let mut from = node.span.start;
        for child in children {
            check(text, child, from..node.span.end);
            from = child.span.end;
        }
    }
    for table in [
        include_str!("truth/kubernetes.jsonl"),
        include_str!("truth/go_yaml_v3.jsonl"),
    ] {
        for line in table.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let text = row["yaml"].as_str().unwrap();
            for text in [text.to_owned(), text.replace('\n', "\r\n")] {
                let Ok(stream) = parse_yaml(&text, &Limits::default()) else {
                    continue;
                };
                for document in stream.documents() {
                    document
                        .root
                        .iter()
                        .for_each(|root| check(&text, root, 0..text.len()));
                }
            }
        }
    }
}
