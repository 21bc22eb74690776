#!/usr/bin/env bash
# `make bench`, on two private engines of which one is docker's own (its deploy writes; it must not disturb):
#   - no-op `holdfast apply`, no-op `docker stack deploy` of the same file, and the same GETs by a bare client, in turn,
#     with 100 and with 1000 services of replicas 0;
#   - from no service to 50 that run, `holdfast apply --no-verify` and `docker stack deploy --detach=false` in turn.
#   - 100 secrets in 10 files and 1000 in one, against `sops decrypt`: secrets.sh;
#   - a switch of the machine of tests/machine that changes nothing, by systemd's own clock: tests/it/switch/cost.rs;
#   - signed deliveries to the comment bridge, and comments until they are built: bridge.sh;
#   - `holdfast stack transcript` of 1000 and 10000 services, where the program has it.
# Prints ratios and writes docs/reference/benchmarks.md. BENCH_PARTS names the parts that run ("100 cold"); the page is
# written when it is not set.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
work=$root/target/bench
# In memory, as the folder that a host has by default is.
run=/run/holdfast-bench
cold_services=50 cold_rounds=3
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
parts=${BENCH_PARTS:-100 1000 cold secrets switch bridge}
if [ -z "${BENCH_PARTS:-}" ] && "$holdfast" stack transcript --help >/dev/null 2>&1; then
  parts+=" transcript"
fi

env_of() { "$engine" env "$1" | sed -n "s/^$2=//p"; }
for name in bench-h bench-d; do
  "$engine" up "$name" --owner $$ >/dev/null
done
ip=$(env_of bench-h ENGINE_IP) socket=$(env_of bench-h ENGINE_SOCKET)
docker_host=$(env_of bench-d DOCKER_HOST)
other_ip=$(env_of bench-d ENGINE_IP)
log=$(env_of bench-h ENGINE_RUN)/dockerd.log

# One image; the only difference is who deploys it.
mkdir -p "$work/rootfs/bin"
cp "$(command -v busybox)" "$work/rootfs/bin/busybox"
tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/rootfs" -cf "$work/busybox.tar" .
export DOCKER_HOST=$docker_host
docker swarm init --advertise-addr "$other_ip" --listen-addr "$other_ip:2377" >/dev/null
docker network create --driver overlay proxy >/dev/null
docker import "$work/busybox.tar" holdfast-bench/busybox:1 >/dev/null

# compose_file PATH SERVICES REPLICAS
compose_file() {
  {
    echo "services:"
    for ((i = 0; i < $2; i++)); do
      cat <<YAML
  s$i:
    image: holdfast-bench/busybox:1
    command: ["/bin/busybox", "sleep", "600"]
    environment:
      NUMBER: "$i"
      MODE: production
    networks: [proxy]
    stop_grace_period: 1s
    deploy:
      replicas: $3
      endpoint_mode: dnsrr
      labels:
        traefik.enable: "true"
        traefik.http.routers.s$i.rule: "Host(\`s$i.example.org\`)"
      resources:
        limits:
          memory: 64M
      update_config:
        order: start-first
        monitor: 1s
YAML
    done
    printf 'networks:\n  proxy:\n    external: true\n'
  } >"$1"
}

# manifest_file FOLDER SERVICES: a manifest for FOLDER/compose.yml; no services, no stack
manifest_file() {
  local images stacks comma i
  comma="" images=""
  for ((i = 0; i < $2; i++)); do
    images+="$comma\"s$i\": \"busybox\"" comma=', '
  done
  stacks="\"bench\": { \"compose\": [\"compose.yml\"], \"images\": { $images }, \"deadline\": \"10m\" }"
  [ "$2" != 0 ] || stacks=""
  cat >"$1/manifest.json" <<JSON
{
  "version": 1,
  "instance": "bench",
  "host": { "name": "bench" },
  "engine": { "address": "unix://$socket" },
  "paths": { "run": "$run", "state": "$work/state" },
  "swarm": { "advertise": "$ip", "listen": "$ip:2377" },
  "networks": { "proxy": {} },
  "images": { "busybox": { "rootfs": "$work/busybox.tar", "config": { "cmd": ["/bin/busybox", "sleep", "600"] } } },
  "stacks": { $stacks }
}
JSON
}

rss() { /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1; }
ms() { awk -v us="$1" 'BEGIN {printf "%.1f", us / 1000}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", a / b}'; }
# now: microseconds
now() { date +%s%6N; }
wanted() { [[ " $parts " == *" $1 "* ]]; }

