"""Rules made ready for packets, and the packets' way through them; no socket, no device, no thread of its own.

A session is compiled when its first packet comes, so that idle ones cost little. What it counts, polices and buffers
with (`_State`) outlives a change of its rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from threading import Lock
from typing import Protocol

from core_stub.flow import Flow, flow_of
from core_stub.gtpu import Tunnel
from core_stub.upf.rules import (
    UNREAD,
    Action,
    BudgetSpent,
    Buffer,
    Counter,
    Decapsulate,
    Drop,
    Encapsulate,
    FirstBuffered,
    Rate,
    Reading,
    Rule,
    Rules,
    UserPlaneEvent,
)
from core_stub.upf.userplane.buffering import Act, BufferQueue
from core_stub.upf.userplane.metering import LiveMeter, TokenBucket

Way = int | bytes
"""How a packet came in: the TEID of its tunnel, or the UE address that it goes to."""


class Outputs(Protocol):
    """Where packets leave."""

    def to_n6(self, device: str) -> Act:
        """Hand packets to the N6 device of this name."""

    def to_tunnel(self, tunnel: Tunnel) -> Act:
        """Send packets in a tunnel."""


class _Compiled:
    """A rule made ready. `count` is a list [packets, octets] that outlives a change of the rule."""

    __slots__ = ("act", "count", "looks_inside", "matchers", "qfis", "source")

    def __init__(self, rule: Rule, act: Act, count: list[int]) -> None:
        match = rule.match
        self.act = act
        self.count = count
        self.matchers = tuple(flow_filter.compile() for flow_filter in match.filters)
        self.qfis = match.qfis
        # Rules for N6 are found by the destination; only behind a TEID is the source still to be checked.
        self.source = int(match.ue_address) if match.teid is not None and match.ue_address else None
        self.looks_inside = bool(self.matchers) or self.source is not None

    def fits(self, flow: Flow) -> bool:
        return (self.source is None or flow.source == self.source) and (
            not self.matchers or any(matches(flow) for matches in self.matchers)
        )


class _State:
    """What a session that has seen packets keeps while its rules change."""

    __slots__ = ("buckets", "counts", "meters", "queues")

    def __init__(self) -> None:
        self.counts: dict[int, list[int]] = {}
        self.meters: dict[int, LiveMeter] = {}
        self.buckets: dict[tuple[int | str, bool], TokenBucket] = {}
        self.queues: dict[int, BufferQueue] = {}


class _Session:
    """The rules of a session; `ways` and `state` are there once a packet has come."""

    __slots__ = ("meters", "rules", "seid", "state", "ways")

    def __init__(self, rules: Rules, state: _State | None) -> None:
        self.seid = rules.seid
        self.rules = rules.rules
        self.meters = rules.meters
        self.state = state
        self.ways: dict[Way, tuple[_Compiled, ...]] | None = None


class Forwarding:
    """All sessions of a user plane. `forward` is for the thread of the packets, all else for control's."""

    def __init__(
        self,
        outputs: Outputs,
        on_event: Callable[[UserPlaneEvent], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outputs = outputs
        self._on_event = on_event
        self._clock = clock
        self._sessions: dict[int, _Session] = {}
        self._by_way: dict[Way, _Session] = {}
        self._lock = Lock()
        """Compiling and applying exclude each other; packets of compiled sessions never wait for it."""

    # -- packets ------------------------------------------------------------------------------------------------------

    def forward(self, way: Way, packet: bytes, qfi: int | None) -> bool | None:
        """Do with a packet what the rules say: True if one took it, False if none did, None for an unknown way in."""
        session = self._by_way.get(way)
        if session is None:
            return None
        ways = session.ways or self._compile(way)
        flow = None
        for rule in ways.get(way, ()):
            if rule.qfis and qfi is not None and qfi not in rule.qfis:
                continue
            if rule.looks_inside:
                flow = flow or flow_of(packet)
                if flow is None or not rule.fits(flow):
                    continue
            count = rule.count
            count[0] += 1
            count[1] += len(packet)
            rule.act(packet, qfi)
            return True
        return False

    # -- control ------------------------------------------------------------------------------------------------------

    def apply(self, rules: Rules) -> Mapping[int, Reading]:
        """As `UserPlane.apply`, but for the end markers."""
        with self._lock:
            before = self._sessions.pop(rules.seid, None) or _Session(Rules(rules.seid), None)
            session = _Session(rules, before.state)
            dropped: Mapping[int, Reading] = {}
            if before.state is not None:
                dropped = self._carry_over(rules, before.state)
            self._replace(before, session)
        return {
            meter.urr_id: dropped.get(meter.urr_id, UNREAD)
            for meter in before.meters
            if meter.urr_id not in {kept.urr_id for kept in rules.meters}
        }

    def counters(self, seid: int) -> Mapping[int, Counter]:
        """As `UserPlane.counters`."""
        session = self._sessions.get(seid)
        if session is None:
            return {}
        counts = session.state.counts if session.state else {}
        return {rule.pdr_id: Counter(*counts.get(rule.pdr_id, ())) for rule in session.rules}

    def readings(self, seid: int) -> Mapping[int, Reading]:
        """As `UserPlane.readings`."""
        session = self._sessions.get(seid)
        if session is None:
            return {}
        if session.state is None:
            return {meter.urr_id: UNREAD for meter in session.meters}
        return {urr_id: meter.reading() for urr_id, meter in list(session.state.meters.items())}

    def buffered(self, seid: int) -> Mapping[int, Counter]:
        """As `UserPlane.buffered`."""
        session = self._sessions.get(seid)
        queues = session.state.queues if session and session.state else {}
        # A copy: the thread of the packets may be making another queue.
        return {far_id: queue.holds() for far_id, queue in list(queues.items())}

    # -- from one set of rules to the next ----------------------------------------------------------------------------

    def _replace(self, before: _Session, session: _Session) -> None:
        """Each packet sees the old rules or the new: an entry is replaced in one step."""
        ways = _ways(session.rules)
        for way in ways:
            self._by_way[way] = session
        for way in _ways(before.rules) - ways:
            del self._by_way[way]
        if session.rules:
            self._sessions[session.seid] = session

    def _carry_over(self, rules: Rules, state: _State) -> Mapping[int, Reading]:
        """Bring the state to the new rules, and what is buffered out before they are seen; the meters that go."""
        gone = state.meters.keys() - {meter.urr_id for meter in rules.meters}
        last = {urr_id: state.meters.pop(urr_id) for urr_id in gone}
        pdr_ids = {rule.pdr_id for rule in rules.rules}
        state.counts = {pdr_id: count for pdr_id, count in state.counts.items() if pdr_id in pdr_ids}
        rates = {rate for rule in rules.rules for rate in rule.rates}
        state.buckets = {key: bucket for key, bucket in state.buckets.items() if bucket.rate in rates}
        for meter in rules.meters:
            self._meter(rules.seid, state, meter.urr_id).set(meter)
        if state.queues:
            self._settle_queues(rules, state)
        return {urr_id: meter.reading() for urr_id, meter in last.items()}

    def _settle_queues(self, rules: Rules, state: _State) -> None:
        """Flush the queues whose FARs forward now, before any packet sees the new rules: nothing overtakes."""
        buffers = {rule.action.far_id: rule.action for rule in rules.rules if isinstance(rule.action, Buffer)}
        released = {far_id: state.queues.pop(far_id) for far_id in state.queues.keys() - buffers.keys()}
        if rules.drop_buffered:
            for queue in (*state.queues.values(), *released.values()):
                queue.drop()
        for far_id, queue in state.queues.items():
            queue.resize(buffers[far_id], acted_on=far_id in rules.acted_on)
        if released:
            # Without its rates: what waited has been paced enough, and a burst would not pass the bucket.
            forwarding = [rule for rule in rules.rules if not isinstance(rule.action, Drop)]
            successors = {rule.pdr_id: self._metered(rules.seid, state, rule) for rule in forwarding}
            for queue in released.values():
                queue.release(successors)

    def _compile(self, way: Way) -> dict[Way, tuple[_Compiled, ...]]:
        with self._lock:
            # Not the session that the packet found: it may have been replaced while we waited.
            session = self._by_way.get(way)
            if session is None:
                return {}
            if session.ways is None:
                session.ways = self._compiled(session)
            return session.ways

    def _compiled(self, session: _Session) -> dict[Way, tuple[_Compiled, ...]]:
        state = session.state = session.state or _State()
        for meter in session.meters:
            if meter.urr_id not in state.meters:
                self._meter(session.seid, state, meter.urr_id).set(meter)
        ways: dict[Way, list[_Compiled]] = {}
        for rule in session.rules:
            compiled = _Compiled(
                rule, self._act(session.seid, state, rule), state.counts.setdefault(rule.pdr_id, [0, 0])
            )
            way = _way(rule)
            if way is not None:
                ways.setdefault(way, []).append(compiled)
        return {way: tuple(found) for way, found in ways.items()}

    # -- what is done with a packet, as functions in functions ---------------------------------------------------------

    def _act(self, seid: int, state: _State, rule: Rule) -> Act:
        if isinstance(rule.action, Buffer):
            return self._queue(seid, state, rule.action).act(rule.pdr_id)
        act = self._metered(seid, state, rule)
        if not rule.rates or isinstance(rule.action, Drop):
            return act
        buckets, clock = [self._bucket(state, rate) for rate in rule.rates], self._clock

        def police(packet: bytes, qfi: int | None) -> None:
            now, size = clock(), len(packet)
            if all(bucket.takes(size, now) for bucket in buckets):
                act(packet, qfi)

        return police

    def _metered(self, seid: int, state: _State, rule: Rule) -> Act:
        act = self._final(rule.action)
        if not rule.urr_ids or isinstance(rule.action, Drop):
            return act
        meters, clock = [self._meter(seid, state, urr_id) for urr_id in rule.urr_ids], self._clock
        counts = [meter.count_uplink if rule.is_uplink else meter.count_downlink for meter in meters]
        exhausted = self._final(rule.exhausted)

        def measure(packet: bytes, qfi: int | None) -> None:
            for meter in meters:
                if meter.is_exhausted:
                    exhausted(packet, qfi)
                    return
            now, size = clock(), len(packet)
            for count in counts:
                count(size, now)
            act(packet, qfi)

        return measure

    def _final(self, action: Action) -> Act:
        match action:
            case Decapsulate(device):
                return self._outputs.to_n6(device)
            case Encapsulate(tunnel):
                return self._outputs.to_tunnel(tunnel)
            case Drop() | Buffer():
                return _drop

    def _meter(self, seid: int, state: _State, urr_id: int) -> LiveMeter:
        if urr_id not in state.meters:
            state.meters[urr_id] = LiveMeter(urr_id, lambda urr_id: self._on_event(BudgetSpent(seid, urr_id)))
        return state.meters[urr_id]

    def _bucket(self, state: _State, rate: Rate) -> TokenBucket:
        key = (rate.bucket, rate.is_uplink)
        if key not in state.buckets:
            state.buckets[key] = TokenBucket(rate, self._clock())
        return state.buckets[key]

    def _queue(self, seid: int, state: _State, buffer: Buffer) -> BufferQueue:
        if buffer.far_id not in state.queues:
            state.queues[buffer.far_id] = BufferQueue(
                buffer, lambda pdr_id: self._on_event(FirstBuffered(seid, pdr_id))
            )
        return state.queues[buffer.far_id]


def _way(rule: Rule) -> Way | None:
    if rule.match.teid is not None:
        return rule.match.teid
    return rule.match.ue_address.packed if rule.match.ue_address is not None else None


def _ways(rules: Iterable[Rule]) -> set[Way]:
    return {way for rule in rules if (way := _way(rule)) is not None}


def _drop(_packet: bytes, _qfi: int | None) -> None:
    pass
