"""Captures by dumpcap: its command line, when it is ready, and how to end it without losing packets.

dumpcap ends on SIGTERM and on SIGINT alike: exit code 0, the file complete, nothing left beside it. But the kernel
hands packets over in blocks, up to 250 ms after they came, and what it still holds at the signal is lost. So wait
`HELD_BY_KERNEL_S` after the last packet that matters, then send the signal.
"""

from __future__ import annotations

from pathlib import Path

from traffic import pcapng

HELD_BY_KERNEL_S = 0.3
"""How long after a packet came dumpcap has surely read it (its read timeout is 250 ms)."""

WHOLE_PACKETS = 262_144


def dumpcap_argv(
    interface: str, path: Path, *, capture_filter: str = "", snaplen: int = WHOLE_PACKETS, comment: str = ""
) -> tuple[str, ...]:
    """The command that captures on `interface` into `path`: pcapng with nanoseconds, the interface's name, `comment`.

    `capture_filter` is in libpcap's language, which knows no GTP-U: filter `udp port 2152` there.
    """
    optional = (("-f", capture_filter), ("--capture-comment", comment))
    extra = (word for option, value in optional if value for word in (option, value))
    return ("dumpcap", "-q", "-n", "-p", "-i", interface, "-s", str(snaplen), *extra, "-w", str(path))


def ready(path: Path) -> bool:
    """True once dumpcap captures into `path`: it writes the file's header after it opened the interface."""
    return pcapng.has_interface(path)
