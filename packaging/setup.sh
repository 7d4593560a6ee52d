#!/usr/bin/env bash
# Brings a clean Debian/Ubuntu to the point where `.venv/bin/kannuki` runs. Called by `make setup`.
#
#   packaging/setup.sh run     what `make demo` needs
#   packaging/setup.sh test    the same, and what only tests need (a browser, Japanese letters, and
#                              the npm packages of tests/browser)
#
# Decides: which system parts are missing, and whether the environment is stale (a stamp holds the
# digest of the lock file, of pyproject.toml and of the interpreter; another that of the npm lock).
# Does not: start or stop any service, change anything outside this folder but the system parts it
# installs, choose a package index (the configuration and environment of pip and npm apply).
# Exit codes: 0 ready, 1 pip or npm failed, 2 wrong argument, 3 a system part is missing and could
# not be installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

WHEN="${1:-run}"
VENV="${KANNUKI_VENV:-.venv}"
LOCK=requirements/lock.txt
STAMP="$VENV/.kannuki-setup"
NODE_DIR=tests/browser/node
NODE_STAMP="$NODE_DIR/node_modules/.kannuki-setup"

say() { printf 'setup: %s\n' "$*" >&2; }

missing() { # message, the one line to type
    printf 'setup: %s\n  -> %s\n' "$1" "$2" >&2
    exit 3
}

as_root() { # the prefix that makes us root, or nothing and status 1
    if [ "$(id -u)" = 0 ]; then echo env
    elif sudo -n true 2>/dev/null; then echo "sudo -n"
    else return 1; fi
}

find_python() {
    local name
    for name in ${KANNUKI_PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    missing "Python 3.11 or newer is needed; found $(python3 --version 2>&1 || true)" \
        "sudo apt-get install -y python3 python3-venv   (Debian 12, Ubuntu 24.04 or newer)"
}

has_program() { PATH="${KANNUKI_PROGRAM_PATH:-$PATH:/usr/sbin:/sbin}" command -v "$1" >/dev/null; }

has_part() { # package, program
    if [ "$2" != - ]; then has_program "$2"; else dpkg -s "$1" >/dev/null 2>&1; fi
}

missing_parts() {
    local package program when _what
    while read -r package program when _what; do
        case "$package" in '' | '#'*) continue ;; esac
        [ "$when" = run ] || [ "$WHEN" = test ] || continue
        has_part "$package" "$program" || echo "$package"
    done <packaging/apt.txt
}

# A package that brings a service (mosquitto) would start it; ours is a child process. Debian's way
# to say so is a policy-rc.d that forbids it (invoke-rc.d(8)): ours is there only while apt runs.
forbid_services() {
    local root="$1" policy=/usr/sbin/policy-rc.d
    [ ! -e "$policy" ] || return 0
    # shellcheck disable=SC2064 # the values of now
    trap "$root rm -f $policy" EXIT
    printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null
    $root chmod 755 "$policy"
}

apt_install() ( # root prefix, packages; a subshell, so that the trap ends with it
    root="$1"
    shift
    forbid_services "$root"
    apt_get "$root" "$@" || { $root apt-get update -q >&2 && apt_get "$root" "$@"; }
)

apt_get() {
    local root="$1"
    shift
    $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -q --no-install-recommends "$@" >&2
}

install_parts() {
    local parts line root
    parts="$(missing_parts | tr '\n' ' ')"
    parts="${parts% }"
    [ -n "$parts" ] || return 0
    line="sudo apt-get update && sudo apt-get install -y $parts"
    command -v apt-get >/dev/null ||
        missing "missing system parts: $parts (and this is not Debian or Ubuntu)" \
            "install them with this system's package manager, then: make setup"
    root="$(as_root)" || missing "missing system parts: $parts" "$line"
    say "installing $parts"
    # shellcheck disable=SC2086 # a list of package names
    apt_install "$root" $parts || missing "apt-get could not install: $parts" "$line"
}

digest() {
    { "$PYTHON" -c 'import sys; print(sys.version, sys.prefix)'; cat "$LOCK" pyproject.toml; pwd; } |
        sha256sum | cut -d' ' -f1
}

make_venv() {
    "$PYTHON" -c 'import venv, ensurepip' 2>/dev/null ||
        missing "this Python has no venv" "sudo apt-get install -y python3-venv"
    rm -f "$STAMP"
    say "making $VENV with $("$PYTHON" --version)"
    "$PYTHON" -m venv --clear "$VENV" || missing "could not make $VENV" \
        "sudo apt-get install -y python3-venv"
}

install_packages() {
    local pip=("$VENV/bin/python" -m pip install --quiet --disable-pip-version-check)
    say "installing the packages of $LOCK (about a minute the first time)"
    "${pip[@]}" --require-hashes -r "$LOCK"
    "${pip[@]}" --no-deps --no-build-isolation -e .
}

node_digest() { cat "$NODE_DIR/package.json" "$NODE_DIR/package-lock.json" | sha256sum | cut -d' ' -f1; }

# The lock has a hash for every package and no address: npm takes them from its own registry. No
# package runs anything while it is installed. The machine's own npm comes first, for it knows the
# machine's settings (registry, proxy, certificates); the one of the environment is always there.
install_node_packages() {
    local npm
    npm="$(cd "$VENV/bin" && pwd)/npm"
    npm --version >/dev/null 2>&1 && npm=npm
    say "installing the npm packages of $NODE_DIR"
    # Not --prefix: npm would look for the machine's settings there.
    (cd "$NODE_DIR" && "$npm" ci --ignore-scripts --omit-lockfile-registry-resolved \
        --no-audit --no-fund --loglevel=error >&2) || {
        say "npm could not install what $NODE_DIR/package-lock.json lists"
        exit 1
    }
}

case "$WHEN" in run | test) ;; *) say "usage: packaging/setup.sh run|test"; exit 2 ;; esac
command -v git >/dev/null || missing "git is missing" "sudo apt-get install -y git"
PYTHON="$(find_python)"
install_parts
WANTED="$(digest)"
if [ ! -x "$VENV/bin/kannuki" ] || [ "$(cat "$STAMP" 2>/dev/null || true)" != "$WANTED" ]; then
    # A new lock over the old environment; a new interpreter or a moved folder starts afresh.
    [ -x "$VENV/bin/python" ] && [ -e "$STAMP.python" ] &&
        [ "$(cat "$STAMP.python")" = "$PYTHON $PWD" ] || make_venv
    printf '%s' "$PYTHON $PWD" >"$STAMP.python"
    install_packages
    printf '%s' "$WANTED" >"$STAMP"
    say "ready: $VENV/bin/kannuki --help"
fi
if [ "$WHEN" = test ]; then
    WANTED="$(node_digest)"
    if [ "$(cat "$NODE_STAMP" 2>/dev/null || true)" != "$WANTED" ]; then
        install_node_packages
        printf '%s' "$WANTED" >"$NODE_STAMP"
    fi
fi
