#!/usr/bin/env bash
# Brings a bare Debian 12 or Ubuntu 24.04 to where `bearerlab` runs: apt packages, a virtual environment from the
# lock file, the native link engine. Safe to repeat; the second time it only checks.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() {
    local missing=() package
    while read -r package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
    done < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' setup/apt.txt)
    [ ${#missing[@]} = 0 ] && return
    command -v apt-get >/dev/null || { say "this host has no apt-get; install by hand: ${missing[*]}"; exit 3; }
    say "installing ${missing[*]}"
    as_root apt-get update -qq
    # No service has to start: the lab runs an Open vSwitch of its own for each CPE.
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

find_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "no Python 3.11, 3.12 or 3.13 with the venv module found; set PYTHON=/path/to/python3" >&2
    exit 3
}

make_venv() {
    local wanted stamp=.venv/.lock-installed
    wanted=$(cat requirements.lock pyproject.toml setup/setup.sh | sha256sum)
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return
    local python
    python=$(find_python)
    say "virtual environment with $("$python" --version)"
    "$python" -m venv --clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
    link_mininet
    echo "$wanted" > "$stamp"
}

# Mininet comes from apt (PyPI's is older and lacks mnexec); the environment sees that package and no other of the system's.
link_mininet() {
    local site
    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    ln -sfn /usr/lib/python3/dist-packages/mininet "$site/mininet"
}

build_native() {
    make --no-print-directory --quiet native
}

install_packages
make_venv
build_native
