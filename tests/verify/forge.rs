//! What a forge's key may sign: clean merges of commits that are trusted, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::Value as Json;

use crate::support::fluxops::Run;
use crate::support::repository::{SigningKey, run};
use crate::user::{User, rule};

/// A user whose forge merges by a button.
struct Hosted {
    user: User,
    forge: SigningKey,
    first: String,
}

impl Hosted {
    /// `main` and `side` that began with the same signed commit, both changed since, the file `both` by both.
    fn new() -> Self {
        let user = User::new();
        let forge = SigningKey::new(user.scratch.path(), "noreply@forge.example");
        let folder = user.scratch.path().join("forge");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("allowed_signers"), forge.allowed_signer()).unwrap();
        let lines: String = (1..=20).map(|line| line.to_string() + "\n").collect();
        user.repository.write("both", &lines);
        user.repository.write("folder/old", &lines);
        let first = user.signed("start");
        user.repository.git(&["switch", "-q", "-c", "side"]);
        user.repository.write("both", &lines.replace("2\n", "two\n"));
        user.signed("folder/side");
        user.repository.git(&["switch", "-q", "main"]);
        user.repository
            .write("both", &lines.replace("19\n", "nineteen\n"));
        user.signed("folder/main");
        Self { user, forge, first }
    }

    /// Merges by the button.
    fn merge(&self, branch: &str) -> String {
        let merge = ["merge", "-q", "--no-ff", "-S", "-m", "Merge", branch];
        self.user.repository.git_with(&self.forge, &merge)
    }

    /// Makes the merge ready, and leaves it to the caller to commit it.
    fn prepare(&self, branch: &str) {
        let merge = ["merge", "-q", "--no-ff", "--no-commit", branch];
        self.user.repository.git(&merge);
    }

    /// Commits what lies there, with the forge's key.
    fn commit(&self) -> String {
        self.user.repository.commit(&self.forge, "By the forge")
    }

    fn verify(&self, arguments: &[&str]) -> Run {
        let forge = self.user.scratch.path().join("forge").display().to_string();
        let mut all = vec!["--forge", &forge];
        all.extend(arguments);
        self.user.verify(&all)
    }

    /// What is said of the head, since the first commit.
    fn head(&self) -> Json {
        let verdicts = self.verify(&["-o", "json", "--since", &self.first]).json();
        verdicts.as_array().unwrap().last().unwrap().clone()
    }

    fn assert_refused(&self, reason: &str) {
        let head = self.head();
        assert_eq!(head["commit"], self.user.repository.head());
        assert_eq!(
            (&head["verdict"], &head["rule"]),
            (&"refused".into(), &reason.into()),
            "{head}"
        );
        self.verify(&["--mode", "head"]).expect(1);
    }
}

#[test]
fn a_clean_merge_by_the_forge_is_trusted_and_shown_as_such() {
    let hosted = Hosted::new();
    let merge = hosted.merge("side");
    let both = hosted.user.repository.read("both");
    assert!(both.contains("two\n") && both.contains("nineteen\n"));
    let head = hosted.head();
    assert_eq!(
        (&head["commit"], &head["by"]),
        (&merge.as_str().into(), &"forge".into()),
        "{head}"
    );
    let run = hosted.verify(&["--explain", "--since", &hosted.first]).expect(0);
    let said = format!("{merge} trusted forge noreply@forge.example SHA256:");
    assert!(run.stdout.contains(&said), "{}", run.stdout);
    assert!(run.stdout.contains("what we make ourselves"), "{}", run.stdout);
    hosted.verify(&["--mode", "head"]).expect(0);
    // Without the option the key is a stranger's, and as a person's it may sign anything.
    let judged = hosted.user.verdicts(&["--since", &hosted.first]);
    assert_eq!(judged.last(), Some(&rule(&merge, "UnknownKey")));

    // A branch that could have been fast-forwarded, and one merge upon another.
    hosted.user.repository.git(&["switch", "-q", "-c", "later"]);
    hosted.user.signed("later");
    hosted.user.repository.git(&["switch", "-q", "main"]);
    hosted.merge("later");
    hosted.verify(&["--since", &hosted.first]).expect(0);
    hosted.verify(&["--mode", "head"]).expect(0);
}

