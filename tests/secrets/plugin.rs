//! Plug-ins of age: run when the user asks for it, and never otherwise.

use std::path::Path;

use super::{World, refused, succeeded, tool};

/// What the plug-in of the tests calls itself.
const RECIPIENT: &str = "age1example19g4z52snreejr";
const IDENTITY: &str = "AGE-PLUGIN-EXAMPLE-19G4Z52SSAFJ0S";

#[test]
fn a_plugin_is_run_when_it_is_allowed_to_be() {
    let world = World::new();
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/secrets");
    let path = format!("{}:{}", plugins.display(), std::env::var("PATH").unwrap());
    world.write("a.yaml", "password: hunter2\n");
    let sealed = succeeded(
        world
            .command(&tool("sops"), &["-e", "--age", RECIPIENT, "a.yaml"])
            .env("PATH", &path),
    );
    world.write("sealed.yaml", &String::from_utf8(sealed).unwrap());
    world.write("keys.txt", &format!("{IDENTITY}\n"));

    let refusal = refused(
        &world
            .prepared(&["decrypt", "--age-key-file", "keys.txt", "sealed.yaml"])
            .env("PATH", &path)
            .output()
            .unwrap(),
        2,
    );
    assert!(
        refusal.contains("plugins are not run here") && refusal.contains("--allow-plugins"),
        "{refusal}"
    );

    let arguments = [
        "decrypt",
        "--allow-plugins",
        "--age-key-file",
        "keys.txt",
        "sealed.yaml",
    ];
    let opened = succeeded(world.prepared(&arguments).env("PATH", &path));
    assert_eq!(opened, b"password: hunter2\n");

    let missing = refused(
        &world
            .prepared(&arguments)
            .env("PATH", "/nonexistent")
            .output()
            .unwrap(),
        2,
    );
    assert!(missing.contains("age-plugin-example"), "{missing}");
}
