"""How much of a plain bridge's throughput two CPEs leave: into a tunnel at one, out of it at the other."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from controllers import ovs
from testbed import netns
from testbed.bench.sdwan_lab import bridged_plan, overlay_plan, running, site
from testbed.bench.tcp import bulk
from testbed.lab import kernel
from testbed.run.running import Testbed

_WARM_UP_S = 0.5


@dataclass(frozen=True)
class Throughput:
    """One TCP flow from site to site, in bits of payload a second: medians of turns."""

    datapath: str
    cpes_bps: float
    bridges_bps: float
    ratio: float
    """CPEs through bridges, the median of what each turn had: a host that slows down slows both of a turn."""


def cpe_throughput(turns: int = 5, seconds: float = 2.0) -> Throughput:
    """By turns through CPEs and through bridges in their places, over the same links with packets of the same size.

    Around a CPE hosts send packets as they are on the wire; so they do around bridges here.
    """
    edges = overlay_plan(transports=1, delay="")
    mtu = edges.node(site(0)).interfaces[0].mtu
    with running(edges) as through_cpes, running(bridged_plan(mtu)) as through_bridges:
        _without_offloads(through_bridges)
        pairs = [(_goodput(through_cpes, seconds), _goodput(through_bridges, seconds)) for _ in range(turns)]
    cpes, bridges = (median(turn) for turn in zip(*pairs, strict=True))
    ratio = median(by_cpes / by_bridges for by_cpes, by_bridges in pairs)
    return Throughput(ovs.datapath_type(), cpes, bridges, ratio)


def _goodput(lab: Testbed, seconds: float) -> float:
    source, sink = (lab.lab.names.namespace(site(number)) for number in (0, 1))
    with bulk(source, sink, lab.plan.node(site(1)).address()) as flow:
        flow.goodput_bps(_WARM_UP_S)
        return flow.goodput_bps(seconds)


def _without_offloads(lab: Testbed) -> None:
    for node in lab.plan.nodes:
        with netns.entered(lab.lab.names.namespace(node.name)):
            kernel.disable_offloads(port.name for port in node.interfaces)
