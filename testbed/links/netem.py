"""The link engine of kernels that have netem: the inner ends are joined and impaired by qdiscs, and nothing runs.

One direction, from the inner end where frames arrive (source) to the one where they leave (sink); `─▶` is a redirect:

    source ingress ─▶ entry: netem (loss, duplication, corruption) ══veth══ exit ingress
        ─▶ sink egress ─▶ IFB: tbf (rate) over a fifo or CoDel (queue) ──back──▶ sink: netem (delay)

Each stage sits on a device of its own: a netem that holds what a shaper counts distorts both, what is lost must not
use up the rate, and a netem over a CoDel miscounts what it holds (in kernels before 6.13). All of them sit behind the
nodes' own interfaces. An IFB gives frames back to the device they were redirected from, past its filters, which ends
the loop. Every direction has all stages from the start, so that a change alters them in place and loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyroute2.netlink.exceptions import NetlinkError

from testbed.errors import BearerlabError
from testbed.links.engine import DirectionCounters, EmulatedLink, LinkCounters, LinkEngineError
from testbed.links.jitter import jitter_table
from testbed.links.profile import Distribution, LinkProfile, Queue, QueueDiscipline
from testbed.links.traffic_control import BELOW_ROOT, Qdisc, QdiscStats, Redirect, TrafficControl

UNLIMITED_BPS = 32_000_000_000
"""What stands for no limit: the fastest round rate that fits the 32-bit attributes of tbf and netem."""

_BURST_MS = 4.0  # a tick at HZ=250: how late the kernel may come back to the bucket without tokens running over
_NETEM_LIMIT = 200_000  # packets on their way; the default of 1,000 is 1 ms of 10 Gbit/s
_FRAME_OVERHEAD = 18  # Ethernet header and a tag
_UNLIMITED_QUEUE = Queue(ms=50.0)
_LONGEST_JITTER_MS = 2147  # netem keeps it in 31 bits of nanoseconds


@dataclass(frozen=True)
class Direction:
    """One direction of a link: frames arrive at `source` and leave at `sink`; `number` is the direction's own."""

    source: str
    sink: str
    number: int

    @property
    def entry(self) -> str:
        """Where frames are lost, doubled and corrupted: one end of a veth pair."""
        return f"entry{self.number}"

    @property
    def exit(self) -> str:
        """The pair's other end."""
        return f"exit{self.number}"

    @property
    def shaper(self) -> str:
        """The IFB where frames wait for the rate."""
        return f"shaper{self.number}"


def joining(direction: Direction) -> tuple[Redirect, ...]:
    """The filters that lead frames along `direction`, the last of them first."""
    return (
        Redirect(direction.sink, "egress", direction.shaper),
        Redirect(direction.exit, "ingress", direction.sink),
        Redirect(direction.source, "ingress", direction.entry),
    )


def qdiscs(direction: Direction, profile: LinkProfile, mtu: int) -> tuple[Qdisc, ...]:
    """Every stage of the direction, from the source on; a child follows its parent."""
    return (
        impairing(direction, profile),
        shaping(direction, profile, mtu),
        queueing(direction, profile, mtu),
        delaying(direction, profile),
    )


def impairing(direction: Direction, profile: LinkProfile) -> Qdisc:
    """The qdisc that loses, duplicates and corrupts; netem lets loss decide on each of two duplicates by itself."""
    parameters: dict[str, Any] = {
        "limit": _NETEM_LIMIT,
        "loss": profile.loss,
        "duplicate": profile.duplicate,
        "corrupt": profile.corrupt,
    }
    if bursts := profile.loss_bursts:
        # The kernel's h is the chance to survive the bad state, its k1 that to be lost in the good one.
        parameters["gemodel"] = (bursts.p, bursts.r, 1 - bursts.loss_bad, bursts.loss_good)
    return Qdisc(direction.entry, "netem", parameters)


def shaping(direction: Direction, profile: LinkProfile, mtu: int) -> Qdisc:
    """The qdisc that limits the rate: a token bucket, deep enough for a full frame and a tick of the kernel."""
    bytes_per_ms = _bytes_per_ms(profile)
    frame = mtu + _FRAME_OVERHEAD
    parameters = {
        "rate": int(bytes_per_ms * 1000),
        "burst": frame + int(bytes_per_ms * _BURST_MS),
        "limit": frame,  # of the queue that tbf makes for itself, which `queueing` replaces
        "mtu": frame,
    }
    return Qdisc(direction.shaper, "tbf", parameters)


