"""What the values of IEs are made of: numbers, flags, text, addresses, and parts that flags switch on.

A reader gets the octets and where to begin and returns the value and where it ended. All here raise `TooShortError`
where octets are missing, and ValueError or one of its kind at a value that cannot be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any


class TooShortError(Exception):
    """The octets end before the value does."""


@dataclass(frozen=True)
class Leaf:
    """How one IE becomes octets and back. Octets that a later release appends are ignored (§7.6.6)."""

    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


@dataclass(frozen=True)
class Kind:
    """How a part of an IE is written, and read from the octets at a place."""

    write: Callable[[Any], bytes]
    read: Callable[[bytes, int], tuple[Any, int]]


def require(condition: object, want: str) -> None:
    """Raise ValueError if there is not what is wanted."""
    if not condition:
        raise ValueError(f"want {want}")


# -- kinds of parts ---------------------------------------------------------------------------------------------------


def fixed(size: int, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> Kind:
    """A part of `size` octets."""

    def read_fixed(octets: bytes, at: int) -> tuple[Any, int]:
        end = at + size
        if end > len(octets):
            raise TooShortError(f"want {end} octets")
        return read(octets[at:end]), end

    return Kind(write, read_fixed)


def unsigned(size: int) -> Kind:
    """A number of `size` octets."""
    return fixed(size, lambda value: int(value).to_bytes(size), int.from_bytes)


def counted(size: int, write: Callable[[Any], bytes], read: Callable[[bytes], Any]) -> Kind:
    """A part of any length, which `size` octets before it tell."""

    def write_counted(value: Any) -> bytes:
        octets = write(value)
        return len(octets).to_bytes(size) + octets

    def read_counted(octets: bytes, at: int) -> tuple[Any, int]:
        begin = at + size
        if begin > len(octets):
            raise TooShortError(f"want {begin} octets")
        end = begin + int.from_bytes(octets[at:begin])
        if end > len(octets):
            raise TooShortError(f"want {end} octets")
        return read(octets[begin:end]), end

    return Kind(write_counted, read_counted)


def to_text(value: str) -> bytes:
    """Text as it is sent."""
    return value.encode()


def from_text(octets: bytes) -> str:
    """Text as it was sent; UnicodeDecodeError, which is a ValueError, if it is none."""
    return octets.decode()


U8, U16, U24, U32, U64 = (unsigned(size) for size in (1, 2, 3, 4, 8))
RATE = unsigned(5)
IPV4 = fixed(4, lambda address: address.packed, IPv4Address)
IPV6 = fixed(16, lambda address: address.packed, IPv6Address)
TEXT8, TEXT16 = (counted(size, to_text, from_text) for size in (1, 2))
OCTETS16 = counted(2, bytes, bytes)


def listed(item: Kind) -> Kind:
    """Several, with their length together in two octets before them (§8.2.39)."""

    def read_items(octets: bytes) -> tuple[Any, ...]:
        items, at = [], 0
        while at < len(octets):
            value, at = item.read(octets, at)
            items.append(value)
        return tuple(items)

    return counted(2, lambda values: b"".join(map(item.write, values)), read_items)


# -- whole IEs --------------------------------------------------------------------------------------------------------


def alone(kind: Kind, of: Callable[[Any], Any] | None = None) -> Leaf:
    """An IE that is one part, which becomes a value by `of`."""
    if of is None:
        return Leaf(kind.write, lambda octets: kind.read(octets, 0)[0])
    return Leaf(kind.write, lambda octets: of(kind.read(octets, 0)[0]))


def number(size: int, of: Callable[[int], Any] | None = None) -> Leaf:
    """A number of `size` octets."""
    return alone(unsigned(size), of)


def low_bits(bits: int, of: Callable[[int], Any] = int) -> Leaf:
    """A number in the low bits of an octet; the spare bits are ignored by the receiver (§8.1.2)."""
    mask = (1 << bits) - 1

    def encode_bits(value: Any) -> bytes:
        require(0 <= value <= mask, f"a number of {bits} bits")
        return bytes([value])

    return Leaf(encode_bits, lambda octets: of(U8.read(octets, 0)[0] & mask))


_LONGEST_FLAGS = 16


def flags(size: int, of: Callable[[int], Any]) -> Leaf:
    """Flags, octet 5 in the low byte: at least `size` octets are sent, as few as one is understood."""

    def encode_flags(value: Any) -> bytes:
        return int(value).to_bytes(max(size, (int(value).bit_length() + 7) // 8), "little")

    def decode_flags(octets: bytes) -> Any:
        if not octets:
            raise TooShortError("want an octet")
        return of(int.from_bytes(octets[:_LONGEST_FLAGS], "little"))

    return Leaf(encode_flags, decode_flags)


def text() -> Leaf:
    """An IE that is nothing but text."""
    return Leaf(to_text, from_text)


@dataclass(frozen=True)
class Part:
    """An attribute that is there if the IE has `flag`; 0 stands for one that always is."""

    name: str
    flag: int
    kind: Kind


def flagged(
    build: Callable[..., Any],
    *parts: Part,
    switches: dict[str, int] | None = None,
    head: int = 1,
    check: Callable[[Any], None] | None = None,
) -> Leaf:
    """An IE of `head` octets, the first of them with flags, and of the parts that the flags say are there.

    Attributes in `switches` are flags themselves. `check` raises ValueError at combinations that cannot be.
    """
    given = list((switches or {}).items())

    def encode_parts(value: Any) -> bytes:
        if check:
            check(value)
        set_flags, written = 0, []
        for name, flag in given:
            if getattr(value, name):
                set_flags |= flag
        for part in parts:
            item = getattr(value, part.name)
            if item is not None and item != ():
                set_flags |= part.flag
                written.append(part.kind.write(item))
        return bytes([set_flags]).ljust(head, b"\0") + b"".join(written)

    def decode_parts(octets: bytes) -> Any:
        if len(octets) < head:
            raise TooShortError(f"want {head} octets")
        set_flags, at = octets[0], head
        values: dict[str, Any] = {name: bool(set_flags & flag) for name, flag in given}
        for part in parts:
            if not part.flag or set_flags & part.flag:
                values[part.name], at = part.kind.read(octets, at)
        value = build(**values)
        if check:
            check(value)
        return value

    return Leaf(encode_parts, decode_parts)
