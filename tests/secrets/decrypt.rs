//! `fluxops secrets decrypt`

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Output, Stdio};

use super::{SECRET, World, fed, refused, succeeded, tool};

const PLAIN: &str =
    "a: 1\nb: {c: hunter2, d: [1, two, null]}\nt: 2024-01-01\nf: 1.5\nn: null\ne: \"\"\n---\nz: 2\n";

/// A file that sops sealed.
fn sealed(world: &World, name: &str, plain: &str) {
    world.write(name, plain);
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", &world.recipients[0], name]));
}

/// Without indentation: sops takes four spaces for a level of YAML, fluxops two.
fn flush_left(text: &[u8]) -> String {
    let text = str::from_utf8(text).unwrap();
    text.split_inclusive('\n').map(str::trim_start).collect()
}

#[test]
fn parts_are_extracted_as_sops_does() {
    let world = World::new();
    sealed(&world, "a.yaml", PLAIN);
    for path in [
        r#"["a"]"#,
        r#"["b"]"#,
        r#"["b"]["c"]"#,
        "['b']['d'][1]",
        r#"["b"]["d"]"#,
        r#"["f"]"#,
        r#"["n"]"#,
        r#"["e"]"#,
    ] {
        for output_type in ["yaml", "json"] {
            // sops drops further documents from JSON without a word; we refuse to.
            if path == r#"["b"]"# && output_type == "json" {
                continue;
            }
            let arguments = [
                "decrypt",
                "--extract",
                path,
                "--output-type",
                output_type,
                "a.yaml",
            ];
            let theirs = succeeded(&mut world.sops(&arguments));
            let ours = world.fluxops_with_key(&arguments);
            assert_eq!(flush_left(&ours), flush_left(&theirs), "{path} as {output_type}");
        }
    }
    let extract = |path: &str| {
        world
            .prepared(&["decrypt", "--extract", path, "a.yaml"])
            .env("SOPS_AGE_KEY_FILE", world.path("0.agekey"))
            .output()
            .unwrap()
    };
    for missing in [
        r#"["q"]"#,
        r#"["a"]["b"]"#,
        r#"["b"]["d"][7]"#,
        r#"["b"]["d"]["x"]"#,
        "[0]",
    ] {
        assert!(
            refused(&extract(missing), 1).contains("failed to find"),
            "{missing}"
        );
    }
    for unreadable in ["a", "[", "[-1]", r#"["b"]["d"][-1]"#] {
        assert!(refused(&extract(unreadable), 2).contains("failed to read the path"));
    }
}

#[test]
fn formats_are_written_as_sops_writes_them() {
    let world = World::new();
    sealed(&world, "a.env", "USER=me\nPASSWORD=hunter2\n");
    sealed(&world, "a.json", "{\"s\": {\"k\": \"hunter2\", \"n\": \"7\"}}");
    for (name, output_type) in [
        ("a.env", "json"),
        ("a.env", "yaml"),
        ("a.json", "yaml"),
        ("a.json", "ini"),
    ] {
        let arguments = ["decrypt", "--output-type", output_type, name];
        let theirs = succeeded(&mut world.sops(&arguments));
        let ours = world.fluxops_with_key(&arguments);
        assert_eq!(flush_left(&ours), flush_left(&theirs), "{name} as {output_type}");
    }
}

#[test]
fn standard_input_is_opened_by_its_type_or_its_name() {
    let world = World::new();
    sealed(&world, "a.yaml", SECRET);
    let text = world.read("a.yaml");
    for arguments in [
        ["decrypt", "--input-type", "yaml"].as_slice(),
        &["decrypt", "--input-type", "yaml", "--output-type", "yaml"],
        &["decrypt", "--filename-override", "b.yaml"],
        &["decrypt", "--input-type", "yaml", "/dev/stdin"],
    ] {
        let mut command = world.prepared(arguments);
        let output = fed(
            command.env("SOPS_AGE_KEY_FILE", world.path("0.agekey")),
            text.as_bytes(),
        );
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            SECRET.replace("  ", "    "),
            "{output:?}"
        );
    }
    let nothing = fed(&mut world.prepared(&["decrypt", "-i"]), text.as_bytes());
    assert!(refused(&nothing, 2).contains("--in-place"));
    let untyped = fed(&mut world.prepared(&["decrypt"]), text.as_bytes());
    assert!(refused(&untyped, 1).contains("standard input"));
}

