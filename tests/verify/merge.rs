//! Our three-way merge beside git's: `git merge-tree` is the oracle.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use fluxops::source::{ObjectError, Oid};
use fluxops::verify::{Commits, Contents, MergeError, merge};
use git_signature::ObjectId;
use git2::Repository;

use crate::support::Scratch;

/// How many merges are tried.
const CASES: usize = 400;
/// Bytes that no file of these tests has.
const LIMIT: u64 = 1 << 20;

struct Database(Repository);

impl Commits for Database {
    fn commit(&self, id: ObjectId) -> Result<Option<Vec<u8>>, ObjectError> {
        self.content(id, LIMIT).map(Some)
    }
}

impl Contents for Database {
    fn content(&self, id: ObjectId, limit: u64) -> Result<Vec<u8>, ObjectError> {
        let id = Oid::from_bytes(id.as_bytes()).unwrap();
        let database = self.0.odb().unwrap();
        let object = database.read(id).map_err(|_| ObjectError::Unreadable(id))?;
        let size = object.len() as u64;
        if size > limit {
            return Err(ObjectError::TooLarge { id, size, limit });
        }
        Ok(object.data().to_vec())
    }

    fn merge_base(&self, _: ObjectId, _: ObjectId) -> Result<Option<ObjectId>, ObjectError> {
        Ok(None)
    }
}

/// The same numbers at each run (Knuth's MMIX).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    /// A line as manifests have them: many are alike.
    fn line(&mut self) -> String {
        let kinds = ["- name: x", "  spec:", "  image: app", "    labels:", "---", ""];
        match self.below(3) {
            0 => kinds[self.below(kinds.len())].to_owned(),
            _ => format!("  value: {}", self.below(60)),
        }
    }

    fn edit(&mut self, files: &Files) -> Files {
        let mut edited = files.clone();
        for _ in 0..=self.below(6) {
            let names: Vec<String> = edited.keys().cloned().collect();
            let name = names[self.below(names.len())].clone();
            match self.below(12) {
                0 => drop(edited.remove(&name)),
                1 => {
                    let new = format!("{}/new{}", ["a", "b", "c/d"][self.below(3)], self.below(4));
                    let lines = (0..5).map(|_| self.line()).collect();
                    edited.insert(new, ("100644", lines));
                }
                2 => edited.get_mut(&name).unwrap().0 = "100755",
                _ => {
                    let mut lines = edited[&name].1.clone();
                    let at = self.below(lines.len() + 1);
                    match self.below(3) {
                        0 if at < lines.len() => drop(lines.remove(at)),
                        1 if at < lines.len() => lines[at] = self.line(),
                        _ => lines.insert(at, self.line()),
                    }
                    edited.get_mut(&name).unwrap().1 = lines;
                }
            }
            if edited.is_empty() {
                return files.clone();
            }
        }
        edited
    }
}

/// Mode and lines, by path.
type Files = BTreeMap<String, (&'static str, Vec<String>)>;

/// Writes a commit for git-fast-import(1).
fn import(stream: &mut String, branch: &str, from: Option<&str>, files: &Files) {
    writeln!(
        stream,
        "commit refs/heads/{branch}\ncommitter A <a@example.org> 1 +0000\ndata 0"
    )
    .unwrap();
    if let Some(from) = from {
        writeln!(stream, "from refs/heads/{from}").unwrap();
    }
    stream.push_str("deleteall\n");
    for (path, (mode, lines)) in files {
        let text = lines.join("\n") + "\n";
        writeln!(stream, "M {mode} inline {path}\ndata {}\n{text}", text.len()).unwrap();
    }
    stream.push('\n');
}

fn git(folder: &Scratch, arguments: &[&str]) -> (bool, String) {
    let output = Command::new("git")
        .args(arguments)
        .current_dir(folder.path())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_we_merge_git_merges_alike() {
    let scratch = Scratch::new();
    assert!(git(&scratch, &["init", "-q", "--bare"]).0);
    let mut numbers = Numbers(7);
    let mut stream = String::new();
    for case in 0..CASES {
        let mut base = Files::new();
        for path in ["a/one", "a/two", "b/one", "c/d/e", "top"] {
            let lines = (0..10 + numbers.below(40)).map(|_| numbers.line()).collect();
            base.insert(path.to_owned(), ("100644", lines));
        }
        let (ours, theirs) = (numbers.edit(&base), numbers.edit(&base));
        let named = |side: &str| format!("{side}{case}");
        import(&mut stream, &named("base"), None, &base);
        import(&mut stream, &named("ours"), Some(&named("base")), &ours);
        import(&mut stream, &named("theirs"), Some(&named("base")), &theirs);
    }
    let mut importer = Command::new("git")
        .args(["fast-import", "--quiet"])
        .current_dir(scratch.path())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    importer
        .stdin
        .take()
        .unwrap()
        .write_all(stream.as_bytes())
        .unwrap();
    assert!(importer.wait().unwrap().success());

    let database = Database(Repository::open_bare(scratch.path()).unwrap());
    let tree = |branch: &str| -> ObjectId {
        let found = database.0.revparse_single(&format!("{branch}^{{tree}}")).unwrap();
        found.id().to_string().parse().unwrap()
    };
    let (mut clean, mut conflicts) = (0, 0);
    for case in 0..CASES {
        let [base, ours, theirs] = ["base", "ours", "theirs"].map(|side| format!("{side}{case}"));
        let settings = ["-c", "merge.renames=false"];
        let arguments = ["merge-tree", "--write-tree", &ours, &theirs];
        let (is_clean, said) = git(&scratch, &[&settings[..], &arguments].concat());
        match merge(&database, tree(&base), tree(&ours), tree(&theirs)) {
            Ok(id) => {
                assert!(is_clean, "case {case}: {said}");
                assert_eq!(said.trim(), id.to_string(), "case {case}");
                clean += 1;
            }
            Err(MergeError::Conflict { path }) => {
                assert!(!is_clean && said.contains(&path), "case {case}: {path}: {said}");
                conflicts += 1;
            }
            Err(error) => panic!("case {case}: {error}"),
        }
    }
    assert!(
        clean > CASES / 4 && conflicts > CASES / 10,
        "{clean} clean, {conflicts} conflicts"
    );
}
