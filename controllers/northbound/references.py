"""Names in requests that the network does not have. RequestError with all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from itertools import chain

from controllers.northbound.bodies import PolicyBody
from controllers.northbound.problems import RequestError
from controllers.srv6.controller import Controller
from testbed.errors import Problem
from testbed.plan.names import Names


def known_routers(core: Controller, nodes: Mapping[str, str]) -> None:
    """Refuse parameters, by name, that are no routers."""
    _refuse(HTTPStatus.NOT_FOUND, chain.from_iterable(_routers(core).check(*item) for item in nodes.items()))


def known_names(core: Controller, body: PolicyBody) -> None:
    """Refuse a policy with names of which nothing can ever come: they are mistakes."""
    _refuse(HTTPStatus.BAD_REQUEST, unknown_names(core, body.model_dump(mode="json")))


def _refuse(status: HTTPStatus, problems: Iterable[Problem]) -> None:
    if found := tuple(map(str, problems)):
        raise RequestError(status, "; ".join(found), found)


def unknown_names(core: Controller, body: object) -> Iterator[Problem]:
    """A problem for each name that the network does not have in a policy's `body`, whatever else is wrong with it."""
    given = _mapping(body)
    for key in ("headend", "endpoint"):
        for name in _texts([given.get(key)]):
            yield from _routers(core).check(key, name)
    yield from _of_way(core, "", given)
    for index, candidate in enumerate(_list(given.get("candidate_paths"))):
        yield from _of_way(core, f"candidate_paths[{index}].", _mapping(candidate))


def _of_way(core: Controller, where: str, way: Mapping[str, object]) -> Iterator[Problem]:
    yield from _of_constraints(core, f"{where}dynamic", _mapping(way.get("dynamic")))
    for number, list_ in enumerate(_list(way.get("explicit"))):
        for index, segment in enumerate(_list(_mapping(list_).get("segments"))):
            for text in _texts([segment]):
                yield from _of_segment(core, f"{where}explicit[{number}].segments[{index}]", text)


def _of_constraints(core: Controller, where: str, given: Mapping[str, object]) -> Iterator[Problem]:
    links = core.database.links.values()
    affinities = _attribute("an affinity", (link.affinities for link in links))
    srlgs = _attribute("an SRLG", (link.srlgs for link in links))
    for key, among in (
        ("exclude", affinities),
        ("include_any", affinities),
        ("include_all", affinities),
        ("exclude_srlgs", srlgs),
    ):
        for name in sorted(_texts(_list(given.get(key)))):
            yield from among.check(f"{where}.{key}", name)


def _of_segment(core: Controller, where: str, segment: str) -> Iterator[Problem]:
    node, _, peer = segment.partition(">")
    wrong = [problem for end in (node, peer) if end for problem in _routers(core).check(where, end)]
    yield from wrong
    if peer and not wrong and (node, peer) not in core.database.links:
        peers = ", ".join(f"{node}>{target}" for source, target in core.database.links if source == node)
        yield Problem(where, f'"{segment}"', f"a link of {node}: {peers}")


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _texts(values: Iterable[object]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))


def _routers(core: Controller) -> Names:
    return Names("a router", tuple(core.table.locators), in_graph=True)


def _attribute(kind: str, of_links: Iterable[Iterable[str]]) -> Names:
    return Names(f"{kind} of a link", tuple(sorted(set(chain.from_iterable(of_links)))))
