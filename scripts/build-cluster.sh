#!/usr/bin/env bash
# Builds the local control plane: scripts/build-cluster.sh OUTPUT
set -euo pipefail
cd "$(dirname "$0")/.."
output=$PWD/${1:?usage: scripts/build-cluster.sh OUTPUT}

# Without its version the API server reports v0.0.0-master, which clients cannot compare.
release=$(go -C tests/cluster list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${release#v1.}
version=k8s.io/component-base/version
ldflags="-s -w -X $version.gitVersion=$release -X $version.gitMajor=1 -X $version.gitMinor=${minor%%.*}"

mkdir -p "$(dirname "$output")"
CGO_ENABLED=0 scripts/alive.sh "building the control plane, Kubernetes $release (6 min at first)" -- \
  go -C tests/cluster build -trimpath -buildvcs=false -ldflags "$ldflags" -o "$output" .
