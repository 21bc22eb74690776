#!/usr/bin/env bash
# secrets.sh HOLDFAST WORK: prints the section of secrets of the page that run.sh writes. Nothing of an engine is needed.
# With SOPS_INSTALL_SECRETS, a sops-install-secrets that was built from source, that one is measured with the same input.
set -euo pipefail
holdfast=$1 work=$2/secrets
here=$(cd "$(dirname "$0")" && pwd)
sops=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}/sops-3.13.2/sops
rounds=11
# In memory, as the folder that a host has by default is.
run=/run/holdfast-bench-secrets
unmount() {
  awk '{print $5}' /proc/self/mountinfo | grep "^$run/" | tac | while read -r mount; do umount "$mount"; done || true
  rm -rf "$run"
}
trap unmount EXIT
unmount
rm -rf "$work"
mkdir -p "$work"
age-keygen -o "$work/age.txt" 2>/dev/null
export SOPS_AGE_KEY_FILE=$work/age.txt
recipient=$(sed -n 's/^# public key: //p' "$work/age.txt")

# input NAME FILES SECRETS: so many files of so many secrets each, and a manifest
input() {
  local folder=$work/$1 file secret secrets="" theirs="" comma=""
  mkdir -p "$folder"
  for ((file = 0; file < $2; file++)); do
    for ((secret = 0; secret < $3; secret++)); do
      echo "key_${file}_$secret: $(printf '%064d' "$secret")value"
      secrets+="$comma\"key_${file}_$secret\": { \"file\": \"f$file.yaml\" }"
      theirs+="$comma{ \"name\": \"key_${file}_$secret\", \"key\": \"key_${file}_$secret\", \"path\": \"$run/other/key_${file}_$secret\",
        \"owner\": \"root\", \"group\": \"root\", \"sopsFile\": \"$folder/f$file.yaml\", \"format\": \"yaml\", \"mode\": \"0400\" }"
      comma=', '
    done >"$folder/f$file.yaml"
    "$sops" encrypt -i --age "$recipient" "$folder/f$file.yaml"
  done
  cat >"$folder/manifest.json" <<JSON
{
  "version": 1,
  "host": { "name": "bench" },
  "paths": { "run": "$run", "state": "$folder/state" },
  "identities": { "age_key_files": ["$work/age.txt"], "ssh_key_files": [] },
  "secrets": { $secrets }
}
JSON
  # As a host has it: compiled when its configuration was built.
  "$holdfast" compile "$folder/manifest.json" -o "$folder/compiled" >"$work/said"
  # What sops-install-secrets reads.
  echo "{ \"secrets\": [$theirs], \"secretsMountPoint\": \"$run/other.d\", \"symlinkPath\": \"$run/other\",
    \"keepGenerations\": 1, \"ageKeyFile\": \"$work/age.txt\" }" >"$folder/theirs.json"
}

ms() { awk -v us="$1" 'BEGIN {printf "%.1f", us / 1000}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.1f", a / b}'; }

# work FOLDER WHAT
work() {
  local file
  case $2 in
    install | again) "$holdfast" secrets install "$1/compiled" >"$work/said" 2>&1 ;;
    decrypt) for file in "$1"/f*.yaml; do "$holdfast" secrets decrypt "$file" >"$run/out" 2>"$work/said"; done ;;
    sops) for file in "$1"/f*.yaml; do "$sops" decrypt "$file" >"$run/out" 2>"$work/said"; done ;;
    other) "$SOPS_INSTALL_SECRETS" "$1/theirs.json" >"$work/said" 2>&1 ;;
  esac
}

# cold NAME WHAT: one run from nothing, but for `again`; what it installed is gone before
cold() {
  local folder=$work/$1 started ended TIMEFORMAT='%3U %3S'
  if [ "$2" != again ]; then
    unmount
    rm -rf "$folder/state"
    mkdir -p "$run"
  fi
  # The shell's own clock: a program that is asked for the time takes a millisecond by itself.
  started=${EPOCHREALTIME/[.,]/}
  { time work "$folder" "$2"; } 2>"$work/cpu"
  ended=${EPOCHREALTIME/[.,]/}
  echo "$2 $((ended - started)) $(awk 'END {print int(($1 + $2) * 1e6)}' "$work/cpu")" >>"$work/times"
}

# memory COMMAND...: KB at most
memory() { /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1; }

whats="install again decrypt sops"
[ -z "${SOPS_INSTALL_SECRETS:-}" ] || whats+=" other"
# section NAME TITLE
section() {
  local what round folder=$work/$1 rows="" words
  : >"$work/times"
  for ((round = 0; round < rounds; round++)); do
    for what in $whats; do
      # It may take minutes.
      if [ "$what" = other ] && ((round > 2)); then continue; fi
      cold "$1" "$what"
    done
  done
  # sorted WHAT [FIELD]: of the wall clock, or of what all processes took of the cores
  sorted() { awk -v what="$1" -v field="${2:-2}" '$1 == what {print $field}' "$work/times" | sort -n; }
  median() { sorted "$@" | sed -n "$((($(sorted "$1" | wc -l) + 1) / 2))p"; }
  for what in $whats; do
    unmount
    mkdir -p "$run"
    case $what in
      install) words="\`holdfast secrets install\`, files on tmpfs included" kb=$(memory "$holdfast" secrets install "$folder/compiled") ;;
      again) words="the same once more: nothing to do" kb=$(memory "$holdfast" secrets install "$folder/compiled") ;;
      decrypt) words="\`holdfast secrets decrypt\` of each file, one after the other" kb=$(memory "$holdfast" secrets decrypt "$folder/f0.yaml") ;;
      sops) words="\`sops decrypt\` of each file, one after the other" kb=$(memory "$sops" decrypt "$folder/f0.yaml") ;;
      other) words="\`sops-install-secrets\`" kb=$(memory "$SOPS_INSTALL_SECRETS" "$folder/theirs.json") ;;
    esac
    rows+="| $words | $(ms "$(median "$what")") ms | $(ms "$(sorted "$what" | sed -n 1p)") ms | $(ms "$(median "$what" 3)") ms | $(ms "$kb") MB |"$'\n'
  done
  cat <<MD

### $2

| what | median | least | time of the cores, median | resident memory |
|---|---|---|---|---|
$rows
- sops / holdfast, all installed (sops installs nothing): **$(ratio "$(median sops)" "$(median install)")** (wanted: 10 or more)
- sops / holdfast, all installed, time of the cores: **$(ratio "$(median sops 3)" "$(median install 3)")**
- sops / holdfast, decrypted: **$(ratio "$(median sops)" "$(median decrypt)")**
MD
}

input ten 10 10
input one 1 1000
cat <<MD

## Secrets

From nothing installed, in turn, $rounds rounds, wall clock of all processes. The manifest is compiled, as it is on a host.
One age identity; sops 3.13.2.
MD
section ten "100 secrets in 10 files"
section one "1000 secrets in one file"
cat "$here/peers.md"
