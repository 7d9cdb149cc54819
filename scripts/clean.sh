#!/usr/bin/env bash
# Stops everything that was started from this checkout and deletes target/.
set -euo pipefail
cd "$(dirname "$0")/.."
target=$(pwd -P)/target

scripts/cluster-down.sh 2>/dev/null
# Its interpreter is the system's, so the search below does not find it.
if [[ -x tests/world/synapse.sh ]]; then
  tests/world/synapse.sh stop
fi

# What a killed test or demo left: processes whose binary is under target/.
left() {
  local exe pid
  for exe in /proc/[0-9]*/exe; do
    if [[ $(readlink "$exe" 2>/dev/null) == "$target"/* ]]; then
      pid=${exe#/proc/}
      echo "${pid%/exe}"
    fi
  done
}
for signal in TERM KILL; do
  mapfile -t pids < <(left)
  ((${#pids[@]})) || break
  kill "-$signal" "${pids[@]}" 2>/dev/null || true
  # Five seconds is what the control plane may take to stop.
  for _ in {1..50}; do
    [[ -n $(left) ]] || break
    sleep 0.1
  done
done

rm -rf "$target"
echo "nothing is left running, target/ is deleted"
