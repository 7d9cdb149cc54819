//! The table of verdicts: each case is made live, judged here and by git, and becomes a row of `docs/verdicts.md`.

use std::collections::HashMap;
use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::path::PathBuf;

use git_signature::{ObjectKind, Refusal, Signer};
use jiff::Timestamp;

use crate::material::Material;
use crate::object::Object;
use crate::reasons::reasons;
use crate::world::{World, text_through};
use crate::{
    docs, mutations, openpgp, openpgp_lifetime, openpgp_subkeys, ssh, ssh_certificates, ssh_revocation, tags,
};

/// Cases that there are at least.
const MIN_CASES: usize = 120;

const GROUPS: &[fn() -> Group] = &[
    mutations::of_an_ssh_signature,
    mutations::of_an_openpgp_signature,
    mutations::of_the_sshsig_structure,
    mutations::of_the_openpgp_packet,
    mutations::with_signed_tags_inside,
    mutations::in_a_sha256_repository,
    ssh::kinds_of_keys,
    ssh::security_keys,
    ssh::entries,
    ssh::windows,
    ssh::namespaces,
    ssh_revocation::of_keys,
    ssh_revocation::of_certificates,
    ssh_certificates::entries_of_authorities,
    ssh_certificates::certificates,
    openpgp::kinds_of_keys,
    openpgp_subkeys::subkeys,
    openpgp::signatures,
    openpgp_lifetime::expiry,
    openpgp_lifetime::revocation,
    openpgp_subkeys::adopted,
    tags::of_an_ssh_key,
    tags::of_an_openpgp_key,
    tags::targets,
];

#[test]
fn every_verdict_is_right_and_documented() {
    let groups: Vec<Group> = std::thread::scope(|scope| {
        let running: Vec<_> = GROUPS.iter().map(|group| scope.spawn(group)).collect();
        running.into_iter().map(|group| group.join().unwrap()).collect()
    });

    let wrong: Vec<String> = groups.iter().flat_map(Group::wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let cases = groups.iter().map(|group| group.rows.len()).sum::<usize>();
    assert!(cases >= MIN_CASES, "{cases} cases");
    for reason in reasons() {
        let mut rows = groups.iter().flat_map(|group| &group.rows);
        assert!(
            rows.any(|row| row.here == refused(reason)),
            "no case for {reason}"
        );
    }
    // Not by `println!`, which shows only with a failure.
    writeln!(std::io::stdout(), "{cases} verdicts").unwrap();
    docs::check("verdicts.md", "verdicts", &document(&groups, cases));
}

fn document(groups: &[Group], cases: usize) -> String {
    let rows = || groups.iter().flat_map(|group| &group.rows);
    let git = rows().filter(|row| row.git.is_some_and(|git| git != row.here.decision()));
    let accepted = git.clone().filter(|row| row.git == Some(Decision::Accepts));
    let flux = rows().filter(|row| row.flux.is_some());
    let mut text = format!(
        "{cases} cases. Git decides otherwise in {}, and accepts {} of these; Flux's published rules do in {}.\n",
        git.clone().count(),
        accepted.count(),
        flux.count()
    );
    for group in groups {
        write!(text, "\n## {}\n\n", group.title).unwrap();
        text += "| Case | fluxops | git 2.39 | Flux |\n|---|---|---|---|\n";
        for row in &group.rows {
            writeln!(text, "{row}").unwrap();
        }
    }
    text
}

/// Whether somebody accepts an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    Accepts,
    Refuses,
}

/// What is decided here, and about whom or why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Accepted, as signed by this identity.
    SignedBy(String),
    /// Refused, for the reason that `Refusal::reason` names.
    Refused(&'static str),
}

pub(crate) fn signed_by(identity: &str) -> Verdict {
    Verdict::SignedBy(identity.to_owned())
}

pub(crate) fn refused(reason: &'static str) -> Verdict {
    Verdict::Refused(reason)
}

impl Verdict {
    fn decision(&self) -> Decision {
        match self {
            Self::SignedBy(_) => Decision::Accepts,
            Self::Refused(_) => Decision::Refuses,
        }
    }
}

impl From<Result<Signer, Refusal>> for Verdict {
    fn from(outcome: Result<Signer, Refusal>) -> Self {
        match outcome {
            Ok(signer) => Self::SignedBy(signer.identity),
            Err(refusal) => Self::Refused(refusal.reason()),
        }
    }
}

/// One case.
pub(crate) struct Row {
    case: String,
    here: Verdict,
    expected: Verdict,
    git: Option<Decision>,
    flux: Option<&'static str>,
}

impl Row {
    /// Flux decides otherwise, by a rule that it publishes.
    pub(crate) fn flux(&mut self, rule: &'static str) {
        self.flux = Some(rule);
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | ", self.case.replace('|', "\\|"))?;
        match &self.here {
            Verdict::SignedBy(identity) => write!(f, "accepts: {}", identity.replace('<', "\\<"))?,
            Verdict::Refused(reason) => write!(f, "refuses: `{reason}`")?,
        }
        let word = |decision| match decision {
            Decision::Accepts => "accepts",
            Decision::Refuses => "refuses",
        };
        match self.git {
            None => f.write_str(" | not asked")?,
            Some(git) if git == self.here.decision() => write!(f, " | {}", word(git))?,
            Some(git) => write!(f, " | **{}**", word(git))?,
        }
        match (self.flux, self.here.decision()) {
            (None, _) => f.write_str(" | |"),
            (Some(rule), Decision::Refuses) => write!(f, " | **accepts**: {rule} |"),
            (Some(rule), Decision::Accepts) => write!(f, " | **refuses**: {rule} |"),
        }
    }
}

