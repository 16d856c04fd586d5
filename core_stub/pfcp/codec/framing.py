"""The frame of PFCP: message headers (TS 29.244 §7.2.2), and IEs as type, length, value (§8.1.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp.ies import Cause

VERSION = 1

_FOLLOW_ON, _PRIORITY, _SEID = 0x04, 0x02, 0x01
_PREFIX = struct.Struct("!BBH")
_NODE_HEAD = struct.Struct("!BBHI")
_SESSION_HEAD = struct.Struct("!BBHQI")
_IE_HEAD = struct.Struct("!HH")


class Header(NamedTuple):
    """§7.2.2; `seid` is None in a node message, `priority` where the MP flag is not set."""

    version: int
    message_type: int
    sequence: int
    seid: int | None
    priority: int | None


class Frame(NamedTuple):
    """One message of a datagram: its header, what follows the header, and all of its octets."""

    header: Header
    body: bytes
    octets: bytes
    is_complete: bool
    """False if the header promises more octets than the datagram has."""


def frames(datagram: bytes) -> Iterator[Frame]:
    """The messages of a datagram: one, and another for each that sets the Follow On flag.

    Raises `RemoteProtocolError` at a message whose header cannot be read: there is nothing to answer then.
    """
    at = 0
    while True:
        frame = _frame_at(datagram, at)
        yield frame
        if not frame.octets[0] & _FOLLOW_ON:
            return
        at += len(frame.octets)


def _frame_at(datagram: bytes, at: int) -> Frame:
    if len(datagram) - at < _PREFIX.size:
        raise RemoteProtocolError(Cause.INVALID_LENGTH, f"{len(datagram) - at} octets are no PFCP header")
    flags, message_type, length = _PREFIX.unpack_from(datagram, at)
    size = _PREFIX.size + length
    octets = datagram[at : at + size]
    after_seid = _PREFIX.size + (8 if flags & _SEID else 0)
    if len(octets) < after_seid + 4:
        raise RemoteProtocolError(Cause.INVALID_LENGTH, f"{len(octets)} octets are no PFCP header")
    header = Header(
        version=flags >> 5,
        message_type=message_type,
        sequence=int.from_bytes(octets[after_seid : after_seid + 3]),
        seid=int.from_bytes(octets[_PREFIX.size : after_seid]) if flags & _SEID else None,
        priority=octets[after_seid + 3] >> 4 if flags & _PRIORITY else None,
    )
    return Frame(header, octets[after_seid + 4 :], octets, is_complete=len(octets) == size)


def message(header: Header, body: bytes) -> bytes:
    """A message; raises struct.error or OverflowError if a field of the header has no room."""
    flags = header.version << 5
    last = header.sequence << 8
    if header.priority is not None:
        flags |= _PRIORITY
        last |= header.priority << 4
    if header.seid is None:
        return _NODE_HEAD.pack(flags, header.message_type, len(body) + 4, last) + body
    return _SESSION_HEAD.pack(flags | _SEID, header.message_type, len(body) + 12, header.seid, last) + body


def bundled(first: bytes, second: bytes) -> bytes:
    """One datagram of two: the last message of the first says by its Follow On flag that another comes."""
    at = 0
    while first[at] & _FOLLOW_ON:
        at += _PREFIX.size + _PREFIX.unpack_from(first, at)[2]
    return first[:at] + bytes([first[at] | _FOLLOW_ON]) + first[at + 1 :] + second


def ie_bounds(octets: bytes) -> Iterator[tuple[int, int, int]]:
    """The type of each IE, and where its value begins and ends (§8.1.1).

    What a vendor defined has a type from 0x8000 on, and a value that begins with the enterprise ID.
    """
    at, end = 0, len(octets)
    while at < end:
        if end - at < _IE_HEAD.size:
            raise RemoteProtocolError(Cause.INVALID_LENGTH, f"{end - at} octets are left over after the last IE")
        ie, length = _IE_HEAD.unpack_from(octets, at)
        begin = at + _IE_HEAD.size
        at = begin + length
        if at > end:
            raise RemoteProtocolError(Cause.INVALID_LENGTH, f"IE {ie} is longer than what holds it", ie)
        yield ie, begin, at


def pack_ie(ie: int, value: bytes) -> bytes:
    """An IE; raises struct.error if the value is too long for one."""
    return _IE_HEAD.pack(ie, len(value)) + value