#[test]
fn a_merge_that_somebody_changed_is_refused() {
    for change in ["more", "less", "content", "mode", "ours"] {
        let hosted = Hosted::new();
        let repository = &hosted.user.repository;
        if change == "ours" {
            let merge = [
                "merge", "-q", "--no-ff", "-s", "ours", "-S", "-m", "Merge", "side",
            ];
            repository.git_with(&hosted.forge, &merge);
        } else {
            hosted.prepare("side");
            match change {
                "more" => repository.write("folder/more", "x"),
                "less" => repository.remove("folder/main"),
                "content" => repository.write("folder/old", "x"),
                _ => drop(repository.git(&["update-index", "--chmod=+x", "folder/old"])),
            }
            if change == "mode" {
                repository.commit_index(&hosted.forge, "Merge");
            } else {
                hosted.commit();
            }
        }
        hosted.assert_refused("ForgeMergeAltered");
    }
}

#[test]
fn what_is_no_merge_of_two_is_refused() {
    let hosted = Hosted::new();
    let repository = &hosted.user.repository;
    let main = repository.head();
    let again = || drop(repository.git(&["reset", "-q", "--hard", &main]));
    // By the editor in the browser.
    repository.write("edited", "x");
    hosted.commit();
    hosted.assert_refused("ForgeSignedNoMerge");
    again();
    repository.git(&["merge", "-q", "--squash", "side"]);
    hosted.commit();
    hosted.assert_refused("ForgeSignedNoMerge");
    again();
    repository.git_with(&hosted.forge, &["cherry-pick", "-S", "side"]);
    hosted.assert_refused("ForgeSignedNoMerge");
    again();
    repository.git(&["switch", "-q", "-c", "other", &hosted.first]);
    hosted.user.signed("other");
    repository.git(&["switch", "-q", "main"]);
    let octopus = ["merge", "-q", "--no-ff", "-S", "-m", "Merge", "side", "other"];
    repository.git_with(&hosted.forge, &octopus);
    hosted.assert_refused("ForgeSignedNoMerge");
    // Nor does it sign tags.
    repository.git_with(&hosted.forge, &["tag", "-s", "-m", "v1", "v1", &main]);
    let run = hosted.verify(&["--mode", "tag", "-o", "json", "v1"]).expect(1);
    assert_eq!(run.json()[0]["rule"], "UnknownKey");
}

#[test]
fn a_merge_that_needs_a_decision_is_refused() {
    let conflict = |options: &[&str]| {
        let hosted = Hosted::new();
        let repository = &hosted.user.repository;
        repository.git(&["switch", "-q", "side"]);
        repository.write("folder/old", "side");
        hosted.user.signed("a");
        repository.git(&["switch", "-q", "main"]);
        repository.write("folder/old", "main");
        hosted.user.signed("b");
        let merge = ["merge", "-q", "--no-ff", "-S", "-m", "Merge"];
        repository.git_with(&hosted.forge, &[&merge[..], options, &["side"]].concat());
        hosted.assert_refused("ForgeMergeConflict");
        let reason = hosted.head()["reason"].to_string();
        assert!(reason.contains("folder/old"), "{reason}");
    };
    conflict(&["-X", "ours"]);
    conflict(&["-X", "theirs"]);

    // Git follows a rename into what the other side changed; here a person has to.
    let hosted = Hosted::new();
    let repository = &hosted.user.repository;
    repository.git(&["switch", "-q", "-c", "rename", &hosted.first]);
    repository.git(&["mv", "both", "renamed"]);
    hosted.user.signed("c");
    repository.git(&["switch", "-q", "main"]);
    hosted.merge("rename");
    hosted.assert_refused("ForgeMergeConflict");
}

#[test]
fn there_has_to_be_one_commit_that_both_sides_began_with() {
    let hosted = Hosted::new();
    let repository = &hosted.user.repository;
    let (main, side) = (repository.head(), repository.git(&["rev-parse", "side"]));
    hosted.merge("side");
    repository.git(&["switch", "-q", "side"]);
    repository.git_with(
        &hosted.user.alice,
        &["merge", "-q", "--no-ff", "-S", "-m", "Back", &main],
    );
    hosted.user.signed("criss");
    repository.git(&["switch", "-q", "main"]);
    hosted.user.signed("cross");
    let bases = repository.git(&["merge-base", "--all", "main", "side"]);
    assert!(bases.contains(&main) && bases.contains(side.trim()), "{bases}");
    hosted.merge("side");
    hosted.assert_refused("ForgeMergeBase");

    let hosted = Hosted::new();
    let repository = &hosted.user.repository;
    repository.git(&["switch", "-q", "--orphan", "unrelated"]);
    hosted.user.signed("unrelated");
    repository.git(&["switch", "-q", "main"]);
    let merge = [
        "merge",
        "-q",
        "--allow-unrelated-histories",
        "-S",
        "-m",
        "Merge",
        "unrelated",
    ];
    repository.git_with(&hosted.forge, &merge);
    hosted.assert_refused("ForgeMergeBase");
}

