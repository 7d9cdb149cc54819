#!/usr/bin/env bash
# Shows that the local control plane does what the tests rely on:
#   tests/cluster/smoke.sh target/tools/bin/fluxops-testcluster
# It becomes ready in time, listens on loopback only, rolls out a Deployment, binds a
# volume, collects garbage, finishes deleting a namespace, keeps RBAC, stops quickly, keeps
# its data, and dies with its parent.
set -euo pipefail

binary=$(realpath "${1:?usage: smoke.sh BINARY}")
work=$(mktemp -d)
cluster=
trap '[[ -z $cluster ]] || kill -KILL "$cluster" 2>/dev/null || true; rm -rf "$work"' EXIT

checks=0
passed() {
  checks=$((checks + 1))
  echo "    ok: $*"
}
fail() {
  echo "failed: $*" >&2
  tail -n 5 "$work"/*/logs/*.log >&2 || true
  exit 1
}

# until_true SECONDS CMD…: waits for CMD to succeed.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || return 1
    sleep 0.1
  done
}

# start DIR FLAGS…: starts a cluster and waits until it says that it is ready.
start() {
  local dir=$1
  shift
  rm -f "$work/ready"
  "$binary" --dir "$dir" --ready-file "$work/ready" "$@" >"$work/out" 2>"$work/err" &
  cluster=$!
  until_true 60 test -e "$work/ready" || { cat "$work/err" >&2; fail "not ready within 60 s"; }
  use "$dir/kubeconfig"
}

# use KUBECONFIG: points api at it. Its values stand on lines of their own.
use() {
  server=$(awk '$1 == "server:" { print $2 }' "$1")
  token=$(awk '$1 == "token:" { print $2 }' "$1")
  awk '$1 == "certificate-authority-data:" { print $2 }' "$1" | base64 -d >"$work/ca.crt"
}

# api METHOD PATH [CURL-OPTION…]: a request to the API server; fails on an error status.
api() {
  local method=$1 path=$2
  shift 2
  curl --silent --show-error --fail --max-time 10 --cacert "$work/ca.crt" \
    -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
    -X "$method" "$server$path" "$@"
}

bound() {
  api GET /api/v1/namespaces/smoke/persistentvolumeclaims/data | tr -d ' \n' | grep -q '"phase":"Bound"'
}
available() {
  api GET /apis/apps/v1/namespaces/smoke/deployments/web | tr -d ' \n' | grep -q '"availableReplicas":2'
}
no_pods() { api GET /api/v1/namespaces/smoke/pods | tr -d ' \n' | grep -q '"items":\[\]'; }
gone() { ! api GET "$1"; }
children_of() { cat "/proc/$1"/task/*/children; }
ended() { ! kill -0 "$1" 2>/dev/null; }
milliseconds() { echo "$(($(date +%s%N) / 1000000))"; }

begin=$(milliseconds)
start "$work/a"
took=$(($(milliseconds) - begin))
((took < 15000)) || fail "ready after $took ms, 15 s are allowed"
passed "ready after $took ms"

[[ $(cat "$work/out") == "ready $work/a/kubeconfig" ]] || fail "unexpected output: $(cat "$work/out")"
[[ $(stat -c %a "$work/a/kubeconfig") == 600 ]] || fail "the kubeconfig is readable by others"
passed "the kubeconfig is announced and private"

# /proc/net/tcp*: the state 0A is LISTEN; 0100007F is 127.0.0.1. The sockets are told
# apart by the inodes that the processes of the cluster hold.
listening=$(
  for pid in "$cluster" $(children_of "$cluster"); do
    find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' 2>/dev/null || true
  done | tr -dc '0-9\n' | sort -u >"$work/inodes"
  awk 'NR == FNR { mine[$1]; next } $4 == "0A" && ($10 in mine) { print $2 }' \
    "$work/inodes" /proc/net/tcp /proc/net/tcp6
)
[[ -n $listening ]] || fail "found no listening socket"
! grep -v '^0100007F:' <<<"$listening" || fail "listens beyond loopback"
passed "listens on loopback only"

