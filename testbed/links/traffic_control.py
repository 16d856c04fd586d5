"""Qdiscs and filters as values, and what carries them out: pyroute2, in one network namespace."""

from __future__ import annotations

import errno
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.rtnl.tcmsg import plugins, sched_codel, sched_netem, sched_pfifo

from testbed import netns
from testbed.errors import HostError

ROOT, BELOW_ROOT = 0xFFFF_FFFF, 0x1_0001
_VETH_MTU = 65_535
_CARRIER_WITHIN_S = 10
_ETH_P_ALL = 3
_CLSACT, _INGRESS, _EGRESS = 0xFFFF_0000, 0xFFFF_FFF2, 0xFFFF_FFF3
# A qdisc may be changed in place, but a handle keeps its kind for as long as it lives.
_HANDLES = {"tbf": 0x1_0000, "netem": 0x1_0000, "bfifo": 0x2_0000, "pfifo": 0x3_0000, "codel": 0x4_0000}


@dataclass(frozen=True)
class Qdisc:
    """A qdisc to create, or to change in place: at the root of a device, or as the child of the one at its root."""

    device: str
    kind: str
    parameters: dict[str, Any] = field(default_factory=dict)
    parent: int = ROOT


@dataclass(frozen=True)
class Redirect:
    """A filter that sends all that passes `hook` (ingress or egress) of `device` out of `target`."""

    device: str
    hook: str
    target: str


@dataclass(frozen=True)
class QdiscStats:
    """What a root qdisc and its child counted together; `marked` is CoDel's."""

    packets: int = 0
    bytes: int = 0
    dropped: int = 0
    marked: int = 0


class TrafficControl:
    """Devices, qdiscs and filters of one namespace. Everything raises NetlinkError."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace
        with netns.entered(namespace):
            self._ip = IPRoute()

    def close(self) -> None:
        """Close the netlink socket."""
        self._ip.close()

    def make_ifb(self, device: str) -> None:
        """An IFB that is up."""
        self._ip.link("add", ifname=device, kind="ifb")
        self.set_up(device, up=True)

    def make_veth(self, device: str, peer: str) -> None:
        """A pair of interfaces that are up, silent, and pass frames of any size."""
        self._ip.link("add", ifname=device, kind="veth", peer={"ifname": peer, "mtu": _VETH_MTU}, mtu=_VETH_MTU)
        for end in (device, peer):
            self._silence(end)
            self.set_up(end, up=True)
        self._await_carrier(device)

    def make_hooks(self, device: str) -> None:
        """Make room for redirects at the device, and keep the kernel from speaking there."""
        self._ip.tc("add", "clsact", self._index(device))
        self._silence(device)

    def remove_hooks(self, device: str) -> None:
        """Take the hooks with their redirects away; they may have gone with their interface, or never been there."""
        with suppress(NetlinkError):
            self._ip.tc("del", "clsact", self._index(device))

    def remove(self, device: str) -> None:
        """Remove a device if it is there."""
        with suppress(NetlinkError):
            self._ip.link("del", index=self._index(device))

    def set_up(self, device: str, *, up: bool) -> None:
        """Set the device up or down; its peer's carrier follows."""
        self._ip.link("set", index=self._index(device), state="up" if up else "down")

    def replace(self, qdisc: Qdisc) -> None:
        """Make the qdisc, or give it new parameters; HostError where the kernel has none of this kind."""
        where = {"handle": _HANDLES[qdisc.kind], "parent": qdisc.parent}
        index = self._index(qdisc.device)
        try:
            self._ip.tc("replace", qdisc.kind, index, **where, **qdisc.parameters)
        except NetlinkError as error:
            if error.code != errno.ENOENT:
                raise
            remedy = f"modprobe sch_{qdisc.kind}, or do without it in the link's profile, or use link engine wire"
            raise HostError(qdisc.kind, f"this kernel cannot create a {qdisc.kind} qdisc", remedy) from error

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

    def stats(self) -> dict[str, QdiscStats]:
        """What the root qdisc of every device counted, and the CoDel below it marked."""
        names = {link["index"]: link.get_attr("IFLA_IFNAME") for link in self._ip.get_links()}
        qdiscs = [qdisc for qdisc in self._ip.get_qdiscs() if qdisc["index"] in names]
        marks = {qdisc["index"]: _marked(qdisc) for qdisc in qdiscs if qdisc.get_attr("TCA_KIND") == "codel"}
        return {
            names[qdisc["index"]]: _stats(qdisc.get_attr("TCA_STATS"), marks.get(qdisc["index"], 0))
            for qdisc in qdiscs
            if qdisc["handle"] == _HANDLES["tbf"]
        }

    def _await_carrier(self, device: str) -> None:
        # The kernel learns of a carrier in the background, and drops what is sent before it has.
        deadline = time.monotonic() + _CARRIER_WITHIN_S
        while self._ip.get_links(self._index(device))[0].get_attr("IFLA_OPERSTATE") != "UP":
            if time.monotonic() > deadline:
                raise NetlinkError(errno.ENETDOWN, f"{device} has no carrier after {_CARRIER_WITHIN_S} s")
            time.sleep(0.001)

    def _silence(self, device: str) -> None:
        # A link's end is a pure wire: without this the kernel adds its own neighbour discovery to what a node receives.
        switch = Path(f"/proc/sys/net/ipv6/conf/{device}/disable_ipv6")
        with netns.entered(self._namespace), suppress(FileNotFoundError):
            switch.write_text("1")

    def _index(self, device: str) -> int:
        found = self._ip.link_lookup(ifname=device)
        if not found:
            raise NetlinkError(errno.ENODEV, f"no interface {device} in the engine's namespace")
        return int(found[0])


