#!/usr/bin/env bash
# Runs a real Matrix homeserver (Synapse) on loopback, with a user, an access token and an unencrypted room.
#
#   synapse.sh install                       only makes the virtual environment target/synapse-venv
#   synapse.sh start DIR [--parent-death]    starts it in the background and writes DIR/matrix.env; again: the same
#                                            server. With --parent-death it ends when the calling process ends
#   synapse.sh run DIR [--parent-death]      the same in the foreground; prints `listening URL` when ready
#   synapse.sh stop DIR                      ends it; what it knows stays in DIR
set -euo pipefail

world=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${SYNAPSE_VENV:-$(cd "$world/../.." && pwd)/target/synapse-venv}
requirement='matrix-synapse==1.163.*'

say() { printf 'synapse.sh: %s\n' "$*" >&2; }

# Debian ships venv without ensurepip until python3-venv is there.
require_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say 'installing python3-venv'
        { apt-get update && apt-get install -y --no-install-recommends python3-venv; } >&2
    else
        say 'python3 has no venv: install the package python3-venv'
        exit 2
    fi
}

install_synapse() {
    [ -f "$venv/installed" ] && [ "$(cat "$venv/installed")" = "$requirement" ] && return
    require_venv
    say "installing $requirement into $venv (once; about half a minute)"
    python3 -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$requirement" >&2
    printf '%s' "$requirement" >"$venv/installed"
}

# Two tests that start at once must not install twice into one folder.
mkdir -p "$(dirname "$venv")"
exec 9>"$venv.lock"
flock 9
install_synapse
exec 9>&-

[ "${1-}" = install ] && exit 0
exec "$venv/bin/python" "$world/homeserver.py" "$@"
