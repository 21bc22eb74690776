#!/usr/bin/env bash
# A private Docker engine: its own network namespace, data, sockets, containerd and cgroup, so that it meets
# nothing else on the machine. Host-mode ports bind inside the namespace and are reached over a veth pair:
# 198.18.N.1 is the machine's end, 198.18.N.2 the engine's.
#
#   engine.sh up NAME [--index N] [--dir DIR] [--engine debian|moby] [--owner PID] [--debug]
#                                   prints ENGINE_* and DOCKER_HOST
#   engine.sh env NAME              prints the same again
#   engine.sh exec NAME CMD...      runs CMD in the namespace with DOCKER_HOST set
#   engine.sh kill NAME [SIGNAL]    ends dockerd alone (default KILL); its containers go on
#   engine.sh start NAME            starts dockerd again on the same data
#   engine.sh debug NAME true|false whether dockerd.log names every request
#   engine.sh down NAME             ends everything and fails when anything is left
#   engine.sh list                  names that are up
#
# --engine: `debian` is the dockerd on PATH (the default), `moby` the newest one, which setup.sh builds with its runc.
# --debug: dockerd.log names every request. --owner PID: a watcher calls `down` when that process is gone. Data lies in DIR (default
# /var/tmp/holdfast-engine/NAME), sockets and pid files in /run/holdfast-engine/NAME, because socket paths are short.
set -euo pipefail

base=/run/holdfast-engine
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
self=$(readlink -f "$0")

die() { echo "engine.sh: $*" >&2; exit 1; }
need() { command -v "$1" >/dev/null || die "\`$1\` is not installed; run \`make setup\`"; }

usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$self" >&2; exit 64; }