#[test]
fn what_is_merged_has_to_be_trusted() {
    let hosted = Hosted::new();
    let repository = &hosted.user.repository;
    repository.git(&["switch", "-q", "side"]);
    let unsigned = hosted.user.unsigned("unsigned");
    repository.git(&["switch", "-q", "main"]);
    hosted.merge("side");
    hosted.assert_refused("ForgeMergeParent");
    let run = hosted.verify(&["--since", &hosted.first]).expect(1);
    assert!(
        run.stdout
            .contains(&format!("{unsigned} refused there is no signature")),
        "{}",
        run.stdout
    );
    // Nor is what comes upon it, where the forge made that.
    repository.git(&["switch", "-q", "-c", "later"]);
    hosted.user.signed("later");
    repository.git(&["switch", "-q", "main"]);
    hosted.merge("later");
    hosted.assert_refused("ForgeMergeParent");
}

#[test]
fn a_key_in_both_places_is_the_forges() {
    let hosted = Hosted::new();
    let signers = [&hosted.user.alice, &hosted.forge].map(SigningKey::allowed_signer);
    let trust = hosted.user.scratch.path().join("trust/allowed_signers");
    fs::write(&trust, signers.concat()).unwrap();
    hosted.user.repository.write("edited", "x");
    hosted.commit();
    hosted.user.verify(&["--mode", "head"]).expect(0);
    hosted.assert_refused("ForgeSignedNoMerge");
}

#[test]
fn a_stranger_merges_nothing_and_a_forged_tree_is_no_merge_of_the_forge() {
    let hosted = Hosted::new();
    let repository = &hosted.user.repository;
    let merge = ["merge", "-q", "--no-ff", "-S", "-m", "Merge", "side"];
    repository.git_with(&hosted.user.mallory, &merge);
    hosted.assert_refused("UnknownKey");
    repository.git(&["reset", "-q", "--hard", "HEAD~1"]);
    hosted.merge("side");
    let raw = repository.git(&["cat-file", "commit", "HEAD"]);
    let tree = repository.git(&["rev-parse", "HEAD~1^{tree}"]);
    let (_, rest) = raw.split_once('\n').unwrap();
    repository.commit_raw(&format!("tree {tree}{rest}"));
    hosted.assert_refused("BadSignature");
    let file = hosted.user.scratch.path().join("forge/allowed_signers");
    fs::write(&file, "nonsense").unwrap();
    let run = hosted.verify(&[]).expect(2);
    assert!(run.stderr.contains("the forge's keys"), "{}", run.stderr);
}

#[test]
fn a_forges_openpgp_key_counts_as_well() {
    let hosted = Hosted::new();
    // As GitHub's own.
    let home = hosted.user.scratch.path().join("gnupg");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let mut command = Command::new("gpg");
        command
            .arg("--homedir")
            .arg(&home)
            .args(["--batch", "--quiet", "--passphrase", ""]);
        run(command.args(arguments))
    };
    let name = "Forge <noreply@forge.example>";
    gpg(&["--quick-gen-key", name, "ed25519", "sign", "never"]);
    let key = hosted.user.scratch.path().join("web-flow.asc");
    fs::write(&key, gpg(&["--armor", "--export"])).unwrap();
    let program = hosted.user.scratch.path().join("gpg");
    let script = format!("#!/bin/sh\nexec gpg --homedir '{}' \"$@\"\n", home.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let program = format!("gpg.program={}", program.display());
    let key = key.display().to_string();
    let git = |arguments: &[&str]| {
        let settings = [
            "-c",
            "gpg.format=openpgp",
            "-c",
            "user.signingkey=noreply@forge.example",
            "-c",
            &program,
        ];
        hosted.user.repository.git(&[&settings[..], arguments].concat())
    };
    git(&["merge", "-q", "--no-ff", "-S", "-m", "Merge", "side"]);
    let verify = |code: i32| {
        let arguments = ["--forge", &key, "--since", &hosted.first];
        hosted.user.verify(&arguments).expect(code)
    };
    let run = verify(0);
    assert!(run.stdout.contains(name), "{}", run.stdout);
    hosted.user.repository.write("more", "x");
    git(&["add", "-A"]);
    git(&["commit", "-q", "--amend", "--no-edit", "-S"]);
    let run = verify(1);
    assert!(run.stdout.contains("its tree is not the merge"), "{}", run.stdout);
}
