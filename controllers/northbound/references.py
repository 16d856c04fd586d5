"""Names in requests that the network does not have. RequestError with all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import chain

from controllers.northbound.bodies import Dynamic, PolicyBody, Way
from controllers.northbound.problems import RequestError
from controllers.srv6.controller import Controller
from testbed.errors import Problem
from testbed.plan.names import Names


def known_routers(core: Controller, nodes: Mapping[str, str]) -> None:
    """Refuse parameters, by name, that are no routers."""
    _refuse(HTTPStatus.NOT_FOUND, chain.from_iterable(_routers(core).check(*item) for item in nodes.items()))


def known_names(core: Controller, body: PolicyBody) -> None:
    """Refuse a policy with names of which nothing can ever come: they are mistakes."""
    _refuse(HTTPStatus.BAD_REQUEST, _problems(core, body))


def _refuse(status: HTTPStatus, problems: Iterable[Problem]) -> None:
    if found := tuple(map(str, problems)):
        raise RequestError(status, "; ".join(found), found)


def _problems(core: Controller, body: PolicyBody) -> Iterator[Problem]:
    for key in ("headend", "endpoint"):
        yield from _routers(core).check(key, getattr(body, key))
    yield from _of_way(core, "", body)
    for index, candidate in enumerate(body.candidate_paths or ()):
        yield from _of_way(core, f"candidate_paths[{index}].", candidate)


def _of_way(core: Controller, where: str, way: Way) -> Iterator[Problem]:
    if way.dynamic is not None:
        yield from _of_constraints(core, f"{where}dynamic", way.dynamic)
    for number, list_ in enumerate(way.explicit or ()):
        for index, segment in enumerate(list_.segments):
            yield from _of_segment(core, f"{where}explicit[{number}].segments[{index}]", segment)


def _of_constraints(core: Controller, where: str, given: Dynamic) -> Iterator[Problem]:
    links = core.database.links.values()
    affinities = _attribute("an affinity", (link.affinities for link in links))
    srlgs = _attribute("an SRLG", (link.srlgs for link in links))
    for key, names, among in (
        ("exclude", given.exclude, affinities),
        ("include_any", given.include_any, affinities),
        ("include_all", given.include_all, affinities),
        ("exclude_srlgs", given.exclude_srlgs, srlgs),
    ):
        for name in sorted(names):
            yield from among.check(f"{where}.{key}", name)


def _of_segment(core: Controller, where: str, segment: str) -> Iterator[Problem]:
    node, _, peer = segment.partition(">")
    wrong = [problem for end in (node, peer) if end for problem in _routers(core).check(where, end)]
    yield from wrong
    if peer and not wrong and (node, peer) not in core.database.links:
        peers = ", ".join(f"{node}>{target}" for source, target in core.database.links if source == node)
        yield Problem(where, f'"{segment}"', f"a link of {node}: {peers}")


def _routers(core: Controller) -> Names:
    return Names("a router", tuple(core.table.locators), in_graph=True)


def _attribute(kind: str, of_links: Iterable[Iterable[str]]) -> Names:
    return Names(f"{kind} of a link", tuple(sorted(set(chain.from_iterable(of_links)))))
