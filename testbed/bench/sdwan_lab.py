"""Labs of an SD-WAN as scenarios have them: real edges, the shipped controller and the probe of tunnels.

Two sites, or more, are joined by transports that are one router each; every edge has a tunnel to every other over each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
FAST_PROBES: Mapping[str, Any] = {"interval": "20ms", "timeout": "30ms", "lost": 3}
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
    *, transports: int, sites: int = 2, probing: Mapping[str, Any] = DEFAULT_PROBES, delay: str = "2ms"
) -> Plan:
    """An overlay whose traffic takes the first transport that is up; without `delay` links are plain veth pairs."""
    everywhere = [access(number, there) for number in range(transports) for there in range(sites)]
    sdwan = {
        "transports": {
            transport(number): {"links": [access(number, there) for there in range(sites)]}
            for number in range(transports)
        },
        "probing": dict(probing),
    }
    links = {"probe": "off", "override": [{"link": name, "delay": delay} for name in everywhere] if delay else []}
    given = {"name": "bench-sdwan", "topology": {"name": "sdwan"}, "sdwan": sdwan, "links": links}
    return plan(validate("bench", given), _graph(transports, sites), PRESETS)


def _graph(transports: int, sites: int) -> Graph:
    nodes = [Node(transport(number), Role.ROUTER, transport(number)) for number in range(transports)]
    links = []
    for there in range(sites):
        nodes += [Node(cpe_of(there), Role.CPE, site(there)), Node(site(there), Role.HOST, site(there))]
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


def address(planned: Plan, node: str) -> str:
    """A host's first IPv4 address."""
    addresses: Sequence[str] = planned.node(node).interfaces[0].addresses
    return next(each.partition("/")[0] for each in addresses if ":" not in each)
