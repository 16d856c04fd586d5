"""Where the map draws what: the backbone by longitude and latitude, everything else as a schematic. Pure.

The upper band is the backbone, north up and to scale, with the data centres that hang off it at its sides; the lower
band runs from the users on the left over access and metro to the backbone, its data centres below. Transports of an
SD-WAN beside the backbone have a frame of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import networkx as nx

from testbed.graph import CPES, Role
from testbed.plan.model import Plan, PlannedNode
from testbed.report.svg import Scale

WIDTH = 1160.0
KM_PER_DEGREE = 111.2
_SITE_WIDTH, _SITE_HEIGHT, _ROW, _TRUNK_ROW = 330.0, 190.0, 44.0, 64.0
_MAP_TOP = 8.0
CROWDED = 12
"""With more backbone nodes than this the map is taller, and its links go without figures."""
_SITE_ROLES = frozenset({Role.UPF, Role.SMF, Role.CPE, Role.EDGE, Role.LAN, Role.HOST, Role.GATEWAY})

XY = tuple[float, float]


@dataclass(frozen=True)
class Box:
    """A frame; the caption is at its right end if `mirrored` is false, away from where links come in."""

    caption: str
    x: float
    y: float
    width: float
    height: float
    mirrored: bool = True


@dataclass(frozen=True)
class Layout:
    """Node → centre, in pixels; `axis` is the height of the lower band's middle.

    `km_per_px` is the map's scale, None without a backbone.
    """

    places: Mapping[str, XY]
    boxes: tuple[Box, ...]
    height: float
    geographic: frozenset[str]
    axis: float
    km_per_px: float | None


def layout(plan: Plan) -> Layout:
    """Places for all nodes of a plan."""
    return _Drawing(plan).result()


class _Drawing:
    """Builds a layout band by band."""

    def __init__(self, plan: Plan) -> None:
        self._graph: nx.Graph[str] = nx.Graph()
        self._graph.add_nodes_from(node.name for node in plan.nodes)
        self._graph.add_edges_from((link.a.node, link.b.node) for link in plan.links)
        self._geographic = {n.name: n for n in plan.nodes if n.role is Role.ROUTER and n.position != (0.0, 0.0)}
        rest = [node for node in plan.nodes if node.name not in self._geographic]
        self._cpes = {node.name for node in rest if node.role in CPES | {Role.GATEWAY}}
        self._sites: dict[str, list[PlannedNode]] = {}
        for node in rest:
            if node.role in _SITE_ROLES:
                self._sites.setdefault(node.site, []).append(node)
        ways = [node for node in rest if self._geographic and self._is_transport(node)]
        self._transports = [node.name for node in ways]
        self._trunk = [node for node in rest if node.role not in _SITE_ROLES and node not in ways]
        self._places: dict[str, XY] = {}
        self._boxes: list[Box] = []
        self._axis = 0.0
        self._km_per_px: float | None = None

    def result(self) -> Layout:
        upper = {site: nodes for site, nodes in self._sites.items() if self._gateway(nodes) in self._geographic}
        bottom = self._backbone(upper) if self._geographic else 20.0
        bottom = self._trunk_band(bottom + 52.0)
        self._lower({site: nodes for site, nodes in self._sites.items() if site not in upper}, bottom + 26)
        height = max([bottom, *(box.y + box.height for box in self._boxes)]) + 14
        return Layout(
            self._places, tuple(self._boxes), height, frozenset(self._geographic), self._axis, self._km_per_px
        )

    def _lower(self, sites: Mapping[str, list[PlannedNode]], top: float) -> None:
        """Data centres beside each other, each right of its gateway where there is room; then in another row."""
        free, lowest = 20.0, top
        for site, nodes in sites.items():
            gateway = self._gateway(nodes)
            last = WIDTH - _SITE_WIDTH - 10
            wanted = min(self._places[gateway][0] + 76, last) if gateway in self._places else free
            if max(wanted, free) > last:
                free, top = 20.0, lowest + 26
            left = max(min(wanted, last), free)
            lowest = max(lowest, self._site(site, nodes, (left, top), mirrored=False))
            free = left + _SITE_WIDTH + 20

    def _is_transport(self, node: PlannedNode) -> bool:
        """Beside the backbone: a router that joins CPEs and nothing else."""
        return (
            node.role is Role.ROUTER and bool(self._graph[node.name]) and self._cpes.issuperset(self._graph[node.name])
        )

    def _gateway(self, nodes: Iterable[PlannedNode]) -> str | None:
        inside = {node.name for node in nodes}
        outside = (peer for name in sorted(inside) for peer in self._graph[name] if peer not in inside)
        return next(outside, None)

    def _backbone(self, sites: Mapping[str, list[PlannedNode]]) -> float:
        """The map and the sites at its sides; the lower edge of the band."""
        longitudes = [node.position[0] for node in self._geographic.values()]
        middle = (min(longitudes) + max(longitudes)) / 2
        sides: dict[bool, list[str]] = {True: [], False: []}
        for site, nodes in sites.items():
            sides[self._geographic[str(self._gateway(nodes))].position[0] < middle].append(site)
        left = 20.0 + (_SITE_WIDTH + 40 if sides[True] else 0)
        right = WIDTH - 20.0 - (_SITE_WIDTH + 40 if sides[False] else 0)
        bottom = self._map(left, right)
        for is_left, names in sides.items():
            for index, site in enumerate(names):
                corner = (10.0 if is_left else WIDTH - _SITE_WIDTH - 10, _MAP_TOP + index * (_SITE_HEIGHT + 40))
                bottom = max(bottom, self._site(site, sites[site], corner, mirrored=is_left))
        if self._transports:
            below = len(sides[False])
            corner = (
                (WIDTH - _SITE_WIDTH - 10, _MAP_TOP + below * (_SITE_HEIGHT + 40)) if below else (10.0, bottom + 26)
            )
            bottom = max(bottom, self._transport_box(corner))
        return bottom

    def _transport_box(self, corner: XY) -> float:
        """Transports beside the backbone, one below the other; the lower edge of their frame."""
        height = len(self._transports) * _ROW + 36
        self._boxes.append(Box("other transports", *corner, _SITE_WIDTH, height, mirrored=False))
        for row, name in enumerate(self._transports):
            self._places[name] = (corner[0] + _SITE_WIDTH / 2, corner[1] + 30 + (row + 0.5) * _ROW)
        return corner[1] + height

    def _map(self, left: float, right: float) -> float:
        """Equirectangular around the mean latitude: the same scale both ways."""
        nodes = self._geographic.values()
        height = 250.0 if len(nodes) <= CROWDED else 520.0
        shrink = math.cos(math.radians(sum(node.position[1] for node in nodes) / len(nodes)))
        flat = {node.name: (node.position[0] * shrink, -node.position[1]) for node in nodes}
        xs, ys = [x for x, _ in flat.values()], [y for _, y in flat.values()]
        room, margin = right - left - 2 * 90, 36.0
        per_degree = min(room / (max(xs) - min(xs) or 1), (height - 2 * margin) / (max(ys) - min(ys) or 1))
        self._km_per_px = KM_PER_DEGREE / per_degree
        start = left + 90 + (room - (max(xs) - min(xs)) * per_degree) / 2
        top = _MAP_TOP + margin + (height - 2 * margin - (max(ys) - min(ys)) * per_degree) / 2
        for name, (x, y) in flat.items():
            self._places[name] = (start + (x - min(xs)) * per_degree, top + (y - min(ys)) * per_degree)
        self._boxes.append(Box("backbone", left, _MAP_TOP, right - left, height))
        return _MAP_TOP + height

    def _trunk_band(self, top: float) -> float:
        """Columns by distance from the users; the last one stands below its backbone router where there is room."""
        names = [node.name for node in self._trunk]
        if not names:
            return top - 52.0
        users = [node.name for node in self._trunk if node.role is Role.UE] or names[:1]
        distances = nx.multi_source_dijkstra_path_length(self._graph.subgraph(names), set(users))
        columns: dict[int, list[str]] = {}
        for name in names:
            columns.setdefault(int(distances.get(name, 0)), []).append(name)
        exits = [self._places[peer][0] for name in names for peer in self._graph[name] if peer in self._geographic]
        end = min(max([*exits, WIDTH * 0.6]), WIDTH - 60)
        across = Scale(0, max(columns), 60.0, end)
        tallest = max(len(column) for column in columns.values())
        half = max(tallest - 1, 1) * _TRUNK_ROW / 2
        self._axis = top + half
        for index, column in columns.items():
            for row, name in enumerate(column):
                self._places[name] = (across(index), self._axis + (row - (len(column) - 1) / 2) * _TRUNK_ROW)
        return self._axis + half

    def _site(self, site: str, nodes: list[PlannedNode], corner: XY, *, mirrored: bool) -> float:
        """A data centre: what touches the gateway first, then the LAN, then its hosts."""
        inside = {node.name for node in nodes}
        edge = [name for name in inside if any(peer not in inside for peer in self._graph[name])] or sorted(inside)[:1]
        distances = nx.multi_source_dijkstra_path_length(self._graph.subgraph(inside), set(edge))
        columns: dict[int, list[str]] = {}
        for node in nodes:
            columns.setdefault(int(distances.get(node.name, 0)), []).append(node.name)
        height = max(len(column) for column in columns.values()) * _ROW + 36
        self._boxes.append(Box(f"{site} data centre", *corner, _SITE_WIDTH, height, mirrored))
        ends = (corner[0] + 52, corner[0] + _SITE_WIDTH - 44)
        across = Scale(0, max(*columns, 1), *(reversed(ends) if mirrored else ends))
        for index, column in columns.items():
            for row, name in enumerate(column):
                y = corner[1] + 18 + height / 2 - 10 + (row - (len(column) - 1) / 2) * _ROW
                self._places[name] = (across(index), y)
        return corner[1] + height
