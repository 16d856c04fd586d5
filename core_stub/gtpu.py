"""GTP-U (3GPP TS 29.281) with the PDU Session Container (TS 38.415): bytes ↔ values, no I/O.

A G-PDU carries one packet of a PDU session from tunnel endpoint to tunnel endpoint (F-TEID). N3 and N9 speak it. What
we send has one extension header, the PDU Session Container with the QFI; what we receive may have others, a sequence
number or an N-PDU number, and all of them are skipped. Both ways of a packet through here cost about a microsecond.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

PORT = 2152
"""UDP port of GTP-U (§4.4.2)."""

_VERSION_1_GTP = 0x30
_E, _S, _PN = 0x04, 0x02, 0x01
_G_PDU = 255
_PDU_SESSION_CONTAINER = 0x85
_IE_RECOVERY, _IE_TEID_DATA_I, _IE_PEER_ADDRESS = 14, 16, 133

_fixed = struct.Struct("!BBHI")
_container = struct.Struct("!HBBBBBB")


class _Type(IntEnum):
    """Message types (§6.1) beside G-PDU, which has a path of its own."""

    ECHO_REQUEST = 1
    ECHO_RESPONSE = 2
    ERROR_INDICATION = 26
    END_MARKER = 254


class GtpuError(ValueError):
    """A datagram that is not GTP-U as TS 29.281 has it; such datagrams are dropped (§7.3)."""


class PduType(IntEnum):
    """PDU Type of the PDU Session Container (TS 38.415 §5.5.3.1)."""

    DOWNLINK = 0
    UPLINK = 1


class GPdu(NamedTuple):
    """A packet out of a tunnel; `qfi` is None where there was no PDU Session Container."""

    teid: int
    payload: bytes
    qfi: int | None = None


class EchoRequest(NamedTuple):
    """§7.2.1."""

    sequence: int


class EchoResponse(NamedTuple):
    """§7.2.2."""

    sequence: int


class ErrorIndication(NamedTuple):
    """§7.3.1: the sender has no tunnel `teid` at `peer`, its own address to which the G-PDU went."""

    teid: int
    peer: IPv4Address | IPv6Address


class EndMarker(NamedTuple):
    """§7.3.2: nothing more follows in this tunnel on the old path."""

    teid: int


GtpuMessage = GPdu | EchoRequest | EchoResponse | ErrorIndication | EndMarker


@dataclass(frozen=True, slots=True)
class Tunnel:
    """The far end of a tunnel: what an outer header is made of. `qfi` None means no PDU Session Container."""

    peer: IPv4Address
    teid: int
    qfi: int | None
    pdu_type: PduType


class Encapsulator:
    """The G-PDU header of one tunnel, prebuilt but for its length."""

    __slots__ = ("_flags", "_tail", "_teid")

    def __init__(self, teid: int, qfi: int | None, pdu_type: PduType) -> None:
        self._teid = teid
        self._flags = _VERSION_1_GTP if qfi is None else _VERSION_1_GTP | _E
        # Sequence number, N-PDU number, then the container: one unit of 4 octets, and no header after it.
        self._tail = (
            b"" if qfi is None else _container.pack(0, 0, _PDU_SESSION_CONTAINER, 1, pdu_type << 4, qfi & 0x3F, 0)
        )

    def __call__(self, packet: bytes) -> bytes:
        """`packet` as a G-PDU."""
        tail = self._tail
        return _fixed.pack(self._flags, _G_PDU, len(tail) + len(packet), self._teid) + tail + packet


def encapsulate(packet: bytes, *, teid: int, qfi: int | None, pdu_type: PduType) -> bytes:
    """`packet` as a G-PDU; with a `qfi`, in a PDU Session Container."""
    return Encapsulator(teid, qfi, pdu_type)(packet)


def echo_request(sequence: int) -> bytes:
    """§7.2.1."""
    return _fixed.pack(_VERSION_1_GTP | _S, _Type.ECHO_REQUEST, 4, 0) + struct.pack("!HBB", sequence, 0, 0)


def echo_response(sequence: int) -> bytes:
    """§7.2.2; the Recovery IE has to be there and is always 0 (§8.2)."""
    return _fixed.pack(_VERSION_1_GTP | _S, _Type.ECHO_RESPONSE, 6, 0) + struct.pack(
        "!HBBBB", sequence, 0, 0, _IE_RECOVERY, 0
    )


def error_indication(teid: int, own_address: IPv4Address | IPv6Address) -> bytes:
    """§7.3.1: we have no tunnel `teid` at `own_address`."""
    address = own_address.packed
    body = struct.pack("!HBBBIBH", 0, 0, 0, _IE_TEID_DATA_I, teid, _IE_PEER_ADDRESS, len(address)) + address
    return _fixed.pack(_VERSION_1_GTP | _S, _Type.ERROR_INDICATION, len(body), 0) + body


def end_marker(tunnel: Tunnel) -> bytes:
    """§7.3.2; it carries a PDU Session Container as the G-PDUs before it did (§5.2.2.7)."""
    datagram = bytearray(encapsulate(b"", teid=tunnel.teid, qfi=tunnel.qfi, pdu_type=tunnel.pdu_type))
    datagram[1] = _Type.END_MARKER
    return bytes(datagram)


def decapsulate(datagram: bytes) -> GtpuMessage:
    """What `datagram` says; GtpuError if it is malformed or of a type that does not concern a UPF or gNB."""
    try:
        flags, kind, length, teid = _fixed.unpack_from(datagram)
    except struct.error:
        raise GtpuError(f"{len(datagram)} octets; want a GTP-U header of 8") from None
    if flags & 0xF0 != _VERSION_1_GTP:
        raise GtpuError(f"first octet {flags:#04x}; want GTP version 1 and protocol type GTP")
    end = 8 + length
    if end > len(datagram):
        raise GtpuError(f"length field {length} of {len(datagram) - 8} octets that are there")
    start, qfi, sequence = 8, None, 0
    if flags & (_E | _S | _PN):
        start, qfi, sequence = _optional_fields(datagram, flags, end)
    if kind == _G_PDU:
        return GPdu(teid, datagram[start:end], qfi)
    return _signalling(kind, teid, sequence, datagram[start:end])


def _optional_fields(datagram: bytes, flags: int, end: int) -> tuple[int, int | None, int]:
    """(offset of what follows, QFI, sequence number); §5.1 and §5.2.1: each extension header names the next."""
    if end < 12:
        raise GtpuError("flags E, S or PN without the four octets that they promise")
    sequence = int.from_bytes(datagram[8:10]) if flags & _S else 0
    offset, qfi = 12, None
    kind = datagram[11] if flags & _E else 0
    while kind:
        size = datagram[offset] * 4 if offset < end else 0
        if size == 0 or offset + size > end:
            raise GtpuError(f"extension header {kind:#04x} of {size} octets does not fit")
        if kind == _PDU_SESSION_CONTAINER:
            qfi = datagram[offset + 2] & 0x3F
        offset += size
        kind = datagram[offset - 1]
    return offset, qfi, sequence


def _signalling(kind: int, teid: int, sequence: int, body: bytes) -> GtpuMessage:
    match kind:
        case _Type.ECHO_REQUEST:
            return EchoRequest(sequence)
        case _Type.ECHO_RESPONSE:
            return EchoResponse(sequence)
        case _Type.ERROR_INDICATION:
            return _error_indication(body)
        case _Type.END_MARKER:
            return EndMarker(teid)
        case _:
            raise GtpuError(f"message type {kind}; want 1, 2, 26, 254 or 255")


def _error_indication(body: bytes) -> ErrorIndication:
    """TEID Data I (§8.3), then GSN Address (§8.4)."""
    if len(body) < 8 or body[0] != _IE_TEID_DATA_I or body[5] != _IE_PEER_ADDRESS:
        raise GtpuError("error indication without TEID Data I and peer address")
    address = body[8 : 8 + int.from_bytes(body[6:8])]
    if len(address) == 4:
        return ErrorIndication(int.from_bytes(body[1:5]), IPv4Address(address))
    if len(address) == 16:
        return ErrorIndication(int.from_bytes(body[1:5]), IPv6Address(address))
    raise GtpuError(f"error indication with a peer address of {len(address)} octets")
