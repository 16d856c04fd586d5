"""STAMP, the Simple Two-Way Active Measurement Protocol (RFC 8762), unauthenticated mode, without I/O.

A Session-Sender numbers and stamps probes; a Session-Reflector stamps each on arrival and again when it sends it back:

    sender   --- sequence, T1 --------------------------->   reflector   receives at T2
             <-- own sequence, T3, T2, sequence, T1, TTL ---             sends at T3
    receives at T4:   up = T2 - T1, down = T4 - T3, round trip = (T4 - T1) - (T3 - T2)

Time is an argument, in whole nanoseconds since the Unix epoch; on the wire it is in NTP's 64-bit format.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Hashable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

PORT = 862
"""The default destination UDP port (RFC 8762 §4.1)."""

PACKET_LENGTH = 44
"""Octets of a packet in either direction (§4.2.1, §4.3.1); a longer probe comes back at its own length."""

UnixNs = int
"""Whole nanoseconds since the Unix epoch."""

_NS = 10**9
_NTP_UNIX_OFFSET_NS = 2_208_988_800 * _NS  # from 1900-01-01 to 1970-01-01 (RFC 868)
_SEQUENCE_MODULUS = 2**32
_PROBE = struct.Struct("!IQH30x")
_REPLY = struct.Struct("!IQH2xQIQH2xB3x")
_PROBE_ECHO = slice(0, 14)  # what a reply repeats of its probe: sequence, time stamp, error estimate
_SEQUENCE = struct.Struct("!I")
_TIMESTAMP = struct.Struct("!Q")
_REFLECTION = struct.Struct("!IQH2xQ14s2xB3x")
_MAX_SESSIONS = 4096


class MalformedPacketError(ValueError):
    """The peer sent something that is no STAMP packet of the unauthenticated mode."""


def ntp_from_unix_ns(time: UnixNs) -> int:
    """The 64-bit NTP time stamp (RFC 5905 §6): seconds since 1900, modulo 2^32, and 32 bits of fraction.

    Rounded up, so that `unix_ns_from_ntp` gives the same nanosecond back.
    """
    return -((-(time + _NTP_UNIX_OFFSET_NS) << 32) // _NS) % 2**64


def unix_ns_from_ntp(stamp: int) -> UnixNs:
    """Nanoseconds since the Unix epoch; below 2^31 seconds the era is that which begins in 2036 (RFC 4330 §3)."""
    if stamp < 2**63:
        stamp += 2**64
    return (stamp * _NS >> 32) - _NTP_UNIX_OFFSET_NS


@dataclass(frozen=True)
class ErrorEstimate:
    """The clock is off by `multiplier` × 2^(`scale` - 32) s at most (RFC 4656 §4.1.2, the Z bit of RFC 8186 §2.1)."""

    synchronized: bool
    scale: int
    multiplier: int
    ptp_format: bool = False

    @classmethod
    def of(cls, seconds: float, *, synchronized: bool) -> ErrorEstimate:
        """The tightest estimate that is at least `seconds`; the multiplier is never zero."""
        units = max(1, math.ceil(seconds * 2**32))
        scale = max(0, units.bit_length() - 8)
        if units > 0xFF << scale:
            scale += 1
        return cls(synchronized, scale, -(-units >> scale))

    @classmethod
    def decode(cls, field: int) -> ErrorEstimate:
        """From the 16-bit field."""
        return cls(bool(field & 0x8000), field >> 8 & 0x3F, field & 0xFF, ptp_format=bool(field & 0x4000))

    def encode(self) -> int:
        """The 16-bit field: S, Z, six bits of scale, eight of multiplier."""
        return self.synchronized << 15 | self.ptp_format << 14 | self.scale << 8 | self.multiplier

    @property
    def seconds(self) -> float:
        """The error in seconds."""
        return math.ldexp(self.multiplier, self.scale - 32)


SAME_HOST = ErrorEstimate.of(1e-6, synchronized=True)
"""Both ends read the clock of one machine; a microsecond covers the reading."""


@dataclass(frozen=True)
class Probe:
    """What a Session-Sender sends (§4.2.1)."""

    sequence: int
    sent: UnixNs
    error: ErrorEstimate = SAME_HOST

    @classmethod
    def decode(cls, packet: bytes) -> Probe:
        """From the first 44 octets; raises MalformedPacketError."""
        sequence, sent, error = _PROBE.unpack_from(_checked(packet))
        return cls(sequence, unix_ns_from_ntp(sent), ErrorEstimate.decode(error))

    def encode(self) -> bytes:
        """44 octets."""
        return _PROBE.pack(self.sequence, ntp_from_unix_ns(self.sent), self.error.encode())


@dataclass(frozen=True)
class Reply:
    """What a Session-Reflector sends back (§4.3.1): its own sequence and times, then the probe as it came."""

    sequence: int
    sent: UnixNs
    received: UnixNs
    probe: Probe
    probe_ttl: int
    error: ErrorEstimate

    @classmethod
    def decode(cls, packet: bytes) -> Reply:
        """From the first 44 octets; raises MalformedPacketError."""
        sequence, sent, error, received, probe_sequence, probe_sent, probe_error, ttl = _REPLY.unpack_from(
            _checked(packet)
        )
        probe = Probe(probe_sequence, unix_ns_from_ntp(probe_sent), ErrorEstimate.decode(probe_error))
        times = (unix_ns_from_ntp(sent), unix_ns_from_ntp(received))
        return cls(sequence, *times, probe, ttl, ErrorEstimate.decode(error))


def _checked(packet: bytes) -> bytes:
    if len(packet) < PACKET_LENGTH:
        raise MalformedPacketError(f"STAMP packet: got {len(packet)} octets; want at least {PACKET_LENGTH}")
    return packet


class Sample(NamedTuple):
    """One probe that came back, with the four times T1 to T4 and the reflector's own number."""

    sequence: int
    sent: UnixNs
    received_by_reflector: UnixNs
    sent_by_reflector: UnixNs
    received: UnixNs
    reply_sequence: int


