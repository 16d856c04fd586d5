"""The link engine of kernels that have netem: the inner ends are joined and delayed by qdiscs, and nothing runs.

One direction, from the inner end where frames arrive (source) to the one where they leave (sink):

    source ingress ──redirect──▶ sink egress ──redirect──▶ IFB: tbf (rate, queue) ──back──▶ sink: netem (delay, loss)

Shaping and delay sit on separate devices, since a netem that holds what a shaper counts distorts both; and both sit
behind the nodes' own interfaces, where no socket's bytes are accounted for any more (TCP small queues stay as they
are). An IFB gives frames back to the device they were redirected from, past its filters, which ends the loop.
Every direction has both qdiscs from the start, so that a change alters them in place and loses nothing.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from types import SimpleNamespace
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.tcmsg import plugins, sched_netem

from testbed import netns
from testbed.links.engine import DirectionCounters, EmulatedLink, LinkCounters, LinkEngineError
from testbed.links.profile import LinkProfile

UNLIMITED_BPS = 32_000_000_000
"""What stands for no limit: the fastest round rate that fits the 32-bit attributes of tbf and netem."""

_BURST_MS = 4.0  # a tick at HZ=250: how late the kernel may come back to the bucket without tokens running over
_NETEM_LIMIT = 200_000  # packets on their way; the default of 1,000 is 1 ms of 10 Gbit/s
_FRAME_OVERHEAD = 18  # Ethernet header and a tag
_ETH_P_ALL = 3
_CLSACT, _INGRESS, _EGRESS = 0xFFFF_0000, 0xFFFF_FFF2, 0xFFFF_FFF3


@dataclass(frozen=True)
class Qdisc:
    """A qdisc to create, or to change in place, at the root of a device."""

    device: str
    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Redirect:
    """A filter that sends all that passes `hook` (ingress or egress) of `device` out of `target`."""

    device: str
    hook: str
    target: str


@dataclass(frozen=True)
class Direction:
    """One direction of a link: frames arrive at `source`, leave at `sink` and wait at the IFB `shaper` in between."""

    source: str
    sink: str
    shaper: str


def joining(direction: Direction) -> tuple[Redirect, ...]:
    """The filters that lead frames along `direction`."""
    return (
        Redirect(direction.sink, "egress", direction.shaper),
        Redirect(direction.source, "ingress", direction.sink),
    )


def shaping(direction: Direction, profile: LinkProfile, mtu: int) -> Qdisc:
    """The qdisc that limits the rate: a token bucket, deep enough for a full frame and a tick of the kernel."""
    bytes_per_ms = (profile.rate_bps or UNLIMITED_BPS) / 8000
    frame = mtu + _FRAME_OVERHEAD
    parameters = {
        "rate": int(bytes_per_ms * 1000),
        "burst": frame + int(bytes_per_ms * _BURST_MS),
        "limit": max(int(bytes_per_ms * profile.queue_ms), frame),
        "mtu": frame,
    }
    return Qdisc(direction.shaper, "tbf", parameters)


def delaying(direction: Direction, profile: LinkProfile) -> Qdisc:
    """The qdisc that delays and loses.

    Its rate is there to keep the order under jitter: with one, netem counts a packet's delay from the departure of the
    packet before it; without, it sorts packets by the delay that each drew. `jitter` is the standard deviation, as
    there is a table of the normal distribution (without one netem's jitter is uniform).
    """
    parameters: dict[str, Any] = {
        "delay": round(profile.delay_ms * 1000),
        "loss": profile.loss * 100,
        "limit": _NETEM_LIMIT,
        "rate": UNLIMITED_BPS // 8,
    }
    if profile.jitter_ms:
        parameters |= {"jitter": round(profile.jitter_ms * 1000), "distribution": normal_distribution()}
    return Qdisc(direction.sink, "netem", parameters)


def normal_distribution(size: int = 4096) -> bytes:
    """A table for netem: quantiles of the normal distribution as 16-bit integers, 8192 to the standard deviation."""
    normal = NormalDist()
    return struct.pack(f"={size}h", *(round(8192 * normal.inv_cdf((i + 0.5) / size)) for i in range(size)))


class NetemEngine:
    """A `LinkEngine` of kernel qdiscs, in the network namespace called `namespace`; choose() says where it works."""

    name = "netem"

    def __init__(self, namespace: str) -> None:
        self._tc = TrafficControl(namespace)
        self._links: dict[str, tuple[Direction, Direction]] = {}
        self._shapers = 0

    def add(self, links: Iterable[EmulatedLink]) -> None:
        """Start to emulate; raises LinkEngineError naming the link that could not be joined."""
        for link in links:
            if link.name in self._links:
                raise LinkEngineError(link.name, "a link of this name exists")
            there = self._direction(link.a_ifname, link.b_ifname)
            self._links[link.name] = (there, self._direction(link.b_ifname, link.a_ifname))
            try:
                self._join(link)
            except LinkEngineError:
                self._part(link.name)
                raise

    def change(self, name: str, a_to_b: LinkProfile, b_to_a: LinkProfile) -> None:
        """Give a running link new profiles; packets on their way keep the old ones. Raises LinkEngineError."""
        if name not in self._links:
            raise LinkEngineError(name, "there is no link of this name")
        with _naming(name):
            self._impair(name, a_to_b, b_to_a)

    def counters(self) -> tuple[LinkCounters, ...]:
        """Counters of all links, in the order in which they were added; netem does not say how late it was.

        The kernel's counters go with the interface: a link whose interface has gone reports zeros.
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
        with _naming(link.name):
            for direction in self._links[link.name]:
                self._tc.make_end(direction)
            self._impair(link.name, link.a_to_b, link.b_to_a)
            for direction in self._links[link.name]:
                self._tc.redirect(joining(direction))

    def _part(self, name: str) -> None:
        for direction in self._links.pop(name):
            self._tc.remove_end(direction)

    def _direction(self, source: str, sink: str) -> Direction:
        self._shapers += 1
        return Direction(source, sink, f"shaper{self._shapers}")

    def _impair(self, name: str, *profiles: LinkProfile) -> None:
        for direction, profile in zip(self._links[name], profiles, strict=True):
            if (profile.rate_bps or 0) > UNLIMITED_BPS:
                raise LinkEngineError(name, f"got {profile.rate_bps} bit/s; want at most {UNLIMITED_BPS}")
            mtu = self._tc.mtu(direction.sink)
            self._tc.replace(shaping(direction, profile, mtu))
            self._tc.replace(delaying(direction, profile))


class TrafficControl:
    """What carries the values above out, through netlink in one namespace. Everything raises NetlinkError."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        with netns.entered(namespace):
            self._ip = IPRoute()

    def close(self) -> None:
        """Close the netlink socket."""
        self._ip.close()

    def make_end(self, direction: Direction) -> None:
        """Make the shaper and the hooks of the source, which is the other direction's sink."""
        self._ip.link("add", ifname=direction.shaper, kind="ifb")
        self._ip.link("set", index=self._index(direction.shaper), state="up")
        self._ip.tc("add", "clsact", self._index(direction.source))
        self._silence(direction.source)

    def remove_end(self, direction: Direction) -> None:
        """Take away what there is of what `make_end` made: the rest has gone with its interface, or never came."""
        with suppress(NetlinkError):
            self._ip.tc("del", "clsact", self._index(direction.source))
        with suppress(NetlinkError):
            self._ip.link("del", index=self._index(direction.shaper))

    def replace(self, qdisc: Qdisc) -> None:
        """Make the qdisc the root of its device, or give it new parameters."""
        self._ip.tc("replace", qdisc.kind, self._index(qdisc.device), handle=0x10000, **qdisc.parameters)

    def redirect(self, redirects: Iterable[Redirect]) -> None:
        """Add filters that match everything (u32 with an empty key: not every kernel has matchall)."""
        for redirect in redirects:
            action = {
                "kind": "mirred",
                "direction": "egress",
                "action": "redirect",
                "ifindex": self._index(redirect.target),
            }
            self._ip.tc(
                "add-filter",
                "u32",
                self._index(redirect.device),
                parent=_INGRESS if redirect.hook == "ingress" else _EGRESS,
                prio=1,
                protocol=_ETH_P_ALL,
                target=0x10001,
                keys=["0x0/0x0+0"],
                action=action,
            )

    def mtu(self, device: str) -> int:
        """The device's MTU."""
        return int(self._ip.get_links(self._index(device))[0].get_attr("IFLA_MTU"))

    def stats(self) -> dict[str, dict[str, int]]:
        """`packets`, `bytes` and `drop` of the root qdisc of every device."""
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in self._ip.get_links()}
        return {
            names[qdisc["index"]]: qdisc.get_attr("TCA_STATS")
            for qdisc in self._ip.get_qdiscs()
            if qdisc["handle"] != _CLSACT and qdisc["index"] in names
        }

    def _silence(self, device: str) -> None:
        # A link's end is a pure wire: without this the kernel adds its own neighbour discovery to what a node receives.
        switch = Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
        with netns.entered(self._namespace), suppress(FileNotFoundError):
            switch.write_text("1")

    def _index(self, device: str) -> int:
        found = self._ip.link_lookup(ifname=device)
        if not found:
            raise NetlinkError(19, f"no interface {device} in the engine's namespace")
        return int(found[0])


