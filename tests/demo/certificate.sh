#!/usr/bin/env bash
# certificate.sh [NOT_BEFORE NOT_AFTER]: issues the demo's wildcard certificate again, by default for 90 days,
# and seals its key into the sops file. Dates are YYYYMMDDHHMMSSZ; one in the past shows what an expired
# certificate does:
#   tests/demo/certificate.sh 20240101000000Z 20240201000000Z; $HOLDFAST apply
set -euo pipefail
cd "$(dirname "$0")/../.."
demo=$PWD/target/demo
sops=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}/sops-3.13.2/sops
[ -f "$demo/age.key" ] || { echo "certificate.sh: there is no demo; run \`make demo\`" >&2; exit 1; }

# Keys in the clear exist in memory only.
work=$(mktemp -d /dev/shm/holdfast-demo.XXXXXX)
trap 'rm -rf "$work"' EXIT

stamp() { date -u -d "$1" +%Y%m%d%H%M%SZ; }
from=${1:-$(stamp '5 minutes ago')} until=${2:-$(stamp '90 days')}

cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = demo
[demo]
database = $work/index
serial = $work/serial
new_certs_dir = $work
private_key = $demo/ca.key
certificate = $demo/ca.pem
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:*.demo.example.org
CNF

if [ ! -f "$demo/ca.pem" ]; then
  (umask 077 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -sha256 \
    -config "$work/ca.cnf" -extensions root -subj "/CN=Holdfast demo CA" \
    -keyout "$demo/ca.key" -out "$demo/ca.pem" 2>/dev/null)
  chmod 644 "$demo/ca.pem"
fi

: >"$work/index"
openssl rand -hex 16 >"$work/serial"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 -subj "/CN=*.demo.example.org" \
  -keyout "$work/tls.key" -out "$work/tls.csr" 2>/dev/null
openssl ca -batch -notext -config "$work/ca.cnf" -extensions leaf -startdate "$from" -enddate "$until" \
  -in "$work/tls.csr" -out "$work/tls.pem" 2>"$work/log" || { cat "$work/log" >&2; exit 1; }

{
  echo "naming_key: $(openssl rand -hex 32)"
  echo "app:"
  echo "  token: $(openssl rand -hex 20)"
  echo "tls:"
  echo "  key: |"
  sed 's/^/    /' "$work/tls.key"
} >"$work/plain.yaml"
if [ -f "$demo/secrets.sops.yaml" ]; then
  # A new certificate is no reason to name every Swarm secret anew.
  for path in '["naming_key"]' '["app"]["token"]'; do
    old=$(SOPS_AGE_KEY_FILE=$demo/age.key "$sops" decrypt --extract "$path" "$demo/secrets.sops.yaml")
    case $path in
      *naming*) sed -i "s/^naming_key: .*/naming_key: $old/" "$work/plain.yaml" ;;
      *) sed -i "s/^  token: .*/  token: $old/" "$work/plain.yaml" ;;
    esac
  done
fi
recipient=$(age-keygen -y "$demo/age.key")
"$sops" encrypt --age "$recipient" --input-type yaml --output-type yaml "$work/plain.yaml" >"$work/sealed"
install -m 644 "$work/sealed" "$demo/secrets.sops.yaml.new"
install -m 644 "$work/tls.pem" "$demo/wildcard.pem.new"
mv "$demo/secrets.sops.yaml.new" "$demo/secrets.sops.yaml"
mv "$demo/wildcard.pem.new" "$demo/wildcard.pem"
