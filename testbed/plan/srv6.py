"""What the controller of the SRv6 underlay is given: the network as JSON, in the shape of `controllers.srv6.network`.

Only values are made here; the package that understands them is not imported. Everybody but routers has routes of the
plan; between the routers, and into the tenants' tables, the controller routes.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from testbed.graph import Graph, Link, Role
from testbed.plan.addressing import Port, Subnet, ifname, loopbacks
from testbed.plan.circuits import Tenancy
from testbed.plan.model import Plan
from testbed.plan.processes import CONTROLLER
from testbed.plan.profiles import LinkPlan
from testbed.plan.tenants import Json, Tenants
from testbed.scenario.impairment import Links
from testbed.scenario.model import Scenario
from testbed.scenario.srv6 import Candidate, Constraints, Dynamic, LinkAttributes, Policy, SegmentList, Srv6

ROOM = 256
"""Bytes that links between routers have for SRv6: a policy's encapsulation, and that of a repair around it.

Each is an IPv6 header and an SRH with all of six segments but the first: 40 + 8 + 5·16 (RFC 8986 §5.2).
"""

VRF = "srv6-end-dt46"
"""The doctor's name for what VPNs do without if they have to."""

LARGEST_MTU = 9000
"""Of a bearer without any link between routers."""


def needs(srv6: Srv6) -> tuple[str, ...]:
    """What it takes of the kernel, by the doctor's names."""
    needed = ("srv6-encap-red", "srv6-end", "srv6-end-x", "srv6-end-dx4", "srv6-end-dt6", "srv6-end-b6-encaps")
    compressed = ("srv6-next-csid", "srv6-end-x-csid") if srv6.compressed else ()
    return (*needed, *compressed, "nftables")


def with_room(links: tuple[LinkPlan, ...], graph: Graph, wanted: Links) -> tuple[LinkPlan, ...]:
    """Customers' links with an MTU that leaves room for SRv6 on the routers', but for those whose MTU is given."""
    return limited(links, largest_inner_mtu(links, graph), router_links(links, graph), wanted)


def limited(links: tuple[LinkPlan, ...], mtu: int, apart_from: Container[str], wanted: Links) -> tuple[LinkPlan, ...]:
    """All links with `mtu` at most, apart from those of these names and those whose MTU the scenario gives."""
    return tuple(
        planned
        if planned.link.name in apart_from or mtu_given(planned.link, wanted)
        else replace(planned, mtu=min(planned.mtu, mtu))
        for planned in links
    )


def largest_inner_mtu(links: Iterable[LinkPlan], graph: Graph) -> int:
    """What fits through every link between routers with SRv6 around it."""
    return min((planned.mtu for planned in router_links(links, graph).values()), default=LARGEST_MTU) - ROOM


def mtu_given(link: Link, wanted: Links) -> str:
    """Where the scenario gives the MTU of `link`; empty if it does not."""
    for index, override in enumerate(wanted.override):
        if override.link == link.name and override.mtu is not None:
            return f"links.override[{index}].mtu"
    tier = wanted.tiers.get(link.tier)
    return f"links.tiers.{link.tier}.mtu" if tier and tier.mtu is not None else ""


def router_links(links: Iterable[LinkPlan], graph: Graph) -> dict[str, LinkPlan]:
    """Name → link, of those between two routers."""
    routers = {node.name for node in graph.with_role(Role.ROUTER)}
    return {planned.link.name: planned for planned in links if {planned.link.a, planned.link.b} <= routers}


def vpns_by(plan: Plan) -> str:
    """How tenants' IPv4 leaves SRv6: `End.DT46`, or `End.DX4` where the kernel has no VRFs."""
    network = next(json.loads(process.config) for process in plan.processes if process.name == CONTROLLER)
    return "End.DT46, in VRFs" if network["vrf"] else "End.DX4, a SID for each host: this kernel has no VRFs"


def with_vrf(plan: Plan) -> Plan:
    """The plan for a kernel with VRFs."""
    processes = (
        replace(process, config=_text(json.loads(process.config) | {"vrf": True}))
        if process.name == CONTROLLER
        else process
        for process in plan.processes
    )
    return replace(plan, processes=tuple(processes))


