#!/usr/bin/env bash
# The story of the demo: scripts/demo/story.sh FLUXOPS, with KUBECONFIG set.
#
# Every command that is printed is the one that runs, and every claim is checked: the first
# that does not hold ends the demo with exit code 1. Whatever was started or made is removed.
set -euo pipefail
binary=${1:?usage: scripts/demo/story.sh FLUXOPS}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
world=$root/tests/world

# How long anything may take to show, in seconds.
patience=30
control=fluxops-quickstart # the namespace of what fluxops is told
app=quickstart             # the namespace of what it delivers

work=$(mktemp -d)
mkdir -m 700 "$work/bin" "$work/keys" "$work/git" "$work/state"
ln -s "$binary" "$work/bin/fluxops"
ln -s "$root/scripts/demo/kube.py" "$work/bin/kube"
ln -s "$root/scripts/demo/chat.py" "$work/bin/chat"
export PATH=$work/bin:$PATH FLUXOPS_STATE_DIR=$work/state
# Neither the settings of this machine nor its user's name may change what is seen.
export GIT_CONFIG_GLOBAL=$work/gitconfig GIT_CONFIG_NOSYSTEM=1 PYTHONDONTWRITEBYTECODE=1

bold='' dim='' green='' red='' plain=''
if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
fi

chapter=0
# chapter TITLE: begins the next numbered step.
chapter() {
  chapter=$((chapter + 1))
  printf '\n%s%d. %s%s\n' "$bold" "$chapter" "$1" "$plain"
}

# run COMMAND: prints a command line, runs it and prints its output, which is kept in $shown.
run() {
  printf '   %s$ %s%s\n' "$bold" "$1" "$plain"
  shown=$(eval "$1" 2>&1) || { printf '%s\n' "$shown"; fail "the command above failed"; }
  [[ -z $shown ]] || sed 's/^/   /' <<<"$shown"
}

# expect TEXT CLAIM: the last output has TEXT, which shows the CLAIM.
expect() {
  [[ $shown == *"$1"* ]] || fail "$2"
  printf '   %s✓ %s%s\n' "$green" "$2" "$plain"
}

# await TEXT COMMAND: waits until the output of a command has TEXT.
await() {
  local deadline=$((SECONDS + patience))
  until [[ $(eval "$2" 2>/dev/null || true) == *"$1"* ]]; do
    ((SECONDS < deadline)) || fail "waited $patience s for \"$1\" in: $2"
    sleep 0.2
  done
}

# fail CLAIM: says what does not hold, with fluxops' last words, and ends.
fail() {
  printf '   %s✗ not so: %s%s\n' "$red" "$1" "$plain" >&2
  if [[ -s $work/fluxops.log ]]; then
    printf '   the end of the log of fluxops:\n' >&2
    tail -n 15 "$work/fluxops.log" >&2
  fi
  exit 1
}

# serve NAME PROGRAM ARGUMENT…: starts a server of the test world; its address is put into $url.
servers=()
serve() {
  local name=$1
  shift
  python3 "$@" --parent-death >"$work/$name.out" 2>"$work/$name.err" &
  servers+=($!)
  await listening "cat $work/$name.out"
  url=$(sed -n 's/^listening //p' "$work/$name.out")
}