# Paths and names that follow from NAME alone.
names() {
  name=$1
  [[ $name =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "\`$name\` is not a name: write lower-case letters, digits, hyphens"
  run=$base/$name
  netns=holdfast-$name
  cgroup=holdfast-$name
}

load() {
  names "$1"
  [ -f "$run/index" ] || die "there is no engine \`$name\`; \`engine.sh list\` names those that are up"
  index=$(<"$run/index") data=$(<"$run/data") engine=$(<"$run/engine")
}

in_netns() { nsenter --net="/run/netns/$netns" -- "$@"; }

print_env() {
  printf '%s=%q\n' ENGINE_NAME "$name" ENGINE_NETNS "$netns" ENGINE_HOST_IP "198.18.$index.1" \
    ENGINE_IP "198.18.$index.2" ENGINE_RUN "$run" ENGINE_DIR "$data" ENGINE_SOCKET "$run/docker.sock" \
    ENGINE_PID "$(cat "$run/docker.pid" 2>/dev/null || true)" DOCKER_HOST "unix://$run/docker.sock"
}

# Takes the first free index under a lock that covers every caller of this script.
claim() {
  local wanted=$1 n
  mkdir -p "$base"
  exec 8>"$base/lock"
  flock 8
  [ ! -e "$run" ] || die "the engine \`$name\` is up already; \`engine.sh down $name\` ends it"
  for n in ${wanted:-$(seq 20 254)}; do
    cat "$base"/*/index 2>/dev/null | grep -qx "$n" && continue
    ip -4 -o addr show | grep -q "inet 198\.18\.$n\." && continue
    ip link show "hfe$n" >/dev/null 2>&1 && continue
    index=$n
    mkdir -p "$run" "$data"
    echo "$n" >"$run/index"; echo "$data" >"$run/data"; echo "$engine" >"$run/engine"
    exec 8>&-
    return
  done
  die "no free index${wanted:+: $wanted is taken}"
}

make_netns() {
  ip netns add "$netns"
  ip link add "hfe$index" type veth peer name veth0 netns "$netns"
  ip addr add "198.18.$index.1/24" dev "hfe$index"
  ip link set "hfe$index" up
  in_netns ip link set lo up
  in_netns ip addr add "198.18.$index.2/24" dev veth0
  in_netns ip link set veth0 up
}

# Programs that go before those on PATH: `dockerd`, `docker-proxy` and `runc` of the engine that is asked for, and
# the legacy `iptables` where the default one does not work in this kernel.
engine_path() {
  local program front=''
  if [ "$engine" = moby ]; then
    mkdir -p "$run/bin"
    front="$run/bin:"
    for program in dockerd docker-proxy runc; do ln -sf "$cache/moby/$program" "$run/bin/$program"; done
  fi
  if ! in_netns iptables -t nat -nL >/dev/null 2>&1; then
    local legacy
    legacy=$(command -v iptables-legacy) || die "\`iptables\` does not work here and there is no \`iptables-legacy\`"
    mkdir -p "$run/bin"
    ln -sf "$legacy" "$run/bin/iptables"
    ln -sf "${legacy/iptables/ip6tables}" "$run/bin/ip6tables"
    front="$run/bin:"
  fi
  echo "$front$PATH"
}

# Starts a program in the namespace, cut loose from this shell, and notes its pid.
spawn() {
  local what=$1; shift
  setsid nsenter --net="/run/netns/$netns" -- env -i PATH="$(<"$run/path")" HOME="$run" \
    bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$run/$what.spawned" "$@" \
    >>"$run/$what.log" 2>&1 </dev/null 8>&- &
  disown
}

wait_for() {
  local what=$1 log=$2 i; shift 2
  for ((i = 0; i < 900; i++)); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  { echo "engine.sh: $what of \`$name\` did not answer within 90 s; its last lines:"; tail -n 20 "$run/$log.log"; } >&2
  return 1
}

start_containerd() {
  cat >"$run/containerd.toml" <<TOML
version = 2
root = "$data/containerd"
state = "$run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$run/containerd.sock"
TOML
  spawn containerd containerd --config "$run/containerd.toml"
  wait_for containerd containerd test -S "$run/containerd.sock"
}

# Registries of tests answer on addresses of the namespace alone, with certificates that nobody else trusts.
settings() { echo "{\"debug\": $1, \"insecure-registries\": [\"198.18.0.0/15\"]}" >"$run/daemon.json"; }

start_dockerd() {
  spawn dockerd dockerd --data-root "$data/docker" --exec-root "$run/docker" \
    --host "unix://$run/docker.sock" --pidfile "$run/docker.pid" --containerd "$run/containerd.sock" \
    --config-file "$run/daemon.json" --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/$cgroup"
  wait_for dockerd dockerd docker --host "unix://$run/docker.sock" version
}

# Pids of the engine: whoever is in its network namespace or in its cgroup, but never the caller of this script.
pids() {
  local inode p me
  me=$(readlink /proc/self/ns/net)
  {
    if [ -e "/run/netns/$netns" ]; then
      inode="net:[$(stat -Lc %i "/run/netns/$netns")]"
      if [ "$inode" != "$me" ]; then
        for p in /proc/[0-9]*; do
          [ "$(readlink "$p/ns/net" 2>/dev/null)" = "$inode" ] && echo "${p#/proc/}"
        done
      fi
    fi
    find /sys/fs/cgroup -path "*/$cgroup/*" -name cgroup.procs -exec cat {} + 2>/dev/null
  } | sort -un
}

mounts() { awk '{print $5}' /proc/self/mountinfo | grep -E "^($run|$data)/" | tac || true; }

cgroups() { find /sys/fs/cgroup -depth -type d \( -name "$cgroup" -o -path "*/$cgroup/*" \) 2>/dev/null || true; }

# Sockets that shims left outside of our folders; their names are known only while somebody listens on them.
shim_sockets() {
  local p
  p=$(pids | head -n 1)
  [ -n "$p" ] || return 0
  awk '$8 ~ "^/run/containerd/s/" {print $8}' "/proc/$p/net/unix" 2>/dev/null | sort -u
}

leftovers() {
  local p
  for p in $(pids); do echo "process $p $(tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null || true)"; done
  mounts | sed 's/^/mount /'
  cgroups | sed 's/^/cgroup /'
  ! ip link show "hfe$index" >/dev/null 2>&1 || echo "interface hfe$index"
  [ ! -e "/run/netns/$netns" ] || echo "network namespace $netns"
  [ ! -e "$data" ] || echo "folder $data"
}

# A zombie that init has not reaped yet is gone.
alive() { [ -d "/proc/$1" ] && ! grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null; }

kill_all() {
  local i p left
  for what in watcher dockerd containerd; do
    p=$(cat "$run/$what.spawned" 2>/dev/null) && [ "$p" != $$ ] && [ "$p" != "$PPID" ] && mine "$p" && kill -KILL "$p" 2>/dev/null
  done
  for ((i = 0; i < 100; i++)); do
    left=$(pids)
    [ -n "$left" ] || return 0
    # shellcheck disable=SC2086 # one word a pid
    kill -KILL $left 2>/dev/null || true
    sleep 0.1
  done
  return 0
}

# True when the pid is still the process that was noted: pids are given again.
mine() { tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null | grep -qF "$run" || grep -qF "$name" "/proc/$1/cmdline" 2>/dev/null; }

down() {
  load "$1"
  local sockets m left
  sockets=$(shim_sockets)
  kill_all
  # shellcheck disable=SC2086
  [ -z "$sockets" ] || rm -f $sockets
  rmdir /run/containerd/s /run/containerd 2>/dev/null || true
  for m in $(mounts); do umount "$m" 2>/dev/null || umount -l "$m" 2>/dev/null || true; done
  cgroups | while read -r c; do rmdir "$c" 2>/dev/null || true; done
  ip link del "hfe$index" 2>/dev/null || true
  ip netns del "$netns" 2>/dev/null || true
  rm -rf --one-file-system "$data" || true
  # The index goes last: whoever takes it next makes an interface of the same name, and `down` that fails looks again.
  left=$(leftovers)
  [ -n "$left" ] || rm -rf --one-file-system "$run" || left="folder $run"
  [ -z "$left" ] || die "something of \`$name\` is left:"$'\n'"$left"
}

watch_owner() {
  setsid bash -c 'echo $$ >"$1"; tail --pid="$2" -f /dev/null; rm -f "$1"; exec "$3" down "$4"' \
    _ "$run/watcher.spawned" "$1" "$self" "$name" >/dev/null 2>&1 </dev/null &
  disown
}

up() {
  names "$1"; shift
  local wanted='' owner='' debug=false
  data=/var/tmp/holdfast-engine/$name engine=debian
  while [ $# -gt 0 ]; do
    if [ "$1" = --debug ]; then
      debug=true
      shift
      continue
    fi
    case $1 in
      --index) wanted=$2 ;;
      --dir) data=$(realpath -m "$2") ;;
      --engine) engine=$2 ;;
      --owner) owner=$2 ;;
      *) usage ;;
    esac
    shift 2
  done
  [ "$(id -u)" = 0 ] || die "a private engine needs root"
  for tool in docker containerd ip nsenter iptables; do need "$tool"; done
  case $engine in
    debian) need dockerd ;;
    moby) for tool in dockerd docker-proxy runc; do need "$cache/moby/$tool"; done ;;
    *) die "\`$engine\` is no engine: write debian or moby" ;;
  esac
  [ ! -e "$data" ] || [ -z "$(ls -A "$data")" ] || die "\`$data\` is not empty"
  claim "$wanted"
  trap 'cp "$run/dockerd.log" "/tmp/engine-$name.log" 2>/dev/null || true; "$self" down "$name" || true' EXIT
  make_netns
  engine_path >"$run/path"
  settings "$debug"
  start_containerd
  start_dockerd
  [ -z "$owner" ] || watch_owner "$owner"
  trap - EXIT
  print_env
}

[ $# -ge 1 ] || usage
command=$1; shift
case $command in
  list) for d in "$base"/*/index; do [ ! -e "$d" ] || basename "$(dirname "$d")"; done ;;
  up | down) [ $# -ge 1 ] || usage; "$command" "$@" ;;
  env) load "${1:-}"; print_env ;;
  exec) load "${1:-}"; shift; DOCKER_HOST=unix://$run/docker.sock exec nsenter --net="/run/netns/$netns" -- "$@" ;;
  kill)
    load "${1:-}"
    p=$(cat "$run/dockerd.spawned")
    kill "-${2:-KILL}" "$p"
    for ((i = 0; i < 300; i++)); do alive "$p" || exit 0; sleep 0.1; done
    die "dockerd ($p) is still there after 30 s" ;;
  debug)
    load "${1:-}"
    settings "$2"
    kill -HUP "$(cat "$run/dockerd.spawned")"
    sleep 0.3 ;;
  start) load "${1:-}"; rm -f "$run/docker.pid"; start_dockerd; print_env ;;
  *) usage ;;
esac
