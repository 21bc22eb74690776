#!/usr/bin/env bash
# The demo: from nothing to a proven HTTPS service, on a private engine. `make demo-down` ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
demo=$root/target/demo
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
host=app.demo.example.org

# shellcheck source=/dev/null
. tests/demo/words.sh

# A tarball of a root file system that holds one static program.
image() {
  local name=$1 program=$2 work
  work=$(mktemp -d "$demo/images/$name.XXXXXX")
  mkdir -p "$work/etc" "$work/tmp" "$work/usr/local/bin"
  chmod 1777 "$work/tmp"
  cp "$program" "$work/usr/local/bin/"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work" -cf "$demo/images/$name.tar" .
  rm -rf "$work"
}

step "building holdfast (static, so that it is also the image of Traefik's engine proxy)"
holdfast=$(tests/static.sh)

tests/demo/down.sh quiet
mkdir -p "$demo/images"
step "starting a private engine (network namespace holdfast-demo)"
variables=$(tests/engine/engine.sh up demo --dir "$demo/engine" --debug)
eval "$variables"
echo "its host-mode ports answer at $ENGINE_IP"

step "making a lab CA, a wildcard certificate, an age key and a sops file"
age-keygen -o "$demo/age.key" 2>/dev/null
chmod 600 "$demo/age.key"
tests/demo/certificate.sh
openssl x509 -in "$demo/wildcard.pem" -noout -subject -enddate
grep -v ' mac:' "$demo/secrets.sops.yaml" | grep -c ' ENC\[' | sed 's/$/ values sealed in secrets.sops.yaml/'

step "images: Traefik, httpbin, holdfast"
image traefik "$cache/traefik-3.7.9/traefik"
image httpbin "$cache/go-httpbin-2.26.0/go-httpbin"
image holdfast "$holdfast"
du -h --apparent-size "$demo"/images/*.tar | sed "s|$root/||"

cp hosts/demo/app.compose.yml hosts/demo/motd "$demo/"
sed -e "s|@SOCKET@|$ENGINE_SOCKET|; s|@IP@|$ENGINE_IP|g" hosts/demo/manifest.json >"$demo/manifest.json"
cat >"$demo/env" <<ENV
# Source this, then: \$HOLDFAST plan; \$HOLDFAST verify; docker service ls; curl --cacert \$DEMO_CA \$DEMO_CURL_ARGS \$DEMO_URL
export HOLDFAST=$holdfast
export HOLDFAST_MANIFEST=$demo/manifest.json
export DOCKER_HOST=$DOCKER_HOST
export DEMO_URL=https://$host/get
export DEMO_CA=$demo/ca.pem
export DEMO_CURL_ARGS="--resolve $host:443:$ENGINE_IP --resolve $host:80:$ENGINE_IP"
ENV
# shellcheck source=/dev/null
. "$demo/env"

step "everything that needs no host is checked and resolved"
show holdfast compile "$HOLDFAST_MANIFEST" -o "$demo/compiled"
"$HOLDFAST" compile "$HOLDFAST_MANIFEST" -o "$demo/compiled"

step "the first apply"
apply_twice

step "ask it yourself"
show ". target/demo/env"
echo "\$ curl --cacert \$DEMO_CA \$DEMO_CURL_ARGS \$DEMO_URL"
# shellcheck disable=SC2086 # two words on purpose
curl --silent --show-error --fail --max-time 10 --cacert "$DEMO_CA" $DEMO_CURL_ARGS "$DEMO_URL"
echo
echo "\`make demo-down\` ends it and leaves nothing."
