#!/usr/bin/env bash
# Moves tests/cluster to another Kubernetes release: scripts/pin-kubernetes.sh v1.36.3
#
# k8s.io/kubernetes requires its staging modules as v0.0.0 and replaces them by folders
# of its own source tree. Replacements of a dependency do not count, so the module that
# depends on it repeats the list with the published versions (v1.X.Y becomes v0.X.Y).
# The list is written here, in the order of the release's go.mod, and never by hand.
set -euo pipefail

release=${1:?usage: scripts/pin-kubernetes.sh v1.X.Y}
[[ $release =~ ^v1\.[0-9]+\.[0-9]+$ ]] || { echo "not a Kubernetes release: $release" >&2; exit 2; }
staging="v0.${release#v1.}"

cd "$(dirname "$0")/../tests/cluster"
go mod edit -json | jq -r '.Replace[]?.Old.Path' | while read -r old; do
  go mod edit -dropreplace "$old"
done
# Downloaded outside the module: its graph does not resolve before the list is there.
gomod=$(cd / && go mod download -json "k8s.io/kubernetes@$release" | jq -r .GoMod)
go mod edit -json "$gomod" | jq -r '.Replace[].Old.Path' | while read -r module; do
  go mod edit -replace "$module=$module@$staging"
done
go mod edit -require "k8s.io/kubernetes@$release"
go mod tidy
