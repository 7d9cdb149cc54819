//! The table of histories in `docs/verdicts.md`, made live.

use std::fs;
use std::process::Command;

use crate::support::repository::SigningKey;
use crate::user::User;

#[path = "../../crates/git-signature/tests/verdicts/docs.rs"]
mod docs;

/// What is expected of a history.
#[derive(Clone, Copy)]
enum Expected {
    Trusted,
    Refused(&'static str),
}
use Expected::{Refused, Trusted};

/// One repository, in which each case is a branch of its own.
struct Table {
    user: User,
    forge: SigningKey,
    /// A trusted commit with one before it.
    base: String,
    rows: Vec<String>,
    otherwise: usize,
}

impl Table {
    fn new() -> Self {
        let user = User::new();
        let forge = SigningKey::new(user.scratch.path(), "noreply@forge.example");
        let lines: String = (1..=20).map(|line| line.to_string() + "\n").collect();
        user.repository.write("both", &lines);
        user.signed("oldest");
        let base = user.signed("base");
        let folder = user.scratch.path().join("forge");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("allowed_signers"), forge.allowed_signer()).unwrap();
        let both = [user.alice.allowed_signer(), forge.allowed_signer()].concat();
        fs::write(user.scratch.path().join("for-git"), both).unwrap();
        Self {
            user,
            forge,
            base,
            rows: Vec::new(),
            otherwise: 0,
        }
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.user.repository.git(arguments).trim().to_owned()
    }

    /// Begins a branch at a commit.
    fn branch(&self, name: &str, at: &str) {
        self.git(&["switch", "-q", "-C", name, at]);
    }

    /// Changes one line of a file that is there from the beginning, signed.
    fn change(&self, line: &str, to: &str) -> String {
        let text = self.user.repository.read("both");
        let text = text.replace(&format!("\n{line}\n"), &format!("\n{to}\n"));
        self.user.repository.write("both", &text);
        self.user.repository.commit(&self.user.alice, to)
    }

    fn merge(&self, by: &SigningKey, arguments: &[&str]) -> String {
        let merge = ["merge", "-q", "--no-ff", "-S", "-m", "Merge"];
        self.user
            .repository
            .git_with(by, &[&merge[..], arguments].concat())
    }

    /// A row on what is checked out, since the base.
    fn row(&mut self, case: &str, expected: Expected) {
        let base = self.base.clone();
        self.row_since(case, &base, expected);
    }

    fn row_since(&mut self, case: &str, since: &str, expected: Expected) {
        let repository = self.user.repository.path().display().to_string();
        self.row_in(case, &repository, since, expected);
    }

    fn row_in(&mut self, case: &str, repository: &str, since: &str, expected: Expected) {
        let forge = self.user.scratch.path().join("forge").display().to_string();
        let arguments = ["-o", "json", "--forge", &forge, "--since", since];
        let run = self.user.verify_in(repository, &arguments);
        let verdicts = run.json();
        let verdicts = verdicts.as_array().unwrap();
        let refused = verdicts.iter().find(|verdict| verdict["verdict"] == "refused");
        let found = refused.map(|verdict| verdict["rule"].as_str().unwrap());
        let (ours, is_trusted) = match expected {
            Trusted => {
                assert_eq!(found, None, "{case}");
                run.expect(0);
                ("accepts".to_owned(), true)
            }
            Refused(reason) => {
                assert_eq!(found, Some(reason), "{case}");
                run.expect(1);
                (format!("refuses: `{reason}`"), false)
            }
        };
        let signers = self.user.scratch.path().join("for-git").display().to_string();
        let setting = format!("gpg.ssh.allowedSignersFile={signers}");
        // Flux reads objects without git, and knows no replacements.
        let verify = |options: &[&str]| {
            let git = Command::new("git")
                .args(options)
                .args(["-C", repository, "-c", &setting, "verify-commit", "HEAD"])
                .envs([("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")])
                .output();
            git.unwrap().status.success()
        };
        let (git, flux) = (verify(&[]), verify(&["--no-replace-objects"]));
        let shown = |accepts: bool| {
            let word = if accepts { "accepts" } else { "refuses" };
            if accepts == is_trusted {
                word.to_owned()
            } else {
                format!("**{word}**")
            }
        };
        self.otherwise += usize::from(git != is_trusted);
        let row = format!("| {case} | {ours} | {} | {} |", shown(git), shown(flux));
        self.rows.push(row);
    }

