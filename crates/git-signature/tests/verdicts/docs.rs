//! Documents of the repository with a part that a test writes, so that they say what is so.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

use std::path::Path;

/// The variable that makes a test write its part instead of comparing it.
const WRITE: &str = "FLUXOPS_WRITE_DOCS";

/// Compares the part of `docs/NAME` between the comments `<!-- PART: written … -->` and `<!-- PART: end -->`, or
/// writes it.
pub(crate) fn check(name: &str, part: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("docs").join(name))
        .find(|path| path.exists())
        .expect("the document is there");
    let document = std::fs::read_to_string(&path).unwrap();
    let begin = format!("<!-- {part}: written by `make verdicts` -->\n");
    let end = format!("<!-- {part}: end -->");
    let (before, rest) = document.split_once(&begin).expect("the part begins");
    let (written, after) = rest.split_once(&end).expect("the part ends");
    let generated = format!("\n{}\n\n", generated.trim());
    if written == generated {
        return;
    }
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, [before, &begin, &generated, &end, after].concat()).unwrap();
        return;
    }
    let changed: Vec<&str> = generated
        .lines()
        .filter(|line| !written.lines().any(|old| old == *line))
        .collect();
    panic!(
        "docs/{name} is stale: run `make verdicts`. New or changed:\n{}",
        changed.join("\n")
    );
}
