"""The topology as a map, with the paths that packets took drawn over it, as SVG. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from testbed.graph import Role
from testbed.plan.model import Plan, PlannedLink, PlannedNode
from testbed.report import formats
from testbed.report.cities import city_labels
from testbed.report.layout import CROWDED, WIDTH, XY, Layout, layout
from testbed.report.svg import drawing, line, nice_step, tag, text

PATH_GAP = 5.0
LABEL_GAP = 15.0
STEEP = 0.4


@dataclass(frozen=True)
class DrawnPath:
    """A path as the links it passes, each a pair of node names; `colour` is a class of the stylesheet."""

    name: str
    colour: str
    links: frozenset[frozenset[str]]
    dashed: bool = False


def topology_map(plan: Plan, paths: Sequence[DrawnPath] = (), *, style: str = "") -> Markup:
    """The map of a plan; `style` is CSS for a drawing that stands alone."""
    places = layout(plan)
    return drawing(
        WIDTH,
        places.height,
        tag("style", Markup(style)) if style else "",
        *(_box(places, index) for index in range(len(places.boxes))),
        *(_link(link, places) for link in plan.links),
        *_paths(paths, plan, places),
        *_link_labels(plan, places),
        *(_node(node, places) for node in plan.nodes),
        *_city_names(plan, places),
        _scale_bar(places),
        title=f"Topology of {plan.scenario}",
    )


def _box(places: Layout, index: int) -> Markup:
    box = places.boxes[index]
    frame = tag("rect", x=box.x, y=box.y, width=box.width, height=box.height, rx=8, class_="box")
    if box.mirrored:
        return frame + text(box.x + 12, box.y + 18, box.caption, "caption")
    return frame + text(box.x + box.width - 12, box.y + 18, box.caption, "caption", anchor="end")


def _link(link: PlannedLink, places: Layout) -> Markup:
    (x1, y1), (x2, y2) = places.places[link.a.node], places.places[link.b.node]
    hint = tag("title", f"{link.name}, {link.tier}: {_profile(link)}")
    return tag("line", hint, x1=x1, y1=y1, x2=x2, y2=y2, class_=f"link {link.tier}")


def _profile(link: PlannedLink) -> str:
    parts = [f"{formats.ms(link.a_to_b.delay_ms)} ms one way"]
    parts += [f"{link.distance_km:,.0f} km"] if link.distance_km else []
    return ", ".join(parts) if link.emulated else "plain veth"


def _paths(paths: Sequence[DrawnPath], plan: Plan, places: Layout) -> list[Markup]:
    """Side by side along each link, always on the same side, so that they never cover each other."""
    drawn = []
    for index, path in enumerate(paths):
        shift = (index - (len(paths) - 1) / 2) * PATH_GAP
        for link in plan.links:
            if frozenset((link.a.node, link.b.node)) in path.links:
                start, end = sorted((places.places[link.a.node], places.places[link.b.node]))
                style = "path dashed" if path.dashed else "path"
                drawn.append(line(*_beside(start, end, shift), f"{style} stroke-{path.colour}"))
    return drawn


def _beside(start: XY, end: XY, shift: float) -> tuple[float, float, float, float]:
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    dx, dy = -(y2 - y1) / length * shift, (x2 - x1) / length * shift
    return x1 + dx, y1 + dy, x2 + dx, y2 + dy


def _link_labels(plan: Plan, places: Layout) -> list[Markup]:
    """Delay, and distance on the backbone, of links that are emulated; a crowded map goes without."""
    labels = []
    for link in plan.links:
        ends = {link.a.node, link.b.node}
        on_map = ends <= places.geographic
        if not link.emulated or (on_map and len(places.geographic) > CROWDED):
            continue
        said = f"{formats.ms(link.a_to_b.delay_ms)} ms"
        said += f" · {link.distance_km:,.0f} km" if on_map and link.distance_km else ""
        below = not ends & places.geographic and sum(places.places[end][1] for end in ends) / 2 > places.axis + 1
        start, end = sorted(places.places[name] for name in ends)
        labels.append(_beside_label(start, end, said, below=below))
    return labels


def _beside_label(start: XY, end: XY, said: str, *, below: bool) -> Markup:
    """Text next to the middle of a line: above it or below, or at its side if it is steep."""
    (x1, y1), (x2, y2) = start, end
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    nx, ny = -(y2 - y1) / length, (x2 - x1) / length
    if (ny > 0) != below:
        nx, ny = -nx, -ny
    anchor = "middle" if abs(nx) < STEEP else "start" if nx > 0 else "end"
    distance = LABEL_GAP + (4 if below else 0)
    return text(
        (x1 + x2) / 2 + nx * distance, (y1 + y2) / 2 + ny * distance + 4 * abs(nx), said, "delay", anchor=anchor
    )


def _node(node: PlannedNode, places: Layout) -> Markup:
    x, y = places.places[node.name]
    if node.name in places.geographic:
        return tag("circle", tag("title", f"{node.label} {_hint(node)}"), cx=x, cy=y, r=7, class_="city")
    # What gateways are is shorter than their names, and the edge beside them says whose they are.
    name = node.label if node.role is Role.GATEWAY else node.name
    width = 14 + 7.2 * len(name)
    hint = tag("title", _hint(node))
    pill = tag("rect", hint, x=x - width / 2, y=y - 12, width=width, height=24, rx=6, class_=f"node {_kind(node)}")
    return pill + text(x, y + 4.5, name, f"node-name {_kind(node)}-name", anchor="middle")


def _city_names(plan: Plan, places: Layout) -> Iterator[Markup]:
    """Cities with a role in the scenario come first where there is no room for all names."""
    cities = [node for node in plan.nodes if node.name in places.geographic]
    names = {n.name: n.label if n.label.lower() == n.name or not n.label else f"{n.name} · {n.label}" for n in cities}
    neighbours: dict[str, list[str]] = {name: [] for name in names}
    for link in plan.links:
        for end, peer in ((link.a.node, link.b.node), (link.b.node, link.a.node)):
            neighbours.get(end, []).append(peer)
    attached = [name for name in names if any(peer not in names for peer in neighbours[name])]
    ordered = {name: names[name] for name in (*attached, *names)}
    for label in city_labels(ordered, places.places, neighbours):
        yield text(label.x, label.y, label.text, "city-name", anchor=label.anchor)


def _kind(node: PlannedNode) -> str:
    kinds: Mapping[Role, str] = {
        Role.UE: "end",
        Role.HOST: "end",
        Role.GNB: "function",
        Role.UPF: "function",
        Role.SMF: "function",
        Role.CPE: "bridge",
        Role.EDGE: "bridge",
        Role.GATEWAY: "bridge",
        Role.LAN: "bridge",
    }
    return kinds.get(node.role, "router")


def _hint(node: PlannedNode) -> str:
    addresses = [address for port in node.interfaces for address in port.addresses if ":" not in address]
    return f"{node.name} ({node.role}) {' '.join((*node.loopback, *addresses))}".strip()


def _scale_bar(places: Layout) -> Markup:
    frame = next((box for box in places.boxes if box.caption == "backbone"), None)
    if frame is None or places.km_per_px is None:
        return Markup("")
    km = nice_step(places.km_per_px * 50)
    left, y = frame.x + frame.width - 24 - km / places.km_per_px, frame.y + frame.height - 14
    bar = tag("path", d=f"M{left:.1f} {y - 5:.1f}v5H{left + km / places.km_per_px:.1f}v-5", class_="scale")
    return bar + text(left - 8, y + 1, f"{km:g} km", "tick", anchor="end")
