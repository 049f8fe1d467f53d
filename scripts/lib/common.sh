# shellcheck shell=bash
# What every script here shares: where the repository is, headings with times, totals, and installing on Debian.
# Sourced, never run. The caller has set -euo pipefail already.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export root
cd "$root" || exit 1
# A caller may have closed standard input; a tool that opens a file would then get descriptor 0.
exec </dev/null

say() { printf '%s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# begin NAME … finish : a heading, and how long what lies between took. (Not a wrapper: a function called as
# part of a condition runs without errexit.)
part_name=
part_began=0
begin() {
    part_name=$1
    part_began=$SECONDS
    printf '\n=== %s\n' "$part_name"
}
finish() { printf -- '--- %s: %d s\n' "$part_name" "$((SECONDS - part_began))"; }

# totals PASSED FAILED : the closing line, alone on its line.
totals() { printf '\n%d passed, %d failed\n' "$1" "$2"; }

need_command() { command -v "$1" >/dev/null || die "$1 is missing; $2"; }

# need_package COMMAND-OR-PATH PACKAGE… : installs the Debian packages unless the command or file is there.
need_package() {
    local wanted=$1
    shift
    if command -v "$wanted" >/dev/null || [ -e "$wanted" ]; then return; fi
    install_packages "$wanted" "$@"
}

apt_updated=no
install_packages() {
    local wanted=$1
    shift
    command -v apt-get >/dev/null || die "$wanted is missing and this is not Debian; install what provides it (on Debian: $*)"
    [ "$(id -u)" = 0 ] || die "$wanted is missing; as root: apt-get install --no-install-recommends $*"
    say "installing Debian packages: $*"
    if [ "$apt_updated" = no ]; then apt_get update; fi
    apt_updated=yes
    apt_get install --yes --no-install-recommends "$@"
}

# apt-get is quiet unless it fails: then everything it said is shown.
apt_get() {
    local log
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get -qq "$@" >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        die "apt-get $1 failed"
    fi
    rm -f "$log"
}

# free_port : a TCP port on 127.0.0.1 that nothing listens on.
free_port() {
    local port
    for _ in {1..50}; do
        port=$((20000 + RANDOM % 12000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            say "$port"
            return
        fi
    done
    die "no free port found on 127.0.0.1"
}
