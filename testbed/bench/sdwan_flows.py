"""How fast an edge's switch takes flows, each acknowledged by a barrier of its batch."""

from __future__ import annotations

import socket
import struct
import time
from ipaddress import IPv4Address, IPv4Network

from controllers import openflow
from controllers.flows import IPV4, AddFlow, Barrier, Change, Match, Output
from controllers.ovs import BRIDGE
from testbed.bench.sdwan_lab import cpe_of, overlay_plan, running
from testbed.errors import RunInvalidError

_HEADER = struct.Struct("!BBHI")
_VERSION = 4
_HELLO, _ERROR, _ECHO_REQUEST, _ECHO_REPLY, _BARRIER_REPLY = 0, 1, 2, 3, 21
"""Of OpenFlow 1.3.5 §7.1."""

_PRIORITY = 7
_BATCH = 20
_DEADLINE_S = 30.0


def flow_mods_per_s(count: int = 5000) -> float:
    """Flows a second that Open vSwitch puts into its tables, a barrier after each twenty and waited for."""
    first = int(IPv4Address("10.200.0.0"))
    flows = [
        AddFlow(9, Match(eth_type=IPV4, ipv4_dst=IPv4Network((first + number, 32))), (Output(1),), priority=_PRIORITY)
        for number in range(count)
    ]
    with running(overlay_plan(transports=1)) as lab, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_DEADLINE_S)
        connection.connect(str(lab.lab.ledger.directory / cpe_of(0) / f"{BRIDGE}.mgmt"))
        connection.sendall(_HEADER.pack(_VERSION, _HELLO, _HEADER.size, 1))
        began = time.perf_counter()
        for start in range(0, count, _BATCH):
            batch: list[Change] = [*flows[start : start + _BATCH], Barrier()]
            connection.sendall(b"".join(openflow.octets(change, start + 2) for change in batch))
            _await_barrier(connection, start + 2)
        return count / (time.perf_counter() - began)


def _await_barrier(connection: socket.socket, number: int) -> None:
    while True:
        _, kind, length, answered = _HEADER.unpack(_exactly(connection, _HEADER.size))
        rest = _exactly(connection, length - _HEADER.size)
        if kind == _ERROR:
            raise RunInvalidError(f"Open vSwitch refused a flow: {rest[:4].hex()}")
        if kind == _ECHO_REQUEST:
            connection.sendall(_HEADER.pack(_VERSION, _ECHO_REPLY, length, answered) + rest)
        if (kind, answered) == (_BARRIER_REPLY, number):
            return


def _exactly(connection: socket.socket, size: int) -> bytes:
    octets = bytearray()
    while len(octets) < size:
        part = connection.recv(size - len(octets))
        if not part:
            raise RunInvalidError("Open vSwitch has closed the connection")
        octets += part
    return bytes(octets)
