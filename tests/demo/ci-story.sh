#!/usr/bin/env bash
# The story: somebody from outside opens a pull request, a maintainer writes `!testme`, and the pull request is answered.
set -euo pipefail
cd "$(dirname "$0")/../.."
demo=$PWD/target/demo

# shellcheck source=/dev/null
. tests/demo/words.sh

# api USER METHOD PATH [JSON]: Gitea's API as that user.
api() {
  local user=$1 method=$2 path=$3 secret=$1_password
  [ "$user" != holdfast ] || secret=gitea_admin
  # The password goes through a file, where no list of processes shows it.
  # shellcheck disable=SC2086 # words on purpose
  curl --silent --show-error --fail-with-body --max-time 60 $CI_CURL_ARGS --request "$method" \
    --config <(printf 'user = "%s:%s"\n' "$user" "$(cat "$demo/run/secrets/$secret")") \
    --header 'Content-Type: application/json' ${4+--data "$4"} "$GITEA_URL/api/v1$path"
}
encoded() { base64 -w0; }

step "main has a pipeline; carol, who may not write, opens a pull request from a fork"
pipeline=$(encoded <hosts/demo/ci/drone.yml)
"$HOLDFAST" check hosts/demo/ci/drone.yml --bridge "$HOLDFAST_MANIFEST"
api holdfast POST /repos/team/app/contents/.drone.yml \
  "{\"content\": \"$pipeline\", \"message\": \"Test what is asked for\", \"branch\": \"main\"}" >/dev/null
api carol POST /repos/team/app/forks '{}' >/dev/null
script=$(printf 'echo "the answer of a fork is $((6 * 7))"\n' | encoded)
api carol POST /repos/carol/app/contents/check.sh \
  "{\"content\": \"$script\", \"message\": \"Add a check\", \"branch\": \"main\", \"new_branch\": \"check\"}" >/dev/null
number=$(api carol POST /repos/team/app/pulls '{"title": "Add a check", "head": "carol:check", "base": "main"}' | jq .number)
echo "$GITEA_URL/team/app/pulls/$number"

comments() { api holdfast GET "/repos/team/app/issues/$number/comments"; }

step "maria, who may write, comments: !testme"
began=$(date +%s%N)
api maria POST "/repos/team/app/issues/$number/comments" '{"body": "!testme"}' >/dev/null
answer=''
for _ in $(seq 300); do
  answer=$(comments | jq -r '[.[] | select(.user.login == "bot")] | last | .body // ""')
  if grep -qE 'passed|failed|not tested' <<<"$answer"; then break; fi
  sleep 0.2
done
took=$((($(date +%s%N) - began) / 1000000))
echo "bot, after $took ms:"
grep -v '<!--' <<<"$answer" | sed 's/^/  | /'
grep -q passed <<<"$answer" || { echo "demo: the pull request was not answered with a test that passed" >&2; exit 1; }

step "carol comments: !testme"
api carol POST "/repos/team/app/issues/$number/comments" '{"body": "!testme"}' >/dev/null
for _ in $(seq 100); do
  [ "$(comments | jq '[.[] | select(.user.login == "bot")] | length')" -lt 2 ] || break
  sleep 0.2
done
comments | jq -r '[.[] | select(.user.login == "bot")] | last | .body' | grep -v '<!--' | sed 's/^/  | /'
builds=$(
  # shellcheck disable=SC2086 # words on purpose
  curl --silent --show-error --fail --max-time 30 $CI_CURL_ARGS \
    --config <(printf 'header = "Authorization: Bearer %s"\n' "$(cat "$DRONE_TOKEN_FILE")") \
    "$DRONE_URL/api/repos/team/app/builds" | jq length
)
echo "builds in Drone: $builds"
[ "$builds" = 1 ] || { echo "demo: there must be one build" >&2; exit 1; }

echo
echo "The pull request:  $GITEA_URL/team/app/pulls/$number"
echo "Runs of the bridge: $BRIDGE_STATUS_URL"
