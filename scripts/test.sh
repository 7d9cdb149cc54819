#!/usr/bin/env bash
# Builds what is missing and runs every check and test, one stage after the other: the Go
# and Rust builds would only fight over the cores. A stage that builds must succeed; the
# others all run, so that one call shows everything that is wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

logs=target/test-logs
mkdir -p "$logs"
rm -f "$logs"/*.log
SECONDS=0
summary=()
failed=()

# stage NAME CMD…: runs CMD, shows and keeps its output, and notes the time it took.
stage() {
  local name=$1 begin=$SECONDS
  shift
  echo "== $name"
  result=ok
  "$@" 2>&1 | tee "$logs/${name// /-}.log" || result=FAILED
  [[ $result == ok ]] || failed+=("$name")
  summary+=("$(printf '%-16s %-6s %4d s' "$name" "$result" $((SECONDS - begin)))")
  echo "== $name: $result, $((SECONDS - begin)) s"
}

# needed NAME CMD…: a stage that the later ones cannot do without.
needed() {
  stage "$@"
  [[ $result == ok ]] || finish
}

# sum PATTERN: adds up the numbers that the kept output has where PATTERN has its group.
sum() {
  sed -nE "s/$1/\\1/p" "$logs"/*.log | awk '{ total += $1 } END { print total + 0 }'
}

# finish ends with the counts. Each runner closes with its own words: cargo with "test
# result: ok. 3 passed; 1 failed; …", Python with "Ran 4 tests" and "FAILED (failures=1,
# errors=1)", our scripts with "5 passed, 0 failed".
finish() {
  local python python_failed passed broken
  python=$(sum '^Ran ([0-9]+) tests? in .*')
  python_failed=$(($(sum '^FAILED \(.*failures=([0-9]+).*') + $(sum '^FAILED \(.*errors=([0-9]+).*')))
  passed=$(($(sum '^test result: .* ([0-9]+) passed;.*') + $(sum '^([0-9]+) passed, [0-9]+ failed$') + python - python_failed))
  broken=$(($(sum '^test result: .* ([0-9]+) failed;.*') + $(sum '^[0-9]+ passed, ([0-9]+) failed$') + python_failed))

  echo
  printf '  %s\n' "${summary[@]}"
  printf '  %-16s %-6s %4d s\n\n' total "" "$SECONDS"
  if ((${#failed[@]})); then
    local IFS=,
    echo "Failed: ${failed[*]}. The output of each stage is in $logs/."
    echo "$passed passed, $((broken > 0 ? broken : ${#failed[@]})) failed"
    exit 1
  fi
  echo "All is well. Next: make demo, or make cluster to have a control plane of your own."
  echo "$passed passed, $broken failed"
  exit 0
}

needed prerequisites scripts/prerequisites.sh
needed tools make --silent tools
needed "control plane" make --silent target/tools/bin/fluxops-testcluster
stage "cluster smoke" tests/cluster/smoke.sh target/tools/bin/fluxops-testcluster
stage "go vet" scripts/go-vet.sh
stage "test world" python3 -m unittest discover -s tests/world
stage fmt cargo fmt --all --check
stage "lint rules" scripts/lint-rules.sh
stage clippy cargo clippy --locked --workspace --all-targets -- -D warnings
needed build cargo test --locked --workspace --no-run
stage tests scripts/with-cluster.sh cargo test --locked --workspace --no-fail-fast
stage dependencies scripts/cargo-deny.sh
finish
