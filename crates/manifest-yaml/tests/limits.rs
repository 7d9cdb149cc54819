//! Every limit, at the last value that is allowed and the first that is not.
// clippy.toml excepts test functions, not their helpers.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fmt::Write as _;

use manifest_yaml::{Limits, ParseError, Position, Schema, from_json, from_yaml};

const LIMITS: Limits = Limits {
    max_bytes: 200,
    max_depth: 3,
    max_nodes: 10,
    max_documents: 2,
    max_alias_nodes: 4,
};

fn yaml(text: &str, limits: &Limits) -> Result<usize, ParseError> {
    from_yaml(text.as_bytes(), Schema::Kubernetes, limits).map(|documents| documents.len())
}

fn json(text: &str, limits: &Limits) -> Result<usize, ParseError> {
    from_json(text.as_bytes(), limits).map(|documents| documents.len())
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn bytes() {
    let fits = format!("\"{}\"", "x".repeat(198));
    let larger = format!("{fits} ");
    assert_eq!(yaml(&fits, &LIMITS), Ok(1));
    assert_eq!(json(&fits, &LIMITS), Ok(1));
    let too_large = ParseError::TooLarge {
        position: Position::START,
        bytes: 201,
        limit: 200,
    };
    assert_eq!(yaml(&larger, &LIMITS), Err(too_large.clone()));
    assert_eq!(json(&larger, &LIMITS), Err(too_large));
}

#[test]
fn depth() {
    assert_eq!(yaml("[[[]]]", &LIMITS), Ok(1));
    assert_eq!(yaml("- - - a", &LIMITS), Ok(1));
    assert_eq!(json("[[[]]]", &LIMITS), Ok(1));
    let flow = ParseError::TooDeep {
        position: at(1, 4),
        limit: 3,
    };
    assert_eq!(yaml("[[[[]]]]", &LIMITS), Err(flow.clone()));
    assert_eq!(json("[[[[]]]]", &LIMITS), Err(flow));
    assert_eq!(
        yaml("- - - - a", &LIMITS),
        Err(ParseError::TooDeep {
            position: at(1, 7),
            limit: 3
        })
    );
    assert_eq!(
        yaml("a:\n  b:\n    c:\n      d: 1\n", &LIMITS),
        Err(ParseError::TooDeep {
            position: at(4, 7),
            limit: 3
        })
    );
}

#[test]
fn depth_through_aliases() {
    assert_eq!(yaml("- &a [[]]\n- *a\n", &LIMITS), Ok(1));
    assert_eq!(
        yaml("- &a [[]]\n- [*a]\n", &LIMITS),
        Err(ParseError::TooDeep {
            position: at(2, 4),
            limit: 3
        })
    );
}

#[test]
fn nodes_and_comments() {
    assert_eq!(yaml("[1, 2, 3, 4, 5, 6, 7, 8, 9]", &LIMITS), Ok(1));
    assert_eq!(json("[1, 2, 3, 4, 5, 6, 7, 8, 9]", &LIMITS), Ok(1));
    let too_many = |line, column| {
        Err(ParseError::TooManyNodes {
            position: at(line, column),
            limit: 10,
        })
    };
    assert_eq!(yaml("[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]", &LIMITS), too_many(1, 29));
    assert_eq!(json("[1, 2, 3, 4, 5, 6, 7, 8, 9, 0]", &LIMITS), too_many(1, 29));
    assert_eq!(yaml("[1, 2, 3, 4, 5, 6, 7, 8, 9] # c", &LIMITS), too_many(1, 29));
}

#[test]
fn documents_and_empty_ones_among_them() {
    assert_eq!(yaml("---\n---\na\n", &LIMITS), Ok(1));
    assert_eq!(
        yaml("---\n---\n---\na\n", &LIMITS),
        Err(ParseError::TooManyDocuments {
            position: at(3, 1),
            limit: 2
        })
    );
}

#[test]
fn nodes_through_aliases() {
    let too_much = |line, column| {
        Err(ParseError::TooMuchAliasing {
            position: at(line, column),
            limit_nodes: 4,
            limit_bytes: 200,
        })
    };
    assert_eq!(yaml("- &a [1]\n- *a\n- *a\n", &LIMITS), Ok(1));
    assert_eq!(yaml("- &a [1]\n- *a\n- *a\n- *a\n", &LIMITS), too_much(4, 3));
    // An alias inside what is aliased counts each time.
    assert_eq!(yaml("- &a 1\n- &b [*a, *a]\n- *b\n", &LIMITS), too_much(3, 3));
}

#[test]
fn text_through_aliases() {
    let text = format!("- &a {}\n- *a\n- *a\n- *a\n", "x".repeat(101));
    assert_eq!(
        yaml(&text, &LIMITS),
        Err(ParseError::TooMuchAliasing {
            position: at(3, 3),
            limit_nodes: 4,
            limit_bytes: 200
        })
    );
}

#[test]
fn a_bomb_is_refused_at_once() {
    let mut bomb = "a0: &a0 [lol]\n".to_owned();
    for level in 1..60 {
        let below = format!("*a{}", level - 1);
        let _ = writeln!(bomb, "a{level}: &a{level} [{}]", vec![below; 9].join(","));
    }
    let refused = yaml(&bomb, &Limits::default());
    assert!(
        matches!(refused, Err(ParseError::TooMuchAliasing { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_alias_inside_its_own_anchor() {
    assert_eq!(
        yaml("&a [*a]", &LIMITS),
        Err(ParseError::RecursiveAlias { position: at(1, 5) })
    );
    assert_eq!(
        yaml("&a {b: {c: *a}}", &LIMITS),
        Err(ParseError::RecursiveAlias { position: at(1, 12) })
    );
}

/// The stack holds at any setting: a test thread has 2 MiB.
#[test]
fn ten_thousand_levels() {
    let reckless = Limits {
        max_depth: usize::MAX,
        ..Limits::default()
    };
    for limits in [Limits::default(), reckless] {
        for text in [
            "[".repeat(10_000),
            "{a: ".repeat(10_000),
            "- ".repeat(10_000),
            "? ".repeat(10_000),
            format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)),
        ] {
            let refused = yaml(&text, &limits);
            assert!(matches!(refused, Err(ParseError::TooDeep { .. })), "{refused:?}");
        }
        for text in ["[".repeat(10_000), "{\"a\":".repeat(10_000)] {
            let refused = json(&text, &limits);
            assert!(matches!(refused, Err(ParseError::TooDeep { .. })), "{refused:?}");
        }
    }
    let deepest = format!("{}{}", "[".repeat(Limits::DEEPEST), "]".repeat(Limits::DEEPEST));
    assert_eq!(yaml(&deepest, &reckless), Ok(1));
    assert_eq!(json(&deepest, &reckless), Ok(1));
}

/// Texts that make a reader look again and again at what follows.
#[test]
fn time_grows_with_size_only() {
    for unit in [
        "---\n", "-\n", "a:\n", "# c\n", "? a\n", "\n", "a: |\n", "[a, ", "'' ",
    ] {
        let text = unit.repeat(Limits::MAX_BYTES / unit.len() / 4);
        let start = std::time::Instant::now();
        let _ = yaml(&text, &Limits::default());
        assert!(
            start.elapsed().as_secs() < 20,
            "{unit:?} took {:?}",
            start.elapsed()
        );
    }
}
