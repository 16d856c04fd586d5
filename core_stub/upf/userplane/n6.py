"""N6: a TUN device through which the kernel of the UPF's namespace forwards; only this module uses pyroute2."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Network
from pathlib import Path

from pyroute2 import IPRoute

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
_SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCSIFTXQLEN, _IFF_UP = 0x8914, 0x8922, 0x8943, 0x1
_QUEUE_LENGTH = 10_000
"""The default of 500 overflows while Python is at something else."""

_IPV4_CONF = Path("/proc/sys/net/ipv4/conf")


class N6Device:
    """An open TUN device, up, with the UE pools routed to it; it goes away when it is closed."""

    def __init__(self, name: str, pools: Iterable[IPv4Network], mtu: int) -> None:
        """OSError where the kernel refuses, as it does for a name in use."""
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self.fd, _TUNSETIFF, _request(name, "H", _IFF_TUN | _IFF_NO_PI))
            _configure(name, mtu)
            # In a thread of its own, since pyroute2 refuses to work where an event loop runs.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(_route, name, pools).result()
        except OSError as error:
            self.close()
            raise OSError(error.errno, error.strerror, f"N6 device {name}") from error

    def close(self) -> None:
        """Take the device and its routes away."""
        os.close(self.fd)


def forward_ipv4() -> None:
    """Turn this namespace into a router that takes packets from where they come (TS 29.244 leaves routing to us)."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    for switch in _IPV4_CONF.glob("*/rp_filter"):
        switch.write_text("0")


def _request(name: str, code: str, value: int) -> bytes:
    """A struct ifreq: the name, then a union of 24 octets."""
    return struct.pack("16s", name.encode()) + struct.pack(f"={code}", value).ljust(24, b"\0")


def _configure(name: str, mtu: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        fcntl.ioctl(control, _SIOCSIFMTU, _request(name, "i", mtu))
        fcntl.ioctl(control, _SIOCSIFTXQLEN, _request(name, "i", _QUEUE_LENGTH))
        fcntl.ioctl(control, _SIOCSIFFLAGS, _request(name, "H", _IFF_UP))


def _route(name: str, pools: Iterable[IPv4Network]) -> None:
    index = socket.if_nametoindex(name)
    with IPRoute() as routes:
        for pool in pools:
            routes.route("add", dst=str(pool), oif=index)
