"""N4 as somebody who listens sees it: datagrams in, one `Traced` a message out, as text or JSON; no I/O.

A message is put together with what came before: a request seen twice is a retransmission (TS 29.244 §6.4), a response
knows how long its request has waited. What cannot be decoded is shown all the same, with the reason.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Flag, IntEnum
from typing import Any

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp import codec
from core_stub.pfcp.messages import REQUEST_TYPES, Message
from core_stub.pfcp.transactions import Address

_REMEMBERED = 10_000
"""Transactions that are known at a time; older ones are forgotten, as an answer to them is not expected any more."""


@dataclass(frozen=True)
class Traced:
    """A message on its way from `source` to `destination` at `t`, seconds of Unix time.

    `is_repeated` marks what was seen before: a retransmission, or an answer given again. `took_ms` is how long after
    the request the response came. `message` is None where `problem` says why it cannot be decoded.
    """

    t: float
    source: Address
    destination: Address
    name: str
    sequence: int
    seid: int | None
    octets: int
    is_repeated: bool = False
    took_ms: float | None = None
    message: Message | None = None
    problem: str = ""


class Tracer:
    """Remembers the transactions that it has seen."""

    def __init__(self) -> None:
        self._requests: OrderedDict[tuple[Address, Address, int], float] = OrderedDict()
        self._answered: OrderedDict[tuple[Address, Address, int], None] = OrderedDict()

    def take(self, datagram: bytes, source: Address, destination: Address, t: float) -> Iterator[Traced]:
        """The messages of a datagram (§6.8: there may be several)."""
        try:
            for frame in codec.frames(datagram):
                yield self._traced(frame, source, destination, t)
        except RemoteProtocolError as error:
            yield Traced(t, source, destination, "no PFCP message", 0, None, len(datagram), problem=str(error))

    def _traced(self, frame: codec.Frame, source: Address, destination: Address, t: float) -> Traced:
        header = frame.header
        message, problem = _decoded(frame)
        name = _spaced(type(message).__name__) if message else f"message type {header.message_type}"
        is_repeated, took_ms = self._related(header, source, destination, t)
        return Traced(
            t,
            source,
            destination,
            name,
            header.sequence,
            header.seid,
            len(frame.octets),
            is_repeated,
            took_ms,
            message,
            problem,
        )

    def _related(
        self, header: codec.Header, source: Address, destination: Address, t: float
    ) -> tuple[bool, float | None]:
        if header.message_type in REQUEST_TYPES:
            key = (source, destination, header.sequence)
            is_repeated = key in self._requests
            _remember(self._requests, key, self._requests.get(key, t))
            return is_repeated, None
        key = (destination, source, header.sequence)
        is_repeated = key in self._answered
        _remember(self._answered, key, None)
        asked = self._requests.get(key)
        return is_repeated, None if asked is None else (t - asked) * 1000


def _remember(table: OrderedDict[Any, Any], key: object, value: object) -> None:
    table[key] = value
    if len(table) > _REMEMBERED:
        table.popitem(last=False)


def _decoded(frame: codec.Frame) -> tuple[Message | None, str]:
    try:
        return codec.decode(frame), ""
    except RemoteProtocolError as error:
        return None, str(error)


def _spaced(name: str) -> str:
    """`SessionReportRequest` as the specification writes it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("Pfd", "PFD")


def ie_lines(message: Message) -> Iterator[tuple[str, str]]:
    """Name and value of every IE of a message, one a line; what is absent is left out."""
    for name, value in _present(message):
        if name == "seid":
            continue
        for item in value if isinstance(value, tuple) and value and is_dataclass(value[0]) else (value,):
            yield name, compact(item)


def compact(value: Any) -> str:
    """A value in one line: `pdr_id 1, precedence 255, pdi {source_interface ACCESS}`."""
    if is_dataclass(value):
        if len(fields(value)) == 1:
            return compact(getattr(value, fields(value)[0].name))
        return ", ".join(_named(name, inner) for name, inner in _present(value))
    if isinstance(value, Flag):
        return str(value.name) if value.name else hex(value.value)
    if isinstance(value, IntEnum):
        return value.name
    if isinstance(value, tuple | frozenset):
        return " ".join(compact(item) for item in value if item is not None)
    return f'"{value}"' if isinstance(value, str) and " " in value else str(value)


def _named(name: str, value: Any) -> str:
    if value is True:
        return name
    if name in ("seid", "teid"):
        return f"{name} {value:#x}"
    if is_dataclass(value):
        return f"{name} {{{compact(value)}}}"
    if isinstance(value, tuple) and value and is_dataclass(value[0]):
        return f"{name} " + " ".join(f"{{{compact(item)}}}" for item in value)
    return f"{name} {compact(value)}"


def _present(value: Any) -> Iterator[tuple[str, Any]]:
    for field in fields(value):
        found = getattr(value, field.name)
        if found is not None and found is not False and found not in ((), frozenset(), ""):
            yield field.name, found


def as_json(traced: Traced) -> dict[str, Any]:
    """What `json.dumps` takes: the message as nested objects, addresses as `ip:port`."""
    shown = {name: value for name, value in _present(traced) if name not in ("message", "source", "destination")}
    ends = {name: "{}:{}".format(*getattr(traced, name)) for name in ("source", "destination")}
    return {**ends, **shown} | ({"ies": _plain(traced.message)} if traced.message else {})


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {name: _plain(inner) for name, inner in _present(value)}
    if isinstance(value, tuple | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, bool | float) or (isinstance(value, int) and not isinstance(value, Flag | IntEnum)):
        return value
    return compact(value)
