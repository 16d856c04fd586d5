"""Sockets that are opened and closed together."""

from __future__ import annotations

import socket
from collections.abc import Sequence

from traffic.session_sockets import EndSocket, Sockets
from traffic.sockets import Received


class End:
    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def take(self, packet: Received) -> None:
        pass


class Pair:
    """Two ends with one socket, which the kernel does not watch twice."""

    def __init__(self) -> None:
        end = End()
        self.ends: Sequence[EndSocket] = (end, end)

    def close(self) -> None:
        self.ends[0].socket.close()


def test_what_cannot_be_watched_as_a_whole_is_closed_and_left_out() -> None:
    opened: dict[str, Pair] = {}
    made: list[Pair] = []

    def open_(_: str) -> Pair:
        made.append(Pair())
        return made[-1]

    sockets = Sockets()
    sockets.keep(opened, ["pair"], open_)
    assert opened == {}
    assert made[0].ends[0].socket.fileno() == -1, "closed"
    sockets.keep(opened, [], open_)
