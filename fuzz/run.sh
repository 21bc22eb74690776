#!/usr/bin/env bash
# run.sh TARGET [SECONDS]: builds a fuzz target with coverage on the stable compiler and runs it. Inputs are the
# committed corpus, the fixtures of the tests, and what earlier runs found. docs/how-to/fuzz.md says more.
# run.sh TARGET pack: writes the committed corpus anew from what runs found.
set -euo pipefail
cd "$(dirname "$0")"
target=$1 seconds=${2:-60}
host=$(rustc -vV | sed -n 's/^host: //p')
work=${FUZZ_WORK:-${HOLDFAST_CACHE:-$HOME/.cache/holdfast}/fuzz}/$target
corpus=$PWD/corpus/$target.tar.gz
rm -rf "$work/seeds" "$work/corpus"
mkdir -p "$work/found" "$work/seeds" "$work/artifacts" "$work/corpus"
[ ! -e "$corpus" ] || tar -C "$work/corpus" -xzf "$corpus"

seed() { # FOLDER: the files of a fixture as one input
  local file parts=()
  for file in "$1"/*.yml; do parts+=("$file"); done
  [ "${#parts[@]}" -ge 2 ] || parts+=(/dev/null)
  cat "${parts[0]}"
  printf '\n%%%%\n'
  cat "${parts[1]}"
  printf '\n%%%%\nA=1\nB=two\n'
  printf '\n%%%%\n'
  cat "$1/vars" 2>/dev/null || true
}
case $target in
loader)
  for folder in ../tests/golden/compose/*/*/; do
    seed "$folder" >"$work/seeds/$(basename "$(dirname "$folder")")-$(basename "$folder")"
  done
  ;;
interpolate)
  printf '%s\n' '$A' '${A}' '${A:-x}' '${A-x}' '${A:?m}' '${A?m}' '${A:+x}' '${A:-${B:-c}}' '$$' '$A-b' |
    while read -r text; do printf 'A=a\nB=\n%%%%\n%s' "$text" >"$work/seeds/$(md5sum <<<"$text" | cut -c1-8)"; done
  ;;
payload) cp seeds/*.payload "$work/seeds/" ;;
yaml | json | dotenv | ini)
  ending=$target
  [ "$target" != dotenv ] || ending='env'
  for file in seeds/*."$ending"; do cp "$file" "$work/seeds/"; done
  ;;
metadata)
  sed -n 's/^sops_//p' seeds/two.env >"$work/seeds/two"
  printf '%s\n' 'key_groups__list_0__map_age__list_0__map_enc=x' 'key_groups__list_1__map_hc_vault__list_0__map_k=y' \
    'lastmodified=2024-01-02T03:04:05Z' 'shamir_threshold=2' 'mac_only_encrypted=true' >"$work/seeds/groups"
  ;;
shares)
  printf '\002\002ab\001cd\002' >"$work/seeds/two"
  printf '\012\041%s' 'a secret of two and thirty bytes..' >"$work/seeds/split"
  ;;
token)
  grep -hoE 'ENC\[[^]]*\]' seeds/all.yaml | sort | head -n 20 |
    while read -r text; do printf '%s' "$text" >"$work/seeds/$(md5sum <<<"$text" | cut -c1-8)"; done
  printf '\001a:b:\000-42' >"$work/seeds/int"
  printf '\002\0001e300' >"$work/seeds/float"
  printf '\004a:\0002024-01-02T03:04:05.5+01:00' >"$work/seeds/time"
  ;;
esac

# What cargo-fuzz passes, `--cfg fuzzing` too, without the address sanitizer, which needs a nightly compiler.
RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
  cargo build --release --target "$host" --bin "$target"
program=${CARGO_TARGET_DIR:-target}/$host/release/$target
if [ "$seconds" = pack ]; then
  rm -rf "$work/packed"
  mkdir "$work/packed"
  # The others show all they can in short inputs; a delivery has to be whole.
  most=192
  [ "$target" != payload ] || most=1024
  "$program" -merge=1 -max_len=$most "$work/packed" "$work/seeds" "$work/corpus" "$work/found"
  mkdir -p corpus
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/packed" -c . | gzip -9n >"$corpus"
  ls -l "$corpus"
  exit
fi
# An input may take 10 s and 1 GiB; the loader's own limits lie far below.
dict=compose.dict
case $target in
loader | interpolate) ;;
payload) dict=payload.dict ;;
*) dict=sops.dict ;;
esac
exec "$program" "$work/found" "$work/corpus" "$work/seeds" \
  -artifact_prefix="$work/artifacts/" -dict=$dict -max_total_time="$seconds" \
  -timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1
