"""The CP function that benchmarks N4: life cycles of sessions as the SMF's own messages on its own PFCP node.

`closed` keeps a number of life cycles under way, which finds the rate; `open` starts them on a schedule, which finds
the latency at that rate. `hold` makes sessions that stay.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from itertools import count, islice

from core_stub.errors import PfcpTimeoutError
from core_stub.pfcp import codec
from core_stub.pfcp.ies import Cause, FTeid, NodeId
from core_stub.pfcp.messages import HeartbeatRequest, SessionEstablishmentResponse
from core_stub.pfcp.messages import SessionRequest as PfcpRequest
from core_stub.pfcp.transactions import Address
from core_stub.pfcp.udp import PfcpNode
from core_stub.smf import rules
from core_stub.smf.procedures.lifecycle import draft
from core_stub.smf.rulesets import N3
from core_stub.smf.session import ChargingRule, N4Session, SessionRequest, SmContext
from testbed.errors import RunInvalidError

POOL = IPv4Network("10.45.0.0/16")
DNN = "internet"
MOST_HELD = 30_000
"""Sessions that stay have the first addresses of the pool, life cycles take turns with the rest."""

_CHARGING = ChargingRule(1, volume_threshold=100 << 20)
_GNB = FTeid(1, IPv4Address("10.200.0.1"))
_AT_A_TIME = 32
_SILENCE_S = 5.0


@dataclass(frozen=True)
class Cycles:
    """How long each of the life cycles took that were answered, in milliseconds; `failed` were not."""

    latencies_ms: list[float]
    seconds: float
    failed: int

    @property
    def per_second(self) -> float:
        """The rate of those that were answered."""
        return len(self.latencies_ms) / self.seconds


class Client:
    """Sessions at the UPF at `peer`; RunInvalidError where it refuses one."""

    def __init__(self, node: PfcpNode, local: str, peer: Address) -> None:
        self._node, self._address, self._peer = node, IPv4Address(local), peer
        self._held = 0
        self._cycles = count()

    async def hold(self, sessions: int) -> None:
        """Establish as many as are missing to this number; they stay."""
        missing = iter(range(self._held + 1, sessions + 1))
        while batch := list(islice(missing, _AT_A_TIME)):
            await asyncio.gather(*map(self._establish, batch))
        self._held = sessions

    async def closed(self, at_a_time: int, seconds: float) -> Cycles:
        """Life cycles, so many at a time, for so long."""
        end = time.monotonic() + seconds
        return await self._several(at_a_time, iter(lambda: time.monotonic() < end, False))

    async def first(self, cycles: int, at_a_time: int) -> Cycles:
        """So many life cycles."""
        return await self._several(at_a_time, iter([True] * cycles))

    async def open(self, per_second: int, seconds: float) -> Cycles:
        """Life cycles that begin on an absolute schedule, whether or not those before are done."""
        begin, loop = time.monotonic(), asyncio.get_running_loop()
        tasks = []
        for number in range(round(per_second * seconds)):
            await asyncio.sleep(begin + number / per_second - time.monotonic())
            tasks.append(loop.create_task(self._cycle(due=begin + number / per_second)))
        return _cycles(await asyncio.gather(*tasks), time.monotonic() - begin)

    async def _several(self, at_a_time: int, tickets: Iterable[bool]) -> Cycles:
        async def work() -> list[float | None]:
            return [await self._cycle() for _ in tickets]

        begin = time.monotonic()
        found = await asyncio.gather(*(work() for _ in range(at_a_time)))
        return _cycles([each for some in found for each in some], time.monotonic() - begin)

    async def _cycle(self, due: float | None = None) -> float | None:
        """Milliseconds from `due` (or now) to the last answer, None if one was missing."""
        begin = time.monotonic() if due is None else due
        number = MOST_HELD + next(self._cycles) % MOST_HELD
        try:
            session = await self._establish(number)
            await self._ask(rules.send_downlink(session, _GNB, N3))
            await self._ask(rules.delete(session))
        except PfcpTimeoutError:
            return None
        return (time.monotonic() - begin) * 1000

    async def _establish(self, number: int) -> N4Session:
        wanted = SessionRequest(f"imsi-{number}", 1, DNN, (1, None), "")
        context = SmContext(str(number), wanted, 1, POOL[number + 1], charging=_CHARGING)
        n4 = N4Session("upf", number)
        answer = await self._ask(rules.establish(draft(context, n4), n4, self._address))
        assert isinstance(answer, SessionEstablishmentResponse) and answer.up_f_seid is not None
        return replace(n4, up_seid=answer.up_f_seid.seid)

    async def _ask(self, request: PfcpRequest) -> object:
        answer = await self._node.request(self._peer, request)
        if answer.cause is not Cause.REQUEST_ACCEPTED:
            raise RunInvalidError(f"the UPF answered {type(request).__name__} with {answer.cause.name}")
        return answer


def _cycles(found: Iterable[float | None], seconds: float) -> Cycles:
    every = list(found)
    answered = [each for each in every if each is not None]
    return Cycles(answered, seconds, len(every) - len(answered))


@asynccontextmanager
async def client(local: str, peer: Address) -> AsyncIterator[Client]:
    """A client at `local` that has an association with `peer`."""
    async with PfcpNode(address=local, node_id=NodeId(IPv4Address(local))) as node:
        await node.associate(peer)
        yield Client(node, local, peer)


def heartbeats_per_s(local: str, peer: Address, seconds: float) -> float:
    """How many heartbeats a second the peer answers, a few of them under way at a time."""
    datagram = bytearray(codec.encode(HeartbeatRequest(1), 0))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(_SILENCE_S)
        udp.bind((local, 0))
        begin, sent, answered = time.monotonic(), 0, 0
        while time.monotonic() - begin < seconds:
            while sent - answered < _AT_A_TIME:
                datagram[4:7] = sent.to_bytes(3)
                udp.sendto(datagram, peer)
                sent += 1
            udp.recv(1500)
            answered += 1
        return answered / (time.monotonic() - begin)
