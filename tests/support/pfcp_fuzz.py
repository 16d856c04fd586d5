"""Broken PFCP datagrams: mutations of good ones, at random but the same every time."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

from core_stub.errors import RemoteProtocolError
from core_stub.pfcp import codec
from core_stub.pfcp.endpoint import Endpoint
from core_stub.pfcp.events import RequestReceived
from core_stub.pfcp.messages import AssociationSetupRequest
from tests.support.pfcp import SMF, endpoint, udp_payloads
from tests.support.pfcp_samples import SAMPLES, SMF_NODE, UPF_NODE

CAPTURES = Path(__file__).parents[1] / "interop" / "open5gs"
INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def seeds() -> list[bytes]:
    """A message of every kind, and all that Open5GS put on the wire."""
    captured = [data for path in sorted(CAPTURES.glob("*.pcap")) for data in udp_payloads(path)]
    return [codec.encode(message, number) for number, message in enumerate(SAMPLES)] + captured


def mutations(count: int, seed: int) -> Iterator[bytes]:
    """So many datagrams, nearly all of them broken."""
    rng = random.Random(seed)
    good = seeds()
    for _ in range(count):
        yield mutated(bytearray(rng.choice(good)), rng, good)


def mutated(octets: bytearray, rng: random.Random, others: list[bytes]) -> bytes:
    """One to four changes: an octet, a bit, a piece that is lost, repeated or another's, a length, two messages."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(octets))
        match rng.randrange(7):
            case 0:
                octets[at] = rng.choice((*INTERESTING, rng.randrange(256)))
            case 1:
                octets[at] ^= 1 << rng.randrange(8)
            case 2:
                del octets[at : at + rng.randint(1, 8)]
            case 3:
                octets[at:at] = octets[max(0, at - 8) : at]
            case 4:
                other = rng.choice(others)
                octets[at:at] = other[rng.randrange(len(other)) :]
            case 5:
                octets[at : at + 2] = rng.choice((0, 1, 0x7FFF, 0x8000, 0xFFFF)).to_bytes(2)
            case _:
                octets[0] |= 0x04
                octets += rng.choice(others)
        octets = octets or bytearray(1)
    if rng.random() < 0.7 and 4 < len(octets) < 0x10000:
        octets[2:4] = (len(octets) - 4).to_bytes(2)
    return bytes(octets)


def is_refused(octets: bytes) -> bool:
    """Whether a datagram is no PFCP; whatever else it raises is a mistake of ours."""
    try:
        for frame in codec.frames(octets):
            codec.decode(frame)
    except RemoteProtocolError:
        return True
    return False


def associated_upf() -> Endpoint:
    """A UPF that the SMF is associated with."""
    upf = endpoint(UPF_NODE)
    upf.receive_datagram(codec.encode(AssociationSetupRequest(SMF_NODE, 1), 1), SMF, 0.0)
    return upf


def take(upf: Endpoint, octets: bytes, now: float) -> None:
    """Give a datagram to an endpoint, and let it say and do what it wants; requests are rejected."""
    upf.receive_datagram(octets, SMF, now)
    while (event := upf.next_event()) is not None:
        if isinstance(event, RequestReceived):
            assert event.message is not None
    upf.handle_timer(now)
    upf.datagrams_to_send()
