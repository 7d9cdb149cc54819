#!/usr/bin/env bash
# Runs a long silent command and shows that it is alive: scripts/alive.sh WHAT -- CMD…
#
# Prints WHAT, a line every 30 s, and the time used. The command's output is kept back
# and shown only when it fails.
set -euo pipefail
what=${1:?usage: scripts/alive.sh WHAT -- CMD…}
[[ ${2:-} == -- && $# -gt 2 ]] || { echo "usage: scripts/alive.sh WHAT -- CMD…" >&2; exit 2; }
shift 2

log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "    $what" >&2
"$@" >"$log" 2>&1 &
pid=$!
# The command must not outlive an interrupted build.
trap 'kill "$pid" 2>/dev/null || true' INT TERM
SECONDS=0
beat=30
while kill -0 "$pid" 2>/dev/null; do
  sleep 1
  if ((SECONDS >= beat)); then
    echo "    … $SECONDS s" >&2
    beat=$((beat + 30))
  fi
done
if ! wait "$pid"; then
  cat "$log" >&2
  echo "    failed after $SECONDS s: $what" >&2
  exit 1
fi
echo "    done in $SECONDS s" >&2
