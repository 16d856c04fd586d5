"""Labs of an SD-WAN as scenarios have them: real edges, the shipped controller and the probe of tunnels.

Two sites, or more, are joined by transports that are one router each; every edge has a tunnel to every other over each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from testbed.graph import Graph, Link, Node, Role, Tier
from testbed.plan.model import Plan
from testbed.plan.planner import plan
from testbed.record import RunRecord
from testbed.run.bringup import require, testbed
from testbed.run.progress import Progress
from testbed.run.running import Testbed
from testbed.scenario.load import validate
from topologies.tiers import PRESETS

DEFAULT_PROBES: Mapping[str, Any] = {}
FAST_PROBES: Mapping[str, Any] = {"interval": "20ms", "timeout": "30ms", "lost": 3, "window": "100ms"}
"""A blackout is found after 90 ms at the latest."""


def site(number: int) -> str:
    """The host of a site, behind `cpe_of` it."""
    return f"h{number}"


def cpe_of(number: int) -> str:
    """A site's CPE."""
    return f"cpe{number}"


def transport(number: int) -> str:
    """A transport, and its router."""
    return f"t{number}"


def access(number: int, of_site: int) -> str:
    """The link that attaches a site to a transport."""
    return f"{transport(number)}-{cpe_of(of_site)}"


def overlay_plan(
    *,
    transports: int,
    sites: int = 2,
    probing: Mapping[str, Any] = DEFAULT_PROBES,
    delay: str = "2ms",
    probed_at: int = 0,
) -> Plan:
    """An overlay whose traffic takes the first transport that is up; without `delay` links are plain veth pairs.

    `probed_at` so many packets a second the probe `flow` goes from the first site's host to the second's.
    """
    everywhere = [access(number, there) for number in range(transports) for there in range(sites)]
    sdwan = {
        "transports": {
            transport(number): {"links": [access(number, there) for there in range(sites)]}
            for number in range(transports)
        },
        "probing": dict(probing),
    }
    links = {"probe": "off", "override": [{"link": name, "delay": delay} for name in everywhere] if delay else []}
    given: dict[str, Any] = {"name": "bench-sdwan", "topology": {"name": "sdwan"}, "sdwan": sdwan, "links": links}
    if probed_at:
        given["services"] = {"portal": {"address": "203.0.113.10", "hosts": [site(1)]}}
        given["probes"] = {"flow": {"kind": "stamp", "from": site(0), "to": "portal", "rate": probed_at}}
        # The timeline is not played, but its links are emulated.
        given["timeline"] = [{"link": {"name": access(0, 0), "state": "down"}, "as": "cut"}]
    return plan(validate("bench", given), _graph(transports, sites), PRESETS)


def bridged_plan(mtu: int) -> Plan:
    """Two sites on one transport, with plain bridges where CPEs would be; links carry `mtu` octets."""
    graph = _graph(transports=1, sites=2, edge=Role.LAN)
    links = {"probe": "off", "override": [{"link": link.name, "mtu": mtu} for link in graph.links]}
    given = {"name": "bench-bridges", "topology": {"name": "sdwan"}, "links": links}
    return plan(validate("bench", given), graph, PRESETS)


def _graph(transports: int, sites: int, edge: Role = Role.CPE) -> Graph:
    nodes = [Node(transport(number), Role.ROUTER, transport(number)) for number in range(transports)]
    links = []
    for there in range(sites):
        nodes += [Node(cpe_of(there), edge, site(there)), Node(site(there), Role.HOST, site(there))]
        links += [Link(transport(number), cpe_of(there), Tier.DATACENTRE) for number in range(transports)]
        links.append(Link(cpe_of(there), site(there), Tier.DATACENTRE))
    return Graph("bench-sdwan", tuple(nodes), tuple(links))


@contextmanager
def running(planned: Plan) -> Iterator[Testbed]:
    """All of it, from the time on at which all tunnels answer; taken down afterwards."""
    with tempfile.TemporaryDirectory() as directory:
        record = RunRecord.create(Path(directory) / "run")
        with testbed(require(planned), record, Progress(Console(quiet=True))) as started:
            yield started
