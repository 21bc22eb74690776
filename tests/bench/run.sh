#!/usr/bin/env bash
# `make bench`: 100 services with replicas 0. No-op `holdfast apply`, no-op `docker stack deploy` of the same file, and
# the same GETs by a bare client, in turn, on two private engines (docker's deploy writes; it must not disturb).
# Prints ratios and writes docs/reference/benchmarks.md.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/target/bench
# In memory, as the folder that a host has by default is.
run=/run/holdfast-bench
services=100
engine=$root/tests/engine/engine.sh

down() {
  local name
  for name in $("$engine" list); do
    case $name in bench-h | bench-d) "$engine" down "$name" ;; esac
  done
  awk '{print $5}' /proc/self/mountinfo | grep -E "^($work|$run)/" | tac | while read -r mount; do umount "$mount"; done || true
  rm -rf "$run"
}
trap down EXIT
down
rm -rf "$work"
mkdir -p "$work"

# By itself, because cargo would build every dependency again for it.
rustc --edition 2024 -C opt-level=3 -o "$work/noop" benches/noop.rs
holdfast=$(tests/static.sh)

env_of() { "$engine" env "$1" | sed -n "s/^$2=//p"; }
for name in bench-h bench-d; do
  "$engine" up "$name" --owner $$ >/dev/null
done
ip=$(env_of bench-h ENGINE_IP) socket=$(env_of bench-h ENGINE_SOCKET)
docker_host=$(env_of bench-d DOCKER_HOST)
other_ip=$(env_of bench-d ENGINE_IP)

# One image, one file; the only difference is who deploys it.
mkdir -p "$work/rootfs/bin"
cp "$(command -v busybox)" "$work/rootfs/bin/busybox"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/rootfs" -cf "$work/busybox.tar" .

{
  echo "services:"
  for ((i = 0; i < services; i++)); do
    cat <<YAML
  s$i:
    image: holdfast-bench/busybox:1
    command: ["/bin/busybox", "sleep", "600"]
    environment:
      NUMBER: "$i"
      MODE: production
    networks: [proxy]
    deploy:
      replicas: 0
      endpoint_mode: dnsrr
      labels:
        traefik.enable: "true"
        traefik.http.routers.s$i.rule: "Host(\`s$i.example.org\`)"
      resources:
        limits:
          memory: 64M
      update_config:
        order: start-first
YAML
  done
  printf 'networks:\n  proxy:\n    external: true\n'
} >"$work/compose.yml"

images=$(for ((i = 0; i < services; i++)); do printf '%s"s%d": "busybox"' "${comma:-}" "$i"; comma=', '; done)
cat >"$work/manifest.json" <<JSON
{
  "version": 1,
  "instance": "bench",
  "host": { "name": "bench" },
  "engine": { "address": "unix://$socket" },
  "paths": { "run": "$run", "state": "$work/state" },
  "swarm": { "advertise": "$ip", "listen": "$ip:2377" },
  "networks": { "proxy": {} },
  "images": { "busybox": { "rootfs": "busybox.tar", "config": { "cmd": ["/bin/busybox", "sleep", "600"] } } },
  "stacks": { "bench": { "compose": ["compose.yml"], "images": { $images } } }
}
JSON

export DOCKER_HOST=$docker_host
docker swarm init --advertise-addr "$other_ip" --listen-addr "$other_ip:2377" >/dev/null
docker network create --driver overlay proxy >/dev/null
docker import "$work/busybox.tar" holdfast-bench/busybox:1 >/dev/null
deploy="$(command -v docker) stack deploy --resolve-image never --detach=true --compose-file $work/compose.yml bench"
$deploy >/dev/null
"$holdfast" compile "$work/manifest.json" -o "$work/compiled"
apply="$holdfast apply $work/compiled"
$apply >"$work/first.txt"
$apply >"$work/second.txt"

# What a no-op run asks for: the engine's own log names it.
log=$(env_of bench-h ENGINE_RUN)/dockerd.log
"$engine" debug bench-h true
before=$(wc -l <"$log")
$apply >/dev/null
tail -n "+$((before + 1))" "$log" | sed -n 's/.*msg="Calling \([A-Z]*\) \([^"]*\)".*/\1 \2/p' >"$work/requests.all"
"$engine" debug bench-h false
if grep -v '^GET \|^HEAD ' "$work/requests.all"; then
  echo "bench: a no-op run wrote (see above)" >&2
  exit 1
fi
sed -n 's/^GET //p' "$work/requests.all" >"$work/requests"

rss() { /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1; }
# shellcheck disable=SC2086 # command lines
{ apply_rss=$(rss $apply); deploy_rss=$(rss $deploy); }

"$work/noop" "$socket" "$work/requests" "$apply" "$deploy" "$holdfast --version" >"$work/times"
cat "$work/times" >&2
# value NAME COLUMN: microseconds; column 2 is the median, 3 the least
value() { awk -v name="$1" -v column="$2" '$1 == name {print $column}' "$work/times"; }
ms() { awk -v us="$1" 'BEGIN {printf "%.1f", us / 1000}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.1f", a / b}'; }

commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain -- src Cargo.toml)" ] || commit="$commit with local changes"
page=docs/reference/benchmarks.md
{
  cat <<MD
# Benchmarks

Written by \`make bench\`; the script is \`tests/bench/run.sh\`. No-op runs on a stack of $services services with replicas 0, in
turn, 21 rounds, wall clock of the whole process; two private engines on one machine.

| what | median | least | resident memory |
|---|---|---|---|
| \`holdfast apply\`, compiled manifest, derived gates included | $(ms "$(value apply 2)") ms | $(ms "$(value apply 3)") ms | $(ms "$apply_rss") MB |
| \`docker stack deploy --resolve-image never\`, same file | $(ms "$(value deploy 2)") ms | $(ms "$(value deploy 3)") ms | $(ms "$deploy_rss") MB |
| the same $(wc -l <"$work/requests") GETs, bare client, one connection | $(ms "$(value bare 2)") ms | $(ms "$(value bare 3)") ms | |
| start of the program (\`holdfast --version\`) | $(ms "$(value start 2)") ms | $(ms "$(value start 3)") ms | |

- docker / holdfast: **$(ratio "$(value deploy 2)" "$(value apply 2)")** (wanted: 10 or more)
- holdfast / bare GETs: **$(ratio "$(value apply 2)" "$(value bare 2)")** (wanted: 1.5 or less)
- write requests of the no-op run, counted in the engine's log: **0**

$(date -u +%Y-%m-%d), commit $commit, $(nproc) cores, kernel $(uname -r), engine $(docker version --format '{{.Server.Version}}'),
docker CLI $(docker version --format '{{.Client.Version}}'), $(rustc --version | cut -d' ' -f1-2).

The requests:

\`\`\`text
$(sed -E 's/[0-9a-z]{25}/ID/g' "$work/requests" | sort | uniq -c | sort -rn | head -n 30)
\`\`\`
MD
} >"$page"
cat "$page"
