//! Who has to have signed what stands at a path: `verify.rules`, by way of `--policy`.

use std::fs;

use serde_json::{Value as Json, json};

use crate::support::fluxops::Run;
use crate::support::repository::SigningKey;
use crate::user::User;

/// Three people who are trusted, and `clusters/prod`, which Alice made.
struct Team {
    user: User,
    bob: SigningKey,
    carol: SigningKey,
    first: String,
}

impl Team {
    fn new() -> Self {
        let user = User::new();
        let bob = SigningKey::new(user.scratch.path(), "bob@example.org");
        let carol = SigningKey::new(user.scratch.path(), "carol@example.org");
        let trusted = [&user.alice, &bob, &carol].map(SigningKey::allowed_signer);
        fs::write(
            user.scratch.path().join("trust/allowed_signers"),
            trusted.concat(),
        )
        .unwrap();
        let first = user.signed("clusters/prod/app");
        user.signed("clusters/staging/app");
        Self {
            user,
            bob,
            carol,
            first,
        }
    }

    fn write(&self, by: &SigningKey, path: &str, content: &str) -> String {
        self.user.repository.write(path, content);
        self.user.repository.commit(by, path)
    }

    /// Signs a tag of what stands at a path of the head.
    fn approve(&self, by: &SigningKey, tag: &str, path: &str) {
        let object = format!("HEAD:{path}");
        self.tag(by, tag, &object);
    }

    fn tag(&self, by: &SigningKey, tag: &str, object: &str) {
        let tag = ["tag", "-s", "-m", "Approved", tag, object];
        self.user.repository.git_with(by, &tag);
    }

    fn verify(&self, rules: &Json, arguments: &[&str]) -> Run {
        let path = self.user.scratch.path().join("source.yaml");
        let source = json!({
            "apiVersion": "fluxops.dev/v1alpha1", "kind": "GitSource", "metadata": {"name": "apps"},
            "spec": {
                "url": "https://git.example/apps.git", "interval": "1m", "ref": {"branch": "main"},
                "verify": {"trustRef": {"kind": "Secret", "name": "signers"}, "rules": rules},
            },
        });
        fs::write(&path, source.to_string()).unwrap();
        let path = path.display().to_string();
        let mut all = vec!["--policy", &path];
        all.extend(arguments);
        self.user.verify(&all)
    }

    /// What is said of the head: the reason in one word, and the message.
    fn refusal(&self, rules: &Json) -> Option<(String, String)> {
        let run = self.verify(rules, &["--mode", "head", "-o", "json"]);
        let verdicts = run.json();
        let head = &verdicts.as_array().unwrap().last().unwrap();
        assert_eq!(head["commit"], self.user.repository.head());
        let text = |field: &str| head[field].as_str().unwrap_or_default().to_owned();
        (head["verdict"] == "refused").then(|| (text("rule"), text("reason")))
    }

    #[track_caller]
    fn assert_trusted(&self, rules: &Json) {
        assert_eq!(self.refusal(rules), None);
    }

    #[track_caller]
    fn assert_refused(&self, rules: &Json, reason: &str) -> String {
        let (word, message) = self.refusal(rules).unwrap();
        assert_eq!(word, reason, "{message}");
        message
    }
}

fn prod(signers: &[&str], threshold: u32) -> Json {
    json!([{"paths": ["clusters/prod/**"], "signers": signers, "threshold": threshold}])
}

#[test]
fn who_made_a_state_has_to_be_named_and_later_commits_elsewhere_say_nothing() {
    let team = Team::new();
    let alice = prod(&["alice@example.org"], 1);
    team.assert_trusted(&alice);
    team.write(&team.bob, "clusters/staging/app", "2");
    team.assert_trusted(&alice);
    let by_bob = team.write(&team.bob, "clusters/prod/app", "2");
    let message = team.assert_refused(&alice, "ApprovalMissing");
    assert!(message.contains("clusters/prod has 0 of 1"), "{message}");
    assert!(message.contains("bob@example.org is not asked for"), "{message}");
    team.assert_trusted(&prod(&["*@example.org"], 1));
    team.assert_trusted(&prod(&["bob@example.org"], 1));
    // Alice works elsewhere, on top of it: she did not say anything of it.
    team.write(&team.user.alice, "clusters/staging/app", "3");
    team.assert_refused(&alice, "ApprovalMissing");
    // What is trusted from the outset needs nobody.
    team.verify(&alice, &["--since", &by_bob]).expect(0);
    team.verify(&alice, &["--since", &team.first]).expect(1);
    team.verify(&alice, &[]).expect(1);
}

