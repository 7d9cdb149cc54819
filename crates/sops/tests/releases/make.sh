#!/usr/bin/env bash
# Seals plain/ with a release of sops:   make.sh SOPS_BINARY RELEASE
# The files are kept because not every release can be built from the modules that are to be had today.
set -euo pipefail
cd "$(dirname "$0")"
sops=$1 release=$2
recipient=$(age-keygen -y keys.txt)
export SOPS_AGE_KEY_FILE=$PWD/keys.txt SOPS_CONFIG=/dev/null HOME=/nonexistent
mkdir -p "$release"
for extension in yaml json env ini bin; do
    "$sops" --encrypt --age "$recipient" "plain/file.$extension" > "$release/file.$extension"
done
"$sops" --encrypt --age "$recipient" --encrypted-regex '^(data|stringData)$' plain/file.yaml > "$release/regex.yaml"
"$sops" --encrypt --age "$recipient" --encrypted-suffix a plain/file.json > "$release/suffix.json"