api GET /version | grep -q '"gitVersion": "v1\.[0-9]*\.[0-9]*"' || fail "the version is not a release"
passed "reports a version that clients can parse"

api POST /api/v1/namespaces -d '{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"smoke"}}' >/dev/null
begin=$(milliseconds)
api POST /apis/apps/v1/namespaces/smoke/deployments -d '{
  "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
  "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
    "template": {"metadata": {"labels": {"app": "web"}},
      "spec": {"containers": [{"name": "web", "image": "example.invalid/web:1"}]}}}}' >/dev/null
until_true 20 available || fail "the Deployment did not become available"
passed "a Deployment is available after $(($(milliseconds) - begin)) ms"

api POST /api/v1/namespaces/smoke/persistentvolumeclaims -d '{
  "metadata": {"name": "data"},
  "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}' >/dev/null
until_true 20 bound || fail "the claim was not bound"
passed "a claim of the default storage class is bound"

api DELETE /apis/apps/v1/namespaces/smoke/deployments/web >/dev/null
until_true 20 no_pods || fail "the pods of a deleted Deployment stay"
passed "the pods of a deleted Deployment are collected"

# A service account that was granted nothing: its token is real, and refused.
api POST /api/v1/namespaces/smoke/serviceaccounts -d '{"metadata":{"name":"nobody"}}' >/dev/null
nobody=$(api POST /api/v1/namespaces/smoke/serviceaccounts/nobody/token \
  -d '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{}}' |
  sed -n 's/.*"token": "\([^"]*\)".*/\1/p')
status=$(token=$nobody api GET /api/v1/namespaces/smoke/secrets --output /dev/null --write-out '%{http_code}' 2>/dev/null || true)
[[ $status == 403 ]] || fail "a service account without rights got $status for Secrets"
passed "RBAC refuses a service account without rights"

api DELETE /api/v1/namespaces/smoke >/dev/null
until_true 30 gone /api/v1/namespaces/smoke || fail "the namespace does not finish deleting"
passed "a deleted namespace goes away"

api POST /api/v1/namespaces/default/configmaps -d '{"metadata":{"name":"kept"}}' >/dev/null
children=$(children_of "$cluster")
begin=$(milliseconds)
kill -TERM "$cluster"
wait "$cluster" || fail "SIGTERM ended it with $?"
took=$(($(milliseconds) - begin))
((took < 5000)) || fail "SIGTERM took $took ms, 5 s are allowed"
for pid in $children; do
  ended "$pid" || fail "process $pid stays after SIGTERM"
done
passed "SIGTERM stops it after $took ms"

start "$work/a"
api GET /api/v1/namespaces/default/configmaps/kept >/dev/null || fail "objects were lost over a restart"
passed "a second start finds the objects of the first"

children=$(children_of "$cluster")
kill -KILL "$cluster"
{ wait "$cluster" || true; } 2>/dev/null
for pid in $children; do
  until_true 5 ended "$pid" || fail "process $pid stays after kill -9 of the cluster"
done
passed "kill -9 leaves no process"

# A parent that starts it and sleeps; then the parent is killed and cannot clean up.
rm -f "$work/ready"
bash -c '"$1" --dir "$2/b" --ready-file "$2/ready" --parent-death >/dev/null 2>&1 & echo $! >"$2/pid"; wait' \
  smoke "$binary" "$work" &
parent=$!
until_true 60 test -e "$work/ready" || fail "not ready within 60 s"
cluster=$(cat "$work/pid")
children=$(children_of "$cluster")
kill -KILL "$parent"
{ wait "$parent" || true; } 2>/dev/null
for pid in $cluster $children; do
  until_true 5 ended "$pid" || fail "process $pid stays after its parent was killed"
done
cluster=
passed "killing the parent ends it"

echo "$checks passed, 0 failed"
