"""What `ip` cannot set: sysctls and offloads. Both act on the network namespace that the calling thread is in."""

from __future__ import annotations

import array
import fcntl
import socket
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

from testbed.errors import HostError

_SIOCETHTOOL = 0x8946
# linux/ethtool.h: the commands that set one feature from a struct ethtool_value.
_OFFLOADS = {"tx": 0x17, "tso": 0x1F, "gso": 0x24, "gro": 0x2C}


def write_sysctls(settings: Mapping[str, int]) -> None:
    """Write values by their path under /proc/sys/net, such as `ipv4/ip_forward`; HostError for an unknown key."""
    for key, value in settings.items():
        try:
            Path("/proc/sys/net", key).write_text(str(value))
        except FileNotFoundError as error:
            raise HostError(key.partition("/")[0], f"this kernel has no /proc/sys/net/{key}") from error


def disable_offloads(interfaces: Iterable[str]) -> None:
    """`ethtool -K IF tx off tso off gso off gro off`, without a process for each; OSError for an unknown interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for interface in interfaces:
            for command in _OFFLOADS.values():
                value = array.array("I", [command, 0])
                request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
                fcntl.ioctl(control, _SIOCETHTOOL, request)
