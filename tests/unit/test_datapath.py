"""The GTP-U socket without its thread: what it makes of signalling."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address

import pytest

from core_stub import datapath
from core_stub.datapath import GtpuSocket, PacketLoop
from core_stub.gtpu import ErrorIndication, GtpuMessage, error_indication

ADDRESS = IPv4Address("127.0.0.1")


def test_a_flood_of_error_indications_is_counted_and_not_a_flood_of_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[GtpuMessage] = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gtpu,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        gtpu.bind((str(ADDRESS), 0))
        monkeypatch.setattr(datapath, "_bound", lambda _: gtpu)
        loop = PacketLoop("test")
        takes: list[object] = []
        monkeypatch.setattr(loop, "add", lambda _fd, take, name: takes.append(take))
        GtpuSocket(ADDRESS, loop, lambda _: True, lambda message, _: heard.append(message))
        (take,) = takes
        assert callable(take)
        for _ in range(100):
            peer.sendto(error_indication(7, ADDRESS), gtpu.getsockname())
            take()
    assert heard == [ErrorIndication(7, ADDRESS)] * 100
    assert loop.faults["error indication"] == 100
    assert [record.args[-1] for record in caplog.records if isinstance(record.args, tuple)] == [1, 2, 4, 8, 16, 32, 64]
