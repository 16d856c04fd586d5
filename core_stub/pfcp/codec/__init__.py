"""Bytes ↔ messages.

framing.py     headers, and IEs as type, length, value
layout.py      how the tables of clause 7 are written down
layouts.py     which IEs a message is made of
groups.py      which IEs a grouped IE is made of
leaves.py      the values of all other IEs
structures.py  those of them that consist of several parts
leaf.py        what these are made of
reference.py   the same by pycrate, slowly: the oracle that tests compare with, and the baseline of the benchmark

A received message that breaks the protocol raises `RemoteProtocolError` with the cause to answer, and nothing else.
Unknown IEs are ignored, so are repetitions of an IE that a table lists once (TS 29.244 §7.6.4 to §7.6.6). An IE that is
known but malformed is rejected even where it is optional: a rule without its filter would do more than was asked.
"""

from __future__ import annotations

from typing import Any, cast

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.codec import leaves
from core_stub.pfcp.codec.framing import VERSION, Frame, Header, frames, message, pack_ie, split_ies
from core_stub.pfcp.codec.groups import GROUPS
from core_stub.pfcp.codec.layout import Field, Layout
from core_stub.pfcp.codec.layouts import MESSAGES
from core_stub.pfcp.ies import Cause, IeType
from core_stub.pfcp.messages import SESSION_TYPES, Message

__all__ = ["VERSION", "Frame", "Header", "decode", "encode", "frames"]


def encode(msg: Message, sequence: int) -> bytes:
    """The octets of a message; raises `LocalProtocolError` if it is not one that may be sent."""
    body = _write(MESSAGES[msg.message_type], msg)
    return message(msg.message_type, getattr(msg, "seid", None), sequence, body)


def decode(frame: Frame) -> Message:
    """The message in a frame; raises `RemoteProtocolError`."""
    header = frame.header
    layout = MESSAGES.get(header.message_type)
    if layout is None or layout.build is None:
        raise RemoteProtocolError(Cause.SERVICE_NOT_SUPPORTED, f"message type {header.message_type} is not known")
    if not frame.is_complete:
        raise RemoteProtocolError(Cause.INVALID_LENGTH, "the message is cut short")
    if (header.seid is not None) != (header.message_type in SESSION_TYPES):
        raise RemoteProtocolError(Cause.REQUEST_REJECTED, "session messages, and they alone, have an SEID")
    values = _read(layout, frame.body)
    if header.seid is not None:
        values["seid"] = header.seid
    return cast(Message, layout.build(**values))


# -- out --------------------------------------------------------------------------------------------------------------


def _write(layout: Layout, value: Any) -> bytes:
    written = [
        pack_ie(row.ie, _write(GROUPS[row.ie], item) if row.ie in GROUPS else leaves.encode(row.ie, item))
        for row in layout.fields
        for item in _items(row, value)
    ]
    if layout.removable:
        written += [pack_ie(row.ie, b"") for row in layout.fields if not value.removed.isdisjoint(_names(row))]
    return b"".join(written)


def _names(row: Field) -> tuple[str, ...]:
    return row.names if isinstance(row.names, tuple) else (row.names,)


def _items(row: Field, owner: Any) -> tuple[Any, ...]:
    """What has to be written for a row: as many values as there are IEs."""
    if row.switch is not None:
        return (row.switch,) if getattr(owner, row.names) else ()  # type: ignore[arg-type]
    if isinstance(row.names, tuple):
        value: Any = tuple(getattr(owner, name) for name in row.names)
        is_absent = all(part is None for part in value)
    else:
        value = getattr(owner, row.names) if row.names else owner
        is_absent = value is None or value == ()
    if is_absent and row.required:
        raise LocalProtocolError(f"{type(owner).__name__} needs {row.ie.name}")
    if is_absent:
        return ()
    return value if row.many else (value,)


# -- in ---------------------------------------------------------------------------------------------------------------


def _read(layout: Layout, octets: bytes) -> dict[str, Any]:
    found: dict[int, list[bytes]] = {}
    for ie, payload in split_ies(octets):
        found.setdefault(ie, []).append(payload)
    values: dict[str, Any] = {}
    removed: set[str] = set()
    for row in layout.fields:
        payloads = found.get(row.ie)
        if payloads is None:
            if row.required:
                raise RemoteProtocolError(Cause.MANDATORY_IE_MISSING, f"{row.ie.name} is missing", row.ie)
            continue
        if layout.removable and not row.required and not payloads[0]:
            removed.update(_names(row))
            continue
        items = tuple(_read_value(row.ie, payload) for payload in (payloads if row.many else payloads[:1]))
        _assign(values, row, items)
    if removed:
        values["removed"] = frozenset(removed)
    return values


def _assign(values: dict[str, Any], row: Field, items: tuple[Any, ...]) -> None:
    value: Any = items if row.many else items[0]
    if row.switch is not None:
        value = bool(value & row.switch)
    if isinstance(row.names, tuple):
        values.update(zip(row.names, value, strict=True))
    else:
        values[row.names] = value


def _read_value(ie: IeType, octets: bytes) -> Any:
    layout = GROUPS.get(ie)
    if layout is None:
        return leaves.decode(ie, octets)
    values = _read(layout, octets)
    return values[""] if layout.build is None else layout.build(**values)