def network_text(scenario: Scenario, graph: Graph, links: tuple[LinkPlan, ...], subnets: tuple[Subnet, ...]) -> str:
    """The network of a scenario with `srv6`."""
    assert scenario.srv6 is not None
    srv6 = scenario.srv6
    tenancy = Tenancy(srv6, graph, subnets)
    between = router_links(links, graph)
    addresses = {port: subnet.interface_addresses(port)[1] for subnet in subnets for port in subnet.ports()}
    mtus = {planned.link.name: planned.mtu for planned in links}
    inner_mtu = max((mtus[circuit.link] for circuit in tenancy.circuits), default=1280)
    network = {
        "block": str(srv6.block),
        "compressed": srv6.compressed,
        "vrf": False,
        "fast_reroute": srv6.fast_reroute,
        "link_mtu": min((planned.mtu for planned in between.values()), default=LARGEST_MTU),
        "inner_mtu": inner_mtu,
        "routers": [
            {"name": name, "namespace": f"{{base}}-{name}", "loopback": pair[1].partition("/")[0]}
            for name, pair in loopbacks(graph).items()
        ],
        "links": [way for planned in between.values() for way in _both_ways(planned, srv6)],
        "ports": [port for planned in between.values() for port in _ports(planned.link, addresses)],
        "convergence": {
            "detection_ms": srv6.igp.detection,
            "flooding_ms": srv6.igp.flooding,
            "ordered": srv6.igp.ordered,
        },
        "measurement": _measurement(srv6),
        "flex_algos": [
            {"number": number, "metric": algorithm.metric, "constraints": _constraints(algorithm)}
            for number, algorithm in srv6.flex_algos.items()
        ],
        "colors": {color: number for number, algorithm in srv6.flex_algos.items() for color in algorithm.colors},
        "tenants": list(Tenants(scenario, tenancy).all()),
        "policies": [_policy(policy) for policy in srv6.policies],
    }
    return _text(network)


def policy_body(policy: Policy) -> Json:
    """A policy as the controller's northbound takes it, which is as the scenario has it."""
    body: Json = policy.model_dump(mode="json", exclude_defaults=True)
    return body


def _policy(policy: Policy) -> Json:
    return {
        "headend": policy.headend,
        "color": policy.color,
        "endpoint": policy.endpoint,
        "candidate_paths": [_candidate(candidate) for candidate in policy.candidates],
    }


def _text(network: Json) -> str:
    return json.dumps(network, indent=1) + "\n"


def _both_ways(planned: LinkPlan, srv6: Srv6) -> Iterator[Json]:
    """A link as its two ends advertise it; they may differ in delay and rate."""
    link, behaviour = planned.link, planned.behaviour
    given = srv6.links.get(link.name, LinkAttributes())
    ways = ((link.a, link.b, behaviour.a_to_b.profile), (link.b, link.a, behaviour.b_to_a.profile))
    for source, target, profile in ways:
        delay_us = round(profile.delay_ms * 1000)
        by_delay = max(1, round(delay_us / 10))
        te_metric = given.te_metric or by_delay
        yield {
            "source": source,
            "target": target,
            "igp_metric": {"delay": by_delay, "te": te_metric, "hops": 1}[srv6.metric],
            "te_metric": te_metric,
            "delay_us": delay_us,
            "bandwidth_bps": given.bandwidth or profile.rate_bps,
            "affinities": given.affinities,
            "srlgs": given.srlgs,
        }


def _ports(link: Link, addresses: Mapping[Port, str]) -> Iterator[Json]:
    for node, peer in ((link.a, link.b), (link.b, link.a)):
        name = ifname(link, node)
        yield {"node": node, "peer": peer, "ifname": name, "address": addresses[Port(node, name)]}


def _measurement(srv6: Srv6) -> Json | None:
    measure = srv6.measure
    if measure is None:
        return None
    return {
        "interval_ms": measure.interval,
        "window_ms": measure.window,
        "threshold": measure.threshold,
        "least_us": round(measure.least * 1000),
        "hold_ms": measure.hold,
        "lost_windows": measure.lost_windows,
    }


def _candidate(candidate: Candidate) -> Json:
    if candidate.dynamic is not None:
        return {"preference": candidate.preference, "path": _dynamic(candidate.dynamic)}
    lists = [_segment_list(given) for given in candidate.explicit or ()]
    return {"preference": candidate.preference, "path": {"lists": lists}}


def _segment_list(given: SegmentList) -> Json:
    return {"segments": [_segment(text) for text in given.segments], "weight": given.weight}


def _segment(text: str) -> Json:
    node, across, peer = text.partition(">")
    return {"node": node, "peer": peer} if across else {"node": node}


def _dynamic(dynamic: Dynamic) -> Json:
    apart = dynamic.disjoint_from
    return {
        "metric": dynamic.metric,
        "constraints": _constraints(dynamic),
        "disjoint_from": apart and {"policy": list(apart.key), "diversity": apart.diversity},
        "bandwidth_bps": dynamic.bandwidth or 0,
        "delay_bound_us": None if dynamic.bound is None else round(dynamic.bound * 1000),
    }


def _constraints(given: Constraints) -> Json:
    return {
        "exclude_any": given.exclude,
        "include_any": given.include_any,
        "include_all": given.include_all,
        "exclude_srlgs": given.exclude_srlgs,
    }
