"""What the `python -m traffic.…` processes share: signals that end them, arguments."""

from __future__ import annotations

import argparse
import ipaddress
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
"""Either one ends a process of this package cleanly."""


def open_samples(path: Path) -> TextIO:
    """A new samples file to which every write goes at once; SystemExit with a message if it can't be made."""
    try:
        return path.open("w", buffering=1)
    except OSError as error:
        raise SystemExit(f"--samples {path}: {error.strerror}; want a file that can be written") from error


def hold_stop_signals() -> None:
    """Keep the stop signals pending from here on, for `sleep_unless_stopped` and `signal.sigwait` to take."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def sleep_unless_stopped(seconds: float) -> bool:
    """Sleep, or return True at once if a stop signal comes or is pending. One system call; wakes some 60 µs late."""
    return signal.sigtimedwait(STOP_SIGNALS, max(0.0, seconds)) is not None


def raise_descriptor_limit() -> None:
    """As many descriptors as root lets us: sockets for a map of a whole backbone need more than the usual 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@dataclass(frozen=True)
class Endpoint:
    """An IP address and a port."""

    address: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """From `203.0.113.10:862` or `[2001:db8::1]:862`; made to be an argparse `type`."""
        host, _, port = text.rpartition(":")
        try:
            address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
            number = int(port)
        except ValueError:
            number = -1
        if not 0 < number < 65536 or (address.version == 6) != host.startswith("["):
            raise argparse.ArgumentTypeError(f'got "{text}"; want ADDRESS:PORT, such as 203.0.113.10:862')
        return cls(str(address), number)

    @property
    def is_ipv6(self) -> bool:
        """True for an IPv6 address."""
        return ":" in self.address

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if self.is_ipv6 else f"{self.address}:{self.port}"


def above_zero(text: str) -> float:
    """A finite number above zero; made to be an argparse `type`."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f'got "{text}"; want a number above zero')
    return number
