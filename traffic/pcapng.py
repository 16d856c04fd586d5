"""Reads the packets of a pcapng file (draft-ietf-opsawg-pcapng), as far as dumpcap writes it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_SECTION_HEADER = b"\x0a\x0d\x0d\x0a"  # reads the same in either byte order
_INTERFACE_DESCRIPTION = 1
_ENHANCED_PACKET = 6
_ETHERNET = 1
_BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_IF_TSRESOL = 9
_MICROSECONDS = 6  # the resolution, as a negative power of ten, of an interface that states none


class CaptureFileError(ValueError):
    """Not a pcapng file of Ethernet frames."""


@dataclass(frozen=True)
class Packet:
    """A captured Ethernet frame, cut at the snap length, and when the kernel saw it (Unix nanoseconds)."""

    at: int
    frame: bytes


@dataclass
class _Section:
    """What the blocks of a section depend on: its byte order, and how many ticks a second each interface counts."""

    order: str
    ticks_per_second: list[int] = field(default_factory=list)


def read(path: Path) -> Iterator[Packet]:
    """The packets in the order of the file; a block cut off at the end, of a capture that still runs, is left out.

    Raises CaptureFileError.
    """
    for section, kind, body in _blocks(path):
        if kind == _INTERFACE_DESCRIPTION:
            section.ticks_per_second.append(_ticks_per_second(section.order, body, path))
        elif kind == _ENHANCED_PACKET:
            yield _packet(section, body, path)


def has_interface(path: Path) -> bool:
    """True once the file describes the interface that it captures on."""
    return path.exists() and any(kind == _INTERFACE_DESCRIPTION for _, kind, _ in _blocks(path))


def _blocks(path: Path) -> Iterator[tuple[_Section, int, bytes]]:
    """Every whole block: its section, type and body."""
    section = None
    with path.open("rb") as file:
        while len(head := file.read(12)) == 12:
            if head[:4] == _SECTION_HEADER:
                section = _Section(_byte_order(head[8:], path))
            if section is None:
                raise CaptureFileError(f"{path}: begins with {head[:4].hex()}; want a pcapng file")
            kind, length = struct.unpack_from(section.order + "II", head)
            if length < 12 or length % 4:
                raise CaptureFileError(f"{path}: got a block of {length} octets; want a multiple of 4 from 12")
            rest = file.read(length - 12)
            if len(rest) < length - 12:
                return
            yield section, kind, (head[8:] + rest)[:-4]


def _packet(section: _Section, body: bytes, path: Path) -> Packet:
    interface, high, low, length = struct.unpack_from(section.order + "IIII", body)
    described = section.ticks_per_second
    if interface >= len(described):
        want = f"one of the {len(described)} described before it"
        raise CaptureFileError(f"{path}: got a packet of interface {interface}; want {want}")
    return Packet((high << 32 | low) * 10**9 // described[interface], body[20 : 20 + length])


def _byte_order(magic: bytes, path: Path) -> str:
    if magic not in _BYTE_ORDERS:
        raise CaptureFileError(f"{path}: got byte-order magic {magic.hex()}; want a pcapng file")
    return _BYTE_ORDERS[magic]


def _ticks_per_second(order: str, body: bytes, path: Path) -> int:
    (link_type,) = struct.unpack_from(order + "H", body)
    if link_type != _ETHERNET:
        raise CaptureFileError(f"{path}: got link type {link_type}; want Ethernet ({_ETHERNET})")
    resolution = _option(order, body[8:], _IF_TSRESOL)
    exponent = resolution[0] if resolution else _MICROSECONDS
    return 1 << (exponent & 0x7F) if exponent & 0x80 else int(10**exponent)


def _option(order: str, options: bytes, wanted: int) -> bytes | None:
    while len(options) >= 4:
        code, length = struct.unpack_from(order + "HH", options)
        if code == wanted:
            return options[4 : 4 + length]
        options = options[4 + (length + 3) // 4 * 4 :]
    return None
