#!/usr/bin/env bash
# A private machine: a Debian with systemd as its first process, in a container of systemd-nspawn. Its root is a layer
# above the one that setup.sh made, so it starts pristine; its cgroups, network and processes meet nothing else.
#
#   machine.sh up NAME [--share DIR] [--owner PID]   boots it and prints MACHINE_*; DIR is /srv/share inside
#   machine.sh exec NAME CMD...                      runs CMD inside
#   machine.sh net NAME CMD...                       runs CMD here, and in its network
#   machine.sh boot NAME                             ends it as a power cut does, and boots it again on the same root
#   machine.sh reboot NAME                           shuts it down, and boots it again
#   machine.sh down NAME                             ends it and removes everything
#   machine.sh list                                  names that are up
#
# Inside, host0 has 198.18.N.2 and the machine's end 198.18.N.1. --owner PID: a watcher calls `down` when that process is
# gone, however it ended.
set -euo pipefail

base=/run/holdfast-machine
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
pristine=$cache/machine
self=$(readlink -f "$0")

die() { echo "machine.sh: $*" >&2; exit 1; }
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$self" >&2; exit 64; }

names() {
  name=$1
  [[ $name =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || die "\`$name\` is not a name: write lower-case letters, digits, hyphens"
  run=$base/$name
  data=/var/tmp/holdfast-machine/$name
  cgroup=holdfast-machine-$name
}

load() {
  names "$1"
  [ -f "$run/index" ] || die "there is no machine \`$name\`; \`machine.sh list\` names those that are up"
  index=$(<"$run/index") share=$(<"$run/share")
}

# Takes the first free index under a lock that covers every caller of this script.
claim() {
  local n
  mkdir -p "$base"
  exec 8>"$base/lock"
  flock 8
  [ ! -e "$run" ] || die "the machine \`$name\` is up already"
  for n in $(seq 20 254); do
    cat "$base"/*/index 2>/dev/null | grep -qx "$n" && continue
    ip link show "hfm$n" >/dev/null 2>&1 && continue
    index=$n
    mkdir -p "$run" "$data"
    echo "$n" >"$run/index"; echo "$share" >"$run/share"
    exec 8>&-
    return
  done
  die "no free index"
}

# Runs in a process that is about to become the container: its own cgroup in every hierarchy.
own_cgroup() {
  local hierarchy file
  for hierarchy in /sys/fs/cgroup/*/; do
    [ -e "$hierarchy/cgroup.procs" ] || continue
    mkdir -p "$hierarchy/$cgroup"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$hierarchy/$file" ] || cat "$hierarchy/$file" >"$hierarchy/$cgroup/$file" 2>/dev/null || true
    done
    echo $BASHPID >"$hierarchy/$cgroup/cgroup.procs"
  done
}

# In a mount namespace of its own: those cgroups, as the container shall see its hierarchies.
container() {
  local hierarchy kind own store=/nix
  # What nix built here is there too, at the same paths; what the machine writes to it is its own.
  [ -d $store/store ] || store=''
  mkdir -p "$data/cgroup" "$data/nix"
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 cgroup "$data/cgroup"
  for hierarchy in /sys/fs/cgroup/*/; do
    own=$hierarchy$cgroup kind=$(basename "$hierarchy")
    [ -e "$own/cgroup.procs" ] || continue
    # systemd-nspawn puts what it starts into this one, and makes it the root of a namespace.
    case $kind in unified | systemd) own=$own/payload; mkdir -p "$own" ;; esac
    mkdir "$data/cgroup/$kind"
    mount --bind "$own" "$data/cgroup/$kind"
  done
  SYSTEMD_NSPAWN_API_VFS_WRITABLE=yes exec systemd-nspawn -q -b -D "$data/root" --machine="hf-$name" \
    --hostname=machine --register=no --keep-unit --capability=all --system-call-filter='add_key keyctl bpf' \
    --network-veth-extra="hfm$index:host0" --bind="$data/cgroup:/sys/fs/cgroup" ${share:+--bind="$share:/srv/share"} \
    ${store:+--overlay="$store:$data/nix:$store"}
}

leader() {
  local nspawn
  nspawn=$(cat "$run/nspawn" 2>/dev/null) || return 1
  cat "/proc/$nspawn/task/$nspawn/children" 2>/dev/null | tr -d ' ' | grep .
}

inside() { nsenter -t "$(leader)" -a -- "$@"; }

is_up() {
  local said
  said=$(inside systemctl is-system-running 2>/dev/null || true)
  [[ $said == running || $said == degraded ]]
}

start() {
  local i
  mkdir -p "$data/root" "$data/layer" "$data/work"
  mountpoint -q "$data/root" ||
    mount -t overlay overlay -o "lowerdir=$(readlink -f "$pristine"),upperdir=$data/layer,workdir=$data/work" "$data/root"
  # A container that does not end by itself would be waited for 90 s at a clean shutdown.
  mkdir -p "$data/root/etc/systemd/system.conf.d"
  printf '[Manager]\nDefaultTimeoutStopSec=10s\n' >"$data/root/etc/systemd/system.conf.d/holdfast-test.conf"
  (own_cgroup && exec setsid unshare --mount "$self" _container "$name") >>"$run/log" 2>&1 </dev/null 8>&- &
  echo $! >"$run/nspawn"
  disown
  for ((i = 0; i < 600; i++)); do
    is_up && break
    sleep 0.1
  done
  is_up || { echo "machine.sh: \`$name\` did not boot within 60 s; its last lines:" >&2; tail -n 20 "$run/log" >&2; return 1; }
  ip addr add "198.18.$index.1/24" dev "hfm$index" 2>/dev/null || true
  ip link set "hfm$index" up
  inside ip addr add "198.18.$index.2/24" dev host0
  inside ip link set host0 up
}

# Ends every process inside at once, by its first one, and then what started it.
stop() {
  local pid nspawn i
  nspawn=$(cat "$run/nspawn" 2>/dev/null) || return 0
  if pid=$(leader); then
    kill -KILL "$pid" 2>/dev/null || true
    for ((i = 0; i < 100; i++)); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
  fi
  kill -KILL "$nspawn" 2>/dev/null || true
  for ((i = 0; i < 100; i++)); do kill -0 "$nspawn" 2>/dev/null || break; sleep 0.05; done
  ip link del "hfm$index" 2>/dev/null || true
  rm -rf --one-file-system "$run/nspawn" "/run/systemd/nspawn/propagate/hf-$name" "$data/.#root.lck"
}

# As a person would.
shut_down() {
  local nspawn i
  nspawn=$(<"$run/nspawn")
  inside systemctl poweroff >/dev/null 2>&1 || true
  for ((i = 0; i < 1200; i++)); do
    kill -0 "$nspawn" 2>/dev/null || return 0
    sleep 0.05
  done
  die "\`$name\` did not shut down within 60 s"
}

down() {
  local hierarchy folder
  stop
  umount -l "$data/root" 2>/dev/null || true
  for hierarchy in /sys/fs/cgroup/*/; do
    [ -d "$hierarchy/$cgroup" ] || continue
    while IFS= read -r folder; do rmdir "$folder" 2>/dev/null || true; done < <(find "$hierarchy/$cgroup" -depth -type d)
  done
  rm -rf --one-file-system "$data" "$run"
  [ ! -e "$data" ] || die "something of \`$name\` is left in $data"
}

watch() {
  while kill -0 "$1" 2>/dev/null; do sleep 0.5; done
  [ ! -f "$run/index" ] || "$self" down "$name"
}

command=${1:-}
[ -n "$command" ] || usage
shift
case $command in
up)
  names "${1:-}"; shift
  share='' owner=''
  while [ $# -gt 0 ]; do
    case $1 in
    --share) share=$2 ;;
    --owner) owner=$2 ;;
    *) usage ;;
    esac
    shift 2
  done
  command -v systemd-nspawn >/dev/null || die "\`systemd-nspawn\` is not installed; run \`make setup\`"
  [ -e "$pristine/usr/sbin/dockerd" ] || die "there is no root to boot at $pristine; run \`make setup\`"
  claim
  if [ -n "$owner" ]; then
    setsid "$self" _watch "$name" "$owner" >/dev/null 2>&1 </dev/null &
    disown
  fi
  start || { down; exit 1; }
  printf '%s=%q\n' MACHINE_NAME "$name" MACHINE_IP "198.18.$index.2" MACHINE_LEADER "$(leader)" MACHINE_ROOT "$data/root"
  ;;
exec) load "${1:-}"; shift; inside "$@" ;;
net) load "${1:-}"; shift; exec nsenter -t "$(leader)" -n -- "$@" ;;
boot) load "${1:-}"; stop; start ;;
reboot) load "${1:-}"; shut_down; stop; start ;;
down) load "${1:-}"; down ;;
list) for folder in "$base"/*/; do [ ! -f "$folder/index" ] || basename "$folder"; done ;;
_container) load "$1"; container ;;
_watch) load "$1"; watch "$2" ;;
*) usage ;;
esac
