#!/usr/bin/env bash
# Prints the process id of the background control plane; fails when it does not run.
set -euo pipefail
cd "$(dirname "$0")/.."

pid=$(cat target/cluster/pid 2>/dev/null) || exit 1
# A process id can be given away again: it must still be our binary.
[[ $(readlink "/proc/$pid/exe" 2>/dev/null) == *fluxops-testcluster* ]] || exit 1
echo "$pid"
