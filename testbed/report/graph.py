"""A plan's topology as text: SVG, Graphviz, Mermaid or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from testbed.graph import Role
from testbed.plan.model import Plan, PlannedLink
from testbed.report.formats import ms
from testbed.report.map import topology_map
from testbed.report.styles import stylesheet

_DOT_SHAPES = {
    Role.ROUTER: "circle",
    Role.UE: "box",
    Role.HOST: "box",
    Role.LAN: "underline",
    Role.CPE: "diamond",
    Role.EDGE: "diamond",
}
_MERMAID_SHAPES = {Role.ROUTER: ("((", "))"), Role.LAN: ("[[", "]]"), Role.CPE: ("{{", "}}"), Role.EDGE: ("{{", "}}")}


def draw(plan: Plan, form: str) -> str:
    """The topology as `svg`, `dot`, `mermaid` or `json`; KeyError for anything else."""
    return _FORMS[form](plan)


def _svg(plan: Plan) -> str:
    return topology_map(plan, style=stylesheet("colours", "drawing"))


def _dot(plan: Plan) -> str:
    lines = [f'graph "{plan.scenario}" {{', "  layout=neato; overlap=false; splines=true; node [fontname=sans];"]
    for site in dict.fromkeys(node.site for node in plan.nodes):
        members = [node for node in plan.nodes if node.site == site]
        lines += [f'  subgraph "cluster_{site}" {{ label="{site}";']
        lines += [f'    "{node.name}" [shape={_DOT_SHAPES.get(node.role, "hexagon")}];' for node in members]
        lines += ["  }"]
    lines += [f'  "{link.a.node}" -- "{link.b.node}" [label="{_label(link)}"];' for link in plan.links]
    return "\n".join((*lines, "}"))


def _mermaid(plan: Plan) -> str:
    lines = ["graph LR"]
    for site in dict.fromkeys(node.site for node in plan.nodes):
        lines += [f"  subgraph {site or 'nodes'}"]
        for node in plan.nodes:
            if node.site == site:
                before, after = _MERMAID_SHAPES.get(node.role, ("[", "]"))
                lines += [f'    {node.name}{before}"{node.name}"{after}']
        lines += ["  end"]
    for link in plan.links:
        label = _label(link)
        lines += [f"  {link.a.node} ---{f'|{label}|' if label else ''} {link.b.node}"]
    return "\n".join(lines)


def _json(plan: Plan) -> str:
    nodes = [
        {"name": n.name, "role": n.role, "site": n.site, "label": n.label, "position": n.position} for n in plan.nodes
    ]
    links = [
        {
            "name": link.name,
            "a": link.a.node,
            "b": link.b.node,
            "tier": link.tier,
            "delay_ms": link.a_to_b.delay_ms,
            "distance_km": link.distance_km,
        }
        for link in plan.links
    ]
    return json.dumps({"scenario": plan.scenario, "nodes": nodes, "links": links}, indent=2)


def _label(link: PlannedLink) -> str:
    return f"{ms(link.a_to_b.delay_ms)} ms" if link.emulated else ""


_FORMS: dict[str, Callable[[Plan], str]] = {"svg": _svg, "dot": _dot, "mermaid": _mermaid, "json": _json}
