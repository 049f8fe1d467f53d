# shellcheck shell=bash
# One throw-away PostgreSQL cluster for a test run: a Unix socket only, no fsync, gone afterwards.
# Sourced after common.sh.

postgres_home=
postgres_bin=

# Debian's server package makes a cluster and starts a service unless it is told not to, while it is installed.
install_postgres() {
    local drop_in=/etc/postgresql-common/createcluster.d/keyway-tests.conf
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        mkdir -p "${drop_in%/*}"
        say "create_main_cluster = false" >"$drop_in"
        # shellcheck disable=SC2064 # the path is meant as it is now
        trap "rm -f '$drop_in'" RETURN
    fi
    install_packages "PostgreSQL's initdb" postgresql-15
}

find_postgres() {
    local found
    found=$(find /usr/lib/postgresql/*/bin -maxdepth 0 2>/dev/null | sort -V | tail -n 1) || true
    if [ -z "$found" ] && command -v initdb >/dev/null; then found=$(dirname "$(command -v initdb)"); fi
    postgres_bin=$found
}

# The server refuses to run as root, so root runs it as the user that Debian's package made.
as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups env HOME="$postgres_home" "$@"
    else
        "$@"
    fi
}

start_postgres() {
    local log
    find_postgres
    if [ ! -x "$postgres_bin/initdb" ]; then
        install_postgres
        find_postgres
    fi
    [ -x "$postgres_bin/initdb" ] || die "PostgreSQL's initdb is missing even after its package was installed"
    # Under /tmp whatever TMPDIR says: a socket's path may have no more than 107 bytes.
    postgres_home=$(mktemp -d /tmp/keyway-postgres.XXXXXX)
    log=$postgres_home/start.log
    if [ "$(id -u)" = 0 ]; then chown postgres:postgres "$postgres_home"; fi
    if ! (cd "$postgres_home" && postgres_init && postgres_up) >"$log" 2>&1; then
        cat "$log" "$postgres_home/server.log" >&2 || true
        die "the throw-away PostgreSQL did not start"
    fi
    export KEYWAY_TEST_POSTGRES="postgres:///postgres?host=$postgres_home&user=postgres"
    say "PostgreSQL $("$postgres_bin/postgres" --version | sed 's/.* //; s/).*//') in $postgres_home"
}

postgres_init() {
    as_postgres "$postgres_bin/initdb" -D "$postgres_home/data" -U postgres -A trust -E UTF8 --locale=C --no-sync
}

postgres_up() {
    local options="-k $postgres_home -c listen_addresses='' -c fsync=off -c synchronous_commit=off"
    options+=" -c full_page_writes=off -c max_connections=300 -c timezone=UTC"
    as_postgres "$postgres_bin/pg_ctl" start -w -D "$postgres_home/data" -l "$postgres_home/server.log" -o "$options"
}

stop_postgres() {
    [ -n "$postgres_home" ] || return 0
    as_postgres "$postgres_bin/pg_ctl" stop -m immediate -D "$postgres_home/data" >/dev/null 2>&1 || true
    rm -rf "$postgres_home"
    postgres_home=
}
