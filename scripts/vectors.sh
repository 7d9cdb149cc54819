#!/usr/bin/env bash
# Brings the test vectors of others to the folder $1: those of C2SP for age files, and those
# of the draft of post-quantum HPKE. They come as Go modules, pinned in tests/tools/go.mod.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/../tests/tools"

# folder MODULE: where its files are, once they are there.
folder() {
  go mod download "$1" >&2
  go list -m -f '{{.Dir}}' "$1"
}
age=$(folder c2sp.org/CCTV/age)
hpke=$(folder filippo.io/hpke)

rm -rf "$out" "$out.new"
mkdir -p "$out.new"
# The module cache is read-only; this copy has to be deletable.
cp -r --no-preserve=mode "$age/testdata" "$out.new/age"
cp --no-preserve=mode "$hpke/testdata/hpke-pq.json" "$out.new/"
mv "$out.new" "$out"
