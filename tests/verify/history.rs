//! Histories: each commit since a trusted one, rewinds, shallow clones, and pushes to a hook.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::user::{User, rule};

#[test]
fn each_commit_since_a_trusted_one_is_judged_over_all_parents() {
    let user = User::new();
    let first = user.repository.head();
    user.repository.git(&["switch", "-q", "-c", "side"]);
    let buried = user.unsigned("buried");
    user.repository.git(&["switch", "-q", "main"]);
    let second = user.signed("second");
    user.repository
        .git(&["merge", "-q", "--no-ff", "--no-commit", "side"]);
    let merge = user.repository.commit_index(&user.alice, "merge");
    let judged = user.verdicts(&["--since", &first]);
    assert_eq!(judged.len(), 3);
    for expected in [rule(&buried, "Unsigned"), rule(&second, ""), rule(&merge, "")] {
        assert!(judged.contains(&expected), "{judged:?}");
    }
    assert_eq!(judged.last(), Some(&rule(&merge, "")));
    // What a signed head vouches for elsewhere is refused here, unless it is asked for the head alone.
    user.verify(&["--since", &first]).expect(1);
    user.verify(&["--mode", "head"]).expect(0);
    user.verify(&["--since", &merge]).expect(0);
    assert_eq!(user.verdicts(&["--since", &merge]), []);
    assert_eq!(user.verdicts(&[]).len(), 4);
    user.verify(&["main~1"]).expect(0);
}

#[test]
fn a_signed_revert_does_not_unsay_what_was_unsigned() {
    let user = User::new();
    let first = user.repository.head();
    let bad = user.unsigned("bad");
    user.repository.remove("bad");
    let revert = user.repository.commit(&user.alice, "Revert");
    let judged = user.verdicts(&["--since", &first]);
    assert_eq!(judged, [rule(&bad, "Unsigned"), rule(&revert, "")]);
    user.verify(&["--since", &bad]).expect(0);
}

#[test]
fn rewinds_and_other_histories_are_told_apart() {
    let user = User::new();
    let first = user.repository.head();
    let second = user.signed("second");
    user.repository.git(&["switch", "-q", "-c", "other", &first]);
    let other = user.signed("other");
    user.repository.git(&["switch", "-q", "--orphan", "unrelated"]);
    let unrelated = user.signed("unrelated");
    for (since, head, expected) in [
        (&second, &first, "Rewound"),
        (&second, &other, "Diverged"),
        (&second, &unrelated, "UnrelatedHistory"),
    ] {
        let judged = user.verdicts(&["--since", since, head]);
        assert_eq!(judged, [rule(head, expected)]);
        user.verify(&["--since", since, head]).expect(1);
    }
    user.verify(&["--since", &"1".repeat(40)]).expect(2);
    user.verify(&["none"]).expect(2);
    user.verify(&["--mode", "head", "--since", &first]).expect(2);
}

#[test]
fn a_shallow_clone_is_incomplete_unless_what_is_missing_is_behind_what_is_trusted() {
    let user = User::new();
    let first = user.repository.head();
    let second = user.signed("second");
    user.signed("third");
    let shallow = user.scratch.path().join("shallow").display().to_string();
    let url = format!("file://{}", user.repository.path().display());
    user.repository
        .git(&["clone", "-q", "--bare", "--depth", "2", &url, &shallow]);
    let run = user.verify_in(&shallow, &["-o", "json"]).expect(1);
    assert_eq!(run.json()[0]["rule"], "IncompleteHistory");
    assert!(run.json()[0]["reason"].as_str().unwrap().contains(&first));
    user.verify_in(&shallow, &["--since", &second]).expect(0);
    user.verify_in(&shallow, &["--since", &first]).expect(2);
}

#[test]
fn a_line_says_who_or_why_and_what_to_do() {
    let user = User::new();
    let first = user.repository.head();
    user.repository.write("x", "x");
    let strange = user.repository.commit(&user.mallory, "strange");
    let run = user.verify(&["--explain"]).expect(1);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(
        lines[0].starts_with(&format!("{first} trusted alice@example.org SHA256:")),
        "{lines:?}"
    );
    assert!(lines[1].contains("trusted"), "{lines:?}");
    assert!(
        lines[2].starts_with(&format!("{strange} refused it is signed by SSH key SHA256:")),
        "{lines:?}"
    );
    assert!(
        lines[2].contains("add its public key to allowed_signers"),
        "{lines:?}"
    );
    assert!(lines[3].contains("UnknownKey"), "{lines:?}");
    assert!(run.stderr.contains("1 trusted, 1 refused"), "{}", run.stderr);
}

#[test]
fn as_a_pre_receive_hook_it_judges_what_is_pushed() {
    let user = User::new();
    let bare = user.scratch.path().join("bare.git");
    let bare_name = bare.display().to_string();
    user.repository
        .git(&["init", "-q", "--bare", "-b", "main", &bare_name]);
    let hook = bare.join("hooks/pre-receive");
    let trust = user.scratch.path().join("trust");
    let fluxops = env!("CARGO_BIN_EXE_fluxops");
    let script = format!(
        "#!/bin/sh\nexec {fluxops} verify --trust {} --pre-receive\n",
        trust.display()
    );
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, script).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let push = |references: &[&str]| -> Output {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(user.repository.path())
            .args(["push", "-q", "--force"]);
        command.arg(&bare).args(references).output().unwrap()
    };
    let refused = |references: &[&str], reason: &str| {
        let output = push(references);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(reason),
            "{references:?}: {said}"
        );
    };
    let accepted = |references: &[&str]| {
        let output = push(references);
        assert!(
            output.status.success(),
            "{references:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    accepted(&["main"]);
    let first = user.repository.head();
    user.signed("second");
    accepted(&["main"]);
    refused(&[&format!("{first}:main")], "is older than");
    let bad = user.unsigned("bad");
    refused(&["main"], &format!("{bad} refused"));
    refused(&["main:refs/heads/new"], &format!("{bad} refused"));
    accepted(&[&format!("{first}:refs/heads/new")]);
    accepted(&[":new"]);
    user.repository.git(&["tag", "light", &first]);
    refused(&["light"], "refused");
}
