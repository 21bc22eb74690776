#!/usr/bin/env bash
# Ends the demo: its processes, its engine, whatever is mounted below target/demo, and its files. Fails when anything is left.
set -euo pipefail
cd "$(dirname "$0")/../.."
demo=$PWD/target/demo
aside=/run/holdfast-demo

# Only what `ci-processes.sh` began: the number and the time of its start.
while read -r name pid began; do
  [ "$(cut -d' ' -f22 "/proc/$pid/stat" 2>/dev/null)" = "$began" ] || continue
  kill "$pid"
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.2; done
  echo "demo-down: $name does not end, it is killed" >&2
  kill -9 "$pid"
done < <(cat "$aside/processes" 2>/dev/null)
rm -rf "$aside"

if [[ " $(tests/engine/engine.sh list | tr '\n' ' ') " == *" demo "* ]]; then tests/engine/engine.sh down demo; fi
mounts() { awk '{print $5}' /proc/self/mountinfo | grep -E "^$demo(/|$)" | tac || true; }
mounts | while read -r mount; do umount "$mount" || umount -l "$mount"; done
left=$(mounts)
[ -z "$left" ] || { printf 'demo-down: still mounted:\n%s\n' "$left" >&2; exit 1; }
rm -rf --one-file-system "$demo"
[ "${1:-}" = quiet ] || echo "demo-down: nothing is left."
