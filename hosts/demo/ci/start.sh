#!/bin/sh
# Gitea cannot be given its first user in its configuration, and keeps secrets of its own that nobody else needs.
set -eu
mkdir -p /data/sec /data/home
for pair in internal_token=INTERNAL_TOKEN secret_key=SECRET_KEY jwt_secret=JWT_SECRET; do
  file=/data/sec/${pair%%=*}
  [ -s "$file" ] || (umask 077 && gitea generate secret "${pair#*=}" >"$file")
done
gitea -c /etc/gitea/app.ini migrate
if [ ! -e /data/sec/has-admin ]; then
  gitea -c /etc/gitea/app.ini admin user create --admin --username holdfast --email holdfast@demo.example.org \
    --password "$(cat /run/secrets/gitea_admin)" --must-change-password=false
  : >/data/sec/has-admin
fi
exec gitea web -c /etc/gitea/app.ini
