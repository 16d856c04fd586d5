"""What each link does to packets: the tier's preset, the scenario's changes, and the length of fibre."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from testbed.graph import Link, Tier
from testbed.links.profile import Distribution, GilbertElliott, LinkProfile, Queue
from testbed.links.trace import Trace
from testbed.plan.model import Behaviour, Direction
from testbed.scenario.files import Files
from testbed.scenario.impairment import BurstLoss, Change, Impairment, LinkOverride, Links, Parameters, TraceLoss
from testbed.units import FIBRE_US_PER_KM


@dataclass(frozen=True)
class Preset:
    """What a kind of link is like: `up` from its first node to its second, `down` back (the same if None).

    `delay_ms` is that of the equipment; `us_per_km` of the link's length comes on top.
    """

    up: LinkProfile
    down: LinkProfile | None = None
    us_per_km: float = FIBRE_US_PER_KM

    def behaviour(self, distance_km: float) -> Behaviour:
        """Of a link of that length."""
        return Behaviour(*(self._along(distance_km, profile) for profile in (self.up, self.down or self.up)))

    def _along(self, distance_km: float, profile: LinkProfile) -> Direction:
        delay_ms = round(profile.delay_ms + distance_km * self.us_per_km / 1000, 6)
        return Direction(replace(profile, delay_ms=delay_ms))


@dataclass(frozen=True)
class Presets:
    """What links of each tier are like, their MTU, and presets by other names."""

    tiers: Mapping[Tier, Preset]
    mtus: Mapping[Tier, int]
    named: Mapping[str, Preset]

    @property
    def by_name(self) -> dict[str, Preset]:
        """All that a scenario's `preset:` may name."""
        return {tier.value: preset for tier, preset in self.tiers.items()} | dict(self.named)


@dataclass(frozen=True)
class Known:
    """What a change may refer to."""

    presets: Presets
    files: Files


@dataclass(frozen=True)
class LinkPlan:
    """A link with its MTU, length and behaviour."""

    link: Link
    mtu: int
    distance_km: float
    behaviour: Behaviour


def plan_links(links: tuple[Link, ...], wanted: Links, known: Known) -> tuple[LinkPlan, ...]:
    """Every link's behaviour; presets first, then the scenario's tiers, then its overrides of single links."""
    overrides = {override.link: override for override in wanted.override}
    return tuple(_plan_link(link, wanted.tiers.get(link.tier), overrides.get(link.name), known) for link in links)


def _plan_link(link: Link, tier: Impairment | None, override: LinkOverride | None, known: Known) -> LinkPlan:
    distance_km = link.distance_km if override is None or override.distance is None else override.distance
    behaviour, mtu = known.presets.tiers[link.tier].behaviour(distance_km), known.presets.mtus[link.tier]
    if tier:
        # A tier's delay is that of its equipment, as in the preset that it changes.
        behaviour = changed(behaviour, tier, distance_km, known, per_km=FIBRE_US_PER_KM)
        mtu = tier.mtu or mtu
    if override:
        behaviour = changed(behaviour, override, distance_km, known)
        mtu = override.mtu or mtu
    return LinkPlan(link, mtu, distance_km, behaviour)


def changed(
    behaviour: Behaviour, change: Change, distance_km: float, known: Known, *, per_km: float = 0.0
) -> Behaviour:
    """`behaviour` after `change`. A delay that it gives is the whole delay, but for `per_km` µs a kilometre."""
    preset = known.presets.by_name.get(change.preset or "")
    if preset:
        behaviour = preset.behaviour(distance_km)
    length_ms = distance_km * per_km / 1000
    up, down = (_directed(way, change, known.files, length_ms) for way in (behaviour.a_to_b, behaviour.b_to_a))
    up = _directed(up, change.up, known.files, length_ms) if change.up else up
    down = _directed(down, change.down, known.files, length_ms) if change.down else down
    return Behaviour(up, down)


def _directed(direction: Direction, given: Parameters, files: Files, length_ms: float) -> Direction:
    profile = replace(direction.profile, **_fields(direction.profile, given, files, length_ms))
    if given.trace:
        points = files.traces.get(given.trace.file, ())
        wanted = given.trace
        trace = Trace(wanted.file, points, wanted.interval, wanted.at_end) if points else None
        return Direction(profile, trace)
    # What a trace moves and somebody sets is no longer the trace's.
    ends = direction.trace is not None and any(getattr(given, name) is not None for name in direction.trace.moved)
    return Direction(profile, None if ends else direction.trace)


def _fields(profile: LinkProfile, given: Parameters, files: Files, length_ms: float) -> dict[str, Any]:
    """The fields of a LinkProfile that are given."""
    simple = {
        "reorder": given.reorder,
        "duplicate": given.duplicate,
        "corrupt": given.corrupt,
        "rate_bps": given.rate,
        "delay_ms": None if given.delay is None else round(given.delay + length_ms, 6),
    }
    fields: dict[str, Any] = {name: value for name, value in simple.items() if value is not None}
    return fields | _jitter(profile, given, files) | _loss(given, files) | _queue(profile, given)


def _jitter(profile: LinkProfile, given: Parameters, files: Files) -> dict[str, Any]:
    if given.jitter_table:
        table = files.jitter_tables.get(given.jitter_table, ())
        return {"jitter_ms": 0.0, "distribution": Distribution.TABLE, "jitter_table": table}
    distribution = given.distribution
    if distribution is None and given.jitter is not None and profile.distribution is Distribution.TABLE:
        distribution = Distribution.NORMAL
    fields: dict[str, Any] = {} if distribution is None else {"distribution": distribution, "jitter_table": ()}
    return fields if given.jitter is None else fields | {"jitter_ms": given.jitter}


def _loss(given: Parameters, files: Files) -> dict[str, Any]:
    """One loss model takes the place of any other."""
    none = {"loss": 0.0, "loss_bursts": None, "loss_trace": ()}
    match given.loss:
        case None:
            return {}
        case BurstLoss(p=p, r=r, loss_bad=bad, loss_good=good):
            return none | {"loss_bursts": GilbertElliott(p, r, bad, good)}
        case TraceLoss(trace=name):
            return none | {"loss_trace": files.loss_traces.get(name, ())}
        case share:
            return none | {"loss": share}


def _queue(profile: LinkProfile, given: Parameters) -> dict[str, Any]:
    queue: Queue = given.queue or profile.queue
    discipline = given.queue_discipline or profile.queue.discipline
    return {"queue": replace(queue, discipline=discipline)}
