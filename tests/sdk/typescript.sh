#!/bin/sh
# typescript.sh - sdk/typescript: types from openapi.yaml, the compiler, the README's examples, and the client against the binary that is
# given; ends with "N passed, N failed, N skipped".
set -eu
binary=$(realpath "${1:-build/cota}")
here=$(realpath "$(dirname "$0")")
cd "$here/../../sdk/typescript"
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
    npm ci --no-audit --no-fund --loglevel=error >/dev/null
    touch node_modules/.package-lock.json
fi
rm -rf dist
npm run --silent build
sed -n '/^```ts$/,/^```$/{/^```/!p}' README.md >test/readme.ts
npm run --silent check
exec node "$here/run.mjs" "$binary" "$PWD/test/cota.test.mjs"
