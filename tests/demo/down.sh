#!/usr/bin/env bash
# Ends the demo: its engine, whatever is mounted below target/demo, and its files. Fails when anything is left.
set -euo pipefail
cd "$(dirname "$0")/../.."
demo=$PWD/target/demo

if [[ " $(tests/engine/engine.sh list | tr '\n' ' ') " == *" demo "* ]]; then tests/engine/engine.sh down demo; fi
mounts() { awk '{print $5}' /proc/self/mountinfo | grep -E "^$demo(/|$)" | tac || true; }
mounts | while read -r mount; do umount "$mount" || umount -l "$mount"; done
left=$(mounts)
[ -z "$left" ] || { printf 'demo-down: still mounted:\n%s\n' "$left" >&2; exit 1; }
rm -rf --one-file-system "$demo"
[ "${1:-}" = quiet ] || echo "demo-down: nothing is left."
