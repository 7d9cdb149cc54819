#!/usr/bin/env bash
# Stops the background control plane; its files stay until the next start.
set -euo pipefail
cd "$(dirname "$0")/.."

pid=$(scripts/cluster-pid.sh) || { echo "the local control plane does not run" >&2; exit 0; }
kill -TERM "$pid"
while kill -0 "$pid" 2>/dev/null; do
  sleep 0.1
done
# A kubeconfig that leads nowhere would be taken for a cluster.
rm -f target/cluster/pid target/cluster/kubeconfig
echo "the local control plane is stopped" >&2