    fn text(&self) -> String {
        let head = "| Case | fluxops | git 2.39, of the head | Flux, of the head |\n|---|---|---|---|";
        format!(
            "{} cases. Of the head alone git says otherwise in {}.\n\n{head}\n{}",
            self.rows.len(),
            self.otherwise,
            self.rows.join("\n")
        )
    }
}

#[test]
fn the_table_of_histories_is_what_the_documentation_says() {
    let mut table = Table::new();
    signed_and_unsigned(&mut table);
    merges(&mut table);
    other_histories(&mut table);
    shallow(&mut table);
    hidden(&mut table);
    merges_by_a_forge(&mut table);
    docs::check("verdicts.md", "histories", &table.text());
}

fn signed_and_unsigned(table: &mut Table) {
    let base = table.base.clone();
    table.branch("case", &base);
    table.row("nothing new", Trusted);
    table.user.signed("signed");
    table.row("a signed commit", Trusted);
    table.user.signed("signed2");
    table.row("two of them", Trusted);
    table.user.unsigned("unsigned");
    table.row("an unsigned head", Refused("Unsigned"));
    table.user.signed("above");
    table.row("an unsigned commit under a signed head", Refused("Unsigned"));
    table.git(&["rm", "-q", "unsigned"]);
    table.user.repository.commit(&table.user.alice, "Revert");
    table.row("the same, undone by a signed commit", Refused("Unsigned"));
    let trusted = table.user.repository.head();
    table.user.signed("anew");
    table.row_since("the same, with trust that began anew above it", &trusted, Trusted);
    table.branch("case", &base);
    table.user.repository.write("m", "m");
    table.user.repository.commit(&table.user.mallory, "By a stranger");
    table.row("a head by a key that is not trusted", Refused("UnknownKey"));
    table.user.signed("above");
    table.row(
        "a commit by such a key under a signed head",
        Refused("UnknownKey"),
    );
}

fn merges(table: &mut Table) {
    let base = table.base.clone();
    let sides = |table: &Table, is_signed: &[bool]| {
        for (number, is_signed) in is_signed.iter().enumerate() {
            table.branch(&format!("side{number}"), &base);
            let name = format!("side{number}");
            if *is_signed {
                table.user.signed(&name);
            } else {
                table.user.unsigned(&name);
            }
        }
        table.branch("case", &base);
        table.user.signed("main");
    };
    sides(table, &[true]);
    table.merge(&table.user.alice, &["side0"]);
    table.row("a signed merge of signed commits", Trusted);
    sides(table, &[false]);
    table.merge(&table.user.alice, &["side0"]);
    table.row("a signed merge of an unsigned commit", Refused("Unsigned"));
    sides(table, &[true]);
    table.git(&["merge", "-q", "--no-ff", "--no-gpg-sign", "-m", "Merge", "side0"]);
    table.row("an unsigned merge of signed commits", Refused("Unsigned"));
    sides(table, &[true, true]);
    table.merge(&table.user.alice, &["side0", "side1"]);
    table.row("a signed merge of three", Trusted);
    sides(table, &[true, false]);
    table.merge(&table.user.alice, &["side0", "side1"]);
    table.row(
        "a signed merge of three, one of them unsigned",
        Refused("Unsigned"),
    );
    for (is_signed, expected) in [(true, Trusted), (false, Refused("Unsigned"))] {
        table.branch("old", &format!("{base}~1"));
        // Its date says that it is older than all that is trusted.
        table.user.repository.write("dated", "x");
        table.git(&["add", "-A"]);
        let key = format!("user.signingkey={}", table.user.alice.private().display());
        let sign = if is_signed { "-S" } else { "--no-gpg-sign" };
        let commit = [
            "-c",
            "gpg.format=ssh",
            "-c",
            &key,
            "commit",
            "-q",
            sign,
            "-m",
            "Old",
        ];
        table.user.repository.git_at("2020-01-02T03:04:05Z", &commit);
        table.branch("case", &base);
        table.merge(&table.user.alice, &["old"]);
        let what = if is_signed { "a signed" } else { "an unsigned" };
        let case = format!("{what} commit with an old date, from before the trusted one, merged");
        table.row(&case, expected);
        let foreign = format!("foreign-{is_signed}");
        table.git(&["switch", "-q", "--orphan", &foreign]);
        if is_signed {
            table.user.signed("foreign");
        } else {
            table.user.unsigned("foreign");
        }
        table.branch("case", &base);
        table.merge(&table.user.alice, &["--allow-unrelated-histories", &foreign]);
        table.row(&format!("{what} history of its own, merged"), expected);
    }
}

