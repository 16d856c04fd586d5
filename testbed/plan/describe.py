"""Profiles in words, for people."""

from __future__ import annotations

from testbed.links.profile import Distribution, LinkProfile, QueueDiscipline
from testbed.plan.model import Behaviour, Direction
from testbed.scenario.impairment import format_queue
from testbed.units import format_rate


def describe(behaviour: Behaviour) -> str:
    """Both directions in a line; only once if they are alike."""
    there, back = (_direction(direction) for direction in (behaviour.a_to_b, behaviour.b_to_a))
    return there if there == back else f"up: {there}; down: {back}"


def _direction(direction: Direction) -> str:
    trace = direction.trace
    moved = f", {'/'.join(trace.moved)} by {trace.file} ({len(trace.points)} lines, {trace.at_end})" if trace else ""
    return profile_text(direction.profile) + moved


def profile_text(profile: LinkProfile) -> str:
    """`20.02 ms ± 1 ms pareto, loss 0.1%, 100Mbit, queue 50ms`."""
    parts = [f"{profile.delay_ms:g} ms" + _jitter(profile), *_loss(profile)]
    parts += [f"duplicate {profile.duplicate * 100:g}%"] if profile.duplicate else []
    parts += [f"corrupt {profile.corrupt * 100:g}%"] if profile.corrupt else []
    if profile.rate_bps is not None:
        discipline = profile.queue.discipline
        managed = "" if discipline is QueueDiscipline.TAIL_DROP else f" {discipline}"
        parts.append(f"{format_rate(profile.rate_bps)}, queue {format_queue(profile.queue)}{managed}")
    return ", ".join(parts)


def _jitter(profile: LinkProfile) -> str:
    order = " reordering" if profile.reorder else ""
    if profile.distribution is Distribution.TABLE:
        return f" by a table of {len(profile.jitter_table)}{order}"
    return f" ± {profile.jitter_ms:g} ms {profile.distribution}{order}" if profile.jitter_ms else ""


def _loss(profile: LinkProfile) -> list[str]:
    if bursts := profile.loss_bursts:
        shares = f"p {bursts.p * 100:g}% r {bursts.r * 100:g}% bad {bursts.loss_bad * 100:g}%"
        return [f"loss in bursts {shares} good {bursts.loss_good * 100:g}%"]
    if profile.loss_trace:
        return [f"loss by a trace of {len(profile.loss_trace)}"]
    return [f"loss {profile.loss * 100:g}%"] if profile.loss else []
