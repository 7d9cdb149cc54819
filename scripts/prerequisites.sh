#!/usr/bin/env bash
# Checks that this machine has what the build and the tests need. Missing Debian packages
# are installed when this runs as root; otherwise, and for the toolchains, it says what to
# install and fails.
set -euo pipefail

missing=()

# at_least WANTED FOUND: compares dotted versions.
at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# toolchain NAME WANTED FOUND: one that is not Debian 12's to give in this version.
toolchain() {
  if [[ -z $3 ]]; then
    missing+=("$1 $2 or later: not found")
  elif ! at_least "$2" "$3"; then
    missing+=("$1 $2 or later: found $3")
  fi
}
toolchain Rust 1.95 "$(rustc --version 2>/dev/null | cut -d ' ' -f 2 || true)"
toolchain cargo 1.95 "$(cargo --version 2>/dev/null | cut -d ' ' -f 2 || true)"
# Not the toolchain that some go.mod asks for: the one that is installed.
toolchain Go 1.26 "$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null | sed 's/^go//' || true)"
toolchain Python 3.11 "$(python3 -c 'import platform; print(platform.python_version())' 2>/dev/null || true)"
toolchain git 2.34 "$(git --version 2>/dev/null | cut -d ' ' -f 3 || true)"
cargo fmt --version >/dev/null 2>&1 || missing+=("rustfmt (rustup component add rustfmt)")
cargo clippy --version >/dev/null 2>&1 || missing+=("clippy (rustup component add clippy)")

packages=()
# package NAME CHECK…: wants the Debian package NAME when CHECK fails.
package() {
  local name=$1
  shift
  "$@" >/dev/null 2>&1 || packages+=("$name")
}
package gcc command -v cc
package libc6-dev test -e /usr/include/stdlib.h
package make command -v make
package cmake command -v cmake         # vendored libgit2 and libssh2
package perl command -v perl           # vendored OpenSSL
package pkg-config command -v pkg-config
package curl command -v curl           # the smoke test of the control plane
package gnupg command -v gpg           # signs and verifies what our code verifies
package openssh-client command -v ssh-keygen
package openssh-server test -x /usr/sbin/sshd # Git over ssh in the tests
package python3-venv python3 -c 'import ensurepip' # the Matrix server lives in one

if ((${#packages[@]})); then
  if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "    installing ${packages[*]}" >&2
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    # A daemon that its package would start at once is not wanted: sshd runs in tests only.
    if ! { apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends "${packages[@]}"; } >"$log" 2>&1; then
      tail -n 20 "$log" >&2
      missing+=("packages that failed to install: ${packages[*]}")
    fi
  else
    missing+=("packages: apt-get install ${packages[*]}")
  fi
fi

if ((${#missing[@]})); then
  echo "this machine lacks:" >&2
  printf '  %s\n' "${missing[@]}" >&2
  exit 1
fi
