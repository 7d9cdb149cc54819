//! The tables of cases.

use std::error::Error;

use kustomize::build;
use serde_json::Value;

use crate::case::{Case, cases};
use crate::oracle;

/// An error with its sources.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn ours(case: &Case) -> Result<Vec<Value>, String> {
    match build(&case.tree, &case.directory) {
        Ok(objects) => Ok(objects.iter().map(oracle::canonical).collect()),
        Err(error) => Err(chain(&error)),
    }
}

fn check(folder: &str, check: impl Fn(&Case) -> Result<(), String>) {
    let failures: Vec<String> = cases(folder)
        .iter()
        .filter_map(|case| {
            check(case)
                .err()
                .map(|failure| format!("{}: {failure}", case.name))
        })
        .collect();
    assert!(failures.is_empty(), "\n{}", failures.join("\n\n"));
}

fn refusal(case: &Case) -> Result<(), String> {
    let expected = case.refused.as_ref().ok_or("no `refused:`")?;
    match ours(case) {
        Ok(objects) => Err(format!("built: {objects:#?}")),
        Err(error) if error.contains(expected) || without_lines(&error).contains(expected) => Ok(()),
        Err(error) => Err(format!("says: {error}")),
    }
}

/// An error in which files have no line.
fn without_lines(error: &str) -> String {
    let mut pieces = error.split(".yaml:");
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.trim_start_matches(|character: char| character.is_ascii_digit());
        text.push_str(if rest.len() == piece.len() {
            ".yaml:"
        } else {
            ".yaml"
        });
        text.push_str(rest);
    }
    text
}

/// Both build the same objects in the same order.
#[test]
fn same() {
    check("same", |case| {
        let theirs =
            oracle::build(&case.tree, &case.directory).map_err(|error| format!("kustomize: {error}"))?;
        let ours = ours(case)?;
        if ours == theirs {
            return Ok(());
        }
        let differing = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
        Err(format!(
            "ours and theirs ({} and {}): {differing:#?}",
            ours.len(),
            theirs.len()
        ))
    });
}

/// Both refuse.
#[test]
fn refused() {
    check("refused", |case| {
        refusal(case)?;
        match oracle::build(&case.tree, &case.directory) {
            Ok(objects) => Err(format!("kustomize builds it: {objects:#?}")),
            Err(_) => Ok(()),
        }
    });
}

/// We refuse what kustomize builds.
#[test]
fn stricter() {
    check("stricter", |case| {
        refusal(case)?;
        oracle::build(&case.tree, &case.directory)
            .map(drop)
            .map_err(|error| format!("kustomize refuses it too: {error}"))
    });
}

/// What kustomize does since 5.8.2, written down as that release prints it.
#[test]
fn newer() {
    check("newer", |case| {
        if case.refused.is_some() {
            return refusal(case);
        }
        let expected = case.tree.files.get("expected.yaml").ok_or("no expected.yaml")?;
        let expected = oracle::parse(expected);
        let ours = ours(case)?;
        if ours == expected {
            Ok(())
        } else {
            Err(format!("builds: {ours:#?}"))
        }
    });
}
