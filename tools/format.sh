#!/bin/sh
# format.sh - clang-format over every C file; "--check": only name those that would change, exit 1 if there are any.
set -eu
cd "$(dirname "$0")/.."
files() { find src tests bench -name '*.[ch]' -print0; }
if [ "${1:-}" != --check ]; then
    files | xargs -0 -r clang-format-14 -i
    exit 0
fi
wrong=$(files | xargs -0 -r clang-format-14 --dry-run 2>&1 | sed -n 's/^\([^ :]*\):[0-9]*:[0-9]*: warning:.*/\1/p' | sort | uniq -c)
[ -n "$wrong" ] || exit 0
printf 'These files are not formatted (places, file); "make format" mends them:\n%s\n' "$wrong"
exit 1