@dataclass(frozen=True)
class Lost:
    """One probe that was given up."""

    sequence: int
    sent: UnixNs


def stamp_departure(packet: bytearray, now: UnixNs) -> None:
    """Write the Timestamp field, which is at the same place in both directions."""
    _TIMESTAMP.pack_into(packet, 4, ntp_from_unix_ns(now))


class SessionSender:
    """Numbers probes, remembers those under way and matches replies to them (§4.2)."""

    def __init__(self, *, timeout: UnixNs, error: ErrorEstimate = SAME_HOST) -> None:
        self._timeout = timeout
        self._error = error.encode()
        self._next_sequence = 0
        self._under_way: dict[int, UnixNs] = {}

    @property
    def under_way(self) -> int:
        """How many probes are neither answered nor given up."""
        return len(self._under_way)

    def prepare(self) -> bytearray:
        """The next packet, complete but for its time: `depart` writes that when all else is done."""
        sequence = self._next_sequence
        self._next_sequence = (sequence + 1) % _SEQUENCE_MODULUS
        return bytearray(_PROBE.pack(sequence, 0, self._error))

    def depart(self, packet: bytearray, now: UnixNs) -> None:
        """Stamp a packet that leaves `now`; read the clock just before this call and send the packet just after."""
        stamp_departure(packet, now)
        self._under_way[_SEQUENCE.unpack_from(packet)[0]] = now

    def receive(self, packet: bytes, received: UnixNs) -> Sample | None:
        """The sample that this reply completes; None for one that answers no probe under way, such as a duplicate.

        Raises MalformedPacketError.
        """
        # Field by field, without a Reply: this is done for every probe, and takes a third of the time.
        number, sent_back, _, arrived, sequence, departed, _, _ = _REPLY.unpack_from(_checked(packet))
        sent = self._under_way.get(sequence)
        # A reply that an earlier run asked for on this port carries one of our numbers, but not our time.
        if sent is None or sent != unix_ns_from_ntp(departed):
            return None
        del self._under_way[sequence]
        return Sample(sequence, sent, unix_ns_from_ntp(arrived), unix_ns_from_ntp(sent_back), received, number)

    def expire(self, now: UnixNs) -> list[Lost]:
        """Give up every probe that was sent `timeout` ago or earlier, oldest first."""
        overdue: list[Lost] = []
        for sequence, sent in self._under_way.items():
            if now - sent < self._timeout:
                break
            overdue.append(Lost(sequence, sent))
        for lost in overdue:
            del self._under_way[lost.sequence]
        return overdue

    def abandon(self) -> list[Lost]:
        """Give up all that are under way, oldest first: the session ends."""
        abandoned = [Lost(sequence, sent) for sequence, sent in self._under_way.items()]
        self._under_way.clear()
        return abandoned


class ReflectorMode(Enum):
    """§4: a stateful reflector numbers its replies per session, so that loss is told apart by direction."""

    STATEFUL = "stateful"
    STATELESS = "stateless"


class SessionReflector:
    """Answers probes (§4.3). A session is whatever `session` identifies: the shell passes the sender's address."""

    def __init__(self, mode: ReflectorMode = ReflectorMode.STATEFUL, *, error: ErrorEstimate = SAME_HOST) -> None:
        self._mode = mode
        self._error = error.encode()
        self._next_sequence: dict[Hashable, int] = {}

    def reflect(self, packet: bytes, session: Hashable, *, received: UnixNs, ttl: int) -> bytearray:
        """The reply to a probe that came at `received` with `ttl`; raises MalformedPacketError.

        Complete but for its time, which `stamp_departure` writes just before it is sent. What a probe carries beyond
        44 octets comes back unchanged, so that both directions carry the same size.
        """
        echo = _checked(packet)[_PROBE_ECHO]
        sequence = self._number(session) if self._mode is ReflectorMode.STATEFUL else int.from_bytes(echo[:4])
        reply = _REFLECTION.pack(sequence, 0, self._error, ntp_from_unix_ns(received), echo, ttl)
        return bytearray(reply + packet[PACKET_LENGTH:])

    def _number(self, session: Hashable) -> int:
        sequence = self._next_sequence.pop(session, 0)
        if len(self._next_sequence) >= _MAX_SESSIONS:  # the one that has been silent longest makes room
            del self._next_sequence[next(iter(self._next_sequence))]
        self._next_sequence[session] = (sequence + 1) % _SEQUENCE_MODULUS
        return sequence
