#!/usr/bin/env bash
# ci-images.sh FOLDER CACHE: root file systems of a Gitea with its git, and of a Drone, as FOLDER/{gitea,drone}.tar.
set -euo pipefail
folder=$1 cache=$2

work=$(mktemp -d "$folder/ci.XXXXXX")
trap 'rm -rf "$work"' EXIT
gitea=$work/gitea drone=$work/drone
mkdir -p "$gitea"/usr/local/{bin,share} "$gitea/usr/bin" "$gitea/bin" "$drone/usr/local/bin"

# The libraries that a program of this machine loads, where it looks for them.
libraries() {
  { ldd "$1" 2>/dev/null || true; } | grep -oE '/[^ ]+' | while read -r file; do
    [ -e "$gitea$file" ] || install -D "$file" "$gitea$file"
  done
}

cp "$cache/gitea-1.26.4/gitea" "$gitea/usr/local/bin/"
cp -r "$cache/gitea-1.26.4/static" "$gitea/usr/local/share/gitea"
libraries "$cache/gitea-1.26.4/gitea"
# Hooks of repositories are scripts of bash; git's own pipes go through /bin/sh.
for program in git bash env cat mkdir; do
  cp "$(command -v "$program")" "$gitea/usr/bin/"
  libraries "$(command -v "$program")"
done
# A clone on the same disk calls `git-upload-pack` through that shell.
for folder_of_git in "$(git --exec-path)" /usr/share/git-core; do
  mkdir -p "$gitea$(dirname "$folder_of_git")"
  cp -a "$folder_of_git" "$gitea$folder_of_git"
done
cp "$(readlink -f /bin/sh)" "$gitea/bin/sh"
libraries /bin/sh
cp "$cache/drone-1.10.1/drone-server" "$drone/usr/local/bin/"

# Files of root, and a folder for data that belongs to the one user.
pack() {
  mkdir -p "$work/$1/etc" "$work/$1/tmp" "$work/data/data"
  chmod 1777 "$work/$1/tmp"
  printf 'root:x:0:0::/:/bin/false\ngit:x:1000:1000::/data/home:/bin/sh\n' >"$work/$1/etc/passwd"
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$work/$1" -cf "$folder/$1.tar" .
  tar --mtime=@0 --owner=1000 --group=1000 --numeric-owner -C "$work/data" -rf "$folder/$1.tar" ./data
}
pack gitea
pack drone
