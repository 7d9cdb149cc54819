#!/usr/bin/env bash
# Builds the binary that is shipped: optimised, stripped, and linked statically, so that it runs on any Linux of its
# processor without a library beside it. It is put at target/release-static/fluxops.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
case $target in
  *-linux-*) ;;
  *) echo "release: $target is no Linux" >&2; exit 2 ;;
esac

# Given by --target, so that it does not hold for macros and build scripts, which are loaded into the compiler.
RUSTFLAGS="${RUSTFLAGS-} -C target-feature=+crt-static" cargo build --release --locked --bin fluxops --target "$target"

mkdir -p target/release-static
install -m 755 "target/$target/release/fluxops" target/release-static/fluxops
binary=target/release-static/fluxops
# A dynamic binary names its loader in a program header of type INTERP.
if LC_ALL=C readelf --program-headers "$binary" | grep -q INTERP; then
  echo "release: $binary is not static" >&2
  exit 1
fi
echo "$binary: static, $(($(stat -c %s "$binary") / 1000)) kB, for $target"
