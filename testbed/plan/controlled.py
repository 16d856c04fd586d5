"""What the controller is given of a plan, in words for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from testbed.plan.model import Plan
from testbed.plan.processes import CONTROLLER

Json = Mapping[str, Any]

_BOUNDS = {"delay_ms": ("delay", 1, "ms"), "jitter_ms": ("jitter", 1, "ms"), "loss": ("loss", 100, "%")}
"""Key of an SLA → what it bounds, and the unit that it is shown in."""


def controlled(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A title and its lines for each of underlay and overlay that the plan has."""
    for process in plan.processes:
        if process.name == CONTROLLER and process.config:
            yield "underlay", tuple(_underlay(json.loads(process.config)))
        for name, text in process.files:
            if name == "overlay":
                yield "overlay", tuple(_overlay(json.loads(text)))


def _underlay(network: Json) -> Iterator[str]:
    kind = "micro-SIDs" if network["compressed"] else "uncompressed SIDs"
    repairs = f", TI-LFA against {network['fast_reroute']}s" if network["fast_reroute"] else ""
    yield f"SRv6 {network['block']}, {kind}{repairs}, MTU {network['link_mtu']}, inside {network['inner_mtu']}"
    for policy in network["policies"]:
        yield f"policy {policy['headend']}→{policy['endpoint']} color {policy['color']}"
    for tenant in network["tenants"]:
        color = f" color {tenant['color']}" if tenant["color"] else ""
        places = ", ".join(f"{at['router']}/{at['ifname']}" for at in tenant["attachments"])
        yield f"tenant {tenant['name']}{color}: {places}"


def _overlay(overlay: Json) -> Iterator[str]:
    yield f"mode {overlay['mode']}" + (f", hubs {', '.join(overlay['hubs'])}" if overlay["hubs"] else "")
    for edge in overlay["edges"]:
        ways = ", ".join(f"{at['transport']} {at['address']} at {at['router']}" for at in edge["attachments"])
        yield f"edge {edge['name']} (datapath {edge['dpid']}): {ways}"
        for lan in edge["lans"]:
            yield f"  {lan['prefix']} of {lan['tenant']}"
    for tenant in overlay["tenants"]:
        yield f"tenant {tenant['name']}: VNI {tenant['vni']}"
    for given in overlay["classes"]:
        chosen = f"{given['forwarding']} of {', '.join(given['transports'])}"
        wanted = ", ".join((f"DSCP {given['dscp']}", *_bounds(given["sla"])))
        yield f"class {given['name']}: {wanted}; {chosen}"
    for tunnel in overlay["tunnels"]:
        if tunnel["source"] < tunnel["target"]:
            yield f"tunnel {tunnel['name']}: port {tunnel['port']}"


def _bounds(sla: Json) -> Iterator[str]:
    for key, (name, factor, unit) in _BOUNDS.items():
        if sla[key] is not None:
            yield f"{name} ≤ {sla[key] * factor:g} {unit}"