#[test]
fn two_people_have_signed_once_another_tags_the_very_state() {
    let team = Team::new();
    let two = prod(&[], 2);
    let message = team.assert_refused(&two, "ApprovalMissing");
    assert!(message.contains("1 of 2"), "{message}");
    let state = team.user.repository.git(&["rev-parse", "HEAD:clusters/prod"]);
    let command = format!("git tag -s approvals/clusters/prod/NAME {}", state.trim());
    assert!(message.contains(&command), "{message}");

    team.approve(&team.user.alice, "approvals/clusters/prod/alice", "clusters/prod");
    team.assert_refused(&two, "ApprovalMissing");
    team.approve(&team.bob, "approvals/clusters/prod/bob", "clusters/prod");
    team.assert_trusted(&two);
    team.assert_refused(&prod(&[], 3), "ApprovalMissing");
    team.assert_refused(
        &prod(&["alice@example.org", "carol@example.org"], 2),
        "ApprovalMissing",
    );
    team.approve(&team.carol, "approvals/clusters/prod/carol", "clusters/prod");
    team.assert_trusted(&prod(&[], 3));

    // What is made of it afterwards is another state.
    team.write(&team.carol, "clusters/prod/app", "2");
    team.assert_refused(&two, "ApprovalMissing");
    team.approve(&team.user.alice, "approvals/clusters/prod/2", "clusters/prod");
    team.assert_trusted(&two);
}

#[test]
fn a_tag_counts_for_its_own_path_and_name_and_signature_alone() {
    let team = Team::new();
    let two = prod(&[], 2);
    // The same files in another place, approved there.
    team.write(&team.user.alice, "clusters/staging/app", "same");
    team.approve(&team.bob, "approvals/clusters/staging/bob", "clusters/staging");
    team.write(&team.user.alice, "clusters/prod/app", "same");
    let states = ["HEAD:clusters/prod", "HEAD:clusters/staging"]
        .map(|at| team.user.repository.git(&["rev-parse", at]));
    assert_eq!(states[0], states[1]);
    team.assert_refused(&two, "ApprovalMissing");

    // The tag of staging under the name of one for prod.
    let git = |arguments: &[&str]| team.user.repository.git(arguments);
    let copied = "refs/tags/approvals/clusters/prod/bob";
    git(&["update-ref", copied, "refs/tags/approvals/clusters/staging/bob"]);
    let message = team.assert_refused(&two, "ApprovalMissing");
    assert!(message.contains("approvals/clusters/staging/bob"), "{message}");
    git(&["update-ref", "-d", copied]);

    // Not signed; signed by somebody who is not trusted; a lightweight tag; a tag of the commit.
    let unsigned = [
        "tag",
        "-a",
        "-m",
        "x",
        "approvals/clusters/prod/a",
        "HEAD:clusters/prod",
    ];
    git(&unsigned);
    let message = team.assert_refused(&two, "ApprovalMissing");
    assert!(message.contains("approvals/clusters/prod/a"), "{message}");
    team.approve(&team.user.mallory, "approvals/clusters/prod/m", "clusters/prod");
    git(&["tag", "approvals/clusters/prod/l", "HEAD:clusters/prod"]);
    team.tag(&team.bob, "approvals/clusters/prod/c", "HEAD");
    team.assert_refused(&two, "ApprovalMissing");
    team.approve(&team.bob, "approvals/clusters/prod/bob", "clusters/prod");
    team.assert_trusted(&two);
}

#[test]
fn who_goes_back_to_an_older_state_by_a_merge_makes_it() {
    let team = Team::new();
    let alice = prod(&["alice@example.org"], 1);
    let git = |arguments: &[&str]| team.user.repository.git(arguments);
    git(&["switch", "-q", "-c", "old"]);
    team.write(&team.bob, "elsewhere", "1");
    git(&["switch", "-q", "main"]);
    team.write(&team.user.alice, "clusters/prod/app", "fixed");
    let merge = |strategy: &str, branch: &str| {
        let arguments = [
            "merge", "-q", "--no-ff", "-S", "-m", "Merge", "-s", strategy, branch,
        ];
        team.user.repository.git_with(&team.bob, &arguments);
    };
    // Both ways round: into main, what it has is given up; into the old branch, what comes is not taken.
    git(&["switch", "-q", "old"]);
    merge("ours", "main");
    team.assert_refused(&alice, "ApprovalMissing");
    git(&["reset", "-q", "--hard", "HEAD^"]);
    git(&["switch", "-q", "main"]);
    git(&["merge", "-q", "--no-ff", "--no-commit", "-s", "ours", "old"]);
    git(&["checkout", "-q", "old", "--", "clusters/prod"]);
    team.user.repository.commit_index(&team.bob, "Back");
    team.assert_refused(&alice, "ApprovalMissing");
    git(&["reset", "-q", "--hard", "HEAD^"]);
    // An honest merge leaves it to Alice.
    merge("ort", "old");
    team.assert_trusted(&alice);
    git(&["switch", "-q", "old"]);
    merge("ort", "main");
    team.assert_trusted(&alice);
}

