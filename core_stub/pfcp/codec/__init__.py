"""Bytes ↔ messages.

framing.py     headers, and IEs as type, length, value
layout.py      how the tables of clause 7 are written down
layouts.py     which IEs a message is made of
groups.py      which IEs a grouped IE is made of
tables.py      from these tables to functions
leaves.py      the values of all other IEs
addresses.py   those of them that are names and addresses
structures.py  those of them that consist of several other parts
leaf.py        what these are made of
reference.py   the same by pycrate, slowly: the oracle that tests compare with, and the baseline of the benchmark

A received message that breaks the protocol raises `RemoteProtocolError` with the cause to answer, and nothing else.
Unknown IEs are ignored, so are repetitions of an IE that a table lists once (TS 29.244 §7.6.4 to §7.6.6). An IE that is
known but malformed is rejected even where it is optional: a rule without its filter would do more than was asked.
"""

from __future__ import annotations

import struct
from typing import cast

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.codec.framing import VERSION, Frame, Header, bundled, frames, ie_bounds, message
from core_stub.pfcp.codec.layouts import MESSAGES
from core_stub.pfcp.codec.leaf import TooShortError
from core_stub.pfcp.codec.leaves import LEAVES
from core_stub.pfcp.codec.tables import Write, reader, writer
from core_stub.pfcp.ies import Cause, IeType
from core_stub.pfcp.messages import SESSION_TYPES, Message

__all__ = ["VERSION", "Frame", "Header", "Message", "bundled", "decode", "encode", "frames", "readable_cp_seid"]


_WRITERS: dict[int, Write] = {kind: writer(layout) for kind, layout in MESSAGES.items()}
_READERS = {kind: (reader(layout), layout.build) for kind, layout in MESSAGES.items()}


def encode(msg: Message, sequence: int, priority: int | None = None) -> bytes:
    """The octets of a message; raises `LocalProtocolError` if it is not one that may be sent."""
    kind, seid = msg.message_type, getattr(msg, "seid", None)
    try:
        return message(Header(VERSION, kind, sequence, seid, priority), _WRITERS[kind](msg))
    except (struct.error, TypeError) as error:
        raise LocalProtocolError(f"{type(msg).__name__} does not fit into a message: {error}") from error


def decode(frame: Frame) -> Message:
    """The message in a frame; raises `RemoteProtocolError`."""
    header = frame.header
    read, build = _READERS.get(header.message_type, (None, None))
    if read is None or build is None:
        raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, f"message type {header.message_type} is not known")
    if not frame.is_complete:
        raise RemoteProtocolError(Cause.INVALID_LENGTH, "the message is cut short")
    if (header.seid is not None) != (header.message_type in SESSION_TYPES):
        raise RemoteProtocolError(Cause.REQUEST_REJECTED, "session messages, and they alone, have an SEID")
    values = read(frame.body)
    if header.seid is not None:
        values["seid"] = header.seid
    return cast(Message, build(**values))


def readable_cp_seid(frame: Frame) -> int:
    """The CP function's SEID in a session establishment request that as a whole cannot be read; 0 if there is none.

    Its rejection is to be sent to that SEID (§7.2.2.4.2).
    """
    try:
        for ie, begin, end in ie_bounds(frame.body):
            if ie == IeType.F_SEID:
                return cast(int, LEAVES[IeType.F_SEID].decode(frame.body[begin:end]).seid)
    except (RemoteProtocolError, TooShortError, ValueError):
        pass
    return 0
