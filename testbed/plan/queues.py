"""Queues that a change asks for and that mean nothing on the link as it would be."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.errors import Problem
from testbed.links.profile import LinkProfile
from testbed.plan.model import Behaviour
from testbed.scenario.impairment import LONGEST_MS, Change, Parameters, format_queue
from testbed.units import format_rate

_FRAME = 14
"""Ethernet's header; a rate counts it."""


def queue_problems(where: str, change: Change, behaviour: Behaviour, mtu: int) -> Iterator[Problem]:
    """What is wrong with the queue of `change`, at the path `where` ending in a dot, now that it made `behaviour`."""
    there, back = behaviour.a_to_b, behaviour.b_to_a
    for path, given, direction in (
        (where, change, there),
        (f"{where}up.", change.up, there),
        (f"{where}down.", change.down, back),
    ):
        # A trace brings rates of its own.
        if given and direction.trace is None:
            yield from _problems(path, given, direction.profile, mtu)


def _problems(where: str, given: Parameters, profile: LinkProfile, mtu: int) -> Iterator[Problem]:
    named = next((name for name in ("queue", "queue_discipline", "rate") if getattr(given, name) is not None), None)
    if named is None:
        return
    queue, frame = profile.queue, mtu + _FRAME
    got = f'"{format_queue(queue)}"'
    if profile.rate_bps is None:
        yield Problem(where + named, f"{got} without a rate", "a `rate` with it, for without one nothing waits")
        return
    if given.queue and queue.bytes is not None and queue.bytes < frame:
        yield Problem(where + named, got, f"at least one frame: {frame}B at MTU {mtu}")
    wait_s = ((queue.packets or 0) * frame + (queue.bytes or 0)) * 8 / profile.rate_bps
    if wait_s * 1000 > LONGEST_MS:
        got = got if given.queue else f'"{format_rate(profile.rate_bps)}" with a queue of {got}'
        yield Problem(where + named, f"{got}, which takes {wait_s:,.0f} s at this rate", "a queue of at most a minute")