/// Cases that are made in one world, under one heading.
pub(crate) struct Group {
    title: &'static str,
    pub(crate) world: World,
    rows: Vec<Row>,
    /// What git is told to trust, by the digest of the material.
    git_trust: HashMap<String, GitTrust>,
}

/// Trust material as git takes it.
#[derive(Clone)]
struct GitTrust {
    allowed_signers: PathBuf,
    revoked_keys: Option<PathBuf>,
    gpg_home: PathBuf,
}

impl Group {
    pub(crate) fn new(title: &'static str, world: World) -> Self {
        Self {
            title,
            world,
            rows: Vec::new(),
            git_trust: HashMap::new(),
        }
    }

    /// A commit that is seen now.
    pub(crate) fn commit(
        &mut self,
        case: impl Into<String>,
        trust: &Material,
        commit: &Object,
        expected: Verdict,
    ) -> &mut Row {
        let here = trust
            .store
            .verify_commit(&commit.raw, commit.id(), Timestamp::now());
        let git = self.ask_git(trust, commit);
        self.add(case.into(), here, expected, Some(git))
    }

    /// A commit that was first seen at another time, at which git cannot be asked.
    pub(crate) fn commit_seen(
        &mut self,
        case: impl Into<String>,
        trust: &Material,
        commit: &Object,
        seen: Timestamp,
        expected: Verdict,
    ) -> &mut Row {
        let here = trust.store.verify_commit(&commit.raw, commit.id(), seen);
        self.add(case.into(), here, expected, None)
    }

    /// A tag that is found under a name.
    pub(crate) fn tag(
        &mut self,
        case: impl Into<String>,
        trust: &Material,
        tag: &Object,
        found: &str,
        expected: Verdict,
    ) -> &mut Row {
        let here = trust
            .store
            .verify_tag(&tag.raw, tag.id(), found, Timestamp::now());
        let git = self.ask_git(trust, tag);
        self.add(case.into(), here.map(|(signer, _)| signer), expected, Some(git))
    }

    fn add(
        &mut self,
        case: String,
        here: Result<Signer, Refusal>,
        expected: Verdict,
        git: Option<Decision>,
    ) -> &mut Row {
        self.rows.push(Row {
            case,
            here: here.into(),
            expected,
            git,
            flux: None,
        });
        self.rows.last_mut().unwrap()
    }

    fn wrong(&self) -> Vec<String> {
        let wrong = self.rows.iter().filter(|row| row.here != row.expected);
        wrong
            .map(|row| {
                format!(
                    "{}: {}: {:?}, not {:?}",
                    self.title, row.case, row.here, row.expected
                )
            })
            .collect()
    }

    /// What git says, configured with the same keys.
    fn ask_git(&mut self, trust: &Material, object: &Object) -> Decision {
        let digest = trust.store.digest();
        if !self.git_trust.contains_key(&digest) {
            let made = GitTrust::new(&self.world, self.git_trust.len(), trust);
            self.git_trust.insert(digest.clone(), made);
        }
        let git_trust = &self.git_trust[&digest];
        // Git refuses to store some of the objects, but not to receive them.
        let mut store = self.world.command("git");
        store.args([
            "hash-object",
            "-w",
            "--literally",
            "--stdin",
            "-t",
            object.kind.as_str(),
        ]);
        let id = text_through(store, &object.raw);

        let mut verify = self.world.command("git");
        verify
            .arg("-c")
            .arg(format!(
                "gpg.ssh.allowedSignersFile={}",
                git_trust.allowed_signers.display()
            ))
            .env("GNUPGHOME", &git_trust.gpg_home);
        if let Some(revoked) = &git_trust.revoked_keys {
            verify
                .arg("-c")
                .arg(format!("gpg.ssh.revocationFile={}", revoked.display()));
        }
        let subcommand = match object.kind {
            ObjectKind::Tag => "verify-tag",
            ObjectKind::Commit | ObjectKind::Tree | ObjectKind::Blob => "verify-commit",
        };
        if verify.args([subcommand, &id]).output().unwrap().status.success() {
            Decision::Accepts
        } else {
            Decision::Refuses
        }
    }
}

impl GitTrust {
    fn new(world: &World, number: usize, trust: &Material) -> Self {
        let gpg_home = world.folder(&format!("trusted-{number}"));
        let mut signers = String::new();
        let mut revoked_keys = None;
        for (name, bytes) in &trust.files {
            let text = || String::from_utf8(bytes.clone()).unwrap();
            if name == "allowed_signers" {
                signers += &text();
            } else if name == "revoked_keys" {
                revoked_keys = Some(world.write(&format!("revoked-{number}"), bytes));
            } else if name.ends_with(".sshpub") {
                signers.extend(text().lines().map(|line| format!("* {line}\n")));
            } else {
                let file = world.write("certificate", bytes);
                let mut import = world.command("gpg");
                import.args(["--batch", "--quiet", "--no-autostart", "--import"]);
                let output = import.arg(file).env("GNUPGHOME", &gpg_home).output().unwrap();
                assert!(
                    output.status.success(),
                    "{}",
                    String::from_utf8_lossy(&output.stderr)
                );
            }
        }
        Self {
            allowed_signers: world.write(&format!("signers-{number}"), signers),
            revoked_keys,
            gpg_home,
        }
    }
}