fn other_histories(table: &mut Table) {
    let base = table.base.clone();
    table.branch("case", &base);
    let head = table.user.signed("second");
    table.branch("case", &base);
    table.row_since("the remote goes back", &head, Refused("Rewound"));
    table.user.signed("instead");
    table.row_since("another signed commit in its place", &head, Refused("Diverged"));
    table.branch("case", &head);
    let amend = ["commit", "-q", "--amend", "-S", "-m", "Other words"];
    table.user.repository.git_with(&table.user.alice, &amend);
    table.row_since(
        "the trusted commit, signed with other words",
        &head,
        Refused("Diverged"),
    );
    table.git(&["switch", "-q", "--orphan", "unrelated"]);
    table.user.signed("unrelated");
    table.row_since("a signed history of its own", &head, Refused("UnrelatedHistory"));
    table.git(&["switch", "-q", "--orphan", "flat"]);
    table.git(&["checkout", "-q", &head, "--", "."]);
    table.user.repository.commit(&table.user.alice, "All in one");
    table.row_since(
        "the same files, in a single signed commit",
        &head,
        Refused("UnrelatedHistory"),
    );
}

fn shallow(table: &mut Table) {
    let base = table.base.clone();
    table.branch("case", &base);
    table.user.signed("second");
    table.user.signed("third");
    let clone = |table: &mut Table, case: &str, depth: &str, expected| {
        let folder = table
            .user
            .scratch
            .path()
            .join(format!("clone{depth}"))
            .display()
            .to_string();
        let from = format!("file://{}", table.user.repository.path().display());
        table.git(&["clone", "-q", "--depth", depth, &from, &folder]);
        table.row_in(case, &folder, &base, expected);
    };
    clone(table, "a shallow clone that has the trusted commit", "3", Trusted);
    table.branch("side", &format!("{base}~1"));
    table.user.signed("side");
    table.user.signed("side2");
    table.user.signed("side3");
    table.branch("case", &base);
    table.merge(&table.user.alice, &["side"]);
    clone(
        table,
        "a shallow clone without a part of what was merged",
        "2",
        Refused("IncompleteHistory"),
    );
}

fn hidden(table: &mut Table) {
    let base = table.base.clone();
    table.branch("case", &base);
    let bad = table.user.unsigned("hidden");
    table.user.signed("above");
    table.branch("good", &base);
    let good = table.user.signed("hidden");
    table.git(&["replace", &bad, &good]);
    table.git(&["switch", "-q", "-f", "case"]);
    table.row(
        "an unsigned commit with a signed one in its place (refs/replace)",
        Refused("Unsigned"),
    );
    table.git(&["switch", "-q", "-f", "--detach", &bad]);
    table.row("the same as the head", Refused("Unsigned"));
    table.git(&["replace", "-d", &bad]);
}

fn merges_by_a_forge(table: &mut Table) {
    let base = table.base.clone();
    let sides = |table: &Table| {
        table.branch("side", &base);
        table.change("2", "two");
        table.branch("case", &base);
        table.change("19", "nineteen");
    };
    sides(table);
    table.merge(&table.forge, &["side"]);
    table.row("a clean merge, signed by the forge", Trusted);
    sides(table);
    table.git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
    table.user.repository.write("more", "x");
    table.user.repository.commit(&table.forge, "Merge");
    table.row("the same with a file more", Refused("ForgeMergeAltered"));
    sides(table);
    table.merge(&table.forge, &["-s", "ours", "side"]);
    table.row("the same without what was merged", Refused("ForgeMergeAltered"));
    sides(table);
    table.git(&["merge", "-q", "--squash", "side"]);
    table.user.repository.commit(&table.forge, "Squash");
    table.row("a squash, signed by the forge", Refused("ForgeSignedNoMerge"));
    table.user.repository.write("edit", "x");
    table.branch("case", &base);
    table.user.repository.write("edit", "x");
    table.user.repository.commit(&table.forge, "Edit");
    table.row("an edit in the browser", Refused("ForgeSignedNoMerge"));
    table.branch("side", &base);
    table.change("2", "two");
    table.branch("case", &base);
    table.change("2", "deux");
    table.git(&["merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "side"]);
    table.user.repository.commit_index(&table.forge, "Merge");
    table.row("a merge that needed a decision", Refused("ForgeMergeConflict"));
    table.branch("side", &base);
    table.user.unsigned("unsigned");
    table.branch("case", &base);
    table.change("19", "nineteen");
    table.merge(&table.forge, &["side"]);
    table.row("a clean merge of an unsigned commit", Refused("Unsigned"));
}
