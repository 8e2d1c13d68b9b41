#!/bin/sh
# bootstrap.sh - installs what is missing of the named sections of tools/packages.txt, and nothing else.
#
# usage: tools/bootstrap.sh build [test] [bench]
# When nothing is missing it does one query and is done. apt-get runs as root, or through sudo.
set -eu
list=$(dirname "$0")/packages.txt
[ $# -gt 0 ] || { echo "usage: $0 section…" >&2; exit 2; }

wanted=$(awk -v sections=" $* " '!/^#/ && NF && index(sections, " " $1 " ") {print $2 "=" $3}' "$list")
packages=$(printf '%s\n' "$wanted" | cut -d= -f1)
command -v dpkg-query >/dev/null || {
    echo "This is not a Debian system: please install the packages of $list yourself." >&2
    exit 1
}
# shellcheck disable=SC2086 # one word per package is meant
installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $packages 2>/dev/null || true)

missing=
for want in $wanted; do
    package=${want%%=*}
    stand_in=${want#*=}
    case "
$installed
" in
    *"
$package installed
"*) continue ;;
    esac
    if [ -n "$stand_in" ] && command -v "$stand_in" >/dev/null; then
        continue
    fi
    missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "Installing:$missing"
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "Neither root nor sudo is at hand. As root, run: apt-get install --no-install-recommends$missing" >&2
        exit 1
    }
    as_root=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -qq update </dev/null
# shellcheck disable=SC2086 # one word per package is meant
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing </dev/null
