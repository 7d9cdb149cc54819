#!/usr/bin/env bash
# The demonstration behind `make demo`.
set -euo pipefail

echo "the demo is not built yet; make test runs what there is" >&2
exit 1
