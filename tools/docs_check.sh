#!/bin/sh
# docs_check.sh - docs/reference must be what the tables of the source say. "--write" brings it up to date.
set -eu
cd "$(dirname "$0")/.."
if [ "${1:-}" != --write ]; then
    tools/api.py --check
fi
# whichever build is the newest
binary=$(ls -t build/cota build/release/src/cota build/asan/src/cota 2>/dev/null | head -n 1 || true)
if [ -z "$binary" ]; then
    echo "no binary was built yet"
    exit 77
fi
if [ "${1:-}" = --write ]; then
    mkdir -p docs/reference
    "$binary" docs docs/reference
    exec tools/api.py --docs docs/reference/api.md
fi
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$binary" docs "$fresh"
tools/api.py --docs "$fresh/api.md" # that page follows from openapi.yaml
if ! diff -ru docs/reference "$fresh"; then
    echo "docs/reference is not what the tables say; run: tools/docs_check.sh --write"
    exit 1
fi
