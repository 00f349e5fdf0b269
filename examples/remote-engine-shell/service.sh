#!/usr/bin/env bash
# A remote engine in shell: the SHA-256 of a text. Needs bash, openssl, jq, curl and coreutils.
#
# It speaks HTTP on its standard input and output, one request a process, as inetd, systemd's sockets or socat start it:
#
#   socat TCP-LISTEN:8081,bind=127.0.0.1,reuseaddr,fork EXEC:./service.sh
#
# POST /sha256        answers with the output at once (200)
# POST /sha256-later  takes the execution on (202), and completes it by a call of its own
#
#   SIGNING_SECRET   the connection's secret, whsec_...
#   TL_URL           where the API is (default http://127.0.0.1:3000)
set -euo pipefail
export LC_ALL=C
: "${SIGNING_SECRET:?is the secret of the connection, whsec_...}"
url=${TL_URL:-http://127.0.0.1:3000}
body=$(mktemp)
trap 'rm -f "$body"' EXIT

answer() { # status, JSON
  local kind=application/json
  [ "${1%% *}" -lt 400 ] || kind=application/problem+json
  printf 'HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
    "$1" "$kind" "${#2}" "$2"
}

# Standard Webhooks: HMAC-SHA-256 of id, time and body; the time is at most five minutes off.
is_signed() {
  [[ ${header[webhook-timestamp]:-} =~ ^[0-9]{1,12}$ ]] || return 1
  local age=$(($(date +%s) - header[webhook-timestamp]))
  ((age < 300 && age > -300)) || return 1
  local key wanted given
  key=$(printf %s "${SIGNING_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
  wanted=$({
    printf '%s.%s.' "${header[webhook-id]:-}" "${header[webhook-timestamp]}"
    cat "$body"
  } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64 -w0)
  for given in ${header[webhook-signature]:-}; do
    [ "$given" = "v1,$wanted" ] && return 0
  done
  return 1
}

output() {
  local sum
  sum=$(jq -j .input.text "$1" | sha256sum)
  jq -nc --arg sum "${sum%% *}" '{sha256: $sum}'
}

# The token is good for this execution alone. A 409 says that it has ended otherwise, and is no reason to try again.
complete() { # file with the request
  output "$1" | jq -c '{output: .}' | curl -sS --retry 5 --retry-connrefused --max-time 30 -o /dev/null \
    -H 'Content-Type: application/json' -H "Authorization: Bearer $(jq -r .complete.token "$1")" \
    --data-binary @- "$url$(jq -r .complete.path "$1")"
  rm -f "$1"
}

IFS=' ' read -r method path _ || exit 0
declare -A header=()
while IFS= read -r line && line=${line%$'\r'} && [ -n "$line" ]; do
  name=${line%%:*}
  value=${line#*:}
  header[${name,,}]=${value# }
done
length=${header[content-length]:-0}
if ! [[ $length =~ ^[0-9]{1,7}$ ]]; then
  answer '413 Content Too Large' '{"detail":"the request is too large"}'
  exit 0
fi
head -c "$length" >"$body"

if ! is_signed; then
  answer '401 Unauthorized' '{"detail":"the signature does not fit"}'
elif [ "$method $path" = 'POST /sha256' ]; then
  answer '200 OK' "$(output "$body")"
elif [ "$method $path" = 'POST /sha256-later' ]; then
  later=$(mktemp)
  cp "$body" "$later"
  # In the background, with nothing of the connection: the answer must not wait for it.
  complete "$later" </dev/null >/dev/null 2>&1 &
  answer '202 Accepted' '{}'
else
  answer '404 Not Found' '{"detail":"there is nothing at this path"}'
fi
