#!/bin/sh
# run.sh - inputs made from openapi.yaml, valid and not, against the binary that is given (--binary FILE, --runs N, --seed N,
# --only OPERATION or KIND); ends with "N passed, N failed, N skipped". A failure says a curl line: --serve starts the same daemon for it.
set -eu
caller=$PWD
cd "$(dirname "$0")"
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error >/dev/null
    touch node_modules/.package-lock.json
fi
exec node main.mjs --from "$caller" "$@"
