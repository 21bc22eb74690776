#!/usr/bin/env bash
# tree.sh before|after: remembers the work tree's state, then fails when the tests have changed it.
set -euo pipefail
cd "$(dirname "$0")/.."
note=target/tree.before
mkdir -p target
state() { git status --porcelain && git diff | sha256sum; }
case ${1:-} in
  before) state >"$note" ;;
  after)
    if ! state | diff "$note" - >&2; then
      echo "tree.sh: the tests left the work tree changed (see above)" >&2
      exit 1
    fi
    ;;
  *)
    echo "usage: tree.sh before|after" >&2
    exit 64
    ;;
esac
