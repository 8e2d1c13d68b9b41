#!/bin/sh
# run.sh - inputs made from openapi.yaml, valid and not, by everybody who may call (each role of roles.def with a session, machine tokens,
# keys, nobody …), against the binary that is given (--binary FILE, --runs N, --seed N, --only OPERATION or KIND): every answer as documented,
# no 5xx, 403 and 401 exactly where the table says. Prints what was covered, per operation and caller; ends with "N passed, N failed, N skipped". A failure says a curl line: --serve starts the same daemon for it.
set -eu
caller=$PWD
cd "$(dirname "$0")"
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error >/dev/null
    touch node_modules/.package-lock.json
fi
exec node main.mjs --from "$caller" "$@"
