"""N6: a TUN device through which the kernel of the UPF's namespace forwards; only this module uses pyroute2."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from errno import EEXIST
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from pyroute2 import IPRoute, NetlinkError

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x4004_54CA, 0x0001, 0x1000
_SIOCSIFFLAGS, _SIOCSIFMTU, _SIOCSIFTXQLEN, _IFF_UP = 0x8914, 0x8922, 0x8943, 0x1
_QUEUE_LENGTH = 10_000
"""The default of 500 overflows while Python is at something else."""

_IPV4_CONF = Path("/proc/sys/net/ipv4/conf")


@dataclass(frozen=True)
class N6Network:
    """What a device of N6 serves: the UE pools that are routed to it, and addresses of its own, which UEs can ping."""

    device: str
    subnets: tuple[IPv4Network, ...]
    gateways: tuple[IPv4Address, ...] = ()


class N6Device:
    """An open TUN device, up, with its UE pools routed to it. It goes away when it is closed, unless it was there."""

    def __init__(self, network: N6Network, mtu: int) -> None:
        """OSError where the kernel refuses, as it does for a name in use."""
        name = network.device
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.ioctl(self.fd, _TUNSETIFF, _request(name, "H", _IFF_TUN | _IFF_NO_PI))
            _configure(name, mtu)
            # In a thread of its own, since pyroute2 refuses to work where an event loop runs.
            with ThreadPoolExecutor(1) as thread:
                thread.submit(_route, network).result()
        except OSError as error:
            self.close()
            raise OSError(error.errno, error.strerror, f"N6 device {name}") from error
        except NetlinkError as error:
            self.close()
            raise OSError(error.code, os.strerror(error.code), f"N6 device {name}") from error

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


def _route(network: N6Network) -> None:
    """Who made the device, as Open5GS wants it, may have given it its address and its route too."""
    index = socket.if_nametoindex(network.device)
    with IPRoute() as routes:
        for gateway in network.gateways:
            try:
                routes.addr("add", index=index, address=str(gateway), prefixlen=32)
            except NetlinkError as error:
                if error.code != EEXIST:
                    raise
        for subnet in network.subnets:
            try:
                routes.route("add", dst=str(subnet), oif=index)
            except NetlinkError as error:
                if error.code != EEXIST:
                    raise
                if not _has_route(routes, subnet, index):
                    raise OSError(EEXIST, f"{subnet} is routed to another device already") from error


def _has_route(routes: IPRoute, subnet: IPv4Network, index: int) -> bool:
    wanted = (str(subnet.network_address), subnet.prefixlen, index)
    return any(
        (route.get_attr("RTA_DST"), route["dst_len"], route.get_attr("RTA_OIF")) == wanted
        for route in routes.get_routes(family=socket.AF_INET)
    )
