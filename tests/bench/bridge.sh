#!/usr/bin/env bash
# bridge.sh HOLDFAST WORK: prints the section of the bridge of the page that run.sh writes. Nothing of an engine is needed.
# BRIDGE_DELIVERIES (60000) are sent as fast as it goes, a third as many at 2000 a second; then comments are written on a real
# Gitea until a real Drone has built them: tests/it/bridge/latency.rs.
set -euo pipefail
holdfast=$1 work=$2/bridge
here=$(cd "$(dirname "$0")" && pwd)
fast=${BRIDGE_DELIVERIES:-60000}
paced=$((fast / 3))
connections=32
pids=()
end() { [ ${#pids[@]} = 0 ] || kill -9 "${pids[@]}" 2>/dev/null || true; }
trap end EXIT
rm -rf "$work"
mkdir -p "$work/run/secrets"
rustc --edition 2024 -C opt-level=3 -o "$work/send" "$here/../../benches/bridge.rs"
python3 "$here/bridge.py" deliveries "$work" $((fast + paced))
size=$(($(stat -c %s "$work/before") + $(stat -c %s "$work/after") + 10))
printf bench-secret >"$work/run/secrets/hook"
file='{ "file": "secrets.yaml" }' url='"url": "http://127.0.0.1:9"'
cat >"$work/manifest.json" <<JSON
{
  "version": 1,
  "host": { "name": "bench" },
  "paths": { "run": "$work/run", "state": "$work/state" },
  "secrets": { "hook": $file, "bot": $file, "drone": $file },
  "bridge": {
    "listen": "127.0.0.1:18787",
    "status_listen": "127.0.0.1:18788",
    "forge": { "kind": "gitea", $url, "hook_secrets": [{ "secret": "hook" }] },
    "bot": { "login": "testbot", "token": { "secret": "bot" } },
    "drone": { $url, "token": { "secret": "drone" } },
    "repositories": { "team/app": { "id": 7 } },
    "policy": { "burst": 1000000, "per_minute": 1000000 }
  }
}
JSON

# field NAME: of a line that the generator prints
field() { sed -n "s/.* \?$1 \([0-9.]*\).*/\1/p" "$2"; }
# mb FIELD PID: of its memory
mb() { awk -v field="^$1" '$0 ~ field {printf "%.1f", $2 * 1024 / 1e6}' "/proc/$2/status"; }
up() { # up PORT
  for _ in $(seq 100); do
    (: </dev/tcp/127.0.0.1/"$1") 2>/dev/null && return
    sleep 0.1
  done
  echo "bench: nobody listens on port $1" >&2
  exit 1
}
# measure NAME PORT PID: both runs, into NAME.fast and NAME.paced
measure() {
  "$work/send" "127.0.0.1:$2" "$work" 0 "$fast" "$connections" 0 >"$work/$1.fast"
  sleep 1
  "$work/send" "127.0.0.1:$2" "$work" "$fast" "$paced" "$connections" 2000 >"$work/$1.paced"
  mb VmRSS "$3" >"$work/$1.rss"
  mb VmHWM "$3" >"$work/$1.peak"
  cat "$work/$1.fast" "$work/$1.paced" >&2
}

"$holdfast" bridge serve "$work/manifest.json" 2>"$work/log" &
ours=$!
pids+=("$ours")
up 18788
idle=$(mb VmRSS $ours)
measure ours 18787 $ours
kill -9 $ours
wait $ours 2>/dev/null || true
rows=$(python3 "$here/bridge.py" rows "$work/state/bridge/journal.db")
taken=$(($(field accepted "$work/ours.fast") + $(field accepted "$work/ours.paced")))
if [ "$rows" != "$taken" ]; then
  echo "bench: $taken deliveries were answered with 202 and the journal holds $rows" >&2
  exit 1
fi
python3 "$here/bridge.py" serve 18789 &
naive=$!
pids+=("$naive")
up 18789
measure naive 18789 $naive
HOLDFAST_TEST_PROGRAM=$holdfast HOLDFAST_BENCH_COMMENT=$work/comment.rows \
  cargo test -q --test it -- --ignored --exact bridge::latency::from_a_comment_to_a_build >&2

line() { # line WHAT NAME
  echo "| $1 | $(field rate "$work/$2.fast") | $(field p99 "$work/$2.fast") | $(field p99 "$work/$2.paced") | $(cat "$work/$2.rss") | $(cat "$work/$2.peak") |"
}
cat <<MD

## The comment bridge

Signed deliveries of $size bytes over $connections kept connections, every one of its own comment; only 202 is counted.
$fast as fast as it goes, then $paced at 2000 a second, timed from when each was due. Ours is killed with SIGKILL then, and its
journal holds exactly the $rows that were answered with 202: each was on the disk before. The other is a bridge of Python's
\`http.server\` that keeps what it has taken in its memory. Generator and bridge share the same $(nproc) cores.

| | a second | p99, µs | p99 at 2000/s, µs | RSS, MB | its peak |
|---|---|---|---|---|---|
$(line holdfast ours)
$(line Python naive)

- deliveries a second: **$(field rate "$work/ours.fast")** (wanted: 10000 or more)
- p99 at 2000 a second: **$(field p99 "$work/ours.paced") µs** (wanted: less than 5000)
- resident memory, idle **$idle MB**, at its peak **$(cat "$work/ours.peak") MB** (wanted: less than 20)

### From a comment to a build

Gitea 1.26.4 (queue of hooks: \`channel\`), Drone 1.10.1 and its exec runner on this machine, a pull request from a fork, one
comment after the other, 11 of them, each from the moment in which the comment is sent to Gitea:

| until | median | least |
|---|---|---|
$(cat "$work/comment.rows")

The runner was asking Drone for work each time; between two questions it sleeps for 10 s.
$(cat "$here/bridge-peers.md")
MD
