"""Two nodes, an engine's namespace between them, a running link engine, and UDP traffic with kernel receive stamps."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import quantiles
from typing import IO

from testbed import netns
from testbed.lab.base import base_namespace
from testbed.lab.engine import link_engine
from testbed.lab.processes import Supervisor
from testbed.links.engine import EmulatedLink, LinkEngine
from testbed.links.engine import netem_available as engine_netem_available
from testbed.links.profile import LinkProfile
from testbed.links.wire import BINARY, wire_argv
from tests.support.polling import eventually

PORT = 9000
OVERHEAD = 14 + 20 + 8
"""Bytes of Ethernet, IPv4 and UDP headers in front of a payload, as a link engine counts them."""

_HEADER = struct.Struct("!QQ")
_SO_RCVBUFFORCE, _SO_TIMESTAMPNS = 33, 35
_SIOCGIFFLAGS, _IFF_RUNNING = 0x8913, 0x40
_ids = itertools.count()


@dataclass(frozen=True)
class Arrival:
    """A packet that came through: its number, when it was sent and when the kernel received it, in nanoseconds."""

    sequence: int
    sent_ns: int
    received_ns: int

    @property
    def delay_ms(self) -> float:
        return (self.received_ns - self.sent_ns) / 1e6


@dataclass
class WireProcess:
    """A running wire process, its control socket and its events."""

    process: subprocess.Popen[str]
    control: Path

    @property
    def stdout(self) -> IO[str]:
        assert self.process.stdout
        return self.process.stdout

    def event(self, *, within_s: float = 5.0) -> dict[str, object]:
        """The next event that it prints."""
        assert select.select([self.stdout], [], [], within_s)[0], "no event in time"
        event = json.loads(self.stdout.readline())
        assert isinstance(event, dict)
        return event

    def resident_bytes(self) -> int:
        """Memory that it holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def cpu_ticks(self) -> int:
        """User and system ticks used so far, of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])


@cache
def netem_available() -> bool:
    """Whether this kernel has netem, tried once."""
    return engine_netem_available()


def build_wire() -> None:
    """Build the user-space engine if it is not there yet."""
    if not BINARY.exists():
        subprocess.run(["make", "native"], cwd=BINARY.parents[2], check=True, capture_output=True)


@contextmanager
def wire_process(namespace: str, directory: Path, *extra: str) -> Iterator[WireProcess]:
    """A wire process in `namespace` that has said that it is ready."""
    build_wire()
    control = directory / f"wire-{next(_ids)}.sock"
    with netns.entered(namespace):
        process = subprocess.Popen([*wire_argv(control, seed=7), *extra], stdout=subprocess.PIPE, text=True)
    wire = WireProcess(process, control)
    try:
        assert wire.event()["event"] == "ready"
        yield wire
    finally:
        process.terminate()
        status = process.wait(timeout=10)
        wire.stdout.close()
    assert status == 0, f"wire ended with {status}"


@contextmanager
def namespaces(*roles: str) -> Iterator[tuple[str, ...]]:
    """Fresh namespaces, removed afterwards."""
    names = tuple(f"blt-links-{os.getpid()}-{next(_ids)}-{role}" for role in roles)
    with ExitStack() as stack:
        for name in names:
            netns.create(name)
            stack.callback(netns.delete, name)
            _only_what_we_send(name)
        yield names


def _only_what_we_send(namespace: str) -> None:
    # Neighbour discovery would be counted by the engine, lost or queued in a test packet's place, and be received.
    with netns.entered(namespace):
        Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")


def ip_batch(*lines: str, namespace: str = "") -> None:
    """Run iproute2 commands in one process, in a namespace or in this one."""
    argv = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(lines), text=True, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr


def join(a: str, b: str, engine: str, *, number: int = 0) -> tuple[str, str]:
    """Connect nodes `a` and `b` as 10.9.N.1 and 10.9.N.2, with both inner ends in `engine`; returns the inner ends."""
    inner = (f"wA{number}", f"wB{number}")
    ifname = f"link{number}"
    nodes = ((a, inner[0], 1), (b, inner[1], 2))
    pairs = (
        f"link add {ifname} netns {node} address 02:00:00:00:{number:02x}:{host:02x} type veth peer name {end}"
        for node, end, host in nodes
    )
    ip_batch(*pairs, *(f"link set {end} up" for end in inner), namespace=engine)
    for node, _, host in nodes:
        ip_batch(
            f"addr add 10.9.{number}.{host}/24 dev {ifname}",
            f"link set {ifname} up",
            f"neigh add 10.9.{number}.{3 - host} lladdr 02:00:00:00:{number:02x}:{3 - host:02x} dev {ifname}",
            namespace=node,
        )
    for namespace, end in ((a, ifname), (b, ifname), *((engine, end) for end in inner)):
        _wait_until_running(namespace, end)
    return inner


def _wait_until_running(namespace: str, ifname: str) -> None:
    # The kernel learns of a carrier in the background, and drops what is sent before it has.
    with netns.entered(namespace), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        request = struct.pack("40s", ifname.encode())

        def flags() -> int:
            found: int = struct.unpack_from("16xH", fcntl.ioctl(probe, _SIOCGIFFLAGS, request))[0]
            return found

        eventually(flags, lambda found: bool(found & _IFF_RUNNING))


@dataclass(frozen=True)
class Rig:
    """Nodes `a` (10.9.0.1) and `b` (10.9.0.2) and the link `l` between them, under `engine`."""

    a: str
    b: str
    engine_namespace: str
    engine: LinkEngine
    inner: tuple[str, str]

    def add(self, profile: LinkProfile, back: LinkProfile | None = None) -> None:
        """Start to emulate the link."""
        self.engine.add([EmulatedLink("l", *self.inner, profile, back or LinkProfile())])

    def change(self, profile: LinkProfile) -> None:
        """Give the direction from `a` to `b` another profile."""
        self.engine.change("l", profile, LinkProfile())

    def traffic(self) -> Traffic:
        """UDP from `a` to `b`."""
        return Traffic(self.a, self.b, "10.9.0.2")

    def traffic_back(self) -> Traffic:
        """UDP from `b` to `a`."""
        return Traffic(self.b, self.a, "10.9.0.1")


@contextmanager
def rig(engine: str, directory: Path) -> Iterator[Rig]:
    """Two nodes whose link is ready to be added to an engine."""
    build_wire()
    with namespaces("a", "b") as (a, b), base_namespace(directory) as ledger:
        inner = join(a, b, ledger.names.base)
        with (
            closing(Supervisor(ledger.names, ledger, directory, lambda _process, _event: None)) as supervisor,
            link_engine(engine, supervisor, ledger, seed=7) as running,
        ):
            yield Rig(a, b, ledger.names.base, running, inner)


class Traffic:
    """UDP from one namespace to an address in another; close it, or use it as a context manager."""

    def __init__(self, source: str, sink: str, address: str) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with netns.entered(source):
            self.sender = socket.socket(family, socket.SOCK_DGRAM)
        with netns.entered(sink):
            self.receiver = socket.socket(family, socket.SOCK_DGRAM)
        self.receiver.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        self.receiver.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self.receiver.bind((address, PORT))
        self.sender.connect((address, PORT))
        self.sent = 0

    def __enter__(self) -> Traffic:
        return self

    def __exit__(self, *_: object) -> None:
        self.sender.close()
        self.receiver.close()

    def send(self, *, size: int = 64) -> None:
        """Send one packet with `size` bytes of payload; an unreachable sink is not an error."""
        with suppress(ConnectionError):
            self.sender.send(_HEADER.pack(self.sent, time.time_ns()).ljust(size, b"\0"))
        self.sent += 1

    def blast(self, count: int, *, size: int = 64) -> None:
        """Send `count` packets as fast as they go."""
        for _ in range(count):
            self.send(size=size)

    def paced(self, count: int, *, per_second: float, size: int = 64) -> None:
        """Send `count` packets on an absolute schedule."""
        start = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, start + i / per_second - time.monotonic()))
            self.send(size=size)

    def arrivals(self, expected: int, *, within_s: float = 60.0, quiet_s: float = 1.0) -> list[Arrival]:
        """What has come through: returns after `expected` packets, or when nothing has come for `quiet_s`."""
        deadline = time.monotonic() + within_s
        found: list[Arrival] = []
        while len(found) < expected and time.monotonic() < deadline:
            if not select.select([self.receiver], [], [], quiet_s)[0]:
                break
            data, ancillary, _, _ = self.receiver.recvmsg(65536, 64)
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2])
            sequence, sent_ns = _HEADER.unpack_from(data)
            found.append(Arrival(sequence, sent_ns, seconds * 1_000_000_000 + nanoseconds))
        return found


def percentile(values: Sequence[float], percent: int) -> float:
    """The percentile of the values, by linear interpolation."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]
