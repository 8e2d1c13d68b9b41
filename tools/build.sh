#!/bin/sh
# build.sh - the release build: build/release, and its binary at build/cota. "bench": the bench programs too.
set -eu
cd "$(dirname "$0")/.."
if [ ! -f build/release/build.ninja ]; then
    mkdir -p build
    meson setup build/release -Doptimization=2 -Db_lto=true -Dtests=false >build/setup.log 2>&1 || {
        cat build/setup.log >&2
        exit 1
    }
fi
targets=src/cota
[ "${1:-}" != bench ] || targets="$targets bench_programs"
# A quiet terminal when all is well: ninja's own line is enough.
# shellcheck disable=SC2086 # one word per target is meant
ninja -C build/release --quiet $targets
if ! cmp -s build/release/src/cota build/cota; then
    # A rename, so that a daemon that runs from the old file is left alone.
    cp build/release/src/cota build/cota.new
    mv -f build/cota.new build/cota
fi