def _stats(counted: Any, marked: int) -> QdiscStats:
    return QdiscStats(counted["packets"], counted["bytes"], counted["drop"], marked)


def _marked(codel: Any) -> int:
    statistics = codel.get_attr("TCA_XSTATS")
    # struct tc_codel_xstats: the seventh number.
    return int(statistics["ecn_mark"]) if statistics else 0


# pyroute2 knows netem, but not all of it: not the table, nor bursts of loss, nor delays in nanoseconds; and it cannot
# reset what it leaves out, for the kernel keeps what a change does not name.

_CERTAIN = 2**32 - 1
_NO_RATE = {"rate": 0, "packet_overhead": 0, "cell_size": 0, "cell_overhead": 0}


class _NetemOptions(sched_netem.options):  # type: ignore[misc]
    nla_map = (
        *((name, "cdata" if name.endswith(("_DIST", "_LOSS")) else kind) for name, kind in sched_netem.options.nla_map),
        ("TCA_NETEM_ECN", "uint32"),
        ("TCA_NETEM_RATE64", "uint64"),
        ("TCA_NETEM_PAD", "none"),
        ("TCA_NETEM_LATENCY64", "uint64"),
        ("TCA_NETEM_JITTER64", "uint64"),
    )


def _netem_parameters(arguments: dict[str, Any]) -> dict[str, Any]:
    """From `limit`, `loss`, `gemodel`, `duplicate`, `corrupt`, `delay_ns`, `jitter_ns`, `distribution` and `rate`."""
    corrupt = {"prob_corrupt": _chance(arguments.get("corrupt", 0.0)), "corr_corrupt": 0}
    attributes: list[list[Any]] = [
        ["TCA_NETEM_CORRUPT", corrupt],
        ["TCA_NETEM_RATE", _NO_RATE | {"rate": arguments.get("rate", 0)}],
        ["TCA_NETEM_LATENCY64", arguments.get("delay_ns", 0)],
        ["TCA_NETEM_JITTER64", arguments.get("jitter_ns", 0)],
    ]
    if "distribution" in arguments:
        attributes.append(["TCA_NETEM_DELAY_DIST", arguments["distribution"]])
    if "gemodel" in arguments:
        # A nested NETEM_LOSS_GE with struct tc_netem_gemodel.
        chances = struct.pack("=4I", *(_chance(share) for share in arguments["gemodel"]))
        attributes.append(["TCA_NETEM_LOSS", struct.pack("=HH", 4 + len(chances), 2) + chances])
    fixed = {"limit": arguments["limit"], "delay": 0, "jitter": 0, "gap": 0}
    chances_of = {name: _chance(arguments.get(name, 0.0)) for name in ("loss", "duplicate")}
    return {**fixed, **chances_of, "attrs": attributes}


def _chance(share: float) -> int:
    return round(share * _CERTAIN)


def _codel_parameters(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"attrs": [[f"TCA_CODEL_{name.upper()}", arguments[name]] for name in ("limit", "ecn")]}


def _fifo_parameters(arguments: dict[str, Any]) -> dict[str, Any]:
    return {"limit": arguments["limit"]}


def _plugin(module: Any, parameters: Any, options: Any) -> SimpleNamespace:
    # What is not a field of the request itself must not stay in it: pyroute2 would take `rate` for an estimator's.
    return SimpleNamespace(
        parent=ROOT,
        options=options,
        get_parameters=parameters,
        fix_request=plugins["tbf"].fix_request,
        **({"stats": module.stats, "stats2": module.stats2} if hasattr(module, "stats") else {}),
    )


plugins["netem"] = _plugin(sched_netem, _netem_parameters, _NetemOptions)
plugins["codel"] = _plugin(sched_codel, _codel_parameters, sched_codel.options)
for _kind in ("bfifo", "pfifo"):
    plugins[_kind] = _plugin(sched_pfifo, _fifo_parameters, sched_pfifo.options)
