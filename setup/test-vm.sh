#!/usr/bin/env bash
# Runs the tests that this machine's kernel cannot, in a guest whose kernel can: the distribution's kernel in QEMU, by
# software emulation, on this checkout. Exits as the tests in the guest do, or with 3 if there can be no guest here.
# The guest sees this machine's files and changes none; kernel and launcher stay in build/vm for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

DIR=build/vm
LAUNCHER=virtme-ng==1.42
LIMIT_S=900
CAPABILITIES='"netem", "tbf", "ifb", "ovs-kernel", "vrf", "srv6-end-dt4"'

say() { printf 'test-vm: %s\n' "$*"; }
cannot() { say "cannot run here: $*" >&2; exit 3; }

install_packages() {
    local packages=(qemu-system-x86 busybox-static kmod udev file)
    dpkg-query -W -f '${Status}\n' "${packages[@]}" 2>/dev/null | grep -c '^install ok installed$' |
        grep -qx "${#packages[@]}" && return
    say "installing ${packages[*]}"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null ||
        cannot "apt-get does not install ${packages[*]}"
}

kernel_package() { { apt-cache depends linux-image-amd64 2>/dev/null || true; } | awk '/Depends: linux-image-/ { print $2 }'; }

# Unpacked, not installed: this machine goes on booting what it boots.
unpack_kernel() {
    compgen -G "$DIR/kernel/boot/vmlinuz-*" >/dev/null && return
    local package
    package=$(kernel_package)
    [ -n "$package" ] || { apt-get update -qq && package=$(kernel_package); }
    [ -n "$package" ] || cannot "apt knows no linux-image-amd64"
    say "unpacking $package"
    rm -rf "$DIR/download" && mkdir -p "$DIR/download"
    (cd "$DIR/download" && apt-get download -qq "$package" 2>/dev/null) || cannot "apt-get does not download $package"
    dpkg-deb -x "$DIR"/download/*.deb "$DIR/unpacked"
    depmod -b "$DIR/unpacked" "$(ls "$DIR/unpacked/lib/modules")"
    rm -r "$DIR/download" && mv "$DIR/unpacked" "$DIR/kernel"
}

install_launcher() {
    [ -f "$DIR/$LAUNCHER" ] && return
    say "installing $LAUNCHER"
    .venv/bin/python -m venv --clear "$DIR/venv"
    "$DIR/venv/bin/pip" install --quiet --disable-pip-version-check "$LAUNCHER" || cannot "pip does not install $LAUNCHER"
    # Nobody changes a file under the guest: with its own cache Python starts in 6 s there, without in 30.
    sed -i 's/access=any,msize=524288/&,cache=loose/' "$DIR"/venv/lib/python3*/site-packages/virtme/{mkinitramfs,commands/run}.py
    touch "$DIR/$LAUNCHER"
}

run_guest() {
    local status=0
    say "booting $(basename "$DIR"/kernel/boot/vmlinuz-*)"
    # Through a pipe, for the launcher opens a file anew and writes over its beginning.
    PATH=$PWD/$DIR/venv/bin:$PATH timeout "$LIMIT_S" vng -r "$DIR"/kernel/boot/vmlinuz-* --user root --cpus 2 --memory 3G \
        --force-9p --disable-kvm -- "$PWD/setup/test-vm.sh --in-guest $*" </dev/null 2>&1 | cat || status=$?
    [ "$status" != 124 ] || say "the guest did not end within $LIMIT_S s" >&2
    say "the guest ended with $status after $SECONDS s"
    exit "$status"
}

in_guest() {
    local tests=("$@")
    [ $# != 0 ] || tests=(
        tests/netns/test_links_netem.py tests/netns/test_links_conformance.py
        tests/netns/test_controllers_ovs.py tests/netns/test_doctor_vrf.py
    )
    echo "test-vm: Linux $(uname -r)"
    modprobe -a sch_netem sch_tbf sch_codel ifb openvswitch vrf tun
    export PYTHONDONTWRITEBYTECODE=1
    .venv/bin/python -c "from testbed import doctor; doctor.require([$CAPABILITIES])"
    # What needs none of these modules runs on any machine; and no emulated processor sends 100 Mbit/s of packets.
    .venv/bin/pytest -p no:cacheprovider --basetemp=/run/pytest --tb=short --durations=5 \
        -k "not wire and not netdev and not 100000000" "${tests[@]}"
}

if [ "${1:-}" = --in-guest ]; then
    shift
    in_guest "$@"
    exit
fi
[ "$(uname -m)" = x86_64 ] || cannot "the guest is x86_64 and this is $(uname -m)"
[ "$(id -u)" = 0 ] || cannot "it needs root: the guest reads all of this machine's files"
command -v apt-get >/dev/null || cannot "there is no apt-get to get a kernel and QEMU with"
[ -x .venv/bin/pytest ] || cannot "there is no .venv; run make setup"
mkdir -p "$DIR"
install_packages
unpack_kernel
install_launcher
run_guest "$@"