# noop SERVICES: a section of the page
noop() {
  local services=$1 folder=$work/$1 apply deploy before apply_rss deploy_rss
  mkdir -p "$folder"
  compose_file "$folder/compose.yml" "$services" 0
  manifest_file "$folder" "$services"
  "$holdfast" compile "$folder/manifest.json" -o "$folder/compiled" >&2
  apply="$holdfast apply $folder/compiled"
  deploy="$(command -v docker) stack deploy --resolve-image never --detach=true --compose-file $folder/compose.yml bench"
  $deploy >/dev/null
  $apply >"$folder/first.txt"
  $apply >"$folder/second.txt"

  # What a no-op run asks for: the engine's own log names it.
  "$engine" debug bench-h true
  before=$(wc -l <"$log")
  $apply >/dev/null
  tail -n "+$((before + 1))" "$log" | sed -n 's/.*msg="Calling \([A-Z]*\) \([^"]*\)".*/\1 \2/p' >"$folder/requests.all"
  "$engine" debug bench-h false
  if grep -v '^GET \|^HEAD ' "$folder/requests.all" >&2; then
    echo "bench: a no-op run wrote (see above)" >&2
    exit 1
  fi
  sed -n 's/^GET //p' "$folder/requests.all" >"$folder/requests"

  # shellcheck disable=SC2086 # command lines
  { apply_rss=$(rss $apply) deploy_rss=$(rss $deploy); }
  "$work/noop" "$socket" "$folder/requests" "$apply" "$deploy" "$holdfast --version" >"$folder/times"
  cat "$folder/times" >&2
  # value NAME COLUMN: microseconds; column 2 is the median, 3 the least
  value() { awk -v name="$1" -v column="$2" '$1 == name {print $column}' "$folder/times"; }
  cat <<MD

## No-op runs of $services services

On a stack of $services services with replicas 0, in turn, 21 rounds, wall clock of the whole process.

| what | median | least | resident memory |
|---|---|---|---|
| \`holdfast apply\`, compiled manifest, derived gates included | $(ms "$(value apply 2)") ms | $(ms "$(value apply 3)") ms | $(ms "$apply_rss") MB |
| \`docker stack deploy --resolve-image never\`, same file | $(ms "$(value deploy 2)") ms | $(ms "$(value deploy 3)") ms | $(ms "$deploy_rss") MB |
| the same $(wc -l <"$folder/requests") GETs, bare client, one connection | $(ms "$(value bare 2)") ms | $(ms "$(value bare 3)") ms | |
| start of the program (\`holdfast --version\`) | $(ms "$(value start 2)") ms | $(ms "$(value start 3)") ms | |

- docker / holdfast: **$(ratio "$(value deploy 2)" "$(value apply 2)")** (wanted: 10 or more)
- holdfast / bare GETs: **$(ratio "$(value apply 2)" "$(value bare 2)")** (wanted: 1.5 or less)
- write requests of the no-op run, counted in the engine's log: **0**
MD
}

# cleared HOST: no container of a service is left
cleared() {
  while [ -n "$(DOCKER_HOST=$1 docker ps -aq)" ]; do sleep 0.2; done
}

# cold: a section of the page
cold() {
  local folder=$work/cold none=$work/none deploy apply round started took apply_rss deploy_rss
  mkdir -p "$folder" "$none"
  compose_file "$folder/compose.yml" "$cold_services" 1
  manifest_file "$folder" "$cold_services"
  manifest_file "$none" 0
  "$holdfast" compile "$folder/manifest.json" -o "$folder/compiled" >&2
  apply="$holdfast apply --no-verify $folder/compiled"
  deploy="$(command -v docker) stack deploy --resolve-image never --detach=false --compose-file $folder/compose.yml bench"
  empty() {
    "$holdfast" apply --no-verify "$none/manifest.json" >&2
    docker stack rm bench >&2 || true
    cleared "unix://$socket"
    cleared "$docker_host"
  }
  : >"$folder/times"
  for ((round = 0; round < cold_rounds; round++)); do
    empty
    started=$(now)
    /usr/bin/time -f %M -o "$folder/apply.rss" $apply >&2
    took=$(($(now) - started))
    echo "apply $took" | tee -a "$folder/times" >&2
    started=$(now)
    /usr/bin/time -f %M -o "$folder/deploy.rss" $deploy >"$folder/deploy.out"
    took=$(($(now) - started))
    echo "deploy $took" | tee -a "$folder/times" >&2
  done
  apply_rss=$(tail -n 1 "$folder/apply.rss") deploy_rss=$(tail -n 1 "$folder/deploy.rss")
  empty
  # value NAME LINE: microseconds; of the sorted times
  value() { sed -n "s/^$1 //p" "$folder/times" | sort -n | sed -n "$2p"; }
  local middle=$((cold_rounds / 2 + 1))
  cat <<MD

## From nothing to $cold_services services

$cold_services services of one replica, from no service to all of them running, in turn, $cold_rounds rounds. The image is there. Docker
watches each service for the \`monitor\` of its update, here 1 s, one after the other.

| what | median | least | resident memory |
|---|---|---|---|
| \`holdfast apply --no-verify\`, compiled manifest | $(ms "$(value apply $middle)") ms | $(ms "$(value apply 1)") ms | $(ms "$apply_rss") MB |
| \`docker stack deploy --resolve-image never --detach=false\`, same file | $(ms "$(value deploy $middle)") ms | $(ms "$(value deploy 1)") ms | $(ms "$deploy_rss") MB |

- holdfast / docker: **$(ratio "$(value apply $middle)" "$(value deploy $middle)")** (wanted: 1.00 or less)
MD
}

# transcript: a section of the page
transcript() {
  local services rows="" started took least memory file round
  for services in 1000 10000; do
    file=$work/transcript-$services.yml least=""
    compose_file "$file" "$services" 0
    for round in 1 2 3 4 5; do
      started=$(now)
      memory=$(/usr/bin/time -f %M -o "$work/transcript.rss" "$holdfast" stack transcript bench --compat -c "$file" \
        >"$work/transcript.out" && tail -n 1 "$work/transcript.rss")
      took=$(($(now) - started))
      [ -n "$least" ] && [ "$least" -le "$took" ] || least=$took
    done
    rows+="| $services | $(ms "$least") ms | $(wc -l <"$work/transcript.out") | $(ms "$memory") MB |"$'\n'
  done
  cat <<MD

## Transcript

\`holdfast stack transcript --compat\` of one file, the least of 5 rounds (wanted: 10000 in less than a second, and linear).

| services | time | requests | resident memory |
|---|---|---|---|
$rows
MD
}

# switch: a section of the page
switch() {
  HOLDFAST_TEST_PROGRAM=$holdfast HOLDFAST_BENCH_SWITCH=$work/switch.rows \
    cargo test -q --test it -- --ignored --exact switch::cost::a_switch_that_changes_nothing >&2
  cat <<MD

## A switch that changes nothing

Two stacks of one service, two secrets and a gate, on a real systemd and a real engine in a container; from one generation to
the same, 11 rounds, from the start of each unit's process to its end as systemd has them.

| unit | median | least |
|---|---|---|
$(cat "$work/switch.rows")

- all units of Holdfast together: wanted are less than 1000 ms
MD
}

page=$work/page.md
commit=$(git rev-parse --short HEAD)
[ -z "$(git status --porcelain -- src Cargo.toml)" ] || commit="$commit with local changes"
{
  cat <<MD
# Benchmarks

Written by \`make bench\`; the script is \`tests/bench/run.sh\`. Two private engines on one machine, one of which only docker
writes to.

$(date -u +%Y-%m-%d), commit $commit, $(nproc) cores, kernel $(uname -r | cut -d- -f1), engine $(docker version --format '{{.Server.Version}}'),
docker CLI $(docker version --format '{{.Client.Version}}'), $(rustc --version | cut -d' ' -f1-2).
MD
  for part in $parts; do
    case $part in
      cold | switch | transcript) "$part" ;;
      secrets) tests/bench/secrets.sh "$holdfast" "$work" ;;
      bridge) tests/bench/bridge.sh "$holdfast" "$work" ;;
      *) noop "$part" ;;
    esac
  done
  if wanted 100; then
    cat <<MD

## The requests of a no-op run

\`\`\`text
$(sed -E 's/[0-9a-z]{25}/ID/g' "$work/100/requests" | sort | uniq -c | sort -rn | head -n 30)
\`\`\`
MD
  fi
} >"$page"
cat "$page"
[ -n "${BENCH_PARTS:-}" ] || cp "$page" docs/reference/benchmarks.md
