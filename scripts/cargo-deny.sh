#!/usr/bin/env bash
# Checks licenses, sources and duplicates of what we depend on, by deny.toml. Advisories are
# left out: their database is no package of a registry, and a build must not turn red by
# itself from one day to the next.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VERSION=0.20.2
binary=target/tools/bin/cargo-deny

if [[ $("$binary" --version 2>/dev/null) != "cargo-deny $VERSION" ]]; then
  scripts/alive.sh "building cargo-deny $VERSION (6 min at first)" -- \
    cargo install cargo-deny --version "$VERSION" --locked --force --root target/tools
fi
# Without the inclusion graphs, which are thousands of lines when a license is new.
"$binary" --locked check --hide-inclusion-graph bans licenses sources