def _counters(stats: dict[str, dict[str, int]], direction: Direction) -> DirectionCounters:
    delay, shaper = (Counter(stats.get(device, {})) for device in (direction.sink, direction.shaper))
    return DirectionCounters(
        packets=delay["packets"],
        bytes=delay["bytes"],
        dropped_loss=delay["drop"],
        dropped_queue=shaper["drop"],
        lateness_us_p50=None,
        lateness_us_p99=None,
    )


@contextmanager
def _naming(link: str) -> Iterator[None]:
    try:
        yield
    except NetlinkError as error:
        raise LinkEngineError(link, str(error)) from error


# pyroute2 knows netem, but leaves the table of the distribution out, and mistakes netem's rate for an estimator's.


class _NetemOptions(sched_netem.options):  # type: ignore[misc]
    nla_map = tuple(
        (name, "cdata" if name == "TCA_NETEM_DELAY_DIST" else kind) for name, kind in sched_netem.options.nla_map
    )


def _netem_parameters(arguments: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = sched_netem.get_parameters(arguments)
    if "distribution" in arguments:
        options["attrs"].append(["TCA_NETEM_DELAY_DIST", arguments["distribution"]])
    return options


plugins["netem"] = SimpleNamespace(
    parent=sched_netem.parent,
    options=_NetemOptions,
    get_parameters=_netem_parameters,
    fix_request=plugins["tbf"].fix_request,
)
