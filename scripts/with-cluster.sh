#!/usr/bin/env bash
# Runs a command with KUBECONFIG set: scripts/with-cluster.sh CMD…
#
# When KUBECONFIG is set already, that cluster is used. Otherwise a local control plane is
# started for this command alone (not that of `make cluster`) and stopped afterwards.
set -euo pipefail
(($#)) || { echo "usage: scripts/with-cluster.sh CMD…" >&2; exit 2; }

if [[ -n ${KUBECONFIG:-} ]]; then
  echo "    using the cluster of KUBECONFIG=$KUBECONFIG" >&2
  exec "$@"
fi

root=$(cd "$(dirname "$0")/.." && pwd)
make --silent -C "$root" target/tools/bin/fluxops-testcluster
mkdir -p "$root/target/clusters"
dir=$(mktemp -d "$root/target/clusters/XXXXXX")

cluster=
command=
stop() {
  for pid in $command $cluster; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap stop EXIT
# Turns a signal into an exit, so that the trap above runs.
trap 'exit 130' INT
trap 'exit 143' TERM

"$root/target/tools/bin/fluxops-testcluster" \
  --dir "$dir" --ready-file "$dir/ready" --parent-death >/dev/null 2>"$dir/err" &
cluster=$!
until [[ -e $dir/ready ]]; do
  kill -0 "$cluster" 2>/dev/null || { cat "$dir/err" >&2; exit 1; }
  sleep 0.1
done
export KUBECONFIG="$dir/kubeconfig"
# In the background, because bash acts on a signal only when no foreground command runs.
"$@" <&0 &
command=$!
wait "$command"