#[test]
fn in_place_keeps_mode_and_links() {
    let world = World::new();
    sealed(&world, "a.yaml", SECRET);
    let path = world.path("a.yaml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink("a.yaml", world.path("link.yaml")).unwrap();
    world.fluxops_with_key(&["decrypt", "-i", "link.yaml"]);
    assert!(world.path("link.yaml").is_symlink());
    assert_eq!(world.read("a.yaml"), SECRET.replace("  ", "    "));
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o640);
    // A new file with plaintext is its owner's alone.
    sealed(&world, "b.yaml", SECRET);
    world.fluxops_with_key(&["decrypt", "--output", "new.yaml", "b.yaml"]);
    assert_eq!(world.path("new.yaml").metadata().unwrap().mode() & 0o777, 0o600);
    // What is no file is written to, not replaced.
    world.fluxops_with_key(&["decrypt", "--output", "/dev/null", "b.yaml"]);
    assert!(!std::path::Path::new("/dev/null").is_file());
}

#[test]
fn nothing_is_written_on_any_error() {
    let world = World::new();
    sealed(&world, "a.yaml", SECRET);
    let text = world.read("a.yaml");
    let cases = [
        (
            "mac",
            text.replace("kind: ENC", "king: ENC"),
            "failed to authenticate the value",
        ),
        ("cut", text.replace("type:str]", "type:str"), "kind"),
        ("plain", SECRET.replace("hunter2", "other"), "has no sops block"),
        ("clear", text.replacen("kind: ENC[", "kind: [", 1), ""),
    ];
    for (name, changed, reason) in cases {
        let name = format!("{name}.yaml");
        world.write(&name, &changed);
        for arguments in [
            ["decrypt", "-i", &name].as_slice(),
            &["decrypt", &name],
            &["decrypt", "--output", "out.yaml", &name],
        ] {
            let mut command = world.prepared(arguments);
            let output = command
                .env("SOPS_AGE_KEY_FILE", world.path("0.agekey"))
                .output()
                .unwrap();
            assert!(refused(&output, 1).contains(reason), "{output:?}");
            assert!(output.stdout.is_empty());
            assert_eq!(world.read(&name), changed);
            assert!(!world.path("out.yaml").exists());
        }
    }
    assert!(world.files_with("hunter2").is_empty());
    // The scan finds what is there.
    world.write("x", "hunter2");
    assert_eq!(world.files_with("hunter2").len(), 1);
}

#[test]
fn the_mac_is_never_ignored() {
    let world = World::new();
    sealed(&world, "a.yaml", SECRET);
    let output = world.fluxops(&["decrypt", "--ignore-mac", "a.yaml"]);
    assert!(refused(&output, 2).contains("--ignore-mac is not supported"));
    assert!(output.stdout.is_empty());
}