fluxops_pid=
crds_are_ours=
cluster_is_ours=
clean_up() {
  local status=$? pid
  trap - EXIT
  trap '' INT TERM
  set +e
  printf '\n%sCleaning up.%s\n' "$dim" "$plain"
  if [[ -n $cluster_is_ours ]]; then
    # fluxops, while it runs, takes away what it delivered; without it, its finalizer would stay for ever.
    if [[ -z $fluxops_pid ]] || ! kill -0 "$fluxops_pid" 2>/dev/null; then
      kube patch -n "$control" delivery/shop '{"metadata": {"finalizers": null}}'
    fi
    kube delete -n "$control" delivery/shop
    kube delete namespace/"$app"
    kube delete namespace/"$control"
    if [[ -n $crds_are_ours ]]; then
      for plural in deliveries gitsources notifiers; do
        kube delete "customresourcedefinition/$plural.fluxops.dev"
      done
    fi
  fi >/dev/null 2>"$work/clean_up.err"
  for pid in $fluxops_pid "${servers[@]}"; do
    kill -TERM "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
  done
  "$world/synapse.sh" stop "$work/matrix" 2>/dev/null
  rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Somebody else's objects are not ours to reconcile, and not ours to delete.
if kube get customresourcedefinition/deliveries.fluxops.dev >/dev/null 2>&1; then
  for kind in gitsource delivery notifier; do
    if [[ $(kube get "$kind" .items) != '[]' ]]; then
      echo "this cluster has objects of fluxops already, which the demo would reconcile too; unset KUBECONFIG" >&2
      exit 1
    fi
  done
else
  crds_are_ours=yes
fi
for namespace in "$control" "$app"; do
  if kube get "namespace/$namespace" >/dev/null 2>&1; then
    echo "this cluster has a namespace $namespace already, which the demo would delete in the end" >&2
    exit 1
  fi
done

printf '%sThe world around it: a Git server, a stand-in for Slack, a real Matrix homeserver.%s\n' "$dim" "$plain"
serve git "$world/git_http_server.py" --root "$work/git"
git_url=$url
serve slack "$world/slack_sink.py"
export SLACK_URL=$url
"$world/synapse.sh" start "$work/matrix" --parent-death
set -a
# shellcheck source=/dev/null
source "$work/matrix/matrix.env"
set +a
SECONDS=0

chapter "Keys: one to sign commits, one to open Secrets"
cd "$work"
run "ssh-keygen -q -t ed25519 -N '' -C alice@example.org -f keys/alice"
run "fluxops keys new -o keys/fluxops.agekey"
recipient=$(fluxops keys public keys/fluxops.agekey)
expect "$recipient" "the public half is for sealing; the other stays with fluxops"
awk '{ print $3, $1, $2 }' keys/alice.pub >keys/allowed_signers

chapter "A repository: a Secret is sealed, and the commit is signed"
git init -q --bare -b main git/shop.git
git clone -q git/shop.git shop 2>/dev/null
cp -r "$root/examples/quickstart/app" shop/
cd shop
git switch -q -C main
git config user.name Alice
git config user.email alice@example.org
git config gpg.format ssh
git config user.signingKey "$work/keys/alice"
git config gpg.ssh.allowedSignersFile "$work/keys/allowed_signers"
password=$(head -c 9 /dev/urandom | base64 | tr '+/' 'ab')
sed "s/change-me/$password/" app/secret.yaml.example >app/secret.yaml
printf '   the password of the database, made up just now: %s\n' "$password"
run "fluxops secrets encrypt -i --age $recipient --encrypted-regex '^(data|stringData)$' app/secret.yaml"
run "sed -n 1,8p app/secret.yaml | cut -c 1-80"
expect "ENC[AES256_GCM" "Git sees names, and sealed values"
git add app
run "git commit -q -S -m 'Open the shop' && git push -q origin main"
run "git log -1 --format='%h %s (%GS: %G?)'"
expect "alice@example.org: G" "git itself finds Alice's signature good"
good=$(git rev-parse HEAD)

chapter "fluxops: told of the repository, Alice's key, and whom to tell"
cd "$work"
sed -e "s|https://git.example.org/shop.git|$git_url/shop.git|" -e "s|#deploys:example.org|$MATRIX_ROOM_ALIAS|" \
  "$root/examples/quickstart/fluxops.yaml" >fluxops.yaml
printf '%s/services/T000/B000/xxx' "$SLACK_URL" >keys/slack
printf '%s' "$MATRIX_URL" >keys/matrix-address
printf '%s' "$MATRIX_TOKEN" >keys/matrix-token
cluster_is_ours=yes
run "fluxops crds | kube apply"
run "kube apply fluxops.yaml"
run "kube create -n $control secret age fluxops.agekey=keys/fluxops.agekey"
run "kube create -n $control configmap signers allowed_signers=keys/allowed_signers"
run "kube create -n $control secret slack address=keys/slack"
run "kube create -n $control secret matrix address=keys/matrix-address token=keys/matrix-token"
printf '   %s$ fluxops run &%s\n' "$bold" "$plain"
fluxops run 2>fluxops.log &
fluxops_pid=$!

chapter "The commit arrives"
await "applied" "fluxops get delivery/shop -n $control -o json | sed -n 's/.*\"lastAppliedRevision\":\"[^\"]*$good.*/applied/p'"
run "fluxops get -n $control"
expect "alice@example.org" "the status says which commit, and who signed it"
run "kube get -n $app deployment/shop .spec.replicas .status.readyReplicas"
expect "2"$'\n'"2" "the Deployment runs"
run "kube get -n $app secret/database .data.password | base64 -d"
expect "$password" "the Secret in the cluster has the value that was sealed"
await "${good:0:7}" "chat slack"
run "chat slack --last"
expect "alice@example.org" "Slack was told"
await "${good:0:7}" "chat matrix"
run "chat matrix --last"
expect "alice@example.org" "Matrix was told"

chapter "Somebody pushes a commit that nobody signed"
before=$(kube get -n "$app" configmap/shop .metadata.resourceVersion .data)
cd shop
run "sed -i 's/Welcome/Send me your money/' app/config.yaml"
run "git -c user.name=Mallory -c user.email=mallory@example.net commit -q -a --no-gpg-sign -m 'Improve the greeting' && git push -q origin main"
bad=$(git rev-parse HEAD)
cd "$work"
await "${bad:0:7}" "chat slack"
run "fluxops get -n $control"
expect "no signature" "it is refused"
run "chat slack --last"
expect "${bad:0:7}" "Slack is alarmed"
await "${bad:0:7}" "chat matrix"
run "kube get -n $app configmap/shop .metadata.resourceVersion .data"
expect "$before" "the cluster is as it was"

chapter "Somebody changes the cluster by hand"
run "kube scale -n $app deployment/shop 5"
expect "has 5 replicas" "the API server took the change"
await 2 "kube get -n $app deployment/shop .spec.replicas"
run "kube get -n $app deployment/shop .spec.replicas"
expect "2" "fluxops saw it and put back what Git says, from the last good commit"

chapter "What happened is on record"
await "$(printf 'outcome')" "fluxops audit log | tail -n 1"
run "fluxops audit log"
expect "refused" "who signed what, what was refused, what was changed"
run "fluxops audit verify"
expect "the chain holds" "nobody has altered the log"
sed 's/alice@example.org/mallory@example.net/' state/audit.jsonl >forged.jsonl
run "fluxops audit verify forged.jsonl || true"
expect "the chain is broken" "a copy in which Alice became Mallory is found out"

printf '\n%sAll %d steps showed what they promised, in %d s.%s\n' "$green" "$chapter" "$SECONDS" "$plain"
cat <<'NEXT'
Next: make cluster gives you a control plane of your own to try things on, examples/quickstart/
has what was delivered and how to deliver it yourself, and make test checks everything.
NEXT
