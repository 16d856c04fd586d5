"""The part of rtnetlink(7) that says how links of other namespaces are, without a socket in each of them.

A socket in a namespace would keep it alive after its name is gone. Instead a namespace gets a number in ours (its
*nsid*), and one socket of ours hears of the links in all that have one, and when one of them ends.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from testbed.netns import NETNS_DIR

_SOL_NETLINK = 270
_ADD_MEMBERSHIP, _LISTEN_ALL_NSID = 1, 8
_GROUP_LINK, _GROUP_NSID = 1, 28
_SO_RCVBUFFORCE = 33

_ERROR, _DONE = 2, 3
_NEWLINK, _DELLINK, _GETLINK = 16, 17, 18
_NEWNSID, _DELNSID, _GETNSID = 88, 89, 90
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300

_IFLA_IFNAME, _IFLA_TARGET_NETNSID = 3, 46
_NETNSA_NSID, _NETNSA_FD = 1, 3
_LOWER_UP = 0x10000
"""IFF_LOWER_UP: up, and with a carrier at this moment, where IFF_RUNNING may come a second later."""

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change
_RTGEN = b"\0\0\0\0"
_LARGEST = 1 << 20
_BUFFER = 8 << 20


@dataclass(frozen=True)
class LinkNews:
    """A link in the namespace `nsid` (None: ours), as it is now; not running once it is gone."""

    nsid: int | None
    ifname: str
    running: bool


@dataclass(frozen=True)
class NamespaceEnd:
    """The namespace that had the number `nsid` is gone."""

    nsid: int


News = LinkNews | NamespaceEnd


class NewsSocket(socket.socket):
    """Hears of the links of every namespace that has a number in the one where it is made; OSError if not root."""

    def __init__(self) -> None:
        super().__init__(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        self.setsockopt(_SOL_NETLINK, _LISTEN_ALL_NSID, 1)
        self.bind((0, 0))
        for group in (_GROUP_LINK, _GROUP_NSID):
            self.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

    def receive(self) -> Iterator[News]:
        """The news of one read. OSError ENOBUFS: there was more than there is room for, and some of it is lost."""
        data, ancillary, *_ = self.recvmsg(_LARGEST, socket.CMSG_SPACE(4))
        from_nsid = next((struct.unpack("=i", value)[0] for _, _, value in ancillary), None)
        yield from parse(data, from_nsid)


class Requests(socket.socket):
    """Asks the kernel, in the namespace where it is made."""

    def __init__(self) -> None:
        super().__init__(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self.bind((0, 0))

    def nsid(self, namespace: str) -> int:
        """The number of a namespace, given to it if it has none; FileNotFoundError if there is no such namespace."""
        file = os.open(NETNS_DIR / namespace, os.O_RDONLY | os.O_CLOEXEC)
        try:
            which = _attribute(_NETNSA_FD, struct.pack("=I", file))
            any_number = _attribute(_NETNSA_NSID, struct.pack("=i", -1))
            code = self._ask(_NEWNSID, _ACK, _RTGEN + which + any_number)[_HEADER.size :]
            if (refusal := -struct.unpack_from("=i", code)[0]) not in (0, errno.EEXIST):
                raise OSError(refusal, os.strerror(refusal), namespace)
            answer = self._ask(_GETNSID, 0, _RTGEN + which)
        finally:
            os.close(file)
        return int(struct.unpack("=i", _attributes(answer[_HEADER.size + len(_RTGEN) :])[_NETNSA_NSID])[0])

    def links(self, nsid: int) -> dict[str, bool]:
        """Interface → whether it is running, of the namespace with that number; none if it is gone."""
        body = _IFINFO.pack(0, 0, 0, 0, 0) + _attribute(_IFLA_TARGET_NETNSID, struct.pack("=i", nsid))
        data = self._ask(_GETLINK, _DUMP, body)
        links: dict[str, bool] = {}
        while True:
            links |= {news.ifname: news.running for news in parse(data, nsid) if isinstance(news, LinkNews)}
            if any(kind in (_DONE, _ERROR) for kind, _ in _messages(data)):
                return links
            data = self.recv(_LARGEST)

    def _ask(self, kind: int, flags: int, body: bytes) -> bytes:
        self.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | flags, 1, 0) + body)
        return self.recv(_LARGEST)


def parse(data: bytes, from_nsid: int | None) -> Iterator[News]:
    """The news in what one read gave; `from_nsid` is the namespace that said so, None for ours."""
    for kind, body in _messages(data):
        if kind in (_NEWLINK, _DELLINK):
            family, _, _, flags, _ = _IFINFO.unpack_from(body)
            if family != socket.AF_UNSPEC:
                continue  # a bridge, of its ports
            name = _attributes(body[_IFINFO.size :])[_IFLA_IFNAME].rstrip(b"\0").decode()
            yield LinkNews(from_nsid, name, kind == _NEWLINK and bool(flags & _LOWER_UP))
        # Others have numbers of their own for namespaces.
        elif kind == _DELNSID and from_nsid is None:
            yield NamespaceEnd(struct.unpack("=i", _attributes(body[len(_RTGEN) :])[_NETNSA_NSID])[0])


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        yield kind, data[_HEADER.size : length]
        data = data[_aligned(length) :]


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[_aligned(length) :]
    return found


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _aligned(length: int) -> int:
    return length + 3 & ~3
