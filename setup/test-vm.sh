#!/usr/bin/env bash
# Runs the tests that this machine's kernel cannot, on this checkout, under kernels that can: Debian's User-Mode Linux,
# which needs no emulated processor, and for SRv6, which that is built without, Debian's kernel in QEMU by software
# emulation. Exits with 0 if the tests pass and 1 if they do not, or with 3 if there can be no guests here.
# Guests see this machine's files and change none; what they are made of stays in build/vm for the next time.
set -euo pipefail
cd "$(dirname "$0")/.."

DIR=build/vm
LAUNCHER=virtme-ng==1.42
UML_TESTS=(
    tests/netns/test_links_netem.py tests/netns/test_links_conformance.py
    tests/netns/test_controllers_ovs.py tests/netns/test_overlay.py
    tests/netns/test_traffic_linkprobe.py tests/scenario/test_netem.py
)
QEMU_TESTS=(tests/netns/test_doctor_vrf.py tests/netns/test_srv6_vrf.py)
# An emulated processor had better read its clock without leaving the guest, and do nothing for safety's sake.
QEMU_KERNEL='mitigations=off init_on_alloc=0 no5lvl tsc=reliable clocksource=tsc'

say() { printf 'test-vm: %s\n' "$*"; }
cannot() { say "cannot run here: $*" >&2; exit 3; }

install_packages() {
    dpkg-query -W -f '${Status}\n' "$@" 2>/dev/null | grep -c '^install ok installed$' | grep -qx "$#" && return
    say "installing $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null ||
        cannot "apt-get does not install $*"
}

# Unpacked, not installed: this machine goes on booting what it boots.
unpack() {
    local package=$1 to=$2
    say "unpacking $package"
    rm -rf "$DIR/download" "$DIR/unpacked" && mkdir -p "$DIR/download"
    apt-cache show "$package" >/dev/null 2>&1 || apt-get update -qq
    (cd "$DIR/download" && apt-get download -qq "$package" 2>/dev/null) || cannot "apt-get does not download $package"
    dpkg-deb -x "$DIR"/download/*.deb "$DIR/unpacked"
    rm -r "$DIR/download" && mv "$DIR/unpacked" "$to"
}

prepare_uml() {
    install_packages kmod
    [ -d "$DIR/uml" ] || unpack user-mode-linux "$DIR/uml"
    # Where modprobe looks.
    mkdir -p "$DIR/uml/lib" && ln -sfn ../usr/lib/uml/modules "$DIR/uml/lib/modules"
}

# Ends as the tests in the guest did, which leave their exit code in build/vm/out; with 3 if there is no guest at all.
run_uml() {
    say "booting User-Mode Linux $(ls "$DIR/uml/lib/modules")"
    rm -rf "$DIR/out" && mkdir "$DIR/out"
    # Without a root and a console it would add its own behind the arguments of the first process.
    timeout -k 10 600 "$DIR/uml/usr/bin/linux.uml" mem=1G root=/dev/root rootfstype=hostfs rootflags=/ ro console=tty0 \
        quiet loglevel=0 panic=-1 uml_dir="$PWD/$DIR/out/" con=null con0=null,fd:1 ssl=null \
        init="$PWD/setup/test-vm.sh" -- --in-uml "$@" </dev/null 2>&1 | sed -u 's/\r$//' || true
    if [ ! -f "$DIR/out/started" ]; then
        # Its registers (AMX) do not fit into what Linux 6.1 has for them there.
        say "User-Mode Linux does not start on this processor: what needs it is not tested" >&2
        return 3
    fi
    [ -f "$DIR/out/status" ] || { say "the guest did not end its tests within 10 minutes" >&2; return 1; }
    return "$(<"$DIR/out/status")"
}

# The first process of the guest, which has an empty environment and nothing mounted.
in_uml() {
    export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
    mount -t proc proc /proc
    mount -t sysfs sys /sys
    mount -t tmpfs run /run
    mkdir -p /dev/pts /dev/shm /run/checkout
    mount -t devpts devpts /dev/pts
    mount -t tmpfs shm /dev/shm
    # Programs want to write there; the checkout may lie there.
    mount --bind "$PWD" /run/checkout
    mount -t tmpfs tmp /tmp
    mkdir -p "$PWD" && mount --bind /run/checkout "$PWD"
    cd "$PWD"
    mount -t hostfs -o "$PWD/$DIR/out" out /mnt
    touch /mnt/started
    ip link set lo up
    # The kernel loads what it is asked for, from there.
    printf '#!/bin/sh\nexec modprobe -d %q "$@"\n' "$PWD/$DIR/uml" >/run/modprobe
    chmod +x /run/modprobe && echo /run/modprobe >/proc/sys/kernel/modprobe
    /run/modprobe -a ipv6 tun
    local status=0
    run_tests '"netem", "tbf", "ifb", "ovs-kernel"' "$@" || status=$?
    echo "$status" >/mnt/status
    echo o >/proc/sysrq-trigger
    sleep 60
}

prepare_qemu() {
    install_packages qemu-system-x86 busybox-static kmod udev file
    local kernel
    if [ ! -d "$DIR/kernel" ]; then
        kernel=$(apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2 }')
        [ -n "$kernel" ] || cannot "apt knows no linux-image-amd64"
        unpack "$kernel" "$DIR/kernel"
        depmod -b "$DIR/kernel" "$(ls "$DIR/kernel/lib/modules")"
    fi
    [ -f "$DIR/$LAUNCHER" ] && return
    say "installing $LAUNCHER"
    .venv/bin/python -m venv --clear "$DIR/venv"
    "$DIR/venv/bin/pip" install --quiet --disable-pip-version-check "$LAUNCHER" ||
        cannot "pip does not install $LAUNCHER"
    # Nobody changes a file under the guest: with its own cache Python starts in 6 s there, without in 30.
    sed -i 's/access=any,msize=524288/&,cache=loose/' \
        "$DIR"/venv/lib/python3*/site-packages/virtme/{mkinitramfs,commands/run}.py
    touch "$DIR/$LAUNCHER"
}

