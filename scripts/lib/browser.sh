# shellcheck shell=bash
# Chromium and the packages that the browser tests need. Sourced after common.sh.

# shellcheck source-path=SCRIPTDIR source=venv.sh
. "$(dirname "${BASH_SOURCE[0]}")/venv.sh"

export KEYWAY_CHROMIUM=${KEYWAY_CHROMIUM:-/usr/bin/chromium}

prepare_browser() {
    need_package "$KEYWAY_CHROMIUM" chromium fonts-dejavu-core
    need_package curl curl ca-certificates
    prepare_venv
    prepare_node_modules tests/browser
    say "Node $("$node_bin" --version), $("$KEYWAY_CHROMIUM" --version 2>/dev/null)"
}