/// Where sops finds keys, both find them.
#[test]
fn keys_are_found_where_sops_finds_them() {
    let world = World::new();
    let ssh_key = |path: &str, passphrase: &str| -> String {
        let path = world.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        std::fs::read_to_string(path.with_extension("pub"))
            .unwrap()
            .trim()
            .to_owned()
    };
    let in_ssh = ssh_key(".ssh/id_ed25519", "");
    let elsewhere = ssh_key("elsewhere", "");
    let key = |index: usize| world.path(&format!("{index}.agekey")).display().to_string();
    let [first, second, third] = &world.recipients;
    let printed = format!("cat '{}'", key(1));
    let printed_ssh = format!("cat {}", world.path("elsewhere").display());
    let elsewhere_path = world.path("elsewhere").display().to_string();
    let first_text = world.read("0.agekey");
    world.write(".config/sops/age/keys.txt", &world.read("2.agekey"));
    world.write("xdg/sops/age/keys.txt", &first_text);
    let xdg = world.path("xdg").display().to_string();
    for (recipient, variable) in [
        (first, Some(("SOPS_AGE_KEY", first_text.as_str()))),
        (first, Some(("SOPS_AGE_KEY_FILE", key(0).as_str()))),
        (first, Some(("XDG_CONFIG_HOME", xdg.as_str()))),
        (second, Some(("SOPS_AGE_KEY_CMD", printed.as_str()))),
        (third, None),
        (&in_ssh, None),
        (
            &elsewhere,
            Some(("SOPS_AGE_SSH_PRIVATE_KEY_FILE", elsewhere_path.as_str())),
        ),
        (
            &elsewhere,
            Some(("SOPS_AGE_SSH_PRIVATE_KEY_CMD", printed_ssh.as_str())),
        ),
    ] {
        world.write("a.yaml", SECRET);
        succeeded(&mut world.sops(&["encrypt", "-i", "--age", recipient, "a.yaml"]));
        let path = std::env::var("PATH").unwrap();
        let opened = |mut command: Command| {
            command.env("PATH", &path).envs(variable);
            command.output().unwrap()
        };
        let expected = opened(world.command(&tool("sops"), &["decrypt", "a.yaml"]));
        assert!(expected.status.success(), "{variable:?}: {expected:?}");
        let found = opened(world.prepared(&["decrypt", "a.yaml"]));
        assert!(found.status.success(), "{variable:?}: {found:?}");
        assert_eq!(found.stdout, expected.stdout, "{variable:?}");
    }
    for (variable, value, reason) in [
        ("SOPS_AGE_KEY_CMD", "false", "ended with"),
        ("SOPS_AGE_KEY_CMD", "no-such-program-at-all", "SOPS_AGE_KEY_CMD"),
        ("SOPS_AGE_KEY_CMD", "echo hunter2", "age identity on line 1"),
        ("SOPS_AGE_SSH_PRIVATE_KEY_FILE", "none", "none"),
        ("SOPS_AGE_KEY", "hunter2", "SOPS_AGE_KEY"),
    ] {
        let mut command = world.prepared(&["decrypt", "a.yaml"]);
        command
            .env("PATH", std::env::var("PATH").unwrap())
            .env(variable, value);
        let error = refused(&command.output().unwrap(), 2);
        assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
    }
}

/// At a real terminal, by Python's: the passphrase is neither an argument nor in the environment.
#[test]
fn an_ssh_key_under_a_passphrase_asks_at_the_terminal() {
    let world = World::new();
    let key = world.path("protected");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "correct horse", "-C", "", "-f"])
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let recipient = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    world.write("a.yaml", SECRET);
    succeeded(&mut world.sops(&["encrypt", "-i", "--age", recipient.trim(), "a.yaml"]));
    let script = r"
import os, pty, sys, termios, time
answered = []
def read(fd):
    data = os.read(fd, 1024)
    if b'Passphrase' in data and not answered:
        answered.append(1)
        # As a person would: not before the terminal has stopped to show what is typed.
        while termios.tcgetattr(fd)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(fd, sys.argv[1].encode() + b'\n')
    return data
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[2:], read)))
";
    let ask = |passphrase: &str| -> Output {
        Command::new("python3")
            .args([
                "-c",
                script,
                passphrase,
                env!("CARGO_BIN_EXE_fluxops"),
                "secrets",
                "decrypt",
            ])
            .args(["--age-key-file", "protected", "a.yaml"])
            .current_dir(world.folder.path())
            .env("HOME", world.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let opened = ask("correct horse");
    let said = String::from_utf8_lossy(&opened.stdout).into_owned();
    assert!(opened.status.success() && said.contains("hunter2"), "{said}");
    assert!(!said.contains("correct horse"), "{said}");
    let refused = ask("wrong");
    assert!(!refused.status.success());
    // Nobody is there to be asked.
    let mut alone = world.prepared(&["decrypt", "--age-key-file", "protected", "a.yaml"]);
    assert!(!alone.stdin(Stdio::null()).output().unwrap().status.success());
}
