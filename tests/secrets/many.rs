//! Many files in one call.

use super::{World, refused, succeeded};

/// Enough for several threads and results out of order.
const FILES: usize = 200;

#[test]
fn many_files_are_sealed_and_opened_in_order() {
    let world = World::new();
    let names: Vec<String> = (0..FILES).map(|index| format!("{index}.yaml")).collect();
    for (index, name) in names.iter().enumerate() {
        // Of very different sizes, so that the threads overtake each other.
        world.write(
            name,
            &format!("n: {index}\nfill: {}\n", "x".repeat((index % 7) * 3000)),
        );
    }
    let arguments = |first: &[&'static str]| -> Vec<String> {
        let first = first.iter().map(ToString::to_string);
        first.chain(names.iter().cloned()).collect()
    };
    let run = |all: &[String]| {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut command = world.prepared(&all);
        command
            .env("SOPS_AGE_RECIPIENTS", &world.recipients[0])
            .env("SOPS_AGE_KEY_FILE", world.path("0.agekey"))
            .output()
            .unwrap()
    };
    let sealed = run(&arguments(&["encrypt", "-i"]));
    assert_eq!(sealed.status.code(), Some(0));
    // No bar where nobody watches.
    assert_eq!(
        String::from_utf8(sealed.stderr).unwrap(),
        format!("fluxops: {FILES} of {FILES} files sealed\n")
    );
    let opened = run(&arguments(&["decrypt"]));
    let text = String::from_utf8(opened.stdout).unwrap();
    let numbers: Vec<&str> = text
        .split("---\n")
        .map(|document| document.lines().next().unwrap())
        .collect();
    let expected: Vec<String> = (0..FILES).map(|index| format!("n: {index}")).collect();
    assert_eq!(numbers, expected);
    assert!(opened.stderr.is_empty());
}

#[test]
fn what_fails_is_told_and_the_rest_is_done() {
    let world = World::new();
    for name in ["a.yaml", "b.yaml", "c.yaml"] {
        world.write(name, "password: hunter2\n");
    }
    world.write("b.yaml", "- hunter2\n");
    let recipient = &world.recipients[0];
    let output = world.fluxops(&[
        "encrypt",
        "-i",
        "--age",
        recipient,
        "a.yaml",
        "b.yaml",
        "c.yaml",
        "gone.yaml",
    ]);
    let error = refused(&output, 1);
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with("fluxops: b.yaml: "), "{error}");
    assert!(lines[1].starts_with("fluxops: gone.yaml: "), "{error}");
    assert_eq!(
        lines[2],
        "fluxops: 2 of 4 files sealed, 2 failed and stayed as they were"
    );
    for name in ["a.yaml", "c.yaml"] {
        assert_eq!(world.sops_decrypt(name, &[0]).unwrap(), "password: hunter2\n");
    }
    for arguments in [
        ["encrypt", "--output", "x.yaml", "a.yaml", "b.yaml"].as_slice(),
        &["decrypt", "--extract", "[0]", "a.yaml", "b.yaml"],
        &["encrypt", "-i", "--output", "x.yaml", "a.yaml"],
    ] {
        let output = world
            .prepared(arguments)
            .env("SOPS_AGE_RECIPIENTS", recipient)
            .output();
        refused(&output.unwrap(), 2);
    }
    assert!(!world.path("x.yaml").exists());
}

#[test]
fn a_terminal_shows_a_bar_that_goes() {
    let world = World::new();
    for name in ["a.yaml", "b.yaml"] {
        world.write(name, "password: hunter2\n");
    }
    let command = format!(
        "{} secrets encrypt -i --age {} a.yaml b.yaml",
        env!("CARGO_BIN_EXE_fluxops"),
        world.recipients[0]
    );
    let mut script = world.command(std::path::Path::new("script"), &["-qec", &command, "/dev/null"]);
    script.env("PATH", std::env::var_os("PATH").unwrap());
    let shown = String::from_utf8(succeeded(&mut script)).unwrap();
    assert!(
        shown.contains("\r\u{1b}[K[###############...............] 1/2"),
        "{shown:?}"
    );
    assert!(
        shown.ends_with("\r\u{1b}[Kfluxops: 2 of 2 files sealed\r\n"),
        "{shown:?}"
    );
}
