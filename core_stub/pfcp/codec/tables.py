"""From the tables to functions: for every IE and message one that writes it and one that reads it.

Sessions are much alike: most of the rules of one are, octet by octet, rules of many others. So what an IE becomes is
kept for the next one that is the same, in either direction, and sessions share their equal rules. The values are
frozen; nobody can tell. Neither the length of what is kept nor their number is the peer's to choose.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from operator import attrgetter
from typing import Any

from core_stub.errors import LocalProtocolError, RemoteProtocolError
from core_stub.pfcp.codec.framing import ie_bounds, pack_ie
from core_stub.pfcp.codec.groups import GROUPS
from core_stub.pfcp.codec.layout import Field, Layout
from core_stub.pfcp.codec.leaf import Leaf, TooShortError
from core_stub.pfcp.codec.leaves import LEAVES
from core_stub.pfcp.ies import Cause, IeType

_KEPT = 512
"""Of each IE, in each direction."""
_KEPT_OCTETS = 256
"""Longer ones do not come back."""

Write = Callable[[Any], bytes]
"""A value to an IE, with its head; LocalProtocolError if it does not fit."""
Read = Callable[[bytes], Any]
"""What an IE holds, without its head, to a value; RemoteProtocolError if it is wrong."""


# -- out --------------------------------------------------------------------------------------------------------------


def writer(layout: Layout) -> Write:
    """How the IEs of a message or a group are written."""
    rows = [(_getter(row), ie_writer(row.ie), row.many, row.required and row.ie.name) for row in layout.fields]

    def write(owner: Any) -> bytes:
        written: list[bytes] = []
        for get, write_ie, is_many, needed in rows:
            value = get(owner)
            if value is not None and not is_many:
                written.append(write_ie(value))
            elif value:
                written += map(write_ie, value)
            elif needed:
                raise LocalProtocolError(f"{type(owner).__name__} needs {needed}")
        if layout.removable and owner.removed:
            written += [pack_ie(row.ie, b"") for row in layout.fields if not owner.removed.isdisjoint(row.attributes)]
        return b"".join(written)

    return write


def _getter(row: Field) -> Callable[[Any], Any]:
    """What has to be written for a row, or None."""
    if row.switch is not None:
        is_on = attrgetter(*row.attributes)
        return lambda owner: row.switch if is_on(owner) else None
    if len(row.attributes) > 1:
        get = attrgetter(*row.attributes)
        nothing = (None,) * len(row.attributes)
        return lambda owner: None if get(owner) == nothing else get(owner)
    if not row.attributes[0]:
        return lambda owner: owner
    get = attrgetter(*row.attributes)
    return (lambda owner: get(owner) or None) if _is_list(row.ie) else get


def _is_list(ie: IeType) -> bool:
    """Whether the group is nothing but several of the same; it is left out where there are none."""
    layout = GROUPS.get(ie)
    return layout is not None and layout.build is None and layout.fields[0].many


@cache
def ie_writer(ie: IeType) -> Write:
    """How an IE is written."""
    layout = GROUPS.get(ie)
    write = _leaf_writer(ie, LEAVES[ie]) if layout is None else writer(layout)
    return lru_cache(_KEPT)(lambda value: pack_ie(ie, write(value)))


def _leaf_writer(ie: IeType, leaf: Leaf) -> Write:
    def write(value: Any) -> bytes:
        try:
            return leaf.encode(value)
        except (ValueError, TypeError, AttributeError, OverflowError) as error:
            raise LocalProtocolError(f"{ie.name}: got {value!r}: {error}") from error

    return write


# -- in ---------------------------------------------------------------------------------------------------------------


def reader(layout: Layout) -> Callable[[bytes], dict[str, Any]]:
    """How the IEs of a message or a group are read, to its attributes."""
    rows = {int(row.ie): (row.attributes[0], row.many, ie_reader(row.ie)) for row in layout.fields}
    required = [(row.attributes[0], row.ie) for row in layout.fields if row.required]
    unfinished = [(row.attributes[0], finish) for row in layout.fields if (finish := _finisher(row)) is not None]
    removable = {int(row.ie) for row in layout.fields if layout.removable and not row.required}

    def read(octets: bytes) -> dict[str, Any]:
        values: dict[str, Any] = {}
        removed: set[int] = set()
        for ie, begin, end in ie_bounds(octets):
            if ie not in rows:
                continue
            if begin == end and ie in removable:
                removed.add(ie)
                continue
            name, is_many, read_ie = rows[ie]
            if is_many:
                values.setdefault(name, []).append(read_ie(octets[begin:end]))
            elif name not in values:
                values[name] = read_ie(octets[begin:end])
        for name, ie_type in required:
            if name not in values:
                raise RemoteProtocolError(Cause.MANDATORY_IE_MISSING, f"{ie_type.name} is missing", ie_type)
        for name, finish in unfinished:
            if name in values:
                finish(values)
        if removed:
            gone = (row.attributes for row in layout.fields if row.ie in removed)
            values["removed"] = frozenset(name for names in gone for name in names if name not in values)
        return values

    return read


def _finisher(row: Field) -> Callable[[dict[str, Any]], None] | None:
    """What is left to do with what was read for a row, in place; None if it is the attribute as it is."""
    name, names = row.attributes[0], row.attributes
    if row.switch is not None:
        switch = row.switch
        return lambda values: values.update({name: bool(values[name] & switch)})
    if row.many:
        return lambda values: values.update({name: tuple(values[name])})
    if len(names) > 1:
        return lambda values: values.update(zip(names, values[name], strict=True))
    return None


@cache
def ie_reader(ie: IeType) -> Read:
    """How an IE is read."""
    layout = GROUPS.get(ie)
    read = _leaf_reader(ie, LEAVES[ie]) if layout is None else _group_reader(layout)
    kept = lru_cache(_KEPT)(read)
    return lambda octets: kept(octets) if len(octets) <= _KEPT_OCTETS else read(octets)


def _group_reader(layout: Layout) -> Read:
    read, build = reader(layout), layout.build
    if build is None:
        return lambda octets: read(octets)[""]
    return lambda octets: build(**read(octets))


def _leaf_reader(ie: IeType, leaf: Leaf) -> Read:
    def read(octets: bytes) -> Any:
        try:
            return leaf.decode(octets)
        except TooShortError as error:
            detail = f"{ie.name}: {octets.hex()} is cut short: {error}"
            raise RemoteProtocolError(Cause.INVALID_LENGTH, detail, ie) from error
        except ValueError as error:
            detail = f"{ie.name}: got {octets.hex()}: {error}"
            raise RemoteProtocolError(Cause.MANDATORY_IE_INCORRECT, detail, ie) from error

    return read
