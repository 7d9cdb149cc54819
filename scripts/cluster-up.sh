#!/usr/bin/env bash
# Starts the local control plane in the background: target/cluster/{pid,kubeconfig,logs}.
# Does nothing when it runs already.
set -euo pipefail
cd "$(dirname "$0")/.."
binary=target/tools/bin/fluxops-testcluster
dir=target/cluster

[[ -x $binary ]] || { echo "$binary is missing; run: make cluster" >&2; exit 1; }
if scripts/cluster-pid.sh >/dev/null; then
  echo "the local control plane runs already" >&2
  exit 0
fi

# Fresh each time: what an earlier run left in the cluster must not decide what this one sees.
rm -rf "$dir"
mkdir -p "$dir"
# A session of its own, so that Ctrl-C here, or the end of this terminal, leaves it alone.
setsid nohup "$binary" --dir "$dir" --ready-file "$dir/ready" </dev/null >"$dir/out" 2>"$dir/err" &
pid=$!
echo "$pid" >"$dir/pid"
until [[ -e $dir/ready ]]; do
  if ! kill -0 "$pid" 2>/dev/null; then
    echo "failed to start the local control plane:" >&2
    cat "$dir/err" >&2
    exit 1
  fi
  sleep 0.1
done
cat "$dir/err" >&2
