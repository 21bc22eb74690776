#!/usr/bin/env bash
# A whole machine, for what a container cannot show: a kernel of its own, whose memory goes when it is killed. It boots a
# Debian kernel in an emulated processor, with one disk and a root in memory; its console is stdout.
#
#   guest.sh disk FILE              makes an empty disk with an ext4 on it
#   guest.sh boot DISK ROOT         boots it; ROOT is a folder that becomes the root, its /init the first process, with
#                                   busybox and what the programs of ROOT need added; the disk is at /dev/nvme0n1
set -euo pipefail

cache=${HOLDFAST_CACHE:-$HOME/.cache/holdfast}

die() { echo "guest.sh: $*" >&2; exit 1; }

# ROOT PROGRAM: what it is linked with, at the same paths.
with_libraries() {
  local library
  { ldd "$2" 2>/dev/null | grep -oE '/[^ ]+' || true; } | while IFS= read -r library; do
    mkdir -p "$1/$(dirname "$library")"
    cp -L "$library" "$1/$library"
  done
}

boot() {
  local disk=$1 root=$2 program
  command -v qemu-system-x86_64 >/dev/null || die "\`qemu-system-x86_64\` is not installed; run \`make setup\`"
  [ -e "$cache/kernel/vmlinuz" ] || die "there is no kernel at $cache/kernel; run \`make setup\`"
  mkdir -p "$root"/{bin,dev,proc,sys,run,tmp}
  for program in "$root"/bin/*; do [ ! -x "$program" ] || with_libraries "$root" "$program"; done
  cp "$(command -v busybox)" "$root/bin/busybox"
  (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$disk.root"
  # What the guest asks to be flushed is on the disk of this machine; what it did not is lost with it.
  exec qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 512 -smp 1 -nodefaults -no-reboot -display none -serial stdio \
    -kernel "$cache/kernel/vmlinuz" -initrd "$disk.root" -append "console=ttyS0 quiet panic=-1 rdinit=/init" \
    -drive "file=$disk,format=raw,if=none,id=disk,cache=writeback" -device nvme,drive=disk,serial=disk
}

case ${1:-} in
disk) truncate -s 64M "$2"; mkfs.ext4 -q -F "$2" ;;
boot) boot "$2" "$3" ;;
*) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 64 ;;
esac