run_qemu() {
    say "booting $(basename "$DIR"/kernel/boot/vmlinuz-*) in QEMU"
    # Through a pipe, for the launcher opens a file anew and writes over its beginning.
    PATH=$PWD/$DIR/venv/bin:$PATH timeout -k 10 600 vng -r "$DIR"/kernel/boot/vmlinuz-* --user root --cpus 2 \
        --memory 3G --force-9p --disable-kvm --append "$QEMU_KERNEL" -- "$PWD/setup/test-vm.sh --in-qemu $*" \
        </dev/null 2>&1 | cat
}

in_qemu() {
    modprobe vrf
    run_tests '"vrf", "srv6-end-dt4"' "$@"
}

run_tests() {
    local capabilities=$1
    shift
    echo "test-vm: Linux $(uname -r), up for $(cut -d. -f1 /proc/uptime) s"
    export PYTHONDONTWRITEBYTECODE=1
    # What needs none of these modules runs on any machine; and here nothing sends 100 Mbit/s of small packets.
    .venv/bin/python -c "
import sys, pytest
from testbed import doctor
doctor.require([$capabilities])
sys.exit(pytest.main(sys.argv[1:]))" -p no:cacheprovider --basetemp=/run/pytest --color=no --tb=short --durations=10 \
        -k "not wire and not netdev and not 100000000" "$@"
}

main() {
    [ "$(uname -m)" = x86_64 ] || cannot "the guests are x86_64 and this is $(uname -m)"
    [ "$(id -u)" = 0 ] || cannot "it needs root: the guests read all of this machine's files"
    command -v apt-get >/dev/null || cannot "there is no apt-get to get kernels with"
    [ -x .venv/bin/pytest ] || cannot "there is no .venv; run make setup"
    mkdir -p "$DIR"
    prepare_uml
    [ $# != 0 ] || prepare_qemu
    local status=0
    if [ $# != 0 ]; then
        run_uml "$@" || status=$?
    else
        run_uml "${UML_TESTS[@]}" || status=$?
        run_qemu "${QEMU_TESTS[@]}" || status=1
    fi
    say "ended with $status after $SECONDS s"
    exit "$status"
}

case ${1:-} in
    --in-uml | --in-qemu) where=${1#--} && shift && "${where//-/_}" "$@" ;;
    *) main "$@" ;;
esac
