"""Frame replication and elimination for reliability (IEEE 802.1CB-2017): tags, and which copy is the first. Pure."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

R_TAG = 0xF1C1
"""EtherType of the redundancy tag (§7.8)."""

NUMBERS = 1 << 16
"""Sequence numbers (§7.4.1)."""

HISTORY = 64
"""How far behind the newest number a frame may be and still be the first with its own (§7.4.3.2.2)."""

RESET_S = 1.0
"""Without a frame for so long, any number may be next (§7.4.3.2.3)."""

_ADDRESSES = 12
_TAG = struct.Struct("!HHH")


class UntaggedError(ValueError):
    """A frame without a redundancy tag."""


def is_tagged(frame: bytes) -> bool:
    """Whether a redundancy tag follows the addresses."""
    return len(frame) >= _ADDRESSES + _TAG.size and frame[12:14] == R_TAG.to_bytes(2)


def tagged(frame: bytes, sequence: int) -> bytes:
    """The frame with a redundancy tag behind its addresses: EtherType, 16 reserved bits, 16 bits of sequence number."""
    return frame[:_ADDRESSES] + _TAG.pack(R_TAG, 0, sequence % NUMBERS) + frame[_ADDRESSES:]


def untagged(frame: bytes) -> tuple[int, bytes]:
    """Sequence number, and the frame without its tag; UntaggedError if it has none."""
    if not is_tagged(frame):
        raise UntaggedError(frame[:_ADDRESSES].hex())
    _, _, sequence = _TAG.unpack_from(frame, _ADDRESSES)
    return sequence, frame[:_ADDRESSES] + frame[_ADDRESSES + _TAG.size :]


@dataclass
class Recovery:
    """The vector recovery algorithm (§7.4.3.4) for one stream; counts what it passed and what it discarded."""

    passed: int = 0
    discarded: int = 0
    rogue: int = 0
    """Of the discarded, those too far from the newest number to tell (§7.4.3.4.2)."""
    _newest: int | None = None
    _seen: int = field(default=0)
    """Bit n: the number n before the newest has come."""
    _last: float = 0.0

    def accept(self, sequence: int, now: float) -> bool:
        """Whether this is the first frame with its number; `now` in seconds, of any clock that only goes on."""
        if self._newest is None or now - self._last > RESET_S:
            self._newest, self._seen = sequence, 1
            return self._pass(now)
        ahead = (sequence - self._newest + NUMBERS // 2) % NUMBERS - NUMBERS // 2
        if not -HISTORY < ahead < HISTORY:
            self.rogue += 1
            self.discarded += 1
            return False
        if ahead > 0:
            self._newest = sequence
            self._seen = (self._seen << ahead | 1) & (1 << HISTORY) - 1
            return self._pass(now)
        if self._seen >> -ahead & 1:
            self.discarded += 1
            return False
        self._seen |= 1 << -ahead
        return self._pass(now)

    def _pass(self, now: float) -> bool:
        self.passed += 1
        self._last = now
        return True
