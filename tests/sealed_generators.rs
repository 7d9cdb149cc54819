//! A `secretGenerator` takes sealed files of every format for the plain ones that they hold.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // tests

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const KUSTOMIZATION: &str = "\
namespace: web
secretGenerator:
  - name: of-lines
    envs: [settings.env]
  - name: of-files
    files: [settings.env, conf.ini, key.bin, deep.json, deep.yaml]
";

/// Plain files, as sops writes them after it opened them.
const FILES: [(&str, &[u8]); 5] = [
    ("settings.env", b"# who\nUSER=admin\nPASSWORD=two words\n"),
    ("conf.ini", b"[server]\nport = 80\nname = `a;b`\n"),
    ("key.bin", b"\x00\xff\xfe binary\n"),
    ("deep.json", b"{\n\t\"a\": {\n\t\t\"b\": \"c\"\n\t}\n}\n"),
    ("deep.yaml", b"a:\n    b: c\n"),
];

fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools/bin")
        .join(name);
    assert!(path.exists(), "{} is missing: run `make tools`", path.display());
    path
}

fn succeeded(output: Output) -> Vec<u8> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

fn fluxops_build(folder: &Path, key: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fluxops"))
        .arg("build")
        .arg(folder)
        .arg("--show-secrets")
        .arg("--age-key-file")
        .arg(key)
        .output()
        .unwrap()
}

/// Names and data. The order of the data is the writer's.
fn secrets(yaml: &[u8]) -> Vec<String> {
    let documents = manifest_yaml::from_yaml(
        yaml,
        manifest_yaml::Schema::Kubernetes,
        &manifest_yaml::Limits::default(),
    )
    .unwrap();
    let mut found: Vec<String> = documents
        .iter()
        .map(|document| {
            let name = document.value.get_path(&["metadata", "name"]).unwrap();
            let data = document.value.get_path(&["data"]).unwrap().as_mapping().unwrap();
            let json = |value| String::from_utf8(manifest_yaml::to_json_exposed(value).to_vec()).unwrap();
            let mut entries: Vec<String> = data
                .iter()
                .map(|(key, value)| format!("{key}: {}", json(value)))
                .collect();
            entries.sort();
            format!("{} {entries:?}", json(name))
        })
        .collect();
    found.sort();
    found
}

#[test]
fn sealed_files_of_every_format_generate_what_the_plain_ones_do() {
    let scratch = std::env::temp_dir().join(format!("sealed-generators-{}", std::process::id()));
    let (plain, sealed) = (scratch.join("plain"), scratch.join("sealed"));
    fs::create_dir_all(&plain).unwrap();
    fs::create_dir_all(&sealed).unwrap();
    let key = scratch.join("key.txt");
    let made = succeeded(Command::new(tool("age-keygen")).output().unwrap());
    fs::write(&key, &made).unwrap();
    let made = String::from_utf8(made).unwrap();
    let recipient = made
        .lines()
        .find_map(|line| line.strip_prefix("# public key: "))
        .unwrap();
    for folder in [&plain, &sealed] {
        fs::write(folder.join("kustomization.yaml"), KUSTOMIZATION).unwrap();
    }
    for (name, content) in FILES {
        fs::write(plain.join(name), content).unwrap();
        let output = Command::new(tool("sops"))
            .args(["encrypt", "--age", recipient])
            .arg(plain.join(name))
            .env("SOPS_CONFIG", "/dev/null")
            .output()
            .unwrap();
        fs::write(sealed.join(name), succeeded(output)).unwrap();
    }
    let expected = succeeded(
        Command::new(tool("kustomize"))
            .arg("build")
            .arg(&plain)
            .output()
            .unwrap(),
    );
    let found = succeeded(fluxops_build(&sealed, &key));
    assert_eq!(secrets(&found), secrets(&expected));

    // What looks sealed and cannot be read as such is refused, not handed on.
    let settings = sealed.join("settings.env");
    let broken = format!("no entry\n{}", fs::read_to_string(&settings).unwrap());
    fs::write(&settings, broken).unwrap();
    let refused = fluxops_build(&sealed, &key);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success());
    assert!(
        message.contains("settings.env") && message.contains("1:1"),
        "{message}"
    );
    fs::remove_dir_all(&scratch).unwrap();
}
