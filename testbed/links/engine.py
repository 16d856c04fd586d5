"""What every link engine offers to the lab.

Both engines have the same shape on the wire: each end of an emulated link is a veth pair whose outer end is the node's
interface and whose inner end lies in the engine's namespace. The lab makes the pairs and sets the inner ends up; the
engine joins them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from testbed import netns
from testbed.errors import BearerlabError, HostError
from testbed.links.profile import LinkProfile


class LinkEngineError(BearerlabError):
    """A link engine refused or failed; `link` is the link's name, or empty where it concerns the engine as a whole."""

    exit_code = 4

    def __init__(self, link: str, reason: str) -> None:
        self.link = link
        self.reason = reason
        super().__init__(f"link {link}: {reason}" if link else f"link engine: {reason}")


@dataclass(frozen=True)
class EmulatedLink:
    """A link as an engine sees it: two interfaces of the engine's namespace and a profile per direction."""

    name: str
    a_ifname: str
    b_ifname: str
    a_to_b: LinkProfile
    b_to_a: LinkProfile


@dataclass(frozen=True)
class DirectionCounters:
    """What happened in one direction so far; lateness is how much later than due packets left, in microseconds.

    `dropped_error` counts packets that the profile did not ask to drop: too large for the link, more than the engine
    could take in, or sent to an end that is down. `lateness_us` is the histogram that the percentiles come from: pairs
    of a lateness (the middle of its class, of 12% width) and a number of packets; empty where the engine has none.
    """

    packets: int
    bytes: int
    dropped_loss: int
    dropped_queue: int
    lateness_us_p50: float | None
    lateness_us_p99: float | None
    dropped_error: int = 0
    duplicated: int = 0
    corrupted: int = 0
    marked_ecn: int = 0
    lateness_us: tuple[tuple[float, int], ...] = ()


@dataclass(frozen=True)
class LinkCounters:
    """Both directions of one link."""

    name: str
    a_to_b: DirectionCounters
    b_to_a: DirectionCounters


class LinkEngine(Protocol):
    """Joins pairs of interfaces into links that delay, lose and limit packets; profiles may change at any time."""

    name: str

    def add(self, links: Iterable[EmulatedLink]) -> None:
        """Start to emulate; raises LinkEngineError naming the link that could not be joined."""

    def change(self, name: str, a_to_b: LinkProfile, b_to_a: LinkProfile) -> None:
        """Give a running link new profiles.

        Packets on their way keep the old ones. Those that wait for the limited line are sent at the new rate, as in tbf
        and on any real line.
        """

    def set_up(self, name: str, *, up: bool) -> None:
        """Mend a link or cut it: then nothing passes, and what is on its way is lost."""

    def counters(self) -> tuple[LinkCounters, ...]:
        """Counters of all links, in the order in which they were added."""

    def close(self) -> None:
        """Stop; links carry nothing from here on."""


_NETEM_NEEDS = (
    "ip link add dev shaper type ifb",
    "tc qdisc add dev shaper root tbf rate 1gbit burst 125000 limit 125000",
    "tc qdisc add dev lo root netem delay 1ms 1ms loss 1% rate 1gbit",
    "tc qdisc add dev lo clsact",
    "tc filter add dev lo ingress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev shaper",
    "tc filter add dev lo egress protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev shaper",
)
"""One command for each thing that the netem engine asks of the kernel."""


def choose(requested: str) -> str:
    """`"netem"` or `"wire"`: what was requested, or for `"auto"` netem where it works; HostError where it does not."""
    if requested == "auto":
        return "netem" if netem_available() else "wire"
    if requested == "netem" and not netem_available():
        remedy = 'load the sch_netem, sch_tbf and ifb modules, or set the link engine to "wire" or "auto"'
        raise HostError("netem", "this kernel cannot create a netem qdisc", remedy)
    if requested not in ("netem", "wire"):
        raise ValueError(f'got link engine "{requested}"; want "auto", "netem" or "wire"')
    return requested


def netem_available() -> bool:
    """True if this kernel has all that the netem engine uses; OSError where that cannot be tried."""
    return netem_refusal() is None


def netem_refusal() -> str | None:
    """What the kernel says to the first thing that it lacks of what the netem engine uses, None if it has everything.

    Tried in a namespace of its own; OSError if that cannot be.
    """
    with netns.anonymous():
        for command in _NETEM_NEEDS:
            done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
            if done.returncode != 0:
                complaint = done.stderr.partition("\n")[0].removeprefix("Error: ")
                return f"{command}: {complaint}"
    return None