#[test]
fn a_merge_by_the_forge_is_signed_for_if_both_sides_are() {
    let team = Team::new();
    let forge = SigningKey::new(team.user.scratch.path(), "noreply@forge.example");
    let keys = team.user.scratch.path().join("forge");
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join("allowed_signers"), forge.allowed_signer()).unwrap();
    let keys = keys.display().to_string();
    let git = |arguments: &[&str]| team.user.repository.git(arguments);
    let rules = prod(&["alice@example.org", "bob@example.org"], 1);
    for (by, code) in [(&team.bob, 0), (&team.carol, 1)] {
        git(&["switch", "-q", "-C", "side", &team.first]);
        team.write(by, "clusters/prod/side", "1");
        git(&["switch", "-q", "-C", "both", &team.first]);
        team.write(&team.user.alice, "clusters/prod/main", "1");
        let merge = ["merge", "-q", "--no-ff", "-S", "-m", "Merge", "side"];
        team.user.repository.git_with(&forge, &merge);
        team.verify(&rules, &["--forge", &keys]).expect(code);
    }
}

#[test]
fn what_is_gone_or_a_single_file_is_a_state_too() {
    let team = Team::new();
    let alice = prod(&["alice@example.org"], 1);
    let file = json!([{"paths": ["clusters/prod/app"], "signers": ["alice@example.org"], "threshold": 1}]);
    team.write(&team.bob, "clusters/prod/other", "1");
    team.assert_trusted(&file);
    team.assert_refused(&alice, "ApprovalMissing");
    team.tag(
        &team.user.alice,
        "approvals/clusters/prod/1",
        "HEAD:clusters/prod",
    );
    team.assert_trusted(&alice);
    let never = json!([{"paths": ["clusters/none"], "signers": ["alice@example.org"]}]);
    team.assert_trusted(&never);
    team.user.repository.git(&["rm", "-q", "-r", "clusters/prod"]);
    team.user.repository.commit(&team.bob, "Gone");
    let message = team.assert_refused(&alice, "ApprovalMissing");
    assert!(message.contains("nothing is there any more"), "{message}");
    team.assert_refused(&file, "ApprovalMissing");
    // A file that becomes a program, or a link, with the same content.
    let team = Team::new();
    team.user
        .repository
        .git(&["update-index", "--chmod=+x", "clusters/prod/app"]);
    team.user.repository.commit_index(&team.bob, "Mode");
    team.assert_refused(&file, "ApprovalMissing");
}

#[test]
fn a_revoked_key_withdraws_what_it_approved() {
    let team = Team::new();
    let two = prod(&[], 2);
    team.approve(&team.bob, "approvals/clusters/prod/bob", "clusters/prod");
    team.assert_trusted(&two);
    let revoked = team.user.scratch.path().join("trust/revoked_keys");
    fs::write(revoked, team.bob.public()).unwrap();
    team.assert_refused(&two, "Revoked");
    team.approve(&team.carol, "approvals/clusters/prod/carol", "clusters/prod");
    team.assert_trusted(&two);
}

#[test]
fn a_policy_that_is_none_is_unusable() {
    let team = Team::new();
    for rules in [
        json!([{"paths": ["*"]}]),
        json!([{"paths": []}]),
        json!([{"paths": ["a"], "threshold": 0}]),
        json!([{"paths": ["a"], "threshold": 2, "signers": ["alice@example.org"]}]),
        json!([{"paths": ["a"], "people": []}]),
    ] {
        team.verify(&rules, &[]).expect(2);
    }
    let notes = team.user.scratch.path().join("notes.yaml");
    fs::write(&notes, "a: 1\n").unwrap();
    let run = team
        .user
        .verify(&["--policy", &notes.display().to_string()])
        .expect(2);
    assert!(run.stderr.contains("0 GitSources"), "{}", run.stderr);
}
