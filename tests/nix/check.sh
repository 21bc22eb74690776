#!/usr/bin/env bash
# `nix flake check` on the stand-in for nixpkgs of tests/nix/stub, without network and daemon; then again with the real
# library in it where NIXPKGS_LIB names one. HOLDFAST_BIN is the program that the builds run.
set -euo pipefail
cd "$(dirname "$0")/../.."
export NIX_CONFIG=$'build-users-group =\nsubstituters =\nsandbox = false\nexperimental-features = nix-command flakes\nflake-registry ='
: "${HOLDFAST_BIN:?names the program that compiles the manifest of a host}"

# built NAME: the store path that it is built to
built() {
  nix build "${flags[@]}" --no-link --json "$1" 2>/dev/null | sed -E 's/.*"out":"([^"]+)".*/\1/'
}

# check STUB WORDS
check() {
  local flags=(--impure --override-input nixpkgs "path:$1" --no-write-lock-file) name manifest source
  nix flake check "${flags[@]}" 2>&1 | sed -n '/error/,$p' >&2
  # What a stand-in of the program makes would be an empty folder.
  for host in hosts/*/; do
    name=$(basename "$host")
    manifest=$(built ".#checks.x86_64-linux.manifest-$name")
    grep -q '"compiled":1' "$manifest/manifest.json"
    "$HOLDFAST_BIN" check "$manifest" >/dev/null
    source=$(built ".#nixosConfigurations.$name.config.services.holdfast.manifest.source")
    "$HOLDFAST_BIN" check --manifest-only "$source" >/dev/null
  done
  echo "flake checked on $2; nothing was booted"
}

check "$PWD/tests/nix/stub" "the stand-in of tests/nix/stub"
if [ -n "${NIXPKGS_LIB:-}" ]; then
  real=$(mktemp -d)
  trap 'rm -rf "$real"' EXIT
  cp -r tests/nix/stub/. "$real"
  rm -r "${real:?}/lib"
  cp -r "$NIXPKGS_LIB" "$real/lib"
  check "$real" "the stand-in with the lib of $NIXPKGS_LIB"
else
  echo "not run on the lib of nixpkgs: NIXPKGS_LIB is not set"
fi
