#!/usr/bin/env bash
# ci-processes.sh FOLDER IP: the runner and the bridge as users of their own, each with its program, what it may read and
# what it writes in FOLDER. Written down in FOLDER/processes for `down.sh`.
set -euo pipefail
cd "$(dirname "$0")/../.."
demo=$PWD/target/demo
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
folder=$1 ip=$2
runner=61101 bridge=61102

# home NAME USER: a folder that this user owns.
home() {
  install -d -m 0755 "$folder"
  install -d -m 0700 -o "$2" -g "$2" "$folder/$1"
}

# begin NAME USER COMMAND...: as that user, with nothing of ours in its environment.
begin() {
  local name=$1 user=$2
  shift 2
  env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="$folder/$name" USER="$name" "${environment[@]}" \
    unshare --mount -- sh -c 'mount --bind "$0" /etc/hosts && exec "$@"' "$folder/hosts" \
    setpriv --reuid "$user" --regid "$user" --clear-groups --no-new-privs --inh-caps=-all -- "$@" \
    >"$folder/$name/log" 2>&1 </dev/null &
  # A number alone may be somebody else's by the time it is used.
  echo "$name $! $(cut -d' ' -f22 "/proc/$!/stat")" >>"$folder/processes"
}

# answers WHAT CURL_ARGS...: waits until it does.
answers() {
  local what=$1
  shift
  for _ in $(seq 150); do
    if curl --silent --fail --max-time 2 --output /dev/null "$@"; then return; fi
    sleep 0.2
  done
  echo "demo: $what does not answer; see $folder/$what/log" >&2
  exit 1
}

home runner "$runner"
home bridge "$bridge"
: >"$folder/processes"
# They know the names of this host; the machine itself does not have to.
{
  cat /etc/hosts
  echo "$ip git.demo.example.org drone.demo.example.org"
} >"$folder/hosts"
install -m 0644 "$demo/ca.pem" "$folder/ca.pem"

install -m 0755 "$cache/drone-runner-1.0.0-beta.10/drone-runner-exec" "$folder/runner/program"
install -d -m 0700 -o "$runner" -g "$runner" "$folder/runner/builds"
(umask 077 && printf 'DRONE_RPC_SECRET=%s\n' "$(cat "$demo/run/secrets/drone_rpc")" >"$folder/runner/env")
chown "$runner" "$folder/runner/env"
environment=(
  DRONE_RPC_HOST=drone.demo.example.org DRONE_RPC_PROTO=https SSL_CERT_FILE="$folder/ca.pem"
  DRONE_RUNNER_NAME=demo DRONE_RUNNER_CAPACITY=2 DRONE_RUNNER_ROOT="$folder/runner/builds"
  DRONE_RUNNER_ENVIRON="GIT_SSL_CAINFO:$folder/ca.pem"
  DRONE_LIMIT_EVENTS=custom DRONE_LIMIT_REPOS=team/app DRONE_HTTP_BIND=127.0.0.1:13300
)
begin runner "$runner" "$folder/runner/program" daemon "$folder/runner/env"

install -m 0755 "$HOLDFAST" "$folder/bridge/program"
install -m 0644 "$HOLDFAST_MANIFEST" "$folder/bridge/ci.json"
install -m 0644 "$demo/ca.pem" "$folder/bridge/ca.pem"
install -d -m 0500 -o "$bridge" -g "$bridge" "$folder/bridge/secrets"
for name in hook bot_token drone_token; do
  install -m 0400 -o "$bridge" -g "$bridge" "$demo/run/secrets/$name" "$folder/bridge/secrets/$name"
done
environment=()
begin bridge "$bridge" "$folder/bridge/program" bridge serve "$folder/bridge/ci.json" --secrets-dir "$folder/bridge/secrets"

answers runner http://127.0.0.1:13300/healthz
answers bridge http://127.0.0.1:8788/readyz
ps -o user:8,pid,rss,args -p "$(cut -d' ' -f2 "$folder/processes" | paste -sd,)" | sed "s|$folder/||g"
