"""UE – gNB – bridge – two UPFs – two data networks, each in a namespace, and the means to push packets through.

    ue ─ gnb ─┬─ net (bridge, the test's own SMF at .100) ─┬─ edge ─ mec
              └────────────────────────────────────────────┴─ psa ─ dn

Both data networks have the anycast address; dn has another one too.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from testbed import netns
from tests.support.polling import eventually_async

PREFIX = "blt-upf-"
NODES = ("ue", "gnb", "net", "edge", "psa", "mec", "dn")
UE, GNB, EDGE, PSA, SMF = "10.45.0.2", "10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.100"
ANYCAST, CLOUD = "203.0.113.10", "203.0.113.20"
UE_MAC = "02:00:00:00:45:02"
WITHIN_S = 10.0


def name(node: str) -> str:
    """The namespace of `node`; several test runs side by side do not meet."""
    return f"{PREFIX}{node}-{os.getpid()}"


def _ip(node: str, *lines: str) -> None:
    text = "\n".join(lines)
    subprocess.run(["ip", "-n", name(node), "-batch", "-"], input=text, text=True, check=True)


def run_in(node: str, *argv: str) -> str:
    """Standard output of a command in `node`."""
    command = ["ip", "netns", "exec", name(node), *argv]
    return subprocess.run(command, text=True, check=True, capture_output=True, timeout=30).stdout


def _veth(a: str, a_name: str, b: str, b_name: str, mtu: int = 9000) -> None:
    _ip(
        a,
        f"link add {a_name} mtu {mtu} type veth peer name {b_name} mtu {mtu} netns {name(b)}",
        f"link set {a_name} up",
    )
    _ip(b, f"link set {b_name} up")


def _build(n3_mtu: int) -> None:
    for node in NODES:
        _ip(node, "link set lo up")
    _ip("net", "link add n3bridge type bridge", f"link set n3bridge mtu {n3_mtu} up", f"addr add {SMF}/24 dev n3bridge")
    for node, address in (("gnb", GNB), ("edge", EDGE), ("psa", PSA)):
        _veth(node, "n3", "net", node, n3_mtu)
        _ip(node, f"addr add {address}/24 dev n3")
        _ip("net", f"link set {node} master n3bridge")
    _veth("ue", "gnb1", "gnb", "ue1", 1500)
    # Packets of the host's own stack have no checksum yet, which only a real network card would add.
    run_in("ue", "ethtool", "-K", "gnb1", "tx", "off", "tso", "off", "gso", "off")
    _ip(
        "ue",
        f"link set gnb1 address {UE_MAC}",
        f"addr add {UE}/32 dev gnb1",
        "route add default via 10.45.0.1 dev gnb1 onlink",
    )
    for upf, data_network, subnet, services in (
        ("edge", "mec", "192.168.1", (ANYCAST,)),
        ("psa", "dn", "192.168.2", (ANYCAST, CLOUD)),
    ):
        _veth(upf, data_network, data_network, upf, 1500)
        run_in(data_network, "ethtool", "-K", upf, "tx", "off", "tso", "off", "gso", "off")
        routes = [f"route add {service}/32 via {subnet}.2" for service in services]
        _ip(upf, f"addr add {subnet}.1/24 dev {data_network}", *routes)
        addresses = [f"addr add {service}/32 dev lo" for service in services]
        _ip(data_network, f"addr add {subnet}.2/24 dev {upf}", f"route add default via {subnet}.1", *addresses)


@contextmanager
def network(*, n3_mtu: int = 9000) -> Iterator[None]:
    """The namespaces; the body runs in `net`, where its sockets are the SMF's."""
    made = []
    try:
        for node in NODES:
            netns.create(name(node))
            made.append(node)
        _build(n3_mtu)
        with netns.entered(name("net")):
            yield
    finally:
        for node in made:
            netns.delete(name(node))


@dataclass
class Process:
    """A network function; `events` are the lines that it has written so far."""

    process: asyncio.subprocess.Process
    events: list[dict[str, Any]]
    socket: Path

    async def event(self, kind: str, count: int = 1) -> dict[str, Any]:
        """The `count`th event of a kind, as soon as it is there."""

        def of_kind(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [event for event in events if event["event"] == kind]

        def seen() -> list[dict[str, Any]]:
            ended = self.process.returncode
            assert ended is None or len(of_kind(self.events)) >= count, f"ended with {ended} before {kind}"
            return self.events

        events = await eventually_async(seen, lambda events: len(of_kind(events)) >= count, WITHIN_S)
        return of_kind(events)[count - 1]

    async def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """(status, JSON) of a call to the management socket."""
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(self.socket))) as http,
            http.request(method, f"http://nf{path}", json=body) as response,
        ):
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), WITHIN_S)


