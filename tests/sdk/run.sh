#!/bin/sh
# run.sh - the official openai package against the binary that is given; ends with "N passed, N failed, N skipped".
set -eu
binary=$(realpath "${1:-build/cota}")
cd "$(dirname "$0")"
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error >/dev/null
    touch node_modules/.package-lock.json
fi
exec node run.mjs "$binary"
