#!/usr/bin/env bash
# Formatting and go vet of the Go module that has code (tests/tools only pins versions).
set -euo pipefail
cd "$(dirname "$0")/../tests/cluster"

unformatted=$(gofmt -l .)
[[ -z $unformatted ]] || { echo "not formatted, run make fmt: $unformatted" >&2; exit 1; }
# The flags of the build, so that vet finds its 2,000 packages compiled.
CGO_ENABLED=0 go vet -trimpath ./...