@asynccontextmanager
async def process(node: str, module: str, config: object, directory: Path) -> AsyncIterator[Process]:
    """`python -m module` in `node`, once it is ready; it has to end with 0."""
    path = directory / f"{node}.yaml"
    path.write_text(json.dumps(config))
    started = await asyncio.create_subprocess_exec(
        *("ip", "netns", "exec", name(node), sys.executable, "-m", module, "--config", str(path)),
        stdout=asyncio.subprocess.PIPE,
    )
    running = Process(started, [], directory / f"{node}.sock")
    reader = asyncio.create_task(_read(started, running.events))
    try:
        await running.event("ready")
        yield running
        assert await running.terminate() == 0
        assert not running.socket.exists()
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
        await reader


async def _read(started: asyncio.subprocess.Process, events: list[dict[str, Any]]) -> None:
    assert started.stdout
    async for line in started.stdout:
        events.append(json.loads(line))  # noqa: PERF401 -- each as it comes, not all at the end


def upf(node: str, address: str, directory: Path) -> Any:
    """A UPF in `node`, with N3, N4 and N9 at `address`."""
    server = {"server": [{"address": address}]}
    config = {
        "pfcp": server,
        "gtpu": server,
        "session": [{"subnet": "10.45.0.0/16", "dnn": "internet", "dev": "n6"}],
        "management": {"socket": str(directory / f"{node}.sock")},
    }
    return process(node, "core_stub.upf", {"upf": config}, directory)


def gnb(directory: Path) -> Any:
    """The gNB, with the UE `ue1` at the radio."""
    config = {
        "name": "gnb1",
        "gtpu": {"server": [{"address": GNB}]},
        "api": {"address": GNB},
        "smf": {"address": SMF},
        "ues": [{"name": "ue1", "interface": "ue1", "mac": UE_MAC}],
        "management": {"socket": str(directory / "gnb.sock")},
    }
    return process("gnb", "core_stub.gnb", {"gnb": config}, directory)


class Echo:
    """UDP in the data networks: whoever gets a packet sends it back with the name of its node in front."""

    def __init__(self, *nodes: str, port: int = 5000) -> None:
        self._sockets = []
        for node in nodes:
            with netns.entered(name(node)):
                echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            # Answers must come from the address that was asked, not from the interface's.
            echo.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            echo.bind(("0.0.0.0", port))
            asyncio.get_running_loop().add_reader(echo, self._answer, echo, node.encode())
            self._sockets.append(echo)

    def _answer(self, echo: socket.socket, node: bytes) -> None:
        with suppress(BlockingIOError):
            while True:
                data, ancillary, _, peer = echo.recvmsg(4096, 256)
                _, _, destination = struct.unpack("=I4s4s", ancillary[0][2])
                source = (socket.IPPROTO_IP, _IP_PKTINFO, struct.pack("=I4s4s", 0, destination, bytes(4)))
                echo.sendmsg([node + b":" + data], [source], 0, peer)

    def close(self) -> None:
        for echo in self._sockets:
            asyncio.get_running_loop().remove_reader(echo)
            echo.close()


_IP_PKTINFO = 8


def ue_socket() -> socket.socket:
    """A UDP socket of the UE."""
    with netns.entered(name("ue")):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    made.bind((UE, 0))
    return made


def dn_socket(port: int = 0) -> socket.socket:
    """A UDP socket behind the PSA, at the anycast address."""
    with netns.entered(name("dn")):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((ANYCAST, port))
    return made


async def ask(data: bytes, address: str, port: int = 5000) -> bytes:
    """The answer to a packet of the UE."""
    loop = asyncio.get_running_loop()
    with ue_socket() as asking:
        await loop.sock_connect(asking, (address, port))
        await loop.sock_sendall(asking, data)
        return await asyncio.wait_for(loop.sock_recv(asking, 65536), WITHIN_S)


class Capture:
    """Everything that passes an interface of `net`, for tshark."""

    def __init__(self, interface: str) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.htons(3))
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)
        self._socket.bind((interface, 3))

    def dissect(self, directory: Path, display_filter: str, *fields: str) -> list[list[str]]:
        """The fields of the frames so far that a display filter of Wireshark takes."""
        path = directory / "capture.pcap"
        with path.open("ab") as pcap:
            if not pcap.tell():
                pcap.write(struct.pack("=IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            with suppress(BlockingIOError):
                while True:
                    frame = self._socket.recv(65536)
                    pcap.write(struct.pack("=IIII", 0, 0, len(frame), len(frame)) + frame)
        wanted = [argument for field in fields for argument in ("-e", field)]
        command = ["tshark", "-r", str(path), "-Y", display_filter, "-T", "fields", "-E", "occurrence=f", *wanted]
        output = subprocess.run(command, text=True, check=True, capture_output=True).stdout
        return [line.split("\t") for line in output.splitlines()]

    def close(self) -> None:
        self._socket.close()
