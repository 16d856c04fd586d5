"""Queues that a change asks for and that mean nothing on the link as it would be."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.errors import Problem
from testbed.links.profile import LinkProfile
from testbed.plan.model import Behaviour
from testbed.scenario.impairment import LONGEST_MS, Change, Parameters, format_queue

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
    if given.queue is None and given.queue_discipline is None:
        return
    where += "queue" if given.queue else "queue_discipline"
    got = f'"{format_queue(profile.queue)}"'
    if profile.rate_bps is None:
        yield Problem(where, f"{got} without a rate", "a `rate` with it, for without one nothing waits")
        return
    octets = profile.queue.bytes
    if octets is None and profile.queue.packets is not None:
        octets = profile.queue.packets * (mtu + _FRAME)
    if profile.queue.bytes is not None and profile.queue.bytes < mtu + _FRAME:
        yield Problem(where, got, f"at least one frame: {mtu + _FRAME}B at MTU {mtu}")
    elif octets and octets * 8000 / profile.rate_bps > LONGEST_MS:
        wait_s = octets * 8 / profile.rate_bps
        yield Problem(where, f"{got}, which takes {wait_s:,.0f} s at this rate", "a queue of at most a minute")
