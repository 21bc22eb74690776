#!/usr/bin/env bash
# The demo of CI: after `make demo`, a Gitea and a Drone as stacks, a runner and a bridge, and a pull request that is tested
# because somebody with the right to asked for it. `make demo-down` ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
demo=$root/target/demo
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
# Where programs run that are no containers, each as a user of its own who cannot read this folder.
aside=/run/holdfast-demo

# shellcheck source=/dev/null
. tests/demo/words.sh

tests/demo/up.sh
# shellcheck source=/dev/null
. "$demo/env"
# shellcheck disable=SC2046 # words on purpose
eval "$(tests/engine/engine.sh env demo)"

step "images: Gitea (with git), Drone"
tests/demo/ci-images.sh "$demo/images" "$cache"
du -h --apparent-size "$demo"/images/{gitea,drone}.tar | sed "s|$root/||"

step "sealing passwords and tokens, for the host and an admin"
recipient=$(age-keygen -y "$demo/age.key")
age-keygen -o "$demo/admin.key" 2>/dev/null
admin=$(age-keygen -y "$demo/admin.key")
work=$(mktemp -d /dev/shm/holdfast-demo.XXXXXX)
trap 'rm -rf "$work"' EXIT
for name in gitea_admin bot_password maria_password carol_password hook drone_cookie drone_rpc drone_token; do
  echo "$name: $(openssl rand -hex 20)"
done >"$work/ci.yaml"
"$cache/sops-3.13.2/sops" encrypt --age "$recipient,$admin" "$work/ci.yaml" >"$demo/ci.sops.yaml"
echo "$(grep -c 'ENC\[' "$demo/ci.sops.yaml") values sealed in ci.sops.yaml"

step "the manifest of the demo, and what CI adds to it"
rm -rf "$demo/ci"
mkdir -p "$demo/ci"
cp hosts/demo/ci/*.yml hosts/demo/ci/app.ini hosts/demo/ci/start.sh "$demo/ci/"
sed -e "s|@IP@|$ENGINE_IP|g; s|@OUTSIDE@|$ENGINE_HOST_IP|g; s|@HOST@|$recipient|g; s|@ADMIN@|$admin|g" hosts/demo/ci/manifest.json >"$work/ci.json"
jq -s '.[0] * .[1]' "$demo/manifest.json" "$work/ci.json" >"$demo/ci.json"
cat >>"$demo/env" <<ENV
export HOLDFAST_MANIFEST=$demo/ci.json
export GITEA_URL=https://git.demo.example.org
export DRONE_URL=https://drone.demo.example.org
export BRIDGE_URL=http://$ENGINE_HOST_IP:8787/hook
export BRIDGE_STATUS_URL=http://127.0.0.1:8788/
export GITEA_ADMIN=holdfast
export GITEA_ADMIN_PASSWORD_FILE=$demo/run/secrets/gitea_admin
export DRONE_TOKEN_FILE=$demo/run/secrets/drone_token
export CI_CURL_ARGS="--cacert $demo/ca.pem --resolve git.demo.example.org:443:$ENGINE_IP --resolve drone.demo.example.org:443:$ENGINE_IP"
ENV
# shellcheck source=/dev/null
. "$demo/env"

step "one apply: Gitea, what it holds, Drone with what Gitea made for it, the sign-in, the repository"
apply_twice

step "the runner and the bridge, as users of their own"
tests/demo/ci-processes.sh "$aside" "$ENGINE_IP"

tests/demo/ci-story.sh
echo
echo "\`. target/demo/env\` has the addresses and where the passwords are; \`make demo-down\` ends it."