def queueing(direction: Direction, profile: LinkProfile, mtu: int) -> Qdisc:
    """The queue in front of the rate. CoDel's limit is in packets: bytes and milliseconds count as full frames."""
    queue = profile.queue if profile.rate_bps else _UNLIMITED_QUEUE
    frame = mtu + _FRAME_OVERHEAD
    size = int(_bytes_per_ms(profile) * queue.ms) if queue.ms is not None else queue.bytes or 0
    if queue.discipline is not QueueDiscipline.TAIL_DROP:
        packets = max(1, size // frame) if queue.packets is None else queue.packets
        marks = queue.discipline is QueueDiscipline.CODEL_ECN
        return Qdisc(direction.shaper, "codel", {"limit": packets, "ecn": int(marks)}, BELOW_ROOT)
    if queue.packets is not None:
        return Qdisc(direction.shaper, "pfifo", {"limit": queue.packets}, BELOW_ROOT)
    return Qdisc(direction.shaper, "bfifo", {"limit": max(size, frame)}, BELOW_ROOT)


def delaying(direction: Direction, profile: LinkProfile) -> Qdisc:
    """The qdisc that delays.

    With a rate netem keeps the order under jitter, for it counts a packet's delay from the departure of the packet
    before it; without, it sorts packets by the delay that each drew.
    """
    rate = 0 if profile.reorder else UNLIMITED_BPS // 8
    parameters: dict[str, Any] = {"limit": _NETEM_LIMIT, "delay_ns": round(profile.delay_ms * 1e6), "rate": rate}
    if profile.jitter_ms or profile.distribution is Distribution.TABLE:
        jitter = jitter_table(profile)
        parameters |= {"jitter_ns": jitter.jitter_ns, "distribution": jitter.table}
    return Qdisc(direction.sink, "netem", parameters)


def refusal(profile: LinkProfile) -> str:
    """Why netem cannot do this, or an empty string."""
    if profile.loss_trace:
        return 'netem cannot follow a loss trace; set the link engine to "wire"'
    if (profile.rate_bps or 0) > UNLIMITED_BPS:
        return f"got {profile.rate_bps} bit/s; want at most {UNLIMITED_BPS}"
    if profile.jitter_ms > _LONGEST_JITTER_MS:
        return f"got {profile.jitter_ms:g} ms of jitter; want at most {_LONGEST_JITTER_MS}"
    return ""


def _bytes_per_ms(profile: LinkProfile) -> float:
    return (profile.rate_bps or UNLIMITED_BPS) / 8000


class NetemEngine:
    """A `LinkEngine` of kernel qdiscs, in the network namespace called `namespace`; choose() says where it works."""

    name = "netem"

    def __init__(self, namespace: str) -> None:
        self._tc = TrafficControl(namespace)
        self._links: dict[str, tuple[Direction, Direction]] = {}
        self._directions = 0

    def add(self, links: Iterable[EmulatedLink]) -> None:
        """Start to emulate.

        LinkEngineError names the link that could not be joined, HostError what its profile needs of the kernel.
        """
        for link in links:
            if link.name in self._links:
                raise LinkEngineError(link.name, "a link of this name exists")
            there = self._direction(link.a_ifname, link.b_ifname)
            self._links[link.name] = (there, self._direction(link.b_ifname, link.a_ifname))
            try:
                self._join(link)
            except BearerlabError:
                self._part(link.name)
                raise

    def change(self, name: str, a_to_b: LinkProfile, b_to_a: LinkProfile) -> None:
        """Give a running link new profiles; packets on their way keep the old ones. Errors are those of `add`.

        Packets that wait for the rate are lost if the queue gets another unit or discipline.
        """
        self._impair(name, self._found(name), a_to_b, b_to_a)

    def set_up(self, name: str, *, up: bool) -> None:
        """Cut a link or mend it: its nodes lose their carrier, and what was on its way to them."""
        with _naming(name):
            for direction in self._found(name):
                for device in (direction.shaper, direction.sink):
                    self._tc.set_up(device, up=up)

    def counters(self) -> tuple[LinkCounters, ...]:
        """Counters of all links, in the order in which they were added.

        Netem says neither how late it was nor what it duplicated or corrupted. The kernel's counters go with the
        interface: a link whose interface has gone reports zeros.
        """
        with _naming(""):
            stats = self._tc.stats()
        return tuple(
            LinkCounters(name, _counters(stats, there), _counters(stats, back))
            for name, (there, back) in self._links.items()
        )

    def close(self) -> None:
        """Stop; links carry nothing from here on."""
        for name in tuple(self._links):
            self._part(name)
        self._tc.close()

    def _join(self, link: EmulatedLink) -> None:
        directions = self._links[link.name]
        with _naming(link.name):
            for direction in directions:
                make_stages(self._tc, direction)
        self._impair(link.name, directions, link.a_to_b, link.b_to_a)
        with _naming(link.name):
            for direction in directions:
                self._tc.redirect(joining(direction))

    def _part(self, name: str) -> None:
        for direction in self._links.pop(name):
            remove_stages(self._tc, direction)

    def _direction(self, source: str, sink: str) -> Direction:
        self._directions += 1
        return Direction(source, sink, self._directions)

    def _found(self, name: str) -> tuple[Direction, Direction]:
        if name not in self._links:
            raise LinkEngineError(name, "there is no link of this name")
        return self._links[name]

    def _impair(self, name: str, directions: tuple[Direction, Direction], *profiles: LinkProfile) -> None:
        for reason in filter(None, map(refusal, profiles)):
            raise LinkEngineError(name, reason)
        for direction, profile in zip(directions, profiles, strict=True):
            with _naming(name):
                mtu = self._tc.mtu(direction.sink)
                for qdisc in qdiscs(direction, profile, mtu):
                    self._tc.replace(qdisc)


def make_stages(tc: TrafficControl, direction: Direction) -> None:
    """Make the devices of a direction, and the hooks of its source, which is the other direction's sink."""
    tc.make_hooks(direction.source)
    tc.make_veth(direction.entry, direction.exit)
    tc.make_hooks(direction.exit)
    tc.make_ifb(direction.shaper)


def remove_stages(tc: TrafficControl, direction: Direction) -> None:
    """Take away what there is of what `make_stages` made: the rest has gone with its interface, or never came."""
    tc.remove_hooks(direction.source)
    tc.remove(direction.entry)
    tc.remove(direction.shaper)


def _counters(stats: dict[str, QdiscStats], direction: Direction) -> DirectionCounters:
    entry, shaper, delay = (
        stats.get(device, QdiscStats()) for device in (direction.entry, direction.shaper, direction.sink)
    )
    return DirectionCounters(
        packets=delay.packets,
        bytes=delay.bytes,
        dropped_loss=entry.dropped,
        dropped_queue=shaper.dropped,
        lateness_us_p50=None,
        lateness_us_p99=None,
        dropped_error=delay.dropped,
        marked_ecn=shaper.marked,
    )


@contextmanager
def _naming(link: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise LinkEngineError(link, str(error)) from error
