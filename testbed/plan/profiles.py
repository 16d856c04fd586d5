"""What each link does to packets: the tier's preset, the scenario's changes, and the length of fibre."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from testbed.graph import Link, Tier
from testbed.links.profile import LinkProfile
from testbed.scenario.model import Impairment, LinkOverride, Links
from testbed.units import fibre_delay_ms


@dataclass(frozen=True)
class TierPreset:
    """What links of a tier are like. `delay_ms` is that of the equipment; fibre adds its own by distance."""

    mtu: int
    profile: LinkProfile


@dataclass(frozen=True)
class LinkPlan:
    """A link with its MTU, length and profile (the same both ways)."""

    link: Link
    mtu: int
    distance_km: float
    profile: LinkProfile


def plan_links(links: tuple[Link, ...], wanted: Links, presets: Mapping[Tier, TierPreset]) -> tuple[LinkPlan, ...]:
    """Every link's profile; presets first, then the scenario's tiers, then its overrides of single links."""
    tiers = {tier: _changed(preset, wanted.tiers.get(tier)) for tier, preset in presets.items()}
    overrides = {override.link: override for override in wanted.override}
    return tuple(_plan_link(link, tiers[link.tier], overrides.get(link.name)) for link in links)


def _plan_link(link: Link, tier: TierPreset, override: LinkOverride | None) -> LinkPlan:
    preset = _changed(tier, override)
    distance_km = link.distance_km if override is None or override.distance is None else override.distance
    profile = preset.profile
    # A delay that the scenario gives is the whole delay; a preset's is that of the equipment alone.
    if override is None or override.delay is None:
        profile = replace(profile, delay_ms=round(profile.delay_ms + fibre_delay_ms(distance_km), 6))
    return LinkPlan(link, preset.mtu, distance_km, profile)


def _changed(preset: TierPreset, change: Impairment | None) -> TierPreset:
    if change is None:
        return preset
    fields = {
        "delay_ms": change.delay,
        "jitter_ms": change.jitter,
        "loss": change.loss,
        "rate_bps": change.rate,
        "queue_ms": change.queue,
    }
    given = {name: value for name, value in fields.items() if value is not None}
    return TierPreset(change.mtu or preset.mtu, replace(preset.profile, **given))  # type: ignore[arg-type]
