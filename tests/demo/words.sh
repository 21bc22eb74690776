#!/usr/bin/env bash
# What the demos say, and how they apply; sourced, with `root` set.
# shellcheck disable=SC2154 # set by whoever sources this

step() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*" | sed "s|$root/||g"; }

# The engine's own log is the witness: it names every request.
writes() { grep -cE 'Calling (POST|PUT|DELETE|PATCH) ' "$ENGINE_RUN/dockerd.log" || true; }
apply() {
  local before started
  before=$(writes) started=$(date +%s%N)
  show holdfast apply
  "$HOLDFAST" apply
  took=$((($(date +%s%N) - started) / 1000000))
  wrote=$(($(writes) - before))
}

# Once, and once more: the second run must write nothing.
apply_twice() {
  local first_took first_wrote
  apply
  first_took=$took first_wrote=$wrote
  step "the second apply"
  apply
  echo
  echo "first:  $first_wrote write requests counted in the engine's log, $first_took ms"
  echo "second: $wrote write requests counted in the engine's log, $took ms"
  [ "$wrote" = 0 ] || { echo "demo: the second apply must write nothing" >&2; exit 1; }
}
