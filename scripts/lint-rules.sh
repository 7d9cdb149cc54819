#!/usr/bin/env bash
# Shows that the lints behind rules 2 and 5 fire: a crate that breaks each of them, with a
# stand-in for git2, is checked with our clippy.toml, and every broken rule has to be named.
set -euo pipefail
cd "$(dirname "$0")/.."

crate=target/lint-rules
mkdir -p "$crate/src" "$crate/git2/src"
cat > "$crate/Cargo.toml" <<'TOML'
[package]
name = "lint-rules"
version = "0.0.0"
edition = "2024"
[dependencies]
git2 = { path = "git2" }
[workspace]
TOML
printf '[package]\nname = "git2"\nversion = "0.0.0"\nedition = "2024"\n' > "$crate/git2/Cargo.toml"
cat > "$crate/git2/src/lib.rs" <<'RUST'
pub struct Repository;
impl Repository {
    pub fn checkout_head(&self) {}
    pub fn checkout_index(&self) {}
    pub fn checkout_tree(&self) {}
    pub fn workdir(&self) {}
    pub fn set_workdir(&self) {}
    pub fn clone() {}
}
RUST
cat > "$crate/src/lib.rs" <<'RUST'
#![warn(clippy::disallowed_methods)]
pub fn breaks_every_rule(repository: &git2::Repository) {
    repository.checkout_head();
    repository.checkout_index();
    repository.checkout_tree();
    repository.workdir();
    repository.set_workdir();
    git2::Repository::clone();
    let _ = std::fs::write("a", "b");
    let _ = std::fs::File::create("a");
    let _ = std::fs::File::create_new("a");
    let _ = std::fs::OpenOptions::new().write(true).open("a");
    let _ = std::env::temp_dir();
    let _ = std::process::Command::new("true");
}
RUST
touch "$crate/src/lib.rs"
output=$(CLIPPY_CONF_DIR=$PWD cargo clippy --offline --quiet --manifest-path "$crate/Cargo.toml" 2>&1) || true

passed=0 failed=0
while read -r method; do
  if grep -qF "use of a disallowed method \`$method\`" <<< "$output"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "no lint for $method"
  fi
done < <(sed -nE 's/.*path = "([^"]+)".*/\1/p' clippy.toml)
echo "$passed passed, $failed failed"
[[ $failed == 0 && $passed -gt 0 ]]
