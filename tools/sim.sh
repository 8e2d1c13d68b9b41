#!/bin/sh
# sim.sh - builds the seeded simulator of tests/sim with optimisation, and runs it: tools/sim.sh RUNS SEED [option…]
set -eu
cd "$(dirname "$0")/.."
runs=$1
seed=$2
shift 2
mkdir -p build
if [ ! -f build/sim/build.ninja ]; then
    meson setup build/sim -Doptimization=2 >build/setup-sim.log 2>&1 || {
        cat build/setup-sim.log >&2
        exit 1
    }
fi
ninja -C build/sim --quiet tests/sim/sim
exec build/sim/tests/sim/sim --runs "$runs" --seed "$seed" --jobs "$(nproc)" "$@"
