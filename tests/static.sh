#!/usr/bin/env bash
# Builds holdfast as one static program and prints its path. It runs on the host and, alone in an image, as Traefik's
# engine proxy. HOLDFAST_PROFILE=dev builds quicker.
set -euo pipefail
cd "$(dirname "$0")/.."
profile=${HOLDFAST_PROFILE:-release}
triple=$(rustc -vV | sed -n 's/^host: //p')
# The allocator does not give its memory back just before the system takes all of it.
export CFLAGS="${CFLAGS:-} -DMI_SKIP_COLLECT_ON_EXIT"
RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static" cargo build -q --profile "$profile" --target "$triple" >&2
echo "$PWD/target/$triple/${profile/#dev/debug}/holdfast"
