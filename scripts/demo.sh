#!/usr/bin/env bash
# The demonstration behind `make demo`: builds what is missing, then tells the story of
# scripts/demo/story.sh on the cluster of KUBECONFIG, or on a local one made for it.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/prerequisites.sh
tests/world/synapse.sh install
[[ -n ${KUBECONFIG:-} ]] || make --silent target/tools/bin/fluxops-testcluster
binary=target/release/fluxops
if [[ ! -x $binary ]]; then
  echo "    building fluxops (some minutes at first)" >&2
  cargo build --locked
  binary=target/debug/fluxops
fi
exec scripts/with-cluster.sh scripts/demo/story.sh "$PWD/$binary"
